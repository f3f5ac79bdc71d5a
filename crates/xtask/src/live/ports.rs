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
        *port = in_a_row(1)?;
    }
    Ok(ports)
}

/// The first of so many ports in a row that nobody listens on, each given once.
pub(crate) fn in_a_row(count: u16) -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    // Somewhere else each time, so that two runs beside each other do not try the same ports.
    let width = RANGE.end - RANGE.start - count;
    let offset = (RandomState::new().hash_one(0) % u64::from(width)) as u16;
    for step in 0..width {
        let first = RANGE.start + (offset + step) % width;
        let mut row = first..first + count;
        if row.all(|port| !given.contains(&port) && is_free(port)) {
            given.extend(first..first + count);
            return Ok(first);
        }
    }
    bail!(
        "no {count} ports in a row from {} to {} are free",
        RANGE.start,
        RANGE.end
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_given_once() {
        let ports = free::<50>().unwrap();
        let first = in_a_row(5).unwrap();
        let different: BTreeSet<u16> = ports.into_iter().chain(first..first + 5).collect();
        assert_eq!(different.len(), 55);
        assert!(different.iter().all(|port| RANGE.contains(port)));
    }
}
