//! Tables that others made: CSV with a head, or Parquet with plain columns.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// Why a table can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file can't be opened.
    #[error("can't read {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no CSV, or not the same number of fields everywhere.
    #[error("{path} is no CSV with a head")]
    Csv {
        /// Which.
        path: PathBuf,
        /// What and where.
        source: csv::Error,
    },
    /// It is no Parquet.
    #[error("{path} is no Parquet file")]
    Parquet {
        /// Which.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}

/// A table: the text of every cell, by column. An empty text stands for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns, in order.
    pub columns: Vec<String>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file: Parquet if its name ends so, else CSV.
    ///
    /// # Errors
    /// If it can't be opened, or is neither.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(|source| TableError::Open { path: path.to_owned(), source })?;
        match path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
            true => parquet(file).map_err(|source| TableError::Parquet { path: path.to_owned(), source }),
            false => csv(file).map_err(|source| TableError::Csv { path: path.to_owned(), source }),
        }
    }

    /// Place of a column, if there is one of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}

fn csv(file: File) -> Result<Table, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let columns = reader.headers()?.iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| Ok(record?.iter().map(str::to_owned).collect()));
    Ok(Table { columns, rows: rows.collect::<Result<_, csv::Error>>()? })
}

fn parquet(file: File) -> Result<Table, parquet::errors::ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None)? {
        let row = row?;
        let cells: BTreeMap<&String, &Field> = row.get_column_iter().collect();
        rows.push(columns.iter().map(|column| cells.get(column).map_or(String::new(), |field| text(field))).collect());
    }
    Ok(Table { columns, rows })
}

fn text(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        field => field.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn csv_and_parquet_of_the_same_content_are_the_same_table() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, parquet) = (folder.path().join("curves.csv"), folder.path().join("curves.parquet"));
        std::fs::write(&csv, "curve,step,loss\na, 0,1.5\na,1,\n").unwrap();
        let schema = "message curves { required binary curve (UTF8); required int64 step; optional double loss; }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(File::create(&parquet).unwrap(), schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[ByteArray::from("a"), ByteArray::from("a")], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[0, 1], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[1.5], Some(&[1, 0]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let table = Table::read(&csv).unwrap();
        assert_eq!(table, Table::read(&parquet).unwrap());
        assert_eq!(table.rows, [["a", "0", "1.5"], ["a", "1", ""]]);
        assert_eq!((table.column("loss"), table.column("gain")), (Some(2), None));
    }

    #[test]
    fn what_is_no_table_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Table::read(&path).unwrap_err().to_string()
        };
        assert!(said("a.csv", "curve,step\na,0,7\n").ends_with("a.csv is no CSV with a head"));
        assert!(said("b.parquet", "curve,step\n").ends_with("b.parquet is no Parquet file"));
        assert!(Table::read(&folder.path().join("none.csv")).unwrap_err().to_string().starts_with("can't read"));
    }
}
