//! Which batches of a record set are handed out: hopping, hiding, and damage.

use super::super::aborted::{Aborted, AbortedTransaction};
use super::super::hop::{Damage, Hop, hop};
use super::{Writer, batch, sum_up};
use crate::BatchError;

fn look(records: &[u8], from: u64, aborted: &[(i64, i64)]) -> Hop {
    let transaction = |&(first_offset, producer_id): &(i64, i64)| AbortedTransaction {
        first_offset,
        producer_id,
    };
    hop(
        records,
        from,
        &mut Aborted::new(aborted.iter().map(transaction).collect()),
    )
}

fn offsets(hop: &Hop) -> Vec<u64> {
    hop.batches.iter().map(|batch| batch.offset).collect()
}

#[test]
fn the_last_batch_is_usually_cut_off() {
    let records: Vec<u8> = [0, 10, 20]
        .iter()
        .flat_map(|&offset| batch(offset, 10, Writer::Plain))
        .collect();
    let length = records.len() / 3;
    for cut in 0..=records.len() {
        let hop = look(&records[..cut], 0, &[]);
        let whole = cut / length;
        assert_eq!(offsets(&hop), [0, 10, 20][..whole], "{cut} bytes");
        assert_eq!((hop.next_offset, hop.damage), (10 * whole as u64, None));
    }
}

#[test]
fn the_batch_that_holds_the_place_is_kept_and_those_before_it_are_not() {
    let records: Vec<u8> = [0, 10, 20]
        .iter()
        .flat_map(|&offset| batch(offset, 10, Writer::Plain))
        .collect();
    for from in 0..30 {
        let hop = look(&records, from, &[]);
        assert_eq!(offsets(&hop), [0, 10, 20][from as usize / 10..], "from {from}");
    }
    // A gap that compaction left.
    let hop = look(&batch(40, 1, Writer::Plain), 31, &[]);
    assert_eq!((offsets(&hop), hop.next_offset), (vec![40], 41));
}

/// Two producers in turn; one aborts, goes on and commits.
#[test]
fn aborted_transactions_are_hidden_up_to_their_mark() {
    let (a, b) = (7, 8);
    let batches = [
        batch(0, 10, Writer::Transaction(a)),
        batch(10, 10, Writer::Transaction(b)),
        batch(20, 10, Writer::Plain),
        batch(30, 10, Writer::Transaction(a)),
        batch(40, 1, Writer::Abort(a)),
        batch(41, 10, Writer::Transaction(a)),
        batch(51, 1, Writer::Commit(b)),
        batch(52, 10, Writer::Transaction(b)),
        batch(62, 1, Writer::Abort(b)),
        batch(63, 1, Writer::Commit(a)),
    ];
    let records = batches.concat();
    let hop = look(&records, 0, &[(52, b), (0, a)]);
    assert_eq!((offsets(&hop), hop.next_offset), (vec![10, 20, 41], 64));
    // From the middle the broker names the transaction again, though it began before.
    let from_30: Vec<u8> = batches[3..].concat();
    let hop = look(&from_30, 35, &[(0, a), (52, b)]);
    assert_eq!(offsets(&hop), [41]);
    // A producer's batches outside of transactions are not void, and nothing is when nothing was aborted.
    assert_eq!(offsets(&look(&records, 0, &[])), [0, 10, 20, 30, 41, 52]);
}

#[test]
fn a_set_without_data_still_leads_on() {
    let records = [batch(5, 10, Writer::Transaction(1)), batch(15, 1, Writer::Abort(1))].concat();
    let hop = look(&records, 5, &[(5, 1)]);
    assert_eq!((offsets(&hop), hop.next_offset), (vec![], 16));
    // Compaction leaves the last batch of a producer without its records.
    let mut emptied = batch(16, 4, Writer::Plain)[..61].to_vec();
    emptied[8..12].copy_from_slice(&49i32.to_be_bytes());
    emptied[57..61].copy_from_slice(&0i32.to_be_bytes());
    sum_up(&mut emptied);
    let mut hop = look(&emptied, 16, &[]);
    hop.check(&emptied);
    assert_eq!((offsets(&hop), hop.next_offset, hop.damage), (vec![], 20, None));
}

#[test]
fn damage_is_found_and_nothing_behind_it_is_handed_out() {
    let whole: Vec<u8> = [0, 10, 20]
        .iter()
        .flat_map(|&offset| batch(offset, 10, Writer::Plain))
        .collect();
    let length = whole.len() / 3;
    for (damaged, place) in [(0, 70), (1, length + 70), (2, whole.len() - 1)] {
        let mut records = whole.clone();
        records[place] ^= 1;
        let mut hop = look(&records, 0, &[]);
        assert_eq!(hop.next_offset, 30, "the headers are whole");
        hop.check(&records);
        assert_eq!(offsets(&hop), [0, 10, 20][..damaged]);
        let Some(Damage { offset, error }) = hop.damage else {
            panic!()
        };
        assert_eq!((offset, hop.next_offset), (10 * damaged as u64, offset));
        assert!(matches!(error, BatchError::Checksum { .. }));
    }
    let mut hop = look(&whole, 0, &[]);
    hop.check(&whole);
    assert_eq!((hop.batches.len(), hop.next_offset, hop.damage), (3, 30, None));
}

#[test]
fn older_formats_are_refused() {
    // The last message of a set in format 1 is shorter than a header of format 2.
    let mut old = batch(0, 1, Writer::Plain);
    old[16] = 1;
    for bytes in [&old[..], &old[..34]] {
        let records = [&batch(0, 3, Writer::Plain), bytes].concat();
        let hop = look(&records, 0, &[]);
        assert_eq!(offsets(&hop), [0]);
        let format = BatchError::Format { format: 1 };
        assert_eq!(
            hop.damage,
            Some(Damage {
                offset: 3,
                error: format
            })
        );
    }
}
