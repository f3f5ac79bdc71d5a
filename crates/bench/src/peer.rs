//! Another stream processor on the same topics: its command is run, and what it reports of itself is read.
//!
//! It knows no peer. A peer says how it was in one line of its output that holds `msg/s=`, `msg/cpu_s=` and `peakRSS_MB=`, and
//! writes its findings to a topic of its own, which are counted.

use std::process::{Command, Stdio};

use hw_log::batch::BatchHeader;

use crate::BenchError;
use crate::kafka::KafkaBench;

/// What a peer said of itself, and what it found.
#[derive(Debug, Clone, Copy)]
pub struct PeerWork {
    /// Readings a second.
    pub rate: f64,
    /// Readings a second of CPU time.
    pub per_cpu_second: f64,
    /// The greatest resident set, in megabytes.
    pub peak_megabytes: f64,
    /// Records that a reader of committed records sees in its topic.
    pub findings: u64,
}

/// Where peers write. They make it anew themselves.
const ALERTS: &str = "alerts";

impl KafkaBench {
    /// Runs a peer's command in a shell. In it `{readings}`, `{baselines}` and `{alerts}` stand for topics, `{count}` for the
    /// number of readings.
    ///
    /// # Errors
    /// When it cannot be run, fails, or reports nothing.
    pub fn peer(&self, name: &str, command: &str) -> Result<PeerWork, BenchError> {
        let failed = |reason: String| BenchError::Peer {
            name: name.to_owned(),
            reason,
        };
        let command = command
            .replace("{readings}", &self.cluster.topic_there("readings"))
            .replace("{baselines}", &self.cluster.topic_there("baselines"))
            .replace("{alerts}", &self.cluster.topic_there(ALERTS))
            .replace("{count}", &self.readings().to_string());
        let output = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stderr(Stdio::inherit())
            .output();
        let output = output.map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(failed(format!("{}: {text}", output.status)));
        }
        let number = |label: &str| {
            let words = text.split_whitespace();
            let mut numbers = words.filter_map(|word| word.strip_prefix(label)?.parse::<f64>().ok());
            numbers
                .next()
                .ok_or_else(|| failed(format!("its output has no {label}: {text}")))
        };
        Ok(PeerWork {
            rate: number("msg/s=")?,
            per_cpu_second: number("msg/cpu_s=")?,
            peak_megabytes: number("peakRSS_MB=")?,
            findings: self.count(ALERTS)?,
        })
    }

    fn count(&self, topic: &str) -> Result<u64, BenchError> {
        let mut count = 0;
        for (partition, range) in (0..).zip(self.log.ranges(topic)?) {
            let mut next = range.start;
            while next < range.end {
                let fetch = self.log.read(topic, partition, next, 1 << 20)?;
                for batch in &fetch.batches {
                    let header = BatchHeader::parse(batch)?;
                    count += if header.is_control() {
                        0
                    } else {
                        u64::from(header.count)
                    };
                }
                next = fetch.next_offset;
            }
        }
        Ok(count)
    }
}
