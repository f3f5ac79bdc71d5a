//! What a network can do to requests and answers, and that nothing is lost, doubled or torn by it.

use std::time::Duration;

use super::proxy::{ADD_OFFSETS, ADD_PARTITIONS, END_TXN, Fault, INIT_PRODUCER_ID, PRODUCE, Proxy, TXN_OFFSET_COMMIT};
use super::{Stage, noise, transaction, wait_for};
use crate::LogError;

const LATE: Duration = Duration::from_millis(200);

/// A stage behind a proxy.
fn behind_proxy(name: &str, partitions: i32, config: &[(&str, &str)]) -> Option<(Stage, Proxy)> {
    let bootstrap = std::env::var("HEARTWATCH_TEST_KAFKA").ok();
    let Some(bootstrap) = bootstrap else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return None;
    };
    let proxy = Proxy::before(&bootstrap);
    let stage = Stage::at(&proxy.address(), &[], name, partitions, config);
    Some((stage, proxy))
}

#[test]
fn an_append_survives_broken_connections() {
    let Some((stage, proxy)) = behind_proxy("broken", 1, &[]) else {
        return;
    };
    let producer = stage.producer();
    for (number, fault) in (0..).zip([
        Fault::LoseRequest,
        Fault::LoseAnswer,
        Fault::Late(Duration::from_millis(300)),
    ]) {
        proxy.plan(PRODUCE, 0, fault);
        let append = stage.append(0, &[&number.to_string()]);
        assert_eq!(
            producer.append(&transaction(vec![append], vec![])),
            Ok(vec![number]),
            "{fault:?}"
        );
        assert!(proxy.is_done());
    }
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(stage.committed(0), ["0", "1", "2"]);
}

#[test]
fn a_pipeline_survives_broken_connections() {
    let Some((stage, proxy)) = behind_proxy("broken-pipeline", 3, &[]) else {
        return;
    };
    for skip in [0, 1, 5, 9, 4, 12, 30] {
        proxy.plan(PRODUCE, skip, Fault::LoseAnswer);
        proxy.plan(PRODUCE, skip, Fault::LoseRequest);
        proxy.plan(PRODUCE, skip, Fault::Late(Duration::from_millis(50)));
    }
    let mut pipeline = stage.producer().pipeline(1 << 20).unwrap();
    let mut offsets = Vec::new();
    for number in 0..1_500u32 {
        let value = number.to_string();
        pipeline.send(stage.append(number % 3, &[&value, &value])).unwrap();
        offsets.extend(std::iter::from_fn(|| pipeline.next_base_offset()));
    }
    pipeline.flush().unwrap();
    offsets.extend(std::iter::from_fn(|| pipeline.next_base_offset()));
    assert!(proxy.is_done());
    let expected: Vec<u64> = (0..1_500).map(|number| number / 3 * 2).collect();
    assert!(offsets == expected, "{:?} ...", &offsets[..30]);
    for partition in 0..3 {
        let own = (0..1_500).filter(|number| number % 3 == partition);
        let expected: Vec<String> = own
            .flat_map(|number| [number.to_string(), number.to_string()])
            .collect();
        assert!(stage.committed(partition) == expected, "partition {partition}");
    }
}

/// Whatever is lost of a transaction, it is done once in the end, or an error says that it was not or that this is
/// unknown.
#[test]
fn a_transaction_survives_broken_connections() {
    let Some((stage, proxy)) = behind_proxy("broken-transaction", 2, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    // A group's very first commit is seen only once it is in force; later ones are waited for.
    let first = vec![stage.commit(&stage.topic, 0, 0, b"")];
    worker.append(&transaction(vec![], first)).unwrap();
    wait_for(|| !stage.cluster.committed(&stage.topic).unwrap().is_empty());
    let mut expected = Vec::new();
    for api_key in [
        INIT_PRODUCER_ID,
        ADD_PARTITIONS,
        ADD_OFFSETS,
        PRODUCE,
        TXN_OFFSET_COMMIT,
        END_TXN,
    ] {
        for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::Late(LATE)] {
            if api_key == INIT_PRODUCER_ID {
                if fault == Fault::Late(LATE) {
                    // That shuts us out at some later time: the next test.
                    continue;
                }
                // Only a worker that is not certain asks for an identity.
                proxy.plan(PRODUCE, 0, Fault::LoseAnswer);
                worker
                    .append(&transaction(vec![stage.append(1, &["uncertain"])], vec![]))
                    .unwrap();
            }
            proxy.plan(api_key, 0, fault);
            let value = format!("{api_key} {fault:?}");
            let appends = vec![stage.append(0, &[&value]), stage.append(1, &[&value])];
            let commits = vec![stage.commit(&stage.topic, 0, expected.len() as u64, value.as_bytes())];
            let done = worker.append(&transaction(appends, commits));
            assert!(done.is_ok(), "{value}: {done:?}");
            assert!(proxy.is_done(), "{value}");
            expected.push(value.clone());
            let committed = stage.cluster.committed(&stage.topic).unwrap();
            assert_eq!(committed[0].metadata, value.as_bytes());
            assert_eq!(committed[0].offset, expected.len() as u64 - 1);
        }
    }
    assert_eq!(stage.committed(0), expected);
}

/// A broker cannot tell a late request for an identity from that of another worker.
#[test]
fn a_late_request_for_an_identity_shuts_out() {
    let Some((stage, proxy)) = behind_proxy("late-identity", 1, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    proxy.plan(INIT_PRODUCER_ID, 0, Fault::Late(LATE));
    worker
        .append(&transaction(vec![stage.append(0, &["zero"])], vec![]))
        .unwrap();
    std::thread::sleep(LATE * 3);
    let fenced = worker.append(&transaction(vec![stage.append(0, &["fenced"])], vec![]));
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    worker
        .append(&transaction(vec![stage.append(0, &["one"])], vec![]))
        .unwrap();
    assert_eq!(stage.committed(0), ["zero", "one"]);
}

/// The request to commit one transaction arrives again while the next is being written.
#[test]
fn a_late_request_to_commit_does_not_end_the_next_transaction() {
    let Some((stage, proxy)) = behind_proxy("late", 1, &[("max.message.bytes", "1000")]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    worker
        .append(&transaction(vec![stage.append(0, &["zero"])], vec![]))
        .unwrap();
    proxy.plan(END_TXN, 0, Fault::Late(Duration::from_millis(700)));
    worker
        .append(&transaction(vec![stage.append(0, &["one"])], vec![]))
        .unwrap();
    // This one is held up until the late request has come, and then fails.
    proxy.plan(TXN_OFFSET_COMMIT, 0, Fault::Late(Duration::from_millis(10)));
    let large = stage.append(0, &[&noise(3_000)]);
    let held_up = std::thread::scope(|scope| {
        let identities = worker.groups.lock().unwrap();
        let held_up = scope.spawn(|| {
            let appends = vec![stage.append(0, &["never"]), large];
            worker.append(&transaction(appends, vec![stage.commit(&stage.topic, 0, 1, b"")]))
        });
        std::thread::sleep(Duration::from_millis(1_500));
        drop(identities);
        held_up.join().unwrap()
    });
    assert!(matches!(held_up, Err(LogError::TooLarge { .. })), "{held_up:?}");
    worker
        .append(&transaction(vec![stage.append(0, &["two"])], vec![]))
        .unwrap();
    assert_eq!(stage.committed(0), ["zero", "one", "two"]);
}

/// Nobody answers whether it was committed until it is too late to find out.
#[test]
fn a_commit_without_an_answer_is_unknown() {
    let Some((stage, proxy)) = behind_proxy("unknown", 1, &[]) else {
        return;
    };
    let short = [("request.timeout.ms", "1500"), ("transaction.timeout.ms", "1500")];
    let stage = Stage {
        cluster: Stage::at(&proxy.address(), &short, "unknown-short", 1, &[]).cluster,
        ..stage
    };
    let worker = stage.worker(&stage.topic);
    worker
        .append(&transaction(vec![stage.append(0, &["zero"])], vec![]))
        .unwrap();
    for _ in 0..200 {
        proxy.plan(END_TXN, 0, Fault::LoseRequest);
    }
    let unknown = worker.append(&transaction(vec![stage.append(0, &["one"])], vec![]));
    assert!(matches!(unknown, Err(LogError::Unknown { .. })), "{unknown:?}");
    assert!(unknown.unwrap_err().asks_to_start_over());
    proxy.forget();
    // The next is done by a new identity, and ends what was under way before.
    worker
        .append(&transaction(vec![stage.append(0, &["two"])], vec![]))
        .unwrap();
    assert_eq!(stage.committed(0), ["zero", "two"]);
}
