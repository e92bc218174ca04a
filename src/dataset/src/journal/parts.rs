//! The journal on an object store: an object for each append, numbered, none of which is ever written twice.
//!
//! Whoever finds a number taken has been overtaken: by a learner that was thought dead, or by an append of its own whose answer
//! was lost and that came late. Either way what is there counts, and is read before anything else is appended.

use bytes::Bytes;
use tokio::runtime::Handle;

use super::JournalError;
use crate::{Location, Record};

/// The journal of one epoch as objects.
#[derive(Debug)]
pub struct PartJournal {
    location: Location,
    /// Number of the next object.
    next: u64,
    runtime: Handle,
}

impl PartJournal {
    /// A journal of which nothing was read yet: an append finds itself overtaken if there is anything.
    pub(super) fn new(location: &Location, epoch: u32, runtime: &Handle) -> Self {
        let location = location.below("journal").below(&format!("epoch-{epoch:06}"));
        Self { location, next: 1, runtime: runtime.clone() }
    }

    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let content = Bytes::from(serde_json::to_vec(records).expect("plain data always serialises"));
        if !self.runtime.block_on(self.location.create(&name_of(self.next), content))? {
            return Err(JournalError::Overtaken { journal: self.place().to_owned() });
        }
        self.next += 1;
        Ok(())
    }

    pub(super) fn records(&mut self) -> Result<Vec<Record>, JournalError> {
        let numbers = self.numbers()?;
        let mut records = Vec::new();
        for (number, expected) in numbers.iter().zip(1..) {
            if *number != expected {
                return Err(self.damaged(expected, "it is gone, and later ones are there".to_owned()));
            }
            let found = self.runtime.block_on(self.location.get(&name_of(expected)))?.unwrap_or_default();
            let parsed = serde_json::from_slice::<Vec<Record>>(&found);
            records.extend(parsed.map_err(|error| self.damaged(expected, error.to_string()))?);
        }
        self.next = numbers.len() as u64 + 1;
        Ok(records)
    }

    pub(super) fn remove(self) -> Result<(), JournalError> {
        // The last one first: what a crash leaves is a journal without gaps.
        for number in self.numbers()?.into_iter().rev() {
            self.runtime.block_on(self.location.remove(&name_of(number)))?;
        }
        Ok(())
    }

    pub(super) fn place(&self) -> &str {
        self.location.name()
    }

    /// Numbers that are taken, ascending.
    fn numbers(&self) -> Result<Vec<u64>, JournalError> {
        let names = self.runtime.block_on(self.location.names())?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn damaged(&self, number: u64, what: String) -> JournalError {
        JournalError::Damaged { path: format!("{}/{}", self.place(), name_of(number)).into(), offset: 0, what }
    }
}

fn name_of(number: u64) -> String {
    format!("part-{number:08}.json")
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("part-")?.strip_suffix(".json")?.parse().ok()
}
