//! From the bytes of a segment to trajectories. Everything that the file says is checked before it is believed.

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use tuning::{Decision, Keep, Outcome, Problem, Step, Trajectory};

use crate::column::{Column, Field, columns};
use crate::error::Fault;
use crate::header::{Header, METADATA_KEY};
use crate::seal::{Seal, look};

/// A segment's header, parsed from its footer, and access to its columns.
pub(crate) struct Segment {
    pub header: Header,
    reader: SerializedFileReader<Bytes>,
}

impl Segment {
    /// Reads the footer.
    pub fn open(bytes: Bytes) -> Result<Self, Fault> {
        let seal = look(&bytes);
        if seal == Seal::Broken {
            return Err(Fault::Damaged("checksum differs"));
        }
        let reader = SerializedFileReader::new(bytes).map_err(Fault::Parquet)?;
        let metadata = reader.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let json = metadata.filter(|pair| pair.key == METADATA_KEY).find_map(|pair| pair.value.as_deref());
        let header = Header::parse(json.ok_or(Fault::Unmarked)?)?;
        if seal == Seal::Missing {
            return Err(Fault::Damaged("checksum is missing"));
        }
        Ok(Self { header, reader })
    }

    /// Reads all rows.
    pub fn trajectories(&self) -> Result<Vec<Trajectory>, Fault> {
        let columns = columns(&self.header.identity.problem);
        self.check_columns(&columns)?;
        let mut rows = Vec::new();
        for place in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(place).map_err(Fault::Parquet)?;
            rows.extend(read_group(&*group, &columns, &self.header.identity.problem)?);
        }
        self.distribute(rows)
    }

    fn check_columns(&self, columns: &[Column]) -> Result<(), Fault> {
        let found = self.reader.metadata().file_metadata().schema_descr().columns();
        let same = |place: usize| found.get(place).is_some_and(|found| columns[place].fits(found));
        match (0..columns.len()).find(|place| !same(*place)) {
            Some(place) => Err(Fault::Column { place, wanted: columns[place].describe() }),
            None => Ok(()),
        }
    }

    /// Gives each trajectory of the header its rows.
    fn distribute(&self, rows: Vec<Row>) -> Result<Vec<Trajectory>, Fault> {
        let counted: u64 = self.header.trajectories.iter().map(|entry| u64::from(entry.steps)).sum();
        if counted != rows.len() as u64 {
            return Err(Fault::Row { row: rows.len(), what: format!("it counts {counted} rows") });
        }
        let (repetition, epoch) = (self.header.identity.repetition, self.header.epoch);
        let mut rows = rows.into_iter().enumerate();
        let filled = self.header.trajectories.iter().map(|entry| {
            let mut trajectory = entry.trajectory(repetition, epoch);
            for (row, found) in rows.by_ref().take(entry.steps as usize) {
                let place = (found.index, found.attempt, found.step.step);
                // Only what another attempt carries on from begins later.
                let begin = if entry.outcome == Outcome::Lost { found.step.step } else { 0 };
                let expected = trajectory.steps.last().map_or(begin, |last| last.step + 1);
                if place != (entry.index, entry.attempt, expected) {
                    let what = format!("(index, attempt, step) are {place:?}");
                    return Err(Fault::Row { row, what });
                }
                trajectory.steps.push(found.step);
            }
            Ok(trajectory)
        });
        filled.collect()
    }
}

/// A row: what it belongs to, and its step.
struct Row {
    index: u32,
    attempt: u32,
    step: Step,
}

fn read_group(group: &dyn RowGroupReader, columns: &[Column], problem: &Problem) -> Result<Vec<Row>, Fault> {
    let count = usize::try_from(group.metadata().num_rows()).map_err(|_| Fault::Damaged("row count is negative"))?;
    let mut rows = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        if matches!(column.field, Field::Index) {
            // Only now is it known that there are as many rows as the footer says.
            let indices = read::<Int32Type>(column_reader(group, place)?, count)?;
            rows.extend(indices.into_iter().map(|index| Row { index: index as u32, attempt: 0, step: blank(problem) }));
        } else if !in_header(column.field) {
            fill(&mut rows, column.field, column_reader(group, place)?, problem)?;
        }
    }
    Ok(rows)
}

/// Whether the header has the column's values too: such columns are there for other readers.
fn in_header(field: Field) -> bool {
    use Field::*;
    matches!(field, Experiment | Repetition | Epoch | FinalEvaluation | Seed | Task | Outcome)
}

fn blank(problem: &Problem) -> Step {
    let (metrics, steered) = (problem.metrics.len(), problem.hyperparameters.len());
    Step {
        step: 0,
        metrics: Vec::with_capacity(metrics),
        hyperparameters: Vec::with_capacity(steered),
        applied: Vec::with_capacity(steered),
        decision: None,
        elapsed_seconds: 0.0,
    }
}

fn fill(rows: &mut [Row], field: Field, reader: ColumnReader, problem: &Problem) -> Result<(), Fault> {
    match field {
        Field::Attempt => each::<Int32Type>(rows, reader, |row, x| row.attempt = x as u32),
        Field::Step => each::<Int32Type>(rows, reader, |row, x| row.step.step = x as u32),
        Field::Metric(_) => each::<DoubleType>(rows, reader, |row, x| row.step.metrics.push(x)),
        Field::Hyperparameter(_) => each::<DoubleType>(rows, reader, |row, x| row.step.hyperparameters.push(x)),
        Field::Applied(_) => each::<DoubleType>(rows, reader, |row, x| row.step.applied.push(x)),
        Field::ElapsedSeconds => each::<DoubleType>(rows, reader, |row, x| row.step.elapsed_seconds = x),
        Field::PolicyVersion => {
            let versions = read_nullable::<Int64Type>(reader, rows.len())?;
            for (row, version) in rows.iter_mut().zip(versions) {
                row.step.decision = version.map(|version| undecided(version as u64, problem));
            }
            Ok(())
        }
        Field::Action(_) => decided::<Int32Type>(rows, reader, "actions", |decision, action| {
            decision.actions.push(action? as u32 as usize);
            Some(())
        }),
        Field::LogProbability(i) => decided::<FloatType>(rows, reader, "log-probabilities", |decision, x| {
            decision.log_probabilities.extend(x);
            let length = decision.log_probabilities.len();
            (length == 0 || length == i + 1).then_some(())
        }),
        Field::Value => decided::<FloatType>(rows, reader, "values", |decision, x| {
            decision.value = x;
            Some(())
        }),
        Field::Keep => decided::<ByteArrayType>(rows, reader, "keeps", |decision, text| {
            decision.keep = text.map(|text| parse_keep(&text).ok_or(())).transpose().ok()?;
            Some(())
        }),
        _ => Ok(()),
    }
}

fn undecided(policy_version: u64, problem: &Problem) -> Decision {
    let actions = Vec::with_capacity(problem.hyperparameters.len());
    Decision { actions, log_probabilities: Vec::new(), value: None, policy_version, keep: None }
}

fn parse_keep(text: &ByteArray) -> Option<Keep> {
    Keep::parse(text.as_utf8().ok()?)
}

/// Hands each row its value of a column that has no nulls.
fn each<T: DataType>(rows: &mut [Row], reader: ColumnReader, set: impl Fn(&mut Row, T::T)) -> Result<(), Fault> {
    let values = read::<T>(reader, rows.len())?;
    rows.iter_mut().zip(values).for_each(|(row, value)| set(row, value));
    Ok(())
}

/// Hands each decision its value; `set` gives none where it can't be. Rows without a decision must have no value.
fn decided<T: DataType>(
    rows: &mut [Row],
    reader: ColumnReader,
    what: &'static str,
    set: impl Fn(&mut Decision, Option<T::T>) -> Option<()>,
) -> Result<(), Fault> {
    let values = read_nullable::<T>(reader, rows.len())?;
    for (row, value) in rows.iter_mut().zip(values) {
        let sound = match &mut row.step.decision {
            Some(decision) => set(decision, value),
            None => value.is_none().then_some(()),
        };
        sound.ok_or(Fault::Decision(what))?;
    }
    Ok(())
}

fn column_reader(group: &dyn RowGroupReader, place: usize) -> Result<ColumnReader, Fault> {
    group.get_column_reader(place).map_err(Fault::Parquet)
}

/// The `count` values of a column without nulls.
fn read<T: DataType>(reader: ColumnReader, count: usize) -> Result<Vec<T::T>, Fault> {
    let mut values = Vec::new();
    let mut reader = get_typed_column_reader::<T>(reader);
    reader.read_records(count, None, None, &mut values).map_err(Fault::Parquet)?;
    if values.len() == count { Ok(values) } else { Err(Fault::Damaged("columns differ in length")) }
}

/// The `count` values of a column, nulls as none.
fn read_nullable<T: DataType>(reader: ColumnReader, count: usize) -> Result<Vec<Option<T::T>>, Fault> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut reader = get_typed_column_reader::<T>(reader);
    reader.read_records(count, Some(&mut levels), None, &mut values).map_err(Fault::Parquet)?;
    if levels.len() != count {
        return Err(Fault::Damaged("columns differ in length"));
    }
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level == 1 { values.next() } else { None }).collect())
}
