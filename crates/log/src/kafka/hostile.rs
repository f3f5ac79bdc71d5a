//! Tests of what a connection does when the other end is old, or no broker at all: a thread plays that end.
//!
//! It plays no conversation longer than the first question; real brokers do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use kafka_protocol::protocol::{Encodable, Request};

use super::connection::Connection;
use super::failure::Failure;
use super::live::settings_for;

/// One request: its version and its number.
fn request(stream: &mut TcpStream) -> Option<(i16, [u8; 4])> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut request).unwrap();
    let version = i16::from_be_bytes([request[2], request[3]]);
    Some((version, request[4..8].try_into().unwrap()))
}

/// The bytes of an answer to the request of that number.
fn answer(number: [u8; 4], version: i16, response: &ApiVersionsResponse) -> Vec<u8> {
    let mut body = BytesMut::new();
    response.encode(&mut body, version).unwrap();
    let mut bytes = ((4 + body.len()) as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&number);
    bytes.extend_from_slice(&body);
    bytes
}

/// What becomes of a connection to an end that answers so.
fn open(mut respond: impl FnMut(i16, [u8; 4]) -> Vec<u8> + Send) -> Result<Connection, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bootstrap = listener.local_addr().unwrap().to_string();
    let settings = settings_for(&[("bootstrap.servers", &bootstrap), ("request.timeout.ms", "500")]);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            while let Some((version, number)) = request(&mut stream) {
                stream.write_all(&respond(version, number)).unwrap();
            }
        });
        Connection::open(&settings, &settings.bootstrap[0])
    })
}

fn knows(key: i16, max: i16) -> ApiVersion {
    ApiVersion::default().with_api_key(key).with_max_version(max)
}

/// Brokers before 2.4 do not know the version of the first question; they say so in the oldest form.
#[test]
fn an_old_broker() {
    let versions = vec![knows(ApiVersionsRequest::KEY, 2), knows(MetadataRequest::KEY, 8)];
    let mut asked = Vec::new();
    let connection = open(|version, number| {
        asked.push(version);
        let response = ApiVersionsResponse::default().with_api_keys(versions.clone());
        if version > 2 {
            let code = ResponseError::UnsupportedVersion.code();
            answer(number, 0, &response.with_error_code(code))
        } else {
            answer(number, version, &response)
        }
    });
    let connection = connection.unwrap();
    assert_eq!(connection.version::<MetadataRequest>(4..=12).unwrap(), 8);
    let failure = connection.version::<MetadataRequest>(9..=12).unwrap_err();
    assert!(
        failure
            .to_string()
            .ends_with("does not know Metadata in version 9..12; Kafka 2.5 or later is needed")
    );
    assert_eq!(asked, [3, 2]);
}

#[test]
fn what_is_no_broker() {
    let refused = |respond: fn(i16, [u8; 4]) -> Vec<u8>| open(respond).err().unwrap().to_string();
    for (refusal, reason) in [
        (
            refused(|_, _| b"HTTP/1.1 400 Bad Request\r\n".to_vec()),
            "what came is no answer",
        ),
        (refused(|_, _| vec![0xff; 64]), "what came is no answer"),
        (refused(|_, _| vec![0, 0, 0, 2, 1, 1]), "came instead of"),
        (
            refused(|version, _| answer([9; 4], version, &ApiVersionsResponse::default())),
            "came instead of",
        ),
        (
            refused(|_, number| [&[0, 0, 0, 6], &number[..], &[0, 0]].concat()),
            "cannot be read",
        ),
        (
            refused(|_, _| b"\x15\x03\x03\x00\x02\x02\x0a".to_vec()),
            "it encrypts there",
        ),
        (refused(|_, _| Vec::new()), "it says nothing"),
    ] {
        assert!(refusal.contains(reason), "{refusal}");
    }
}
