//! `Proxy`: stands between a client and a broker and does to chosen requests what a network can do to them.
//!
//! It tells the client that the broker is where the proxy is, so that all connections pass through it. One broker only.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{FindCoordinatorResponse, MetadataResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

pub(super) const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
pub(super) const INIT_PRODUCER_ID: i16 = 22;
pub(super) const ADD_PARTITIONS: i16 = 24;
pub(super) const ADD_OFFSETS: i16 = 25;
pub(super) const END_TXN: i16 = 26;
pub(super) const TXN_OFFSET_COMMIT: i16 = 28;

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It never reaches the broker, and the connection breaks.
    LoseRequest,
    /// The broker does it, and the connection breaks instead of an answer.
    LoseAnswer,
    /// The connection breaks, and the broker gets it so much later.
    Late(Duration),
}

/// The faults to come: for the `skip + 1`th request of a kind.
#[derive(Debug, Clone, Copy)]
struct Rule {
    api_key: i16,
    skip: u32,
    fault: Fault,
}

pub(super) struct Proxy {
    port: u16,
    rules: Arc<Mutex<Vec<Rule>>>,
}

impl Proxy {
    pub(super) fn before(broker: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let rules = Arc::new(Mutex::new(Vec::new()));
        let (broker, of_all) = (broker.to_owned(), Arc::clone(&rules));
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(broker) = TcpStream::connect(&broker) else {
                    continue;
                };
                broker.set_nodelay(true).unwrap();
                let route = Route {
                    client: client.unwrap(),
                    broker,
                    port,
                    rules: Arc::clone(&of_all),
                    asked: Arc::default(),
                };
                route.client.set_nodelay(true).unwrap();
                let back = route.clone();
                thread::spawn(move || back.carry_answers());
                thread::spawn(move || route.carry_requests());
            }
        });
        Proxy { port, rules }
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Once, to the `skip + 1`th request of this kind from now on.
    pub(super) fn plan(&self, api_key: i16, skip: u32, fault: Fault) {
        self.rules.lock().unwrap().push(Rule { api_key, skip, fault });
    }

    /// Nothing more is done.
    pub(super) fn forget(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// Whether all that was planned has happened.
    pub(super) fn is_done(&self) -> bool {
        self.rules.lock().unwrap().is_empty()
    }
}

/// One connection through the proxy.
struct Route {
    client: TcpStream,
    broker: TcpStream,
    port: u16,
    rules: Arc<Mutex<Vec<Rule>>>,
    asked: Arc<Mutex<HashMap<i32, Asked>>>,
}

#[derive(Clone, Copy)]
struct Asked {
    api_key: i16,
    version: i16,
    is_to_be_lost: bool,
}

impl Route {
    fn clone(&self) -> Route {
        Route {
            client: self.client.try_clone().unwrap(),
            broker: self.broker.try_clone().unwrap(),
            port: self.port,
            rules: Arc::clone(&self.rules),
            asked: Arc::clone(&self.asked),
        }
    }

    fn carry_requests(mut self) {
        while let Some(frame) = read_frame(&mut self.client) {
            let mut head = &frame[..];
            let (api_key, version, number) = (head.get_i16(), head.get_i16(), head.get_i32());
            let fault = self.fault(api_key);
            match fault {
                Some(Fault::LoseRequest) => break,
                Some(Fault::Late(time)) => {
                    let mut broker = self.broker.try_clone().unwrap();
                    let _ = self.client.shutdown(Shutdown::Both);
                    thread::sleep(time);
                    let _ = write_frame(&mut broker, &frame);
                    // Time enough to do it.
                    thread::sleep(Duration::from_millis(500));
                    break;
                }
                _ => {}
            }
            let asked = Asked {
                api_key,
                version,
                is_to_be_lost: fault == Some(Fault::LoseAnswer),
            };
            self.asked.lock().unwrap().insert(number, asked);
            if write_frame(&mut self.broker, &frame).is_err() {
                break;
            }
        }
        self.cut();
    }

    fn carry_answers(mut self) {
        while let Some(frame) = read_frame(&mut self.broker) {
            let number = (&frame[..]).get_i32();
            let Some(asked) = self.asked.lock().unwrap().remove(&number) else {
                break;
            };
            let frame = match asked.api_key {
                _ if asked.is_to_be_lost => break,
                METADATA => rewrite::<MetadataResponse>(frame, asked.version, |answer| {
                    for broker in &mut answer.brokers {
                        broker.host = StrBytes::from_static_str("127.0.0.1");
                        broker.port = i32::from(self.port);
                    }
                }),
                FIND_COORDINATOR => rewrite::<FindCoordinatorResponse>(frame, asked.version, |answer| {
                    answer.host = StrBytes::from_static_str("127.0.0.1");
                    answer.port = i32::from(self.port);
                }),
                _ => frame,
            };
            if write_frame(&mut self.client, &frame).is_err() {
                break;
            }
        }
        let _ = self.client.shutdown(Shutdown::Both);
    }

    fn fault(&self, api_key: i16) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let at = rules.iter().position(|rule| rule.api_key == api_key)?;
        if rules[at].skip > 0 {
            rules[at].skip -= 1;
            return None;
        }
        Some(rules.remove(at).fault)
    }

    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.broker.shutdown(Shutdown::Both);
    }
}

fn rewrite<R: Decodable + Encodable + HeaderVersion>(frame: Bytes, version: i16, change: impl FnOnce(&mut R)) -> Bytes {
    let mut rest = frame;
    let header = ResponseHeader::decode(&mut rest, R::header_version(version)).unwrap();
    let mut answer = R::decode(&mut rest, version).unwrap();
    change(&mut answer);
    let mut frame = BytesMut::new();
    header.encode(&mut frame, R::header_version(version)).unwrap();
    answer.encode(&mut frame, version).unwrap();
    frame.freeze()
}

fn read_frame(stream: &mut TcpStream) -> Option<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).ok()?;
    Some(frame.into())
}

fn write_frame(stream: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[&(frame.len() as u32).to_be_bytes(), frame].concat())
}
