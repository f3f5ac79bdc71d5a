//! Promises about writing: topics, transactions, commits, schemas, engines.

use hw_log::{LogError, OffsetRange, Topic, TopicOptions, Transaction};

use crate::records::{append, append_to, commit, numbered, read_count, stream};
use crate::{Fixture, Kind};

pub(crate) fn topics_are_made_once(fixture: &Fixture) {
    let options = TopicOptions {
        partitions: 3,
        retention_ms: Some(60_000),
        compacted: false,
    };
    fixture.log.create_topic("readings", &options).unwrap();
    fixture.other.create_topic("readings", &options).unwrap();
    fixture.log.create_topic("baselines", &TopicOptions::table(1)).unwrap();

    let error = fixture
        .log
        .create_topic("readings", &TopicOptions::stream(4))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic readings exists with 3 partitions, kept for 60000 ms, which differs from 4 partitions, kept for ever; \
         use those or another name"
    );
    assert_eq!(
        fixture.log.topic("readings").unwrap(),
        Topic {
            name: "readings".into(),
            options
        }
    );
    let names: Vec<String> = fixture
        .other
        .topics()
        .unwrap()
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    assert_eq!(names, ["baselines", "readings"]);
    assert_eq!(
        fixture.log.topic("none").unwrap_err(),
        LogError::UnknownTopic { topic: "none".into() }
    );
    assert_eq!(
        fixture.log.ranges("readings").unwrap(),
        [OffsetRange { start: 0, end: 0 }; 3]
    );
}

pub(crate) fn impossible_names_are_refused(fixture: &Fixture) {
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a/b", "ä", "a b", &long] {
        let error = fixture.log.create_topic(name, &TopicOptions::stream(1)).unwrap_err();
        assert!(matches!(error, LogError::Invalid { .. }), "{name}: {error}");
    }
    let error = fixture.log.create_topic("none", &TopicOptions::stream(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the topic "none" is not possible: it has 0 partitions, which must be 1 to 10000"#
    );
}

pub(crate) fn offsets_rise_by_partition(fixture: &Fixture) {
    stream(&*fixture.log, "t", 2);
    let transaction = Transaction {
        appends: vec![
            append_to("t", 0, numbered(0, 5)),
            append_to("t", 1, numbered(0, 7)),
            append_to("t", 0, numbered(5, 2)),
        ],
        commits: Vec::new(),
    };
    assert_eq!(fixture.log.append(&transaction).unwrap(), [0, 0, 5]);
    let second = 7 + fixture.kind.offsets_of_a_transaction();
    assert_eq!(
        fixture.other.append(&transaction).unwrap(),
        [second, second, second + 5]
    );
    for partition in 0..2 {
        let seen = read_count(&*fixture.log, "t", partition, 14);
        let offsets = (0..7).chain(second..second + 7);
        assert!(seen.iter().map(|record| record.offset).eq(offsets), "{seen:?}");
        assert_eq!(fixture.log.ranges("t").unwrap()[partition as usize].end, 2 * second);
    }
    assert_eq!(fixture.log.append(&Transaction::default()).unwrap(), Vec::<u64>::new());
}

pub(crate) fn batches_and_commits_appear_together(fixture: &Fixture) {
    stream(&*fixture.log, "in", 1);
    stream(&*fixture.log, "out", 1);
    let transaction = Transaction {
        appends: vec![append_to("out", 0, numbered(0, 3))],
        commits: vec![commit("job", "in", 0, 9)],
    };
    fixture.log.append(&transaction).unwrap();
    for log in [&fixture.log, &fixture.other] {
        read_count(&**log, "out", 0, 3);
        assert_eq!(log.committed("job").unwrap(), [commit("job", "in", 0, 9)]);
    }
}

pub(crate) fn one_bad_part_refuses_the_whole(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    let good = || append_to("t", 0, numbered(0, 3));
    let mut long = commit("job", "t", 0, 1);
    long.metadata = vec![0; hw_log::METADATA_BYTES_MAX + 1];
    let bad = [
        Transaction {
            appends: vec![good(), append_to("none", 0, numbered(0, 1))],
            commits: Vec::new(),
        },
        Transaction {
            appends: vec![good(), append_to("t", 1, numbered(0, 1))],
            commits: Vec::new(),
        },
        Transaction {
            appends: vec![good(), append_to("t", 0, Vec::new())],
            commits: Vec::new(),
        },
        Transaction {
            appends: vec![good()],
            commits: vec![commit("job", "t", 0, 1), commit("job", "none", 0, 1)],
        },
        Transaction {
            appends: vec![good()],
            commits: vec![commit("j/b", "t", 0, 1)],
        },
        Transaction {
            appends: vec![good()],
            commits: vec![long],
        },
    ];
    for transaction in bad {
        assert!(!fixture.log.append(&transaction).unwrap_err().is_retriable());
        assert_eq!(fixture.log.ranges("t").unwrap(), [OffsetRange { start: 0, end: 0 }]);
        assert_eq!(fixture.log.committed("job").unwrap(), []);
    }
    // The log is as good as before.
    assert_eq!(append(&*fixture.log, "t", 0, numbered(0, 3)), 0);
}

pub(crate) fn damaged_batches_are_refused(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    let refuse = |batch: Vec<u8>| {
        let appends = vec![append_to("t", 0, batch)];
        fixture
            .log
            .append(&Transaction {
                appends,
                commits: Vec::new(),
            })
            .unwrap_err()
            .to_string()
    };
    let good = numbered(0, 3);
    let mut flipped = good.clone();
    flipped[70] ^= 1;
    assert!(refuse(flipped).starts_with("the batch for t/0 was refused: the batch is damaged: its CRC-32C is"));
    let mut two = good.clone();
    two.extend_from_slice(&good);
    assert!(refuse(two).contains("batch length"));
    assert!(refuse(good[..good.len() - 1].to_vec()).contains("cut off"));
}

pub(crate) fn commits_are_kept_by_group(fixture: &Fixture) {
    stream(&*fixture.log, "t", 2);
    stream(&*fixture.log, "u", 1);
    let store = |commits| {
        fixture
            .log
            .append(&Transaction {
                appends: Vec::new(),
                commits,
            })
            .unwrap()
    };
    assert_eq!(fixture.log.committed("a").unwrap(), []);
    store(vec![
        commit("a", "t", 1, 5),
        commit("b", "t", 1, 6),
        commit("a", "u", 0, 1),
    ]);
    store(vec![commit("a", "t", 1, 300), commit("a", "t", 0, 2)]);
    let expected = [commit("a", "t", 0, 2), commit("a", "t", 1, 300), commit("a", "u", 0, 1)];
    assert_eq!(fixture.log.committed("a").unwrap(), expected);
    assert_eq!(fixture.other.committed("b").unwrap(), [commit("b", "t", 1, 6)]);
}

pub(crate) fn writers_do_not_mix_their_transactions(fixture: &Fixture) {
    stream(&*fixture.log, "t", 2);
    let bases: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let write = |log: &dyn hw_log::Log| -> Vec<Vec<u64>> {
            let append = |_| {
                let appends = (0..4).map(|index| append_to("t", index % 2, numbered(0, 10))).collect();
                log.append(&Transaction {
                    appends,
                    commits: Vec::new(),
                })
                .unwrap()
            };
            (0..25).map(append).collect()
        };
        let threads: Vec<_> = [&fixture.log, &fixture.other]
            .map(|log| scope.spawn(move || write(&**log)))
            .into_iter()
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for bases in &bases {
        assert!(
            bases[0] < bases[2] && bases[1] < bases[3],
            "a transaction's batches are in its order: {bases:?}"
        );
    }
    if fixture.kind == Kind::Folder {
        transactions_stand_together(&bases);
    }
    for partition in 0..2 {
        let seen = read_count(&*fixture.log, "t", partition, 1_000);
        let mut appended: Vec<u64> = bases
            .iter()
            .flat_map(|bases| bases.iter().skip(partition as usize).step_by(2))
            .copied()
            .collect();
        appended.sort_unstable();
        let offsets = appended.into_iter().flat_map(|base| base..base + 10);
        assert!(
            seen.iter().map(|record| record.offset).eq(offsets),
            "each batch is where it was said to be"
        );
    }
}

/// Where a log does one transaction after the other. On Kafka those of two writers may lie one in the other; none is seen
/// before it is committed.
fn transactions_stand_together(bases: &[Vec<u64>]) {
    for bases in bases {
        assert_eq!([bases[0], bases[1]], [bases[2] - 10, bases[3] - 10]);
    }
    let mut firsts: Vec<u64> = bases.iter().map(|bases| bases[0]).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, (0..50).map(|index| index * 20).collect::<Vec<_>>());
}

pub(crate) fn schemas_have_one_id(fixture: &Fixture) {
    let (reading, finding) = (r#"{"type":"record"}"#, r#""string""#);
    let first = fixture.log.register_schema("readings-value", reading).unwrap();
    let second = fixture.other.register_schema("findings-value", finding).unwrap();
    assert_ne!(first, second);
    assert_eq!(fixture.other.register_schema("readings-value", reading).unwrap(), first);
    assert_eq!(fixture.log.schema(first).unwrap().as_deref(), Some(reading));
    assert_eq!(fixture.other.schema(second).unwrap().as_deref(), Some(finding));
    assert_eq!(fixture.log.schema(99).unwrap(), None);
    let error = fixture.log.register_schema("x", "{").unwrap_err().to_string();
    assert!(
        error.starts_with(r#"the subject "x" is not possible: its schema is no JSON"#),
        "{error}"
    );
}

pub(crate) fn engines_at_a_time(fixture: &Fixture) {
    let guard = fixture.log.claim_engine("first").unwrap();
    for log in [&fixture.log, &fixture.other] {
        let second = log.claim_engine("second");
        if fixture.kind == Kind::Kafka {
            second.expect("its groups share out what there is to do");
            continue;
        }
        let error = second.unwrap_err();
        let text = error.to_string();
        let wanted = format!("in use by engine first of process {}", std::process::id());
        assert!(text.contains(&wanted), "{text}");
        assert!(!error.is_retriable());
    }
    stream(&*fixture.other, "t", 1);
    assert_eq!(
        append(&*fixture.other, "t", 0, numbered(0, 1)),
        0,
        "everything else goes on"
    );
    drop(guard);
    drop(fixture.other.claim_engine("second").unwrap());
    fixture.log.claim_engine("third").unwrap();
}
