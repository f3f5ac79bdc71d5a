//! What is at work, as it is seen from outside: tasks that come and go, and what the log refuses at present.
//!
//! It decides nothing. Workers write, whoever watches reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hw_log::Seat;

use crate::metrics::TaskMetrics;

/// One task, as it is seen from outside.
#[derive(Debug, Clone)]
pub struct TaskStatus {
    /// Index of the job in the pipeline.
    pub job: usize,
    /// The source's topic.
    pub topic: String,
    /// The source's partition.
    pub partition: u32,
    /// Offset that reading started at: before [`Self::answers_from`] when state is rebuilt from the log.
    pub reads_from: u64,
    /// Offset of the first record that no commit had answered.
    pub answers_from: u64,
    /// Whether what came before was answered by another plan: the pipeline has changed since its last commit.
    pub is_changed: bool,
    /// What it counts, in this process: a task that comes back counts on.
    pub metrics: Arc<TaskMetrics>,
}

/// The tasks of a process.
#[derive(Debug, Default)]
pub struct TaskList {
    /// Written by the workers when a task comes or goes and when the log refuses something, read by whoever shows it. A
    /// plain lock: all of that is rare and short. What tasks count is not behind it.
    listed: Mutex<Listed>,
}

#[derive(Debug, Default)]
struct Listed {
    /// By job and partition. Those that have gone stay, so that no count is lost.
    tasks: BTreeMap<(usize, u32), Entry>,
    arrivals: u64,
    /// By worker.
    trouble: BTreeMap<u32, String>,
}

#[derive(Debug)]
struct Entry {
    status: TaskStatus,
    /// The arrival that it is here by; none when it has gone.
    here_by: Option<u64>,
}

impl TaskList {
    /// Those at work, by job and partition.
    pub fn present(&self) -> Vec<TaskStatus> {
        let listed = self.lock();
        let here = listed.tasks.values().filter(|entry| entry.here_by.is_some());
        here.map(|entry| entry.status.clone()).collect()
    }

    /// Those at work and those that have gone, by job and partition: for what was counted altogether.
    pub fn ever(&self) -> Vec<TaskStatus> {
        self.lock().tasks.values().map(|entry| entry.status.clone()).collect()
    }

    /// What the log refuses at present and is tried again; none when all is well.
    pub fn trouble(&self) -> Option<String> {
        self.lock().trouble.values().next().cloned()
    }

    /// Where a task of that job and partition counts.
    pub(crate) fn metrics(&self, job: usize, partition: u32) -> Arc<TaskMetrics> {
        let listed = self.lock();
        let known = listed.tasks.get(&(job, partition));
        known.map_or_else(Arc::default, |entry| Arc::clone(&entry.status.metrics))
    }

    /// A task begins to work; it leaves the list when the listing is dropped.
    pub(crate) fn arrive(self: &Arc<Self>, status: TaskStatus) -> Listing {
        let place = (status.job, status.partition);
        let mut listed = self.lock();
        listed.arrivals += 1;
        let arrival = listed.arrivals;
        let here_by = Some(arrival);
        listed.tasks.insert(place, Entry { status, here_by });
        Listing {
            list: Arc::clone(self),
            place,
            arrival,
        }
    }

    /// What a worker is refused at present; none when nothing.
    pub(crate) fn say_trouble(&self, seat: Seat, trouble: Option<String>) {
        let mut listed = self.lock();
        match trouble {
            Some(trouble) => listed.trouble.insert(seat.number, trouble),
            None => listed.trouble.remove(&seat.number),
        };
    }

    fn lock(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task's place in the list, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Listing {
    list: Arc<TaskList>,
    place: (usize, u32),
    arrival: u64,
}

impl Drop for Listing {
    fn drop(&mut self) {
        let mut listed = self.list.lock();
        // Another worker of the process may have the partition already.
        let mine = listed
            .tasks
            .get_mut(&self.place)
            .filter(|entry| entry.here_by == Some(self.arrival));
        if let Some(entry) = mine {
            entry.here_by = None;
            entry.status.metrics.clear_gauges();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(list: &TaskList, partition: u32) -> TaskStatus {
        TaskStatus {
            job: 0,
            topic: "readings".into(),
            partition,
            reads_from: 0,
            answers_from: 0,
            is_changed: false,
            metrics: list.metrics(0, partition),
        }
    }

    #[test]
    fn a_task_that_comes_back_counts_on() {
        let list: Arc<TaskList> = Arc::default();
        let listing = list.arrive(status(&list, 2));
        TaskMetrics::add(&list.present()[0].metrics.records_in, 5);
        TaskMetrics::set(&list.present()[0].metrics.lag, 7);
        drop(listing);
        assert!(list.present().is_empty());
        assert_eq!(
            TaskMetrics::get(&list.ever()[0].metrics.lag),
            0,
            "what is gone has no lag"
        );
        let _again = list.arrive(status(&list, 2));
        assert_eq!(TaskMetrics::get(&list.present()[0].metrics.records_in), 5);
    }

    #[test]
    fn a_task_that_another_worker_has_taken_over_stays_listed() {
        let list: Arc<TaskList> = Arc::default();
        let old = list.arrive(status(&list, 2));
        let _new = list.arrive(status(&list, 2));
        drop(old);
        assert_eq!(list.present().len(), 1);
    }
}
