//! `Pipeline`: many batches one after the other, without waiting for each.
//!
//! It promises nothing across batches: each is in its partition once, in the order in which it was sent there, or the
//! pipeline has failed.

use std::sync::Arc;

use super::Producer;
use super::courier::Courier;
use crate::{Append, LogError};

/// Batches under way, whose offsets come back in the order in which they were sent.
///
/// After an error it takes no more. All batches whose offset it gave are in; the one it failed at is not, unless the
/// error is [`LogError::Unknown`]; of later ones nothing is known.
pub struct Pipeline {
    producer: Arc<Producer>,
    /// `None` once it has failed.
    courier: Option<Courier>,
    failure: Option<LogError>,
    bytes_under_way_max: usize,
}

impl Pipeline {
    pub(super) fn new(producer: Arc<Producer>, courier: Courier, bytes_under_way_max: usize) -> Pipeline {
        Pipeline {
            producer,
            courier: Some(courier),
            failure: None,
            bytes_under_way_max,
        }
    }

    /// Takes a batch, to be sent as soon as a request is full of them. Waits while too many bytes are under way.
    ///
    /// # Errors
    /// When this batch or one before it was refused, or could not be brought to its partition in time.
    pub fn send(&mut self, append: Append) -> Result<(), LogError> {
        let bytes_under_way_max = self.bytes_under_way_max.saturating_sub(append.batch.len());
        self.with_courier(|courier| {
            courier.wait_until_under_way(bytes_under_way_max)?;
            courier.hand_over(append)
        })
    }

    /// The offset of the first record of the oldest batch that was sent and not yet given back here; `None` while it is
    /// not known to be in.
    pub fn next_base_offset(&mut self) -> Option<u64> {
        self.courier.as_mut()?.next_base_offset()
    }

    /// Sends what waits for a request to be full, and waits until all is in.
    ///
    /// # Errors
    /// As [`Pipeline::send`].
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.with_courier(|courier| courier.wait_until_under_way(0))
    }

    fn with_courier(&mut self, call: impl FnOnce(&mut Courier) -> Result<(), LogError>) -> Result<(), LogError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let called = self.courier.as_mut().map_or(Ok(()), call);
        if let Err(failure) = &called {
            self.failure = Some(failure.clone());
        }
        called
    }
}

impl Drop for Pipeline {
    /// Its connections serve the next; with something under way they are closed.
    fn drop(&mut self) {
        if let Some(courier) = self.courier.take().filter(|_| self.failure.is_none()) {
            self.producer.put_back(courier);
        }
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes_under_way = self.courier.as_ref().map(Courier::bytes_under_way);
        f.debug_struct("Pipeline")
            .field("bytes_under_way", &bytes_under_way)
            .finish_non_exhaustive()
    }
}
