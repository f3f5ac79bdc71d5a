//! How long a finding takes on a cluster: from the append of the reading that decides it to the moment that a reader of
//! committed records sees it.
//!
//! A finding is decided by the first reading of its partition that is younger than it, for only then the clock has passed.
//! Readings come at a steady rate, each second of the load as a batch a partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hw_engine::{Clock, RunOptions, SystemClock};
use hw_log::Log;
use hw_log::batch::{BatchHeader, Scratch, walk};
use hw_town::steady::START_MS;

use crate::BenchError;
use crate::engine::Form;
use crate::kafka::{BYTES_UNDER_WAY_MAX, KafkaBench, plan};
use crate::sender::{PARTITIONS, Sender};

/// Answers of the first seconds are not counted: topics and connections are new then.
const WARM: Duration = Duration::from_secs(3);

/// The last findings have to come within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long findings took.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Readings a second, as they were really appended.
    pub rate: f64,
    /// Findings that were timed.
    pub findings: u64,
    /// Half of the findings took at most so long.
    pub p50: Duration,
    /// All but one in a hundred took at most so long.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// When each second's batch of each partition was appended.
struct Appended {
    /// How many readings make a second.
    users: u32,
    /// By partition, then by second.
    at: Vec<Vec<Instant>>,
    /// By partition: how far into a second its last reading stands, in milliseconds.
    last_ms: Vec<i64>,
}

impl Appended {
    /// When the reading was appended that decided a finding of this time; none when none was.
    fn deciding(&self, partition: u32, time_ms: i64) -> Option<Instant> {
        let after_ms = time_ms - START_MS;
        let (second, within_ms) = (after_ms.div_euclid(1_000), after_ms.rem_euclid(1_000));
        let is_last = within_ms >= self.last_ms[partition as usize];
        let second = usize::try_from(second).ok()? + usize::from(is_last);
        self.at[partition as usize].get(second).copied()
    }
}

impl KafkaBench {
    /// Appends readings at about `rate` a second for `duration` to topics of their own while a pipeline runs, and times its
    /// findings.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn latency(&self, form: Form, rate: f64, duration: Duration, workers: usize) -> Result<Latency, BenchError> {
        let pipeline = Arc::new(plan(form)?);
        let topic = pipeline.streams[pipeline.jobs[0].sink].topic.clone();
        let sender = self.sender(&pipeline)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = RunOptions {
            workers,
            ..RunOptions::default()
        };
        let running = hw_engine::start(&pipeline, &self.log, &clock, &options)?;
        let is_over = AtomicBool::new(false);
        let timed = std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_findings(self.log.as_ref(), &topic, &is_over));
            let appended = self.append_steadily(&sender, rate, duration);
            std::thread::sleep(Duration::from_millis(1_000));
            is_over.store(true, Ordering::Relaxed);
            let seen = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, BenchError>((appended?, seen?))
        });
        running.stop();
        running.join()?;
        let (appended, seen) = timed?;
        Ok(summed_up(&appended, &seen))
    }

    fn append_steadily(&self, sender: &Sender, rate: f64, duration: Duration) -> Result<Appended, BenchError> {
        let mut to_brokers = self.cluster.pipeline(BYTES_UNDER_WAY_MAX)?;
        let every = Duration::from_secs_f64(f64::from(self.load.users) / rate);
        let seconds = (duration.as_secs_f64() / every.as_secs_f64()) as u32;
        let mut at = vec![Vec::with_capacity(seconds as usize); PARTITIONS as usize];
        let began = Instant::now();
        for second in 0..seconds {
            for partition in 0..PARTITIONS {
                at[partition as usize].push(Instant::now());
                sender.send_partition(&mut to_brokers, partition, second..second + 1)?;
            }
            // Nothing is sent between calls, so whoever pauses has to see everything off.
            to_brokers.flush()?;
            std::thread::sleep((every * (second + 1)).saturating_sub(began.elapsed()));
        }
        Ok(Appended {
            at,
            users: self.load.users,
            last_ms: (0..PARTITIONS).map(|partition| sender.last_ms(partition)).collect(),
        })
    }
}

/// Partition and time of a finding, and when it was seen.
type Seen = (u32, i64, Instant);

fn read_findings(log: &dyn Log, topic: &str, is_over: &AtomicBool) -> Result<Vec<Seen>, BenchError> {
    let mut next = vec![0; PARTITIONS as usize];
    let (mut seen, mut scratch) = (Vec::new(), Scratch::default());
    let mut quiet_since = Instant::now();
    loop {
        let mark = log.wait_for_appends(0, Duration::ZERO)?;
        let mut found = false;
        for (partition, next) in (0..).zip(&mut next) {
            let fetch = log.read(topic, partition, *next, 1 << 20)?;
            let now = Instant::now();
            for batch in &fetch.batches {
                if BatchHeader::parse(batch)?.is_control() {
                    continue;
                }
                walk(batch, &mut scratch, |record| {
                    seen.push((partition, record.timestamp_ms, now));
                    std::ops::ControlFlow::Continue(())
                })?;
            }
            found |= fetch.next_offset > *next;
            *next = fetch.next_offset;
        }
        if found {
            quiet_since = Instant::now();
        } else if is_over.load(Ordering::Relaxed) && quiet_since.elapsed() > PATIENCE / 10 {
            return Ok(seen);
        } else {
            log.wait_for_appends(mark, Duration::from_millis(20))?;
        }
    }
}

fn summed_up(appended: &Appended, seen: &[Seen]) -> Latency {
    let all = || appended.at.iter().flatten();
    let (first, last) = (all().min().copied(), all().max().copied());
    let mut took: Vec<Duration> = Vec::new();
    for (partition, time_ms, at) in seen {
        let Some(deciding) = appended.deciding(*partition, *time_ms) else {
            continue;
        };
        if first.is_some_and(|first| deciding.duration_since(first) >= WARM) {
            took.push(at.saturating_duration_since(deciding));
        }
    }
    took.sort_unstable();
    let at = |share: f64| {
        let index = (took.len() as f64 * share) as usize;
        took.get(index.min(took.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    let passed = first
        .zip(last)
        .map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    let readings = appended.at.first().map_or(0, Vec::len) as f64 * f64::from(appended.users);
    Latency {
        rate: readings / passed,
        findings: took.len() as u64,
        p50: at(0.5),
        p99: at(0.99),
        max: at(1.0),
    }
}
