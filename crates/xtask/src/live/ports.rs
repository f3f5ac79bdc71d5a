//! Free ports on this machine.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Result, bail};

/// Below the ports that Linux and macOS give to clients: one of those could be a client's when a broker that was killed
/// wants its port back, and a client that tries to reach a dead broker on such a port can end up talking to itself.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// What was given away already: a port whose broker is down looks free.
static GIVEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);

/// Ports that nobody listens on, each given once.
pub(crate) fn free<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    for port in &mut ports {
        *port = one()?;
    }
    Ok(ports)
}

fn one() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Somewhere else each time, so that two runs beside each other do not try the same ports.
    let width = RANGE.end - RANGE.start;
    let offset = (RandomState::new().hash_one(0) % u64::from(width)) as u16;
    for step in 0..width {
        let port = RANGE.start + (offset + step) % width;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free", RANGE.start, RANGE.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_given_once() {
        let ports = free::<50>().unwrap();
        let different: BTreeSet<u16> = ports.into_iter().collect();
        assert_eq!(different.len(), 50);
        assert!(different.iter().all(|port| RANGE.contains(port)));
    }
}
