//! What only folders do: opening and closing, who holds one, what survives, and what is refused.
//!
//! The promises of every log are in `conformance`; being killed is in `kill`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hw_log::batch::{BatchBuilder, Compression};
use hw_log::{
    Append, Commit, Durability, FolderLog, FolderOptions, IfMissing, Log, LogError, Role, TopicOptions, Transaction,
};

fn open(folder: &Path) -> FolderLog {
    FolderLog::open(folder, &FolderOptions::default()).unwrap()
}

fn transaction(topic: &str, number: i64) -> Transaction {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(number, Some(b"k"), Some(&number.to_be_bytes()), &[]);
    Transaction {
        appends: vec![Append {
            topic: topic.into(),
            partition: 0,
            batch: builder.finish(),
        }],
        commits: vec![Commit {
            group: "g".into(),
            topic: topic.into(),
            partition: 0,
            offset: number as u64,
            metadata: vec![1],
        }],
    }
}

#[test]
fn everything_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made/on/the/way");
    for durability in [Durability::Process, Durability::Power] {
        let log = FolderLog::open(
            &folder,
            &FolderOptions {
                durability,
                ..FolderOptions::default()
            },
        )
        .unwrap();
        log.create_topic("t", &TopicOptions::stream(3)).unwrap();
        log.append(&transaction("t", 7)).unwrap();
        log.register_schema("s", "1").unwrap();
        log.register_schema("s", "2").unwrap();
    }
    let log = open(&folder);
    assert_eq!(log.role(), Role::Holder);
    assert_eq!(log.topic("t").unwrap().options, TopicOptions::stream(3));
    assert_eq!(
        log.ranges("t")
            .unwrap()
            .iter()
            .map(|range| range.end)
            .collect::<Vec<_>>(),
        [2, 0, 0]
    );
    assert_eq!(log.committed("g").unwrap(), transaction("t", 7).commits);
    assert_eq!(log.register_schema("s", "2").unwrap(), 2);
    assert_eq!(log.register_schema("s", "3").unwrap(), 3);
    assert_eq!(log.offset_at_time("t", 0, 8).unwrap(), 2);
    assert_eq!(log.append(&transaction("t", 1)).unwrap(), [2]);
}

#[test]
fn cleaning_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let options = TopicOptions {
        partitions: 1,
        retention_ms: Some(10),
        compacted: false,
    };
    {
        let log = open(folder.path());
        log.create_topic("t", &options).unwrap();
        (0..5).for_each(|number| drop(log.append(&transaction("t", number * 100)).unwrap()));
        log.maintain(305).unwrap();
    }
    let log = open(folder.path());
    let range = log.ranges("t").unwrap()[0];
    assert_eq!((range.start, range.end), (3, 5));
    assert_eq!(log.read("t", 0, 3, 1_000).unwrap().batches.len(), 2);
}

#[test]
fn a_guest_takes_over_when_the_holder_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let holder = open(folder.path());
    holder.create_topic("t", &TopicOptions::stream(1)).unwrap();
    let guest = open(folder.path());
    let claim = guest.claim_engine("engine").unwrap();
    assert_eq!(guest.append(&transaction("t", 1)).unwrap(), [0]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mark = guest.wait_for_appends(0, Duration::ZERO)?;
            guest.wait_for_appends(mark, Duration::from_secs(60))?;
            guest.wait_for_appends(mark, Duration::from_secs(60))
        });
        std::thread::sleep(Duration::from_millis(50));
        drop(holder);
        let error = waiting.join().unwrap().unwrap_err();
        assert!(error.is_retriable(), "{error}");
    });
    let error = guest.append(&transaction("t", 2)).unwrap_err();
    assert!(matches!(error, LogError::Disconnected { .. }), "{error}");
    assert!(error.to_string().ends_with("open the log again"), "{error}");
    drop(claim);
    let guest = open(folder.path());
    assert_eq!(guest.role(), Role::Holder);
    assert_eq!(guest.append(&transaction("t", 2)).unwrap(), [1]);
    guest.claim_engine("engine").unwrap();
}

#[test]
fn a_claim_ends_with_its_guest() {
    let folder = tempfile::tempdir().unwrap();
    let holder = open(folder.path());
    let guest = open(folder.path());
    let claim = guest.claim_engine("engine").unwrap();
    holder.claim_engine("another").unwrap_err();
    drop(guest);
    holder.claim_engine("another").unwrap_err();
    drop(claim);
    holder.claim_engine("another").unwrap();
}

#[test]
fn a_stale_socket_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    // What a killed process leaves: its lock file without a lock, and a socket that nobody listens to.
    fs::write(folder.path().join("lock"), "1").unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("log.sock")).unwrap());
    let log = open(folder.path());
    assert_eq!(log.role(), Role::Holder);
    assert_eq!(open(folder.path()).role(), Role::Guest);
}

#[test]
fn nobody_else_may_look_inside() {
    let parent = tempfile::tempdir().unwrap();
    let made = parent.path().join("made");
    let given = parent.path().join("given");
    fs::create_dir(&given).unwrap();
    for folder in [&made, &given] {
        let _log = open(folder);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder), 0o700);
        assert_eq!(mode(&folder.join("log.sock")), 0o600);
    }
}

#[test]
fn folders_that_cannot_be_used_say_why() {
    let parent = tempfile::tempdir().unwrap();
    let refuse = |folder: &Path, if_missing| {
        let options = FolderOptions {
            if_missing,
            ..FolderOptions::default()
        };
        let error = FolderLog::open(folder, &options).err().expect("refused");
        assert!(!error.is_retriable());
        error.to_string().replace(&parent.path().display().to_string(), "…")
    };
    assert_eq!(
        refuse(&parent.path().join("none"), IfMissing::Refuse),
        "…/none cannot be used as a log: there is no such folder; check the path"
    );
    let empty = parent.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(
        refuse(&empty, IfMissing::Refuse),
        "…/empty cannot be used as a log: there is no log in it; check the path"
    );
    fs::write(parent.path().join("file"), "x").unwrap();
    assert_eq!(
        refuse(&parent.path().join("file"), IfMissing::Create),
        "…/file cannot be used as a log: it is a file; name a folder"
    );
    assert_eq!(
        refuse(parent.path(), IfMissing::Create),
        "… cannot be used as a log: it holds other files; name an empty folder or a new one"
    );
    let long = parent.path().join("x".repeat(100));
    assert!(refuse(&long, IfMissing::Create).contains("its path is too long for a socket in it"));
}

#[test]
fn bytes_that_are_no_request_end_one_connection_only() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.create_topic("t", &TopicOptions::stream(1)).unwrap();
    let guest = open(folder.path());
    let mut noise = 3u64;
    for round in 0..200 {
        let mut stream = UnixStream::connect(folder.path().join("log.sock")).unwrap();
        let length = if round % 2 == 0 { 0xffff_ffff_u32 } else { 40 };
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend((0..44).map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        }));
        // The holder may have closed it already.
        let _ = stream.write_all(&bytes);
    }
    assert_eq!(guest.append(&transaction("t", 1)).unwrap(), [0]);
}

#[test]
fn guests_beyond_the_bound_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let _holder = open(folder.path());
    let mut guests = Vec::new();
    let error = loop {
        match FolderLog::open(folder.path(), &FolderOptions::default()) {
            Ok(guest) => guests.push(guest),
            Err(error) => break error,
        }
        assert!(guests.len() < 1_000);
    };
    assert!(matches!(error, LogError::Busy { connections: 64, .. }), "{error}");
    assert!(error.is_retriable());
    guests.pop();
    // The holder notices in its own time.
    let again = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        FolderLog::open(folder.path(), &FolderOptions::default()).is_ok()
    });
    assert!(again);
}

#[test]
fn too_much_at_once_is_refused_by_both() {
    let folder = tempfile::tempdir().unwrap();
    let holder = open(folder.path());
    holder.create_topic("t", &TopicOptions::stream(1)).unwrap();
    let append = Append {
        topic: "t".into(),
        partition: 0,
        batch: vec![0; 65 << 20],
    };
    let large = Transaction {
        appends: vec![append],
        commits: Vec::new(),
    };
    for log in [&holder, &open(folder.path())] {
        assert_eq!(
            log.append(&large).unwrap_err().to_string(),
            "a transaction of 68157440 bytes is over the limit of 67108864"
        );
    }
}
