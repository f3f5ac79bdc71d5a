//! A log's topics as the place where simulated readings go.
//!
//! It makes no readings.

use hw_avro::{Schema, shipped};
use hw_connectors::recordings::reading_columns;
use hw_log::{Log, TopicOptions};
use hw_town::{Baseline, Episode};

use super::{People, SimulateArgs};
use crate::commands::produce::{LOST, columns, ensure_topic};
use crate::crew::Crew;
use crate::delivery::{Delivery, Manner, Stamp};
use crate::encode::TopicWriter;
use crate::pace::Tempo;
use crate::place::LogArgs;
use crate::producer::OpenLog;
use crate::stop::Stop;
use crate::{mistake, town_rows};

const READINGS: &str = "readings";
const BASELINES: &str = "baselines";

/// The topics, with the ranges in theirs.
pub(super) struct Topics {
    to: OpenLog,
}

impl Topics {
    /// Makes the topics that are not there, and appends the ranges.
    pub(super) fn open(args: &SimulateArgs, ranges: &[Baseline]) -> anyhow::Result<Topics> {
        let place = LogArgs {
            log: args.log.clone(),
            kafka: args.kafka.clone(),
        };
        let to = OpenLog::open(&place.place(&args.names)?)?;
        let log = to.log();
        ensure_topic(log.as_ref(), BASELINES, TopicOptions::table(1))?;
        ensure_topic(log.as_ref(), READINGS, TopicOptions::stream(args.partitions))?;
        let schema = Schema::parse(shipped::BASELINE).map_err(mistake)?;
        let columns = columns(&schema, true)?;
        let writer = TopicWriter::new(log.as_ref(), BASELINES, &schema, &columns, (0, None))?;
        let mut producer = to.producer(writer)?;
        producer.write(&town_rows::ranges(&columns, ranges)?)?;
        producer.flush()?;
        eprintln!(
            "{} records appended to {BASELINES}; all are acknowledged",
            producer.acknowledged()
        );
        Ok(Topics { to })
    }

    /// Appends the readings as they are due, and gives the truth.
    pub(super) fn send(self, args: &SimulateArgs, people: &mut People) -> anyhow::Result<Vec<Episode>> {
        let columns = reading_columns();
        let (key, time) = (columns.index_of("user_id")?, columns.index_of("time")?);
        let schema = Schema::parse(shipped::READING).map_err(mistake)?;
        let log: &dyn Log = &*self.to.log();
        let writer = TopicWriter::new(log, READINGS, &schema, &columns, (key, Some(time)))?;
        let manner = Manner {
            tempo: args
                .speed
                .map_or(Tempo::Free, |times_as_fast| Tempo::Speed { times_as_fast, time }),
            stamp: Stamp::Recorded,
            length: None,
        };
        let stop = Stop::at_ctrl_c(LOST)?;
        let mut delivery = Delivery::begin(Crew::start(&self.to, vec![writer])?, manner, stop);
        let lived = people.live(args.length.as_secs(), |readings, share| {
            delivery.send(&town_rows::readings(&columns, readings)?, Some(share))
        });
        let delivered = delivery.finish();
        eprintln!("{}", delivered.summary(READINGS, ""));
        delivered.outcome.and(lived)
    }
}
