//! Keeps a [`Table`] equal to its compacted topic: reads it to the end, then follows it.
//!
//! One reader a table and process; it reads all partitions. It does not look up, and commits nothing: a table is read
//! whole at every start.
//!
//! # Constraints
//!
//! - No task works before every table has been read to where it ended at the start ([`TableReaders::catch_up`]): a read
//!   that gives nothing does not mean that, for a log may still be fetching.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use hw_avro::{ColumnRequest, Columns, Schema, confluent};
use hw_graph::Pipeline;
use hw_log::batch::{Scratch, walk};
use hw_log::{Log, LogError};

use crate::EngineError;
use crate::expr::BoundExpr;
use crate::table::Table;

const READ_BYTES: usize = 4 << 20;

/// Rows are handed to the table in blocks of this many.
const BLOCK_ROWS: usize = 8_192;

/// How long to wait for what is being fetched, at most, before looking again.
const WAIT: Duration = Duration::from_millis(100);

/// The readers of all tables of a pipeline.
#[derive(Default)]
pub struct TableReaders(Vec<TableReader>);

impl TableReaders {
    pub(crate) fn open(pipeline: &Pipeline, log: &Arc<dyn Log>) -> Result<TableReaders, EngineError> {
        let readers = pipeline
            .tables
            .iter()
            .map(|table| TableReader::new(Arc::clone(log), table));
        Ok(TableReaders(readers.collect::<Result<_, _>>()?))
    }

    /// As the pipeline numbers them.
    pub(crate) fn tables(&self) -> Vec<Arc<RwLock<Table>>> {
        self.0.iter().map(|reader| Arc::clone(&reader.table)).collect()
    }

    /// Reads what there is; says whether every table has been read to where it ended when it was opened.
    ///
    /// # Errors
    /// When the log cannot be read, or what is in it is damaged.
    pub fn catch_up(&mut self) -> Result<bool, EngineError> {
        let mut has_all = true;
        for reader in &mut self.0 {
            reader.catch_up()?;
            has_all &= reader.has_reached_end();
        }
        Ok(has_all)
    }

    /// Reads every table to where it ended when it was opened, however long that takes.
    pub(crate) fn read_to_end(&mut self, log: &dyn Log) -> Result<(), EngineError> {
        loop {
            let seen = log.wait_for_appends(0, Duration::ZERO)?;
            if self.catch_up()? {
                return Ok(());
            }
            log.wait_for_appends(seen, WAIT)?;
        }
    }
}

/// Follows the topic of one table.
struct TableReader {
    log: Arc<dyn Log>,
    topic: String,
    schema: arrow::datatypes::SchemaRef,
    key: usize,
    checks: Vec<BoundExpr>,
    requests: Vec<ColumnRequest>,
    columns: Columns,
    keys: Vec<String>,
    positions: Vec<u64>,
    /// Where the partitions ended when the reader was made.
    ends: Vec<u64>,
    writers: Vec<(u32, Option<hw_avro::Decoder>)>,
    table: Arc<RwLock<Table>>,
    /// Rows that could not be decoded or that break a `CHECK`; the table stayed as it was.
    refused: u64,
}

impl TableReader {
    fn new(log: Arc<dyn Log>, table: &hw_graph::Table) -> Result<TableReader, EngineError> {
        let requests: Vec<ColumnRequest> = table
            .columns
            .fields()
            .iter()
            .enumerate()
            .filter(|(column, _)| *column != table.key)
            .map(|(_, field)| ColumnRequest::new(field.name(), field.data_type().clone(), field.is_nullable()))
            .collect();
        let columns = Columns::new(&requests);
        let ranges = log.ranges(&table.topic)?;
        let checks = table
            .checks
            .iter()
            .map(|check| BoundExpr::new(&check.predicate, &table.columns));
        Ok(TableReader {
            topic: table.topic.clone(),
            schema: table.columns.clone(),
            key: table.key,
            checks: checks.collect::<Result<_, _>>()?,
            columns: columns.map_err(|source| EngineError::Schema {
                topic: table.topic.clone(),
                source,
            })?,
            requests,
            keys: Vec::new(),
            positions: ranges.iter().map(|range| range.start).collect(),
            ends: ranges.iter().map(|range| range.end).collect(),
            writers: Vec::new(),
            table: Arc::new(RwLock::new(Table::new(&table.columns, table.key)?)),
            refused: 0,
            log,
        })
    }

    /// Reads what there is, in every partition.
    fn catch_up(&mut self) -> Result<(), EngineError> {
        for partition in 0..self.positions.len() {
            loop {
                let from = self.positions[partition];
                let fetch = self.log.read(&self.topic, partition as u32, from, READ_BYTES)?;
                for batch in &fetch.batches {
                    self.take_batch(batch, from)?;
                }
                if fetch.next_offset <= from {
                    break;
                }
                self.positions[partition] = fetch.next_offset;
            }
        }
        self.hand_over()
    }

    fn has_reached_end(&self) -> bool {
        self.positions
            .iter()
            .zip(&self.ends)
            .all(|(position, end)| position >= end)
    }

    fn take_batch(&mut self, batch: &[u8], from: u64) -> Result<(), EngineError> {
        let mut scratch = Scratch::default();
        let mut failed = None;
        walk(batch, &mut scratch, |record| {
            let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
            let taken = match (key, record.value) {
                _ if record.offset < from => Ok(()),
                (None, _) => {
                    self.refused += 1;
                    Ok(())
                }
                (Some(key), None) => self.delete(key),
                (Some(key), Some(value)) => self.upsert(key, value),
            };
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn delete(&mut self, key: &str) -> Result<(), EngineError> {
        self.hand_over()?;
        self.table.write().unwrap_or_else(PoisonError::into_inner).delete(key);
        Ok(())
    }

    fn upsert(&mut self, key: &str, value: &[u8]) -> Result<(), EngineError> {
        let Ok((id, avro)) = confluent::split(value) else {
            self.refused += 1;
            return Ok(());
        };
        let writer = self.writer(id)?;
        let decoder = writer.and_then(|writer| self.writers[writer].1.as_ref());
        let decoded = decoder.map(|decoder| decoder.decode(avro, &mut self.columns));
        if matches!(decoded, Some(Ok(()))) {
            self.keys.push(key.to_owned());
        } else {
            self.refused += 1;
        }
        if self.keys.len() >= BLOCK_ROWS {
            self.hand_over()
        } else {
            Ok(())
        }
    }

    /// `None` when there is no such schema. It may be registered later, so that is not remembered.
    fn writer(&mut self, id: u32) -> Result<Option<usize>, EngineError> {
        if let Some(known) = self.writers.iter().position(|(writer, _)| *writer == id) {
            return Ok(Some(known));
        }
        let decoder = match self.log.schema(id) {
            Ok(None) => return Ok(None),
            Ok(Some(json)) => {
                let schema = Schema::parse(&json);
                schema
                    .and_then(|schema| hw_avro::Decoder::compile(&schema, &self.requests))
                    .ok()
            }
            Err(LogError::UnusableSchema { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        self.writers.push((id, decoder));
        Ok(Some(self.writers.len() - 1))
    }

    fn hand_over(&mut self) -> Result<(), EngineError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let mut arrays: Vec<ArrayRef> = self.columns.finish();
        arrays.insert(self.key, Arc::new(StringArray::from(std::mem::take(&mut self.keys))));
        let failed = |error: arrow::error::ArrowError| EngineError::Plan(error.to_string());
        let offered = RecordBatch::try_new(self.schema.clone(), arrays).map_err(failed)?;
        let batch = keep_valid(&offered, &self.checks)?;
        self.refused += (offered.num_rows() - batch.num_rows()) as u64;
        self.table
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .upsert(&batch);
        Ok(())
    }
}

/// The rows of a table that break no `CHECK`. As SQL says of `CHECK`: null does not break it.
pub(crate) fn keep_valid(rows: &RecordBatch, checks: &[BoundExpr]) -> Result<RecordBatch, EngineError> {
    let mut kept = rows.clone();
    for check in checks {
        let holds = check.test(kept.num_rows(), |column| Ok(kept.column(column).clone()))?;
        let fulfilled = holds.iter().map(|holds| Some(holds != Some(false))).collect();
        kept = filter_record_batch(&kept, &fulfilled).map_err(|error| EngineError::Plan(error.to_string()))?;
    }
    Ok(kept)
}
