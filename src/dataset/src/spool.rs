//! The epoch being gathered, in memory and on disk.

use std::path::Path;

use tuning::Problem;

use crate::{GatherError, Gathered, Journal, JournalError, Record};

/// A [`Gathered`] that holds nothing which its [`Journal`] does not.
#[derive(Debug)]
pub struct Spool {
    journal: Journal,
    gathered: Gathered,
    /// As it was before anything was told.
    empty: Gathered,
}

/// Why a spool could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal is of something else.
    #[error("{path} does not fit this experiment", path = path.display())]
    Foreign {
        /// The journal's file.
        path: std::path::PathBuf,
        /// What does not fit.
        source: GatherError,
    },
}

impl Spool {
    /// Opens the spool of `epoch` below `dir`, with everything that was stored in it before.
    pub fn open(dir: &Path, problem: Problem, repetition: u32, epoch: u32) -> Result<Self, SpoolError> {
        let empty = Gathered::new(problem, repetition, epoch);
        let mut spool = Self { journal: Journal::open(dir, epoch)?, gathered: empty.clone(), empty };
        spool.replay()?;
        Ok(spool)
    }

    /// Stores `records` durably, all with one wait for the disk; gives whether each was news, or why it is refused.
    /// Refused ones don't keep the others from being stored. After an error none is stored. Blocks on the disk.
    pub fn store(&mut self, records: &[Record]) -> Result<Vec<Result<bool, GatherError>>, SpoolError> {
        let verdicts: Vec<_> = records.iter().map(|record| self.gathered.merge(record)).collect();
        let news = records.iter().zip(&verdicts).filter(|(_, verdict)| matches!(verdict, Ok(true)));
        let news: Vec<Record> = news.map(|(record, _)| record.clone()).collect();
        if let Err(error) = self.journal.append(&news) {
            // Nobody may be told that something is stored which is only in memory.
            self.replay()?;
            return Err(error.into());
        }
        Ok(verdicts)
    }

    /// What is stored.
    pub fn gathered(&self) -> &Gathered {
        &self.gathered
    }

    /// Deletes the journal, once the epoch is committed.
    pub fn remove(self) -> Result<(), SpoolError> {
        Ok(self.journal.remove()?)
    }

    fn replay(&mut self) -> Result<(), SpoolError> {
        self.gathered = self.empty.clone();
        for record in self.journal.records()? {
            let foreign = |source| SpoolError::Foreign { path: self.journal.path().to_owned(), source };
            self.gathered.merge(&record).map_err(foreign)?;
        }
        Ok(())
    }
}
