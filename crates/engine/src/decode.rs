//! From raw record batches to columns: records are walked in place and their values decoded straight into columns.
//!
//! A [`Decoder`] belongs to one task. It gives every record either a row or a dead letter. It does not know windows, and
//! it numbers no keys: it only stages them.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::TimestampMillisecondType;
use hw_avro::{ColumnRequest, Columns, Schema, confluent};
use hw_graph::{Stream, TimeSource};
use hw_log::LogError;
use hw_log::batch::{Record, Scratch, walk};

use crate::EngineError;
use crate::dead_letter::{DeadLetter, Reason};
use crate::keys::{KeyBlock, Keys};
use crate::window::evaluated::take_all;

/// Event times lie within this many milliseconds of the epoch (year 275,760, as ECMAScript's dates do), so that sums of
/// times and lengths never overflow.
pub(crate) const TIME_MS_MAX: i64 = 8_640_000_000_000_000;

/// Finds the text of a writer's schema by its id.
pub trait Schemas: Send {
    /// `None` when no schema has that id: the records that name it are dead letters.
    ///
    /// # Errors
    /// [`LogError::UnusableSchema`] makes dead letters as well; any other error ends the task, or is tried again.
    fn schema(&self, id: u32) -> Result<Option<String>, LogError>;
}

/// Rows that were decoded but not numbered yet.
#[derive(Debug, Default)]
pub(crate) struct DecodedRows {
    /// By the source's column.
    pub(crate) columns: Vec<Option<ArrayRef>>,
    pub(crate) times_ms: Vec<i64>,
    pub(crate) offsets: Vec<u64>,
}

/// Decodes the records of one stream.
pub(crate) struct Decoder {
    requests: Vec<ColumnRequest>,
    /// For every request: the source's column.
    places: Vec<usize>,
    source_columns: usize,
    /// Which request is the event time, if it stands in the value.
    time_request: Option<usize>,
    /// Compiled once for every schema id that came by; `writer` is the one of the last record.
    writers: Vec<(u32, Result<hw_avro::Decoder, String>)>,
    writer: usize,
    schemas: Box<dyn Schemas>,
    scratch: Scratch,
    columns: Columns,
    times_ms: Vec<i64>,
    offsets: Vec<u64>,
    pub(crate) staged: KeyBlock,
    pub(crate) dead_letters: Vec<DeadLetter>,
}

impl Decoder {
    /// `needed` says for every column of the stream whether anybody reads it.
    pub(crate) fn new(stream: &Stream, needed: &[bool], schemas: Box<dyn Schemas>) -> Result<Decoder, EngineError> {
        let time_in_value = stream.time_source == TimeSource::Value;
        let mut requests = Vec::new();
        let mut places = Vec::new();
        for (place, field) in stream.columns.fields().iter().enumerate() {
            let is_time = place == stream.time;
            let wanted = if is_time {
                time_in_value
            } else {
                needed[place] && place != stream.key
            };
            if wanted {
                let nullable = field.is_nullable() && !is_time;
                requests.push(ColumnRequest::new(field.name(), field.data_type().clone(), nullable));
                places.push(place);
            }
        }
        let columns = Columns::new(&requests);
        let columns = columns.map_err(|source| EngineError::Schema {
            topic: stream.topic.clone(),
            source,
        })?;
        Ok(Decoder {
            time_request: time_in_value
                .then(|| places.iter().position(|place| *place == stream.time))
                .flatten(),
            source_columns: stream.columns.fields().len(),
            requests,
            places,
            writers: Vec::new(),
            writer: 0,
            schemas,
            scratch: Scratch::default(),
            columns,
            times_ms: Vec::new(),
            offsets: Vec::new(),
            staged: KeyBlock::default(),
            dead_letters: Vec::new(),
        })
    }

    /// Rows decoded since the last [`Decoder::take`].
    pub(crate) fn rows(&self) -> usize {
        self.staged.len()
    }

    /// Decodes the records of `batch` whose offsets lie in `offsets`.
    pub(crate) fn decode(&mut self, batch: &[u8], offsets: &Range<u64>, keys: &Keys) -> Result<(), EngineError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut failed = None;
        let walked = walk(batch, &mut scratch, |record| {
            if record.offset < offsets.start {
                return ControlFlow::Continue(());
            }
            if record.offset >= offsets.end {
                return ControlFlow::Break(());
            }
            match self.decode_record(&record, keys) {
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(reason)) => {
                    self.dead_letters.push(dead_letter(&record, reason));
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        self.scratch = scratch;
        match (failed, walked) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(EngineError::Batch(error)),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// Takes the rows as columns; the staged keys stay until they are cleared.
    pub(crate) fn take(&mut self) -> DecodedRows {
        let arrays = self.columns.finish();
        let mut times_ms = take_all(&mut self.times_ms);
        if let Some(request) = self.time_request {
            times_ms = arrays[request]
                .as_primitive::<TimestampMillisecondType>()
                .values()
                .to_vec();
        }
        let mut columns = vec![None; self.source_columns];
        for (array, place) in arrays.into_iter().zip(&self.places) {
            columns[*place] = Some(array);
        }
        DecodedRows {
            columns,
            times_ms,
            offsets: take_all(&mut self.offsets),
        }
    }

    /// The original of a record, for its dead letter.
    pub(crate) fn original(&mut self, batch: &[u8], offset: u64, reason: Reason) -> Option<DeadLetter> {
        let mut found = None;
        let walked = walk(batch, &mut self.scratch, |record| {
            if record.offset == offset {
                found = Some(dead_letter(&record, reason.clone()));
            }
            if record.offset >= offset {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        walked.ok().and(found)
    }

    #[inline]
    fn decode_record(&mut self, record: &Record<'_>, keys: &Keys) -> Result<Option<Reason>, EngineError> {
        let Some(key) = record.key else {
            return Ok(Some(Reason::Key("missing")));
        };
        let Some(value) = record.value else {
            return Ok(Some(Reason::NoValue));
        };
        let (id, avro) = match confluent::split(value) {
            Ok(parts) => parts,
            Err(error) => return Ok(Some(Reason::Value(error.to_string()))),
        };
        if self.time_request.is_none() && record.timestamp_ms.unsigned_abs() > TIME_MS_MAX as u64 {
            return Ok(Some(Reason::Time(format!(
                "{} ms is no possible time",
                record.timestamp_ms
            ))));
        }
        let is_other = self.writers.get(self.writer).is_none_or(|(writer, _)| *writer != id);
        if is_other && !self.change_writer(id)? {
            return Ok(Some(Reason::Value(format!("schema id {id} is not known"))));
        }
        if self.time_request.is_none() {
            self.times_ms.push(record.timestamp_ms);
        }
        let decoded = match &self.writers[self.writer].1 {
            Ok(decoder) => decoder
                .decode(avro, &mut self.columns)
                .map_err(|error| error.to_string()),
            Err(reason) => Err(reason.clone()),
        };
        if let Err(reason) = decoded {
            if self.time_request.is_none() {
                self.times_ms.pop();
            }
            return Ok(Some(Reason::Value(reason)));
        }
        keys.stage(key, &mut self.staged);
        self.offsets.push(record.offset);
        Ok(None)
    }

    /// Says whether there is such a schema. One that is not there may be registered later, so that is not remembered; neither
    /// do made-up ids take memory then.
    #[cold]
    fn change_writer(&mut self, id: u32) -> Result<bool, EngineError> {
        if let Some(known) = self.writers.iter().position(|(writer, _)| *writer == id) {
            self.writer = known;
            return Ok(true);
        }
        let compiled = match self.schemas.schema(id) {
            Ok(None) => return Ok(false),
            Ok(Some(json)) => Schema::parse(&json)
                .and_then(|schema| hw_avro::Decoder::compile(&schema, &self.requests))
                .map_err(|error| format!("schema id {id}: {error}")),
            Err(error @ LogError::UnusableSchema { .. }) => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        self.writer = self.writers.len();
        self.writers.push((id, compiled));
        Ok(true)
    }
}

fn dead_letter(record: &Record<'_>, reason: Reason) -> DeadLetter {
    DeadLetter {
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        reason,
    }
}

impl Schemas for Arc<dyn hw_log::Log> {
    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        hw_log::Log::schema(self.as_ref(), id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, TimeUnit};
    use hw_graph::Timing;
    use hw_log::RawBatch;
    use hw_log::batch::{BatchBuilder, Compression};

    use super::*;

    const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[{"name":"n","type":"int"}]}"#;

    /// Gives its answers one after the other.
    struct Answers(Mutex<Vec<Result<Option<String>, LogError>>>);

    impl Schemas for Answers {
        fn schema(&self, _id: u32) -> Result<Option<String>, LogError> {
            self.0.lock().expect("no panic").remove(0)
        }
    }

    fn decoder(answers: Vec<Result<Option<String>, LogError>>) -> Decoder {
        let columns = ArrowSchema::new(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("n", DataType::Int32, false),
        ]);
        let stream = Stream {
            name: "s".into(),
            topic: "s".into(),
            record: "r".into(),
            columns: Arc::new(columns),
            key: 0,
            time: 1,
            time_source: TimeSource::RecordTimestamp,
            checks: Vec::new(),
            timing: Timing::default(),
        };
        Decoder::new(&stream, &[true; 3], Box::new(Answers(Mutex::new(answers)))).expect("known types")
    }

    /// Records of these schemas, whose only field is 1.
    fn records(ids: &[u32]) -> RawBatch {
        let mut builder = BatchBuilder::new(Compression::None);
        for id in ids {
            let value = [&confluent::header(*id)[..], &[2]].concat();
            builder.push(0, Some(b"k"), Some(&value), &[]);
        }
        RawBatch::from(builder.finish())
    }

    fn reasons(decoder: &mut Decoder) -> Vec<String> {
        let letters = decoder.dead_letters.drain(..);
        letters.map(|letter| letter.reason.to_string()).collect()
    }

    #[test]
    fn a_schema_that_is_not_known_may_be_the_next_time() {
        let mut decoder = decoder(vec![Ok(None), Ok(None), Ok(Some(SCHEMA.into()))]);
        let batch = records(&[7, 7, 7, 7]);
        decoder.decode(&batch, &(0..4), &Keys::default()).expect("answered");
        assert_eq!(reasons(&mut decoder).len(), 2);
        let rows = decoder.take();
        assert_eq!((rows.offsets, rows.times_ms), (vec![2, 3], vec![0, 0]));
    }

    #[test]
    fn a_schema_that_cannot_be_used_makes_dead_letters_and_is_asked_for_once() {
        let unusable = LogError::UnusableSchema {
            id: 7,
            reason: "it is PROTOBUF".into(),
        };
        let mut decoder = decoder(vec![Err(unusable), Ok(Some(SCHEMA.into()))]);
        let batch = records(&[7, 8, 7]);
        decoder.decode(&batch, &(0..3), &Keys::default()).expect("answered");
        let reasons = reasons(&mut decoder);
        assert_eq!(reasons.len(), 2);
        assert!(
            reasons[0].contains("schema id 7 cannot be used: it is PROTOBUF"),
            "{reasons:?}"
        );
        assert_eq!(decoder.take().offsets, [1]);
    }

    #[test]
    fn a_registry_that_is_away_makes_no_dead_letters() {
        let away = LogError::RegistryAway { reason: "gone".into() };
        let mut decoder = decoder(vec![Err(away)]);
        let error = decoder.decode(&records(&[7]), &(0..1), &Keys::default());
        assert!(matches!(error, Err(EngineError::Log(error)) if error.is_retriable()));
        assert!(decoder.dead_letters.is_empty());
    }
}
