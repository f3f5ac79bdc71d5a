//! `Frames`: a socket, and the whole messages that go through it, each behind its length.
//!
//! It knows neither requests nor brokers, and does not say what to do about an error.
//!
//! # Constraints
//!
//! - A length over the limit is refused before memory is taken for it: whatever listens there need not be a broker.
//! - A read that runs out of time has lost nothing; the next one goes on where it stopped.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::{ClientConnection, StreamOwned};

use super::address::Address;
use super::failure::Failure;
use super::settings::Settings;
use super::tls;

/// How long making a connection may take, name to socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much more than `fetch.max.bytes` a message may have: one batch more than fits, and what stands around it.
const FRAME_BYTES_SPARE: usize = 64 << 20;

/// A socket that may be encrypted.
trait Stream: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// Why no whole message came.
#[derive(Debug)]
pub(super) enum Broken {
    /// The socket failed.
    Socket(io::Error),
    /// This stands where a length should, or is one over this limit.
    NoLength([u8; 4], usize),
}

/// Both directions of one connection.
pub(super) struct Frames {
    stream: Box<dyn Stream>,
    bytes_max: usize,
    /// What has come of the next message: of its length at first, of its content then.
    incoming: Vec<u8>,
    /// The length of the content, once it is known.
    wanted: Option<usize>,
}

impl Frames {
    /// Connects, and encrypts as the settings say.
    pub(super) fn open(settings: &Settings, address: &Address) -> Result<Frames, Failure> {
        let socket = dial(address, settings.request_timeout.min(CONNECT_TIMEOUT))?;
        Ok(Frames {
            stream: match &settings.encryption {
                None => Box::new(socket),
                Some(encryption) => Box::new(tls::encrypt(encryption, address, socket)?),
            },
            bytes_max: settings.fetch_bytes_max as usize + FRAME_BYTES_SPARE,
            incoming: Vec::new(),
            wanted: None,
        })
    }

    /// Sends one message, its length included.
    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame)?;
        self.stream.flush()
    }

    /// The next message without its length; `None` when it is not there by the deadline.
    pub(super) fn read(&mut self, deadline: Instant) -> Result<Option<Bytes>, Broken> {
        let wanted = match self.wanted {
            Some(wanted) => wanted,
            None => {
                if !self.fill(4, deadline).map_err(Broken::Socket)? {
                    return Ok(None);
                }
                let wanted = self.length()?;
                self.wanted = Some(wanted);
                self.incoming = Vec::with_capacity(wanted);
                wanted
            }
        };
        if !self.fill(wanted, deadline).map_err(Broken::Socket)? {
            return Ok(None);
        }
        self.wanted = None;
        Ok(Some(std::mem::take(&mut self.incoming).into()))
    }

    /// The length of the next message, and where its content is to be read from, all of it.
    pub(super) fn begin(&mut self, timeout: Duration) -> Result<(usize, &mut dyn Read), Broken> {
        if !self.fill(4, Instant::now() + timeout).map_err(Broken::Socket)? {
            return Err(Broken::Socket(ErrorKind::TimedOut.into()));
        }
        let length = self.length()?;
        self.incoming.clear();
        self.stream
            .socket()
            .set_read_timeout(Some(timeout))
            .map_err(Broken::Socket)?;
        Ok((length, &mut self.stream))
    }

    /// The socket below, such as to close it from another thread.
    pub(super) fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// Whether the other end has neither closed it nor said anything. Whatever comes without being asked for is the end, or
    /// the announcement of it.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = self.stream.socket();
        if !self.incoming.is_empty() || socket.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = socket.peek(&mut [0]);
        let is_quiet = peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        is_quiet && socket.set_nonblocking(false).is_ok()
    }

    fn length(&self) -> Result<usize, Broken> {
        let bytes: [u8; 4] = self.incoming.first_chunk().copied().unwrap_or_default();
        let length = usize::try_from(i32::from_be_bytes(bytes)).ok();
        length
            .filter(|&length| length <= self.bytes_max)
            .ok_or(Broken::NoLength(bytes, self.bytes_max))
    }

    /// Reads until so many bytes have come; false when they have not by the deadline.
    fn fill(&mut self, bytes: usize, deadline: Instant) -> io::Result<bool> {
        while self.incoming.len() < bytes {
            let left = deadline.saturating_duration_since(Instant::now());
            // A socket cannot be told to wait for no time at all.
            self.stream
                .socket()
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let missing = (bytes - self.incoming.len()) as u64;
            match (&mut self.stream).take(missing).read_to_end(&mut self.incoming) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(error);
                }
                Err(_) if left.is_zero() => return Ok(false),
                Err(_) => {}
            }
        }
        Ok(true)
    }
}

/// A socket to the first address of the host that takes one.
fn dial(address: &Address, timeout: Duration) -> Result<TcpStream, Failure> {
    let unreachable = |reason: String| Failure::Unreachable {
        address: address.clone(),
        reason,
    };
    let resolved = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(|error| unreachable(format!("{error}; is the host's name right?")))?;
    let mut reason = "the host has no address".to_owned();
    for socket_address in resolved {
        match TcpStream::connect_timeout(&socket_address, timeout).and_then(prepare) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                reason = "nothing listens there; start the broker or correct bootstrap.servers".into();
            }
            Err(error) => reason = error.to_string(),
        }
    }
    Err(unreachable(reason))
}

/// Requests are small and waited for: they are sent at once. A broker that takes nothing is given up on.
fn prepare(socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    socket.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    Ok(socket)
}
