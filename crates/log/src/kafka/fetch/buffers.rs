//! `Buffers`: memory for record sets, used again and again; and `Records`, one record set in it.
//!
//! It does not say how much may be in use: whoever asks for data does.
//!
//! # Constraints
//!
//! - Each record set has memory of its own. If the partitions of an answer shared it, whoever reads one of them slowly
//!   would hold on to all.
//! - A full record set is as large as `max.partition.fetch.bytes` in nearly every case, since a broker cuts it there. Memory
//!   of that one size is kept; whatever is much smaller or larger is allocated for itself.

use std::sync::{Arc, Mutex, PoisonError};

/// The memory of one fetcher.
pub(super) struct Buffers {
    /// Of each buffer that is kept.
    bytes: usize,
    /// How many are kept at most.
    spare_max: usize,
    /// Those that nobody uses now. Taken by the threads that fetch, given back by whoever drops the last batch.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// The bytes that a broker sent of one partition.
pub(super) struct Records {
    memory: Vec<u8>,
    used: usize,
    buffers: Arc<Buffers>,
}

impl Buffers {
    pub(super) fn new(bytes: usize, spare_max: usize) -> Arc<Buffers> {
        Arc::new(Buffers {
            bytes,
            spare_max,
            spare: Mutex::default(),
        })
    }

    /// Memory for `used` bytes, to be filled.
    pub(super) fn take(self: &Arc<Buffers>, used: usize) -> Records {
        let is_usual = (self.bytes / 2..=self.bytes).contains(&used);
        let spare = if is_usual { self.spare().pop() } else { None };
        let memory = spare.unwrap_or_else(|| vec![0; if is_usual { self.bytes } else { used }]);
        Records {
            memory,
            used,
            buffers: Arc::clone(self),
        }
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    /// What the record set takes, whether it fills it or not.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory.len()
    }

    /// For filling.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.used]
    }
}

impl AsRef<[u8]> for Records {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.used]
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        if self.memory.len() != self.buffers.bytes {
            return;
        }
        let mut spare = self.buffers.spare();
        if spare.len() < self.buffers.spare_max {
            spare.push(std::mem::take(&mut self.memory));
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Records({} of {} bytes)", self.used, self.memory.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_usual_size_is_used_again() {
        let buffers = Buffers::new(1_000, 1);
        let mut records = buffers.take(600);
        records.bytes_mut().fill(7);
        assert_eq!((records.as_ref(), records.memory_bytes()), (&[7; 600][..], 1_000));
        let place = records.as_ref().as_ptr();
        let other = buffers.take(1_000);
        drop(records);
        drop(other);
        assert_eq!(buffers.spare().len(), 1, "no more than may be kept");
        assert_eq!(buffers.take(800).as_ref().as_ptr(), place);
        for unusual in [0, 10, 499, 1_001] {
            assert_eq!(buffers.take(unusual).memory_bytes(), unusual);
        }
        assert_eq!(buffers.spare().len(), 1, "small and large ones are not kept");
    }
}
