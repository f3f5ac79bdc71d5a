//! What guests and the holder say to each other: one request, one reply, over a Unix domain socket.
//!
//! It does not know what requests do. A frame is a length (`u32`, big-endian), the length of its head (`u32`), the head
//! as JSON, and raw bytes that the head describes: batches and metadata are never turned into text. Both ends are the
//! same program of the same user, in a folder that only that user can enter; still every length is bounded, and memory is
//! taken as bytes arrive, not as a length promises them.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::names::TRANSACTION_BYTES_MAX;
use crate::{Commit, LogError, OffsetRange, Removed, Topic, TopicOptions};

/// Changes when the frames below do, so that two versions of the program refuse each other instead of misreading.
pub(super) const VERSION: u32 = 1;

/// Room for a transaction or a read, and for the head that describes it.
const FRAME_BYTES_MAX: usize = TRANSACTION_BYTES_MAX + HEAD_BYTES_MAX;
const HEAD_BYTES_MAX: usize = 32 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first request of every connection.
    Hello {
        version: u32,
    },
    CreateTopic {
        name: String,
        options: TopicOptions,
    },
    Topic {
        name: String,
    },
    Topics,
    Ranges {
        topic: String,
    },
    /// Followed by the batches, then the metadata of the commits.
    Append {
        appends: Vec<AppendHead>,
        commits: Vec<CommitHead>,
    },
    Read {
        topic: String,
        partition: u32,
        from_offset: u64,
        bytes_max: usize,
    },
    Wait {
        seen: u64,
        timeout_ms: u64,
    },
    OffsetAtTime {
        topic: String,
        partition: u32,
        timestamp_ms: i64,
    },
    Committed {
        group: String,
    },
    RegisterSchema {
        subject: String,
        json: String,
    },
    Schema {
        id: u32,
    },
    /// The claim lasts until it is released or the connection ends.
    Claim {
        engine: String,
        pid: u32,
    },
    Release,
    Maintain {
        now_ms: i64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AppendHead {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) batch_bytes: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CommitHead {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) metadata_bytes: usize,
}

impl CommitHead {
    pub(super) fn new(commit: &Commit) -> CommitHead {
        CommitHead {
            group: commit.group.clone(),
            topic: commit.topic.clone(),
            partition: commit.partition,
            offset: commit.offset,
            metadata_bytes: commit.metadata.len(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Done,
    Topic(Topic),
    Topics(Vec<Topic>),
    Ranges(Vec<OffsetRange>),
    BaseOffsets(Vec<u64>),
    /// Followed by the batches.
    Fetch {
        batch_bytes: Vec<usize>,
        next_offset: u64,
        end_offset: u64,
    },
    Mark(u64),
    Offset(u64),
    /// Followed by the metadata.
    Committed(Vec<CommitHead>),
    SchemaId(u32),
    Schema(Option<String>),
    Removed(Vec<Removed>),
    Failed(LogError),
}

/// Sends a frame. `parts` is what follows the head.
pub(super) fn send<T: Serialize>(mut out: impl Write, head: &T, parts: &[&[u8]]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let parts_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let length = 4 + head.len() + parts_bytes;
    if length > FRAME_BYTES_MAX || head.len() > HEAD_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a message of {length} bytes is too long"),
        ));
    }
    let mut front = Vec::with_capacity(8 + head.len());
    front.extend_from_slice(&(length as u32).to_be_bytes());
    front.extend_from_slice(&(head.len() as u32).to_be_bytes());
    front.extend_from_slice(&head);
    // Small messages go out in one piece.
    if parts_bytes < 16 << 10 {
        parts.iter().for_each(|part| front.extend_from_slice(part));
        return out.write_all(&front);
    }
    out.write_all(&front)?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

/// Receives a frame; `None` when the other end closed the connection between two frames.
pub(super) fn receive<T: DeserializeOwned>(mut from: impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut length = [0; 4];
    if from.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = u32::from_be_bytes(length) as usize;
    if !(4..=FRAME_BYTES_MAX).contains(&length) {
        return Err(malformed(format!("a length of {length}")));
    }
    let mut head_bytes = [0; 4];
    from.read_exact(&mut head_bytes)?;
    let head_bytes = u32::from_be_bytes(head_bytes) as usize;
    if head_bytes > HEAD_BYTES_MAX.min(length - 4) {
        return Err(malformed(format!("a head of {head_bytes} bytes in {length}")));
    }
    let head = take(&mut from, head_bytes)?;
    let parts = take(&mut from, length - 4 - head_bytes)?;
    Ok(Some((serde_json::from_slice(&head)?, parts)))
}

fn take(from: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    // Up to a usual read, memory is made at once; beyond that it grows with what really comes.
    let mut taken = Vec::with_capacity(bytes.min(4 << 20));
    if from.take(bytes as u64).read_to_end(&mut taken)? < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(taken)
}

pub(super) fn malformed(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a malformed message: {what}"))
}

/// Cuts the bytes that follow a head into the pieces that it describes.
pub(super) fn cut(parts: &[u8], lengths: impl Iterator<Item = usize>) -> io::Result<Vec<&[u8]>> {
    let mut rest = parts;
    let pieces = lengths
        .map(|length| {
            let (piece, behind) = rest
                .split_at_checked(length)
                .ok_or_else(|| malformed("bytes are missing"))?;
            rest = behind;
            Ok(piece)
        })
        .collect::<io::Result<Vec<&[u8]>>>()?;
    if rest.is_empty() {
        Ok(pieces)
    } else {
        Err(malformed("bytes are left over"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_was_sent() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Request::Schema { id: 7 }, &[b"ab", b"c"]).unwrap();
        let (head, parts) = receive::<Request>(&bytes[..]).unwrap().unwrap();
        assert!(matches!(head, Request::Schema { id: 7 }));
        assert_eq!(cut(&parts, [2, 1].into_iter()).unwrap(), [&b"ab"[..], b"c"]);
        assert!(cut(&parts, [2].into_iter()).is_err());
        assert!(cut(&parts, [4].into_iter()).is_err());
        for end in 1..bytes.len() {
            assert!(receive::<Request>(&bytes[..end]).is_err(), "cut to {end} bytes");
        }
        assert!(receive::<Request>(&[][..]).unwrap().is_none());
    }

    #[test]
    fn lengths_beyond_the_bound_are_refused() {
        assert!(receive::<Request>(&[0xff; 16][..]).is_err());
        assert!(receive::<Request>(&[0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0][..]).is_err());
    }
}
