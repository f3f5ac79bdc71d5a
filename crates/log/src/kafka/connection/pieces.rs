//! `Pieces`: an answer read as it comes, for answers too large to be kept whole; and `Breaker`, which ends a wait from
//! another thread.
//!
//! It knows how numbers and texts are written, and nothing of what an answer means.

use std::io::{Error, ErrorKind, Read, Result};
use std::net::{Shutdown, TcpStream};

use kafka_protocol::protocol::{HeaderVersion, Request};

use super::{Connection, Sent, request_name};
use crate::kafka::failure::Failure;
use crate::kafka::frames::Broken;

/// What is read ahead: enough for whatever stands between the large parts of an answer, which are read past it.
const AHEAD_BYTES: usize = 4 << 10;

/// Ends what is under way on a connection.
pub(crate) struct Breaker(TcpStream);

impl Breaker {
    #[cfg(test)]
    pub(crate) fn of(socket: TcpStream) -> Breaker {
        Breaker(socket)
    }

    /// Whoever waits for the broker is told at once that the connection was lost.
    pub(crate) fn hang_up(&self) {
        // A connection that is gone already has nothing to end.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Connection {
    /// For another thread.
    pub(crate) fn breaker(&mut self) -> std::result::Result<Breaker, Failure> {
        let socket = self.frames.socket().try_clone();
        socket.map(Breaker).map_err(|error| self.lost(&error))
    }

    /// Waits for an answer as [`Connection::receive`] does, and has it read as it comes, in the request's version. No
    /// request before it may be without an answer.
    pub(crate) fn receive_in_pieces<R: Request, T>(
        &mut self,
        sent: Sent<R>,
        read: impl FnOnce(&mut Pieces<'_>, i16) -> Result<T>,
    ) -> std::result::Result<T, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let timeout = self.timeout;
        let result = self.read_in_pieces(&sent, read);
        result.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => {
                self.fail(self.unexpected(format!("the answer to {} {error}", request_name::<R>())))
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.fail(Failure::Io {
                address: self.address.clone(),
                reason: format!("no answer to {} within {} ms", request_name::<R>(), timeout.as_millis()),
            }),
            _ => self.lost(&error),
        })
    }

    fn read_in_pieces<R: Request, T>(
        &mut self,
        sent: &Sent<R>,
        read: impl FnOnce(&mut Pieces<'_>, i16) -> Result<T>,
    ) -> Result<T> {
        let (length, stream) = self.frames.begin(self.timeout).map_err(|broken| match broken {
            Broken::Socket(error) => error,
            Broken::NoLength(..) => invalid("is longer than any answer can be"),
        })?;
        let mut pieces = Pieces::new(stream, length);
        let number = pieces.i32()?;
        if self.unanswered.pop_front() != Some(number) || number != sent.number {
            return Err(invalid("came for another request"));
        }
        if R::Response::header_version(sent.version) > 0 {
            pieces.skip_tags()?;
        }
        let content = read(&mut pieces, sent.version)?;
        if pieces.left() > 0 {
            return Err(invalid("goes on behind its end"));
        }
        Ok(content)
    }
}

/// What is still to be read of one answer.
pub(crate) struct Pieces<'a> {
    stream: &'a mut dyn Read,
    /// Not yet read from the stream.
    unread: usize,
    ahead: [u8; AHEAD_BYTES],
    /// The part of `ahead` that was read from the stream but not handed out.
    start: usize,
    end: usize,
}

impl<'a> Pieces<'a> {
    /// The next `length` bytes of a stream.
    pub(crate) fn new(stream: &'a mut dyn Read, length: usize) -> Pieces<'a> {
        Pieces {
            stream,
            unread: length,
            ahead: [0; AHEAD_BYTES],
            start: 0,
            end: 0,
        }
    }

    /// How many bytes of the answer are left.
    pub(crate) fn left(&self) -> usize {
        self.unread + (self.end - self.start)
    }

    /// Fills `out`. What does not fit into what is read ahead is read straight into it.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        if out.len() > self.left() {
            return Err(invalid("ends too early"));
        }
        let ahead = out.len().min(self.end - self.start);
        out[..ahead].copy_from_slice(&self.ahead[self.start..self.start + ahead]);
        self.start += ahead;
        let rest = &mut out[ahead..];
        if rest.len() >= AHEAD_BYTES {
            self.stream.read_exact(rest)?;
            self.unread -= rest.len();
            return Ok(());
        }
        let mut filled = 0;
        while filled < rest.len() {
            self.read_ahead()?;
            let more = (rest.len() - filled).min(self.end);
            rest[filled..filled + more].copy_from_slice(&self.ahead[..more]);
            self.start = more;
            filled += more;
        }
        Ok(())
    }

    /// Reads what the stream has into `ahead`, all of which was handed out.
    fn read_ahead(&mut self) -> Result<()> {
        let room = self.unread.min(AHEAD_BYTES);
        loop {
            match self.stream.read(&mut self.ahead[..room]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    (self.start, self.end) = (0, read);
                    self.unread -= read;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Passes over so many bytes.
    pub(crate) fn skip(&mut self, mut bytes: usize) -> Result<()> {
        let mut sink = [0; AHEAD_BYTES];
        while bytes > 0 {
            let more = bytes.min(AHEAD_BYTES);
            self.fill(&mut sink[..more])?;
            bytes -= more;
        }
        Ok(())
    }

    pub(crate) fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A number of up to 32 bits, seven to the byte.
    pub(crate) fn unsigned_varint(&mut self) -> Result<u32> {
        let mut number = 0u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(number).map_err(|_| invalid("has a number that is too large"));
            }
        }
        Err(invalid("has a number that does not end"))
    }

    /// A text, or `None` if it is none or longer than Kafka's names are.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<Option<String>> {
        if bytes > AHEAD_BYTES {
            return self.skip(bytes).map(|()| None);
        }
        let mut text = vec![0; bytes];
        self.fill(&mut text)?;
        Ok(String::from_utf8(text).ok())
    }

    /// Passes over the tagged fields that end a structure: what newer brokers have to say.
    pub(crate) fn skip_tags(&mut self) -> Result<()> {
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let bytes = self.unsigned_varint()?;
            self.skip(bytes as usize)?;
        }
        Ok(())
    }
}

/// An answer that is none; the reason goes on after "the answer to …".
pub(crate) fn invalid(reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> Result<usize> {
            let bytes = out.len().min(self.1);
            self.0.read(&mut out[..bytes])
        }
    }

    #[test]
    fn pieces_of_any_size() {
        let bytes: Vec<u8> = (0..20_000u32).map(|number| number as u8).collect();
        for step in [1, 7, 4_096, 100_000] {
            let mut stream = Trickle(&bytes, step);
            let mut pieces = Pieces::new(&mut stream, 19_000);
            assert_eq!(pieces.i32().unwrap(), 0x0001_0203);
            let mut large = vec![0; 10_000];
            pieces.fill(&mut large).unwrap();
            assert_eq!(large, bytes[4..10_004]);
            pieces.skip(8_990).unwrap();
            assert_eq!(
                (pieces.left(), pieces.i16().unwrap()),
                (6, i16::from_be_bytes([bytes[18_994], bytes[18_995]]))
            );
            assert_eq!(pieces.i64().unwrap_err().kind(), ErrorKind::InvalidData);
            assert_eq!(pieces.i32().unwrap().to_be_bytes(), bytes[18_996..19_000]);
            // What comes behind the answer is the next one's.
            assert_eq!(stream.0, &bytes[19_000..]);
        }
    }

    #[test]
    fn numbers_that_do_not_end_and_streams_that_do() {
        let mut bytes = &[0xff; 9][..];
        let mut pieces = Pieces::new(&mut bytes, 9);
        assert_eq!(pieces.unsigned_varint().unwrap_err().kind(), ErrorKind::InvalidData);
        let mut bytes = &[0xac, 0x02, 1][..];
        let mut pieces = Pieces::new(&mut bytes, 9);
        assert_eq!(pieces.unsigned_varint().unwrap(), 300);
        assert_eq!(pieces.i32().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
