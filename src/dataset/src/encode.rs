//! From trajectories to the bytes of a segment.

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::ColumnPath;
use tuning::{Decision, Keep, Outcome, Step, Trajectory};

use crate::column::{Column, Field, columns, schema};
use crate::header::{Header, METADATA_KEY};
use crate::seal::{SEAL_KEY, UNSEALED, seal};

/// A row: an env step and the trajectory that it is of.
#[derive(Clone, Copy)]
struct Row<'a> {
    trajectory: &'a Trajectory,
    /// Place of the trajectory among all.
    place: usize,
    step: &'a Step,
}

/// The segment with `header` and the steps of `trajectories`, which are those of the header in the same order.
pub(crate) fn encode(header: &Header, trajectories: &[&Trajectory]) -> Result<Vec<u8>> {
    let columns = columns(&header.identity.problem);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema(&columns)?, properties(header, &columns).into())?;
    let rows: Vec<Row> = trajectories
        .iter()
        .enumerate()
        .flat_map(|(place, trajectory)| trajectory.steps.iter().map(move |step| Row { trajectory, place, step }))
        .collect();
    if !rows.is_empty() {
        let texts = Texts::new(header, trajectories);
        let mut group = writer.next_row_group()?;
        for column in &columns {
            if let Some(mut writer) = group.next_column()? {
                write(&mut writer, column.field, header, &texts, &rows)?;
                writer.close()?;
            }
        }
        group.close()?;
    }
    let mut bytes = writer.into_inner()?;
    seal(&mut bytes);
    Ok(bytes)
}

fn properties(header: &Header, columns: &[Column]) -> WriterProperties {
    let json = serde_json::to_string(header).expect("plain data always serialises");
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("trainpilot ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(None)
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(vec![
            KeyValue::new(METADATA_KEY.to_owned(), json),
            KeyValue::new(SEAL_KEY.to_owned(), UNSEALED.to_owned()),
        ]));
    for column in columns.iter().filter(|column| column.repeats()) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::new(vec![column.name.clone()]), true);
    }
    properties.build()
}

/// The strings of a segment, made once: rows share their bytes.
struct Texts {
    experiment: ByteArray,
    tasks: Vec<ByteArray>,
    outcomes: Vec<ByteArray>,
    keeps: [ByteArray; Keep::ALL.len()],
}

impl Texts {
    fn new(header: &Header, trajectories: &[&Trajectory]) -> Self {
        let shared = |text: &str| ByteArray::from(Bytes::copy_from_slice(text.as_bytes()));
        let outcome = |trajectory: &&Trajectory| shared(trajectory.outcome.map_or("", Outcome::as_str));
        Self {
            experiment: shared(&header.identity.experiment),
            tasks: trajectories.iter().map(|trajectory| shared(&trajectory.task)).collect(),
            outcomes: trajectories.iter().map(outcome).collect(),
            keeps: Keep::ALL.map(|keep| shared(keep.as_str())),
        }
    }

    fn keep(&self, keep: Keep) -> Option<ByteArray> {
        let place = Keep::ALL.iter().position(|other| *other == keep)?;
        Some(self.keeps[place].clone())
    }
}

fn write(
    writer: &mut SerializedColumnWriter,
    field: Field,
    header: &Header,
    texts: &Texts,
    rows: &[Row],
) -> Result<()> {
    let whole = |number: u32| number as i32;
    match field {
        Field::Experiment => all::<ByteArrayType>(writer, rows, |_| texts.experiment.clone()),
        Field::Repetition => all::<Int32Type>(writer, rows, |_| whole(header.identity.repetition)),
        Field::Epoch => all::<Int32Type>(writer, rows, |_| whole(header.epoch)),
        Field::FinalEvaluation => all::<BoolType>(writer, rows, |_| header.final_evaluation),
        Field::Index => all::<Int32Type>(writer, rows, |row| whole(row.trajectory.key.index)),
        Field::Attempt => all::<Int32Type>(writer, rows, |row| whole(row.trajectory.key.attempt)),
        Field::Step => all::<Int32Type>(writer, rows, |row| whole(row.step.step)),
        Field::Seed => all::<Int32Type>(writer, rows, |row| whole(row.trajectory.seed)),
        Field::Task => all::<ByteArrayType>(writer, rows, |row| texts.tasks[row.place].clone()),
        Field::Metric(i) => all::<DoubleType>(writer, rows, |row| row.step.metrics[i]),
        Field::Hyperparameter(i) => all::<DoubleType>(writer, rows, |row| row.step.hyperparameters[i]),
        Field::Applied(i) => all::<DoubleType>(writer, rows, |row| row.step.applied[i]),
        Field::PolicyVersion => decided::<Int64Type>(writer, rows, |decision| Some(decision.policy_version as i64)),
        Field::Action(i) => decided::<Int32Type>(writer, rows, |decision| Some(whole(decision.actions[i] as u32))),
        Field::LogProbability(i) => {
            decided::<FloatType>(writer, rows, |decision| decision.log_probabilities.get(i).copied())
        }
        Field::Value => decided::<FloatType>(writer, rows, |decision| decision.value),
        Field::Keep => decided::<ByteArrayType>(writer, rows, |decision| texts.keep(decision.keep?)),
        Field::Outcome => all::<ByteArrayType>(writer, rows, |row| texts.outcomes[row.place].clone()),
        Field::ElapsedSeconds => all::<DoubleType>(writer, rows, |row| row.step.elapsed_seconds),
    }
}

/// Writes a column that has a value in every row.
fn all<T: DataType>(writer: &mut SerializedColumnWriter, rows: &[Row], value: impl Fn(&Row) -> T::T) -> Result<()> {
    let values: Vec<T::T> = rows.iter().map(value).collect();
    writer.typed::<T>().write_batch(&values, None, None).map(drop)
}

/// Writes a column that has a value only where a decision gives one.
fn decided<T: DataType>(
    writer: &mut SerializedColumnWriter,
    rows: &[Row],
    value: impl Fn(&Decision) -> Option<T::T>,
) -> Result<()> {
    let (mut values, mut levels) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        let found = row.step.decision.as_ref().and_then(&value);
        levels.push(i16::from(found.is_some()));
        values.extend(found);
    }
    writer.typed::<T>().write_batch(&values, Some(&levels), None).map(drop)
}
