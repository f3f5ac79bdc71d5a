//! `Connection`: one socket to one broker, and the requests under way on it.
//!
//! It finds no leader and does nothing twice. Once it has failed, it stays failed: open another.
//!
//! # Constraints
//!
//! - Answers come in the order of the requests. An answer that nobody waits for any more is passed over.
//! - An answer's number is compared before its content is looked at: what listens there need not be a broker. A broker
//!   itself is trusted to count right: the crate that decodes takes memory for as many as an answer says there are.
//! - A [`Connection::poll`] that runs out of time has lost nothing: the same [`Sent`] can be waited for again.

mod pieces;

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange};

use super::address::Address;
use super::failure::{Failure, Subject};
use super::frames::{Broken, Frames};
use super::security::Login;
use super::settings::Settings;
use super::{sasl, tls};
pub(crate) use pieces::{Breaker, Pieces, invalid};

/// The version in which the first question is asked; every broker since 2.4 knows it, older ones say what they know.
const FIRST_API_VERSIONS: i16 = 3;

/// How a peer begins that speaks TLS and hears something else.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// One connection to one broker.
pub(crate) struct Connection {
    frames: Frames,
    address: Address,
    client_id: StrBytes,
    /// What the broker understands, by the number of the request.
    versions: HashMap<i16, VersionRange>,
    /// The numbers of the requests without an answer, oldest first.
    unanswered: VecDeque<i32>,
    next_number: i32,
    timeout: Duration,
    /// Who we are here, when to say so again, for brokers that want to hear it from time to time.
    login: Option<Login>,
    login_again_at: Option<Instant>,
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
        let mut connection = Connection {
            frames: Frames::open(settings, address)?,
            address: address.clone(),
            client_id: StrBytes::from_string(settings.client_id.clone()),
            versions: HashMap::new(),
            unanswered: VecDeque::new(),
            next_number: 0,
            timeout: settings.request_timeout,
            login: settings.login.clone(),
            login_again_at: None,
            failed: None,
        };
        connection.negotiate()?;
        connection.log_in()?;
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
        // Between two requests only: with one under way, the broker's answer to the login would come behind its answer.
        if self.unanswered.is_empty() && self.login_again_at.is_some_and(|at| Instant::now() >= at) {
            self.log_in()?;
        }
        self.send_directly(version, request)
    }

    fn send_directly<R: Request>(&mut self, version: i16, request: &R) -> Result<Sent<R>, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let number = self.next_number;
        let frame = self.encode(number, version, request)?;
        let written = self.frames.write(&frame);
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

    /// A call of the login itself, which needs none.
    pub(super) fn call_directly<R: Request>(
        &mut self,
        versions: RangeInclusive<i16>,
        request: &R,
    ) -> Result<R::Response, Failure> {
        let version = self.version::<R>(versions)?;
        let sent = self.send_directly(version, request)?;
        self.receive(sent)
    }

    /// Whether it can be used as far as we know: a broker closes connections that were quiet for long.
    pub(crate) fn is_open(&self) -> bool {
        self.failed.is_none() && self.unanswered.is_empty() && self.frames.is_quiet()
    }

    /// Says who we are, if the settings do, and plans to say it again in good time.
    fn log_in(&mut self) -> Result<(), Failure> {
        let Some(login) = self.login.clone() else {
            return Ok(());
        };
        self.login_again_at = None;
        let lifetime = sasl::login(self, &login).inspect_err(|failure| self.failed = Some(failure.clone()))?;
        // The broker hangs up on whoever is late.
        self.login_again_at = lifetime.map(|lifetime| Instant::now() + lifetime.mul_f64(0.8));
        Ok(())
    }

    /// Learns what the broker understands. One that does not know the question's version answers in the oldest form, with
    /// the versions of the question that it does know.
    fn negotiate(&mut self) -> Result<(), Failure> {
        let mut answer = self.ask_versions(FIRST_API_VERSIONS)?;
        if answer.error_code == ResponseError::UnsupportedVersion.code() {
            let known = answer
                .api_keys
                .iter()
                .find(|known| known.api_key == ApiVersionsRequest::KEY);
            let version = known.map_or(0, |known| known.max_version.clamp(0, FIRST_API_VERSIONS - 1));
            answer = self.ask_versions(version)?;
        }
        Failure::check(answer.error_code, || {
            Subject::Other("what the broker understands".into())
        })?;
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
        let sent = self.send_directly(version, &request)?;
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
        let size =
            header.compute_size(header_version).map_err(cannot)? + request.compute_size(version).map_err(cannot)?;
        let length =
            i32::try_from(size).map_err(|_| self.unexpected(format!("a request of {size} bytes is too long")))?;
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

    fn read_frame(&mut self, deadline: Instant) -> Result<Option<Bytes>, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        self.frames.read(deadline).map_err(|broken| match broken {
            Broken::Socket(error) => self.lost(&error),
            Broken::NoLength(bytes, limit) => self.fail(self.no_answer(bytes, limit)),
        })
    }

    /// Something else than an answer came.
    fn no_answer(&self, bytes: [u8; 4], limit: usize) -> Failure {
        if bytes.starts_with(&TLS_ALERT) {
            return self
                .refused("it encrypts there; set security.protocol to SSL or SASL_SSL, or use its plaintext port");
        }
        self.unexpected(format!("what came is no answer of at most {limit} bytes: {bytes:x?}"))
    }

    fn refused(&self, reason: &str) -> Failure {
        Failure::Auth {
            address: self.address.clone(),
            reason: reason.to_owned(),
        }
    }

    fn unexpected(&self, reason: String) -> Failure {
        Failure::Protocol {
            address: self.address.clone(),
            reason,
        }
    }

    fn lost(&mut self, error: &std::io::Error) -> Failure {
        if let Some(reason) = tls::explain(error) {
            return self.fail(self.refused(&reason));
        }
        let is_hung_up = matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
        let reason = match is_hung_up {
            true if self.next_number <= 2 => {
                "the broker closed it at the first request, as one does that wants encryption or a login; check \
                 security.protocol"
            }
            true => "the broker closed it",
            false => &error.to_string(),
        };
        let reason = reason.to_owned();
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
