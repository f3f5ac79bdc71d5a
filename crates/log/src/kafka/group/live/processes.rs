//! Workers in processes of their own, which are killed, stopped and started again.
//!
//! The tests start their own binary again as the worker. It prints each change as a line.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::team::{Protocol, Team, Worker, settings};
use crate::kafka::cluster::Cluster;

/// Tells the test binary to be a worker: protocol, group, topic, instance id.
const WORKER: &str = "HW_LOG_TEST_GROUP_WORKER";
/// A session ends in 6 s; with the consumer protocol, a broker of default settings takes 45 s.
const PATIENCE: Duration = Duration::from_secs(70);

/// Not a test of its own: what the processes do.
#[test]
fn worker() {
    let Ok(orders) = std::env::var(WORKER) else { return };
    let orders: Vec<&str> = orders.split(' ').collect();
    let instance = orders.get(3).copied();
    let cluster = Cluster::open(settings(orders[0], instance).unwrap()).unwrap();
    let mut worker = Worker::new(&cluster, orders[1], orders[2]);
    let mut said = 0;
    loop {
        worker.step();
        for change in &worker.history[said..] {
            println!("change {change:?}");
        }
        said = worker.history.len();
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(team: &Team, instance: Option<&str>) -> Process {
        let orders = format!("{} {} {}", team.protocol.name(), team.group, team.topic);
        let orders = instance.map_or(orders.clone(), |instance| format!("{orders} {instance}"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kafka::group::live::processes::worker",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(WORKER, orders)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1_000);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The first stands behind the test's name.
                if let Some((_, change)) = line.split_once("change ") {
                    let _ = sender.send(change.to_owned());
                }
            }
        });
        Process { child, lines }
    }

    /// The next change that it prints, while the team goes on.
    fn next(&self, team: &mut Team) -> String {
        let start = Instant::now();
        loop {
            team.watch(Duration::from_millis(20));
            match self.lines.try_recv() {
                Ok(line) => return line,
                Err(_) => assert!(start.elapsed() < PATIENCE, "it says nothing"),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_killed_process_is_missed_classic() {
    a_killed_process_is_missed(Protocol::Classic);
}

#[test]
fn a_killed_process_is_missed_consumer() {
    a_killed_process_is_missed(Protocol::Consumer);
}

fn a_killed_process_is_missed(protocol: Protocol) {
    let Some(mut team) = Team::new("killed", protocol, 6) else {
        return;
    };
    team.join(None);
    team.until_shared(PATIENCE);
    let first = Process::start(&team, None);
    assert!(first.next(&mut team).starts_with("Assigned"));
    let second = Process::start(&team, None);
    assert!(second.next(&mut team).starts_with("Assigned"));
    assert!(first.next(&mut team).starts_with("Revoked"));
    team.watch(Duration::from_secs(1));
    assert_eq!(team.workers[0].held.len(), 2);
    drop((first, second));
    team.until_shared(PATIENCE);
}

#[test]
fn a_stopped_process_has_lost_all_when_it_goes_on() {
    let Some(mut team) = Team::new("stopped", Protocol::Classic, 4) else {
        return;
    };
    team.join(None);
    team.until_shared(PATIENCE);
    let stopped = Process::start(&team, None);
    let assigned = stopped.next(&mut team);
    stopped.signal("-STOP");
    team.until_shared(PATIENCE);
    assert_eq!(team.workers[0].held.len(), 4, "a stopped process is missed");
    stopped.signal("-CONT");
    assert_eq!(stopped.next(&mut team), assigned.replace("Assigned", "Lost"));
    assert!(stopped.next(&mut team).starts_with("Assigned"));
}

#[test]
fn a_killed_static_process_comes_back_without_a_rebalance() {
    let Some(mut team) = Team::new("back", Protocol::Classic, 4) else {
        return;
    };
    team.join(None);
    team.until_shared(PATIENCE);
    let process = Process::start(&team, Some("p"));
    let assigned = process.next(&mut team);
    team.watch(Duration::from_secs(2));
    let (generation, changes) = (team.workers[0].generation(), team.workers[0].history.len());
    drop(process);
    let again = Process::start(&team, Some("p"));
    assert_eq!(again.next(&mut team), assigned);
    assert_eq!(
        (team.workers[0].generation(), team.workers[0].history.len()),
        (generation, changes)
    );
}
