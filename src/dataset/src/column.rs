//! The columns of a segment: one row per env step.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{ColumnDescriptor, Type};
use tuning::Problem;

/// Where the values of a column come from; numbers are places within the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Experiment,
    Repetition,
    Epoch,
    FinalEvaluation,
    Index,
    Attempt,
    Step,
    Seed,
    Task,
    Metric(usize),
    Hyperparameter(usize),
    Applied(usize),
    PolicyVersion,
    Action(usize),
    LogProbability(usize),
    Value,
    Keep,
    Outcome,
    ElapsedSeconds,
}

/// A column: its name and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub field: Field,
}

/// All columns for `problem`, in their order. [`Field::PolicyVersion`] stands before what else belongs to a decision:
/// it is null exactly where none was made.
pub(crate) fn columns(problem: &Problem) -> Vec<Column> {
    use Field::*;
    let plain = |name: &str, field| Column { name: name.to_owned(), field };
    let steered = |prefix: &str, field: fn(usize) -> Field| -> Vec<Column> {
        let names = problem.hyperparameters.iter().enumerate();
        names.map(|(place, h)| Column { name: format!("{prefix}.{}", h.name), field: field(place) }).collect()
    };
    let metrics = problem.metrics.iter().enumerate();
    let mut columns = vec![
        plain("experiment", Experiment),
        plain("repetition", Repetition),
        plain("epoch", Epoch),
        plain("final_evaluation", FinalEvaluation),
        plain("index", Index),
        plain("attempt", Attempt),
        plain("step", Step),
        plain("seed", Seed),
        plain("task", Task),
    ];
    columns.extend(metrics.map(|(place, m)| Column { name: format!("metric.{}", m.name), field: Metric(place) }));
    columns.extend(steered("hyperparameter", Hyperparameter));
    columns.extend(steered("applied", Applied));
    columns.push(plain("policy_version", PolicyVersion));
    columns.extend(steered("action", Action));
    columns.extend(steered("log_probability", LogProbability));
    columns.push(plain("value", Value));
    columns.push(plain("keep", Keep));
    columns.push(plain("outcome", Outcome));
    columns.push(plain("elapsed_seconds", ElapsedSeconds));
    columns
}

impl Column {
    /// Whether the column repeats few values, so that a dictionary makes it small.
    pub fn repeats(&self) -> bool {
        !matches!(self.physical(), Physical::DOUBLE | Physical::FLOAT | Physical::BOOLEAN)
    }

    /// Whether `found` is this column.
    pub fn fits(&self, found: &ColumnDescriptor) -> bool {
        let levels = i16::from(self.field.nullable());
        found.path().parts() == [self.name.as_str()]
            && found.physical_type() == self.physical()
            && found.max_def_level() == levels
            && found.max_rep_level() == 0
    }

    /// Name and type, for messages.
    pub fn describe(&self) -> String {
        let null = if self.field.nullable() { ", nullable" } else { "" };
        format!("{:?} ({}{null})", self.name, self.physical())
    }

    fn physical(&self) -> Physical {
        self.field.types().0
    }

    fn schema(&self) -> Result<Type> {
        let (physical, logical) = self.field.types();
        let repetition = if self.field.nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        Type::primitive_type_builder(&self.name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()
    }
}

impl Field {
    fn nullable(self) -> bool {
        use Field::*;
        matches!(self, PolicyVersion | Action(_) | LogProbability(_) | Value | Keep)
    }

    fn types(self) -> (Physical, Option<LogicalType>) {
        use Field::*;
        match self {
            Experiment | Task | Keep | Outcome => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Repetition | Epoch | Index | Attempt | Step | Seed | Action(_) => {
                (Physical::INT32, Some(LogicalType::integer(32, false)))
            }
            PolicyVersion => (Physical::INT64, Some(LogicalType::integer(64, false))),
            FinalEvaluation => (Physical::BOOLEAN, None),
            Metric(_) | Hyperparameter(_) | Applied(_) | ElapsedSeconds => (Physical::DOUBLE, None),
            LogProbability(_) | Value => (Physical::FLOAT, None),
        }
    }
}

/// The Parquet schema of `columns`.
pub(crate) fn schema(columns: &[Column]) -> Result<Arc<Type>> {
    let fields = columns.iter().map(|column| column.schema().map(Arc::new)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Type::group_type_builder("step").with_fields(fields).build()?))
}
