//! The epoch being gathered, in memory and on disk.

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
    #[error("{journal} does not fit this experiment")]
    Foreign {
        /// Where it is.
        journal: String,
        /// What does not fit.
        source: GatherError,
    },
}

impl Spool {
    /// Opens the spool of `epoch` with everything that was stored in its `journal` before.
    pub fn open(journal: Journal, problem: Problem, repetition: u32, epoch: u32) -> Result<Self, SpoolError> {
        let empty = Gathered::new(problem, repetition, epoch);
        let mut spool = Self { journal, gathered: empty.clone(), empty };
        spool.replay()?;
        Ok(spool)
    }

    /// Stores `records` durably, all with one wait; gives whether each was news, or why it is refused. Refused ones don't
    /// keep the others from being stored. After an error none is stored. Blocks on the journal.
    pub fn store(&mut self, records: &[Record]) -> Result<Vec<Result<bool, GatherError>>, SpoolError> {
        let (mut before, mut verdicts) = (Vec::new(), Vec::new());
        for record in records {
            before.push(self.gathered.before(record));
            verdicts.push(self.gathered.merge(record));
        }
        let news = records.iter().zip(&verdicts).filter(|(_, verdict)| matches!(verdict, Ok(true)));
        let news: Vec<Record> = news.map(|(record, _)| record.clone()).collect();
        if let Err(error) = self.journal.append(&news) {
            // Nobody may be told that something is stored which is only in memory.
            before.into_iter().rev().for_each(|before| self.gathered.go_back(before));
            if matches!(error, JournalError::Overtaken { .. }) {
                self.replay()?;
            }
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

    /// Reads the journal; what is known stays as it is if that fails.
    fn replay(&mut self) -> Result<(), SpoolError> {
        let mut gathered = self.empty.clone();
        for record in self.journal.records()? {
            let foreign = |source| SpoolError::Foreign { journal: self.journal.place(), source };
            gathered.merge(&record).map_err(foreign)?;
        }
        self.gathered = gathered;
        Ok(())
    }
}
