//! `Connection`: one socket to one broker, and the requests under way on it.
//!
//! It finds no leader and does nothing twice. Once it has failed, it stays failed: open another.
//!
//! # Constraints
//!
//! - Answers come in the order of the requests. An answer that nobody waits for any more is passed over.
//! - An answer larger than [`Connection::answer_bytes_max`] is refused before memory is taken for it, and its number is
//!   compared before its content is looked at: whatever listens there need not be a broker.
//! - A receive that runs out of time has lost nothing: the same [`Sent`] can be waited for again by [`Connection::poll`].

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::marker::PhantomData;
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange};

use super::address::Address;
use super::failure::Failure;
use super::settings::Settings;

/// How long making a connection may take, name to socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much more than `fetch.max.bytes` an answer may have: one batch more than fits, and the frame around it.
const ANSWER_BYTES_SPARE: usize = 64 << 20;

/// The version in which the first question is asked; every broker since 2.4 knows it, older ones say what they know.
const FIRST_API_VERSIONS: i16 = 3;

/// A socket that may be encrypted.
pub(crate) trait Stream: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// One connection to one broker.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    address: Address,
    client_id: StrBytes,
    /// What the broker understands, by the number of the request.
    versions: HashMap<i16, VersionRange>,
    /// The numbers of the requests without an answer, oldest first.
    unanswered: VecDeque<i32>,
    next_number: i32,
    answer_bytes_max: usize,
    timeout: Duration,
    /// What has come of the next frame: its length first, then its content.
    frame: Vec<u8>,
    /// The length of the content, once it is known.
    frame_bytes: Option<usize>,
    /// Why it can no longer be used.
    failed: Option<Failure>,
}

/// A request under way, to be answered as an `R`.
#[derive(Debug)]
pub(crate) struct Sent<R> {
    number: i32,
    version: i16,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects, encrypts, logs in as the settings say, and asks what the broker understands.
    pub(crate) fn open(settings: &Settings, address: &Address) -> Result<Connection, Failure> {
        let socket = dial(address, settings.request_timeout.min(CONNECT_TIMEOUT))?;
        let mut connection = Connection {
            stream: Box::new(socket),
            address: address.clone(),
            client_id: StrBytes::from_string(settings.client_id.clone()),
            versions: HashMap::new(),
            unanswered: VecDeque::new(),
            next_number: 0,
            answer_bytes_max: settings.fetch_bytes_max as usize + ANSWER_BYTES_SPARE,
            timeout: settings.request_timeout,
            frame: Vec::new(),
            frame_bytes: None,
            failed: None,
        };
        connection.negotiate()?;
        Ok(connection)
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Highest version that the broker and `versions` have in common.
    pub(crate) fn version<R: Request>(&self, versions: RangeInclusive<i16>) -> Result<i16, Failure> {
        let wanted = VersionRange {
            min: *versions.start(),
            max: *versions.end(),
        };
        let common = self.versions.get(&R::KEY).map(|known| known.intersect(&wanted));
        match common {
            Some(common) if !common.is_empty() => Ok(common.max),
            _ => Err(self.unexpected(format!(
                "it does not know {} in version {wanted}; Kafka 2.5 or later is needed",
                request_name::<R>()
            ))),
        }
    }

    /// How long [`Connection::receive`] waits for an answer.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends without waiting; answers come in the order of the requests.
    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<Sent<R>, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let number = self.next_number;
        let frame = self.encode(number, version, request)?;
        let written = self.stream.write_all(&frame).and_then(|()| self.stream.flush());
        written.map_err(|error| self.lost(&error))?;
        self.next_number = self.next_number.wrapping_add(1);
        self.unanswered.push_back(number);
        Ok(Sent {
            number,
            version,
            request: PhantomData,
        })
    }

    /// Waits for an answer as long as the timeout says; a connection on which it did not come can no longer be used.
    pub(crate) fn receive<R: Request>(&mut self, sent: Sent<R>) -> Result<R::Response, Failure> {
        let timeout = self.timeout;
        match self.poll(&sent, timeout)? {
            Some(answer) => Ok(answer),
            None => Err(self.fail(Failure::Io {
                address: self.address.clone(),
                reason: format!("no answer to {} within {} ms", request_name::<R>(), timeout.as_millis()),
            })),
        }
    }

    /// The answer, if it comes within `wait`. Without one, nothing is lost: ask again.
    pub(crate) fn poll<R: Request>(&mut self, sent: &Sent<R>, wait: Duration) -> Result<Option<R::Response>, Failure> {
        let deadline = Instant::now() + wait;
        loop {
            let Some(mut frame) = self.read_frame(deadline)? else {
                return Ok(None);
            };
            if self.is_answer_to(sent.number, &frame)? {
                return self.decode::<R>(sent.version, &mut frame).map(Some);
            }
        }
    }

    /// One request and its answer.
    pub(crate) fn call<R: Request>(
        &mut self,
        versions: RangeInclusive<i16>,
        request: &R,
    ) -> Result<R::Response, Failure> {
        let version = self.version::<R>(versions)?;
        let sent = self.send(version, request)?;
        self.receive(sent)
    }

    /// Whether it can be used as far as we know: a broker closes connections that were quiet for long.
    pub(crate) fn is_open(&self) -> bool {
        let socket = self.stream.socket();
        if self.failed.is_some() || !self.unanswered.is_empty() || socket.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = socket.peek(&mut [0]);
        let is_quiet = match peeked {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        is_quiet && socket.set_nonblocking(false).is_ok()
    }

    /// Learns what the broker understands. One that does not know the question's version answers in the oldest form, with
    /// the versions of the question that it does know.
    fn negotiate(&mut self) -> Result<(), Failure> {
        let mut answer = self.ask_versions(FIRST_API_VERSIONS)?;
        if answer.error_code == ResponseError::UnsupportedVersion.code() {
            let known = answer.api_keys.iter().find(|known| known.api_key == ApiVersionsRequest::KEY);
            let version = known.map_or(0, |known| known.max_version.clamp(0, FIRST_API_VERSIONS - 1));
            answer = self.ask_versions(version)?;
        }
        Failure::check(answer.error_code, || super::failure::Subject::Other("what the broker understands".into()))?;
        let ranges = answer.api_keys.iter().map(|known| {
            let range = VersionRange {
                min: known.min_version,
                max: known.max_version,
            };
            (known.api_key, range)
        });
        self.versions = ranges.collect();
        Ok(())
    }

    fn ask_versions(&mut self, version: i16) -> Result<ApiVersionsResponse, Failure> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("heartwatch"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let sent = self.send(version, &request)?;
        let deadline = Instant::now() + self.timeout;
        let Some(mut frame) = self.read_frame(deadline)? else {
            return Err(self.unexpected("it says nothing; is this a broker's port?".into()));
        };
        if !self.is_answer_to(sent.number, &frame)? {
            return Err(self.unexpected("its first answer is to nothing".into()));
        }
        let code = frame.get(4..6).map(|code| i16::from_be_bytes([code[0], code[1]]));
        let is_refused = code == Some(ResponseError::UnsupportedVersion.code());
        self.decode::<ApiVersionsRequest>(if is_refused { 0 } else { version }, &mut frame)
    }

    fn encode<R: Request>(&self, number: i32, version: i16, request: &R) -> Result<Bytes, Failure> {
        let header_version = R::header_version(version);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(number)
            .with_client_id(Some(self.client_id.clone()));
        let cannot = |error| self.unexpected(format!("{} cannot be written: {error}", request_name::<R>()));
        let size = header.compute_size(header_version).map_err(cannot)? + request.compute_size(version).map_err(cannot)?;
        let length = i32::try_from(size).map_err(|_| self.unexpected(format!("a request of {size} bytes is too long")))?;
        let mut frame = BytesMut::with_capacity(4 + size);
        frame.put_i32(length);
        header.encode(&mut frame, header_version).map_err(cannot)?;
        request.encode(&mut frame, version).map_err(cannot)?;
        Ok(frame.freeze())
    }

    /// Whether the frame answers that request. It may answer an earlier one, which nobody waits for any more.
    fn is_answer_to(&mut self, number: i32, frame: &Bytes) -> Result<bool, Failure> {
        let found = frame.first_chunk().map(|number| i32::from_be_bytes(*number));
        let oldest = self.unanswered.pop_front();
        if found.is_none() || found != oldest {
            return Err(self.fail(self.unexpected(format!("answer {found:?} came instead of {oldest:?}"))));
        }
        Ok(found == Some(number))
    }

    fn decode<R: Request>(&mut self, version: i16, frame: &mut Bytes) -> Result<R::Response, Failure> {
        let header_version = R::Response::header_version(version);
        let decoded = ResponseHeader::decode(frame, header_version).and_then(|_| R::Response::decode(frame, version));
        decoded.map_err(|error| {
            let reason = format!("the answer to {} cannot be read: {error}", request_name::<R>());
            self.fail(self.unexpected(reason))
        })
    }

    /// The next answer without its length; `None` when it is not there by the deadline.
    fn read_frame(&mut self, deadline: Instant) -> Result<Option<Bytes>, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        if self.frame_bytes.is_none() {
            if !self.fill(4, deadline)? {
                return Ok(None);
            }
            let length = self.frame.first_chunk().map_or(-1, |length| i32::from_be_bytes(*length));
            let length = usize::try_from(length).ok().filter(|&bytes| bytes <= self.answer_bytes_max);
            let Some(length) = length else {
                return Err(self.fail(self.unexpected(format!("what came is no answer: {:x?}", self.frame))));
            };
            self.frame_bytes = Some(length);
            self.frame = Vec::with_capacity(length);
        }
        if !self.fill(self.frame_bytes.unwrap_or(0), deadline)? {
            return Ok(None);
        }
        self.frame_bytes = None;
        Ok(Some(std::mem::take(&mut self.frame).into()))
    }

    /// Reads until the frame has so many bytes; false when they have not come by the deadline.
    fn fill(&mut self, bytes: usize, deadline: Instant) -> Result<bool, Failure> {
        while self.frame.len() < bytes {
            let left = deadline.saturating_duration_since(Instant::now());
            // A socket cannot be told to wait for no time at all.
            let wait = Some(left.max(Duration::from_millis(1)));
            let wanted = (bytes - self.frame.len()) as u64;
            let read = (self.stream.socket().set_read_timeout(wait))
                .and_then(|()| (&mut self.stream).take(wanted).read_to_end(&mut self.frame));
            match read {
                Ok(0) => return Err(self.lost(&ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if left.is_zero() {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(self.lost(&error)),
            }
        }
        Ok(true)
    }

    fn unexpected(&self, reason: String) -> Failure {
        Failure::Protocol {
            address: self.address.clone(),
            reason,
        }
    }

    fn lost(&mut self, error: &std::io::Error) -> Failure {
        let reason = match error.kind() {
            ErrorKind::UnexpectedEof => "the broker closed it".into(),
            _ => error.to_string(),
        };
        self.fail(Failure::Io {
            address: self.address.clone(),
            reason,
        })
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        self.failed = Some(failure.clone());
        failure
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
fn prepare(socket: TcpStream) -> std::io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    Ok(socket)
}

/// `Metadata` of `kafka_protocol::…::MetadataRequest`.
fn request_name<R>() -> &'static str {
    let name = std::any::type_name::<R>();
    let name = name.rsplit("::").next().unwrap_or(name);
    name.strip_suffix("Request").unwrap_or(name)
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}, {} unanswered)", self.address, self.unanswered.len())
    }
}
