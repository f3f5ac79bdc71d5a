//! A server that answers as a test tells it to, on a port of its own, and remembers what it was asked.
//!
//! It speaks as much of HTTP/1.1 as the client: one request a connection, with `Content-Length`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a request gets.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A status and a body.
    Say(u16, String),
    /// A status, one more header, and no body.
    Header(u16, String),
    /// The connection is closed.
    Hang,
    /// Nothing, for so long.
    Wait(Duration),
    /// A good answer that does not end: a letter, and again after each pause.
    Drip(Duration),
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) fn say(status: u16, body: &str) -> Reply {
    Reply::Say(status, body.to_owned())
}

pub(crate) fn missing() -> Reply {
    say(404, r#"{"error_code":40403,"message":"Schema not found"}"#)
}

impl Server {
    /// Gives the replies one after the other, and the last one for ever.
    pub(crate) fn start(replies: &[Reply]) -> Server {
        Server::run(replies, None)
    }

    pub(crate) fn start_encrypted(replies: &[Reply], config: ServerConfig) -> Server {
        Server::run(replies, Some(Arc::new(config)))
    }

    fn run(replies: &[Reply], config: Option<Arc<ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (replies, all) = (replies.to_vec(), Arc::clone(&asked));
        // It ends with the test's process: a listener without a client waits and costs nothing.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (replies, all, config) = (replies.clone(), Arc::clone(&all), config.clone());
                thread::spawn(move || match config {
                    None => serve(stream, &replies, &all),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a valid configuration");
                        serve(StreamOwned::new(connection, stream), &replies, &all);
                    }
                });
            }
        });
        Server { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

fn serve(stream: impl Read + Write, replies: &[Reply], all: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let Some(asked) = read(&mut reader) else { return };
    let at = {
        let mut all = all.lock().expect("no panic");
        all.push(asked);
        all.len() - 1
    };
    let mut stream = reader.into_inner();
    // A client that has gone away is what some tests are about.
    answer(&mut stream, &replies[at.min(replies.len() - 1)]).ok();
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        line: line.trim().trim_end_matches(" HTTP/1.1").to_owned(),
        authorization,
        body: String::from_utf8(body).ok()?,
    })
}

fn answer(stream: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
    match reply {
        Reply::Say(status, body) => write!(
            stream,
            "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?,
        Reply::Header(status, header) => write!(
            stream,
            "HTTP/1.1 {status} x\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?,
        Reply::Hang => {}
        Reply::Wait(time) => thread::sleep(*time),
        Reply::Drip(pause) => {
            write!(stream, "HTTP/1.1 200 x\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&b" ".repeat(if pause.is_zero() { 1 << 16 } else { 1 }))?;
                stream.flush()?;
                thread::sleep(*pause);
            }
        }
    }
    stream.flush()
}
