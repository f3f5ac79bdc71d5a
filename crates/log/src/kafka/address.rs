//! `Address`: where a broker listens.
//!
//! It resolves no name; [`super::connection`] does when it connects.

use std::fmt;

/// A host and a port. Kept as text, since a certificate is checked against the name and not against what it resolves to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// One entry of `bootstrap.servers`: `host:port`, with an IPv6 address in brackets. `Err` is a reason for a person.
    pub(crate) fn parse(text: &str) -> Result<Address, String> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| format!("{text:?} has no port; write host:port"))?;
        let port = port
            .parse()
            .map_err(|_| format!("{port:?} in {text:?} is no port number; write host:port"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .ok_or_else(|| format!("{text:?} lacks a closing bracket"))?,
            None if host.contains(':') => return Err(format!("{text:?}: an IPv6 address stands in brackets")),
            None => host,
        };
        if host.is_empty() {
            return Err(format!("{text:?} has no host; write host:port"));
        }
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for text in ["kafka:9092", "127.0.0.1:19092", "[::1]:9092"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        for (text, reason) in [
            ("kafka", "\"kafka\" has no port; write host:port"),
            (":9092", "\":9092\" has no host; write host:port"),
            ("::1:9092", "\"::1:9092\": an IPv6 address stands in brackets"),
            ("kafka:x", "\"x\" in \"kafka:x\" is no port number; write host:port"),
        ] {
            assert_eq!(Address::parse(text).unwrap_err(), reason);
        }
    }
}
