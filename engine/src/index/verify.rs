//! The full check of an index: every checksum, and every rule that reading alone does not need.

use croaring::Bitmap;

use super::{
    layout::Role,
    postings::{Block, Ways},
    read::Index,
};
use crate::Result;

impl Index {
    /// Reads the whole file anew and checks it: checksums, dictionaries in order and without values that no row has, codes
    /// in range, postings ascending, every row in exactly one key, keys in order of first row. Nothing read is kept, so
    /// that the answer is about the disk.
    pub fn verify(&self) -> Result<()> {
        let fresh = Index::open(self.path())?;
        fresh.verify_columns()?;
        fresh.verify_postings()
    }

    fn verify_columns(&self) -> Result<()> {
        let mut used: Vec<Bitmap> = self.directory.dictionaries.iter().map(|_| Bitmap::new()).collect();
        for entry in &self.directory.columns {
            let codes = self.codes(entry)?;
            if let Some(used) = used.get_mut(usize::from(entry.dictionary)) {
                let positions = codes.positions_by_code(self.codes_of(usize::from(entry.dictionary)));
                used.extend((0u32..).zip(positions).filter(|(_, p)| !p.is_empty()).map(|(code, _)| code));
            }
        }
        for (number, (entry, used)) in self.directory.dictionaries.iter().zip(&used).enumerate() {
            self.dictionary(number)?;
            if used.cardinality() != self.codes_of(number) as u64 {
                return Err(self.damaged(&entry.section, "a dictionary with values that no row has".to_owned()));
            }
        }
        Ok(())
    }

    fn verify_postings(&self) -> Result<()> {
        let counts = self.counts()?;
        let has_key_columns = self.directory.columns.iter().any(|c| matches!(c.role, Role::Key { .. }));
        if has_key_columns && self.directory.keys == 0 && self.rows() > 0 {
            return Err(self.damaged(&self.directory.counts, "rows without keys".to_owned()));
        }
        let mut seen = vec![false; self.rows() as usize];
        let (mut first_key, mut first_before) = (0, None);
        for entry in &self.directory.blocks {
            let raw = self.section(&entry.section)?;
            let block = Block::decode(raw, first_key, entry.keys, self.rows(), counts)
                .map_err(|what| self.damaged(&entry.section, what))?;
            for (within, key) in (0..).zip(first_key..first_key + entry.keys) {
                let (mut twice, mut first) = (false, None);
                block.visit(within, counts.of(key * 2) + counts.of(key * 2 + 1), Ways::Both, |row| {
                    first = first.or(Some(row));
                    if let Some(seen) = seen.get_mut(row as usize) {
                        twice |= std::mem::replace(seen, true);
                    }
                });
                if twice {
                    return Err(self.damaged(&entry.section, format!("a row of key {key} that another key has too")));
                }
                if first <= first_before {
                    return Err(self.damaged(&entry.section, format!("key {key} is not in order of first row")));
                }
                first_before = first;
            }
            first_key += entry.keys;
        }
        // The counts add up to the rows and no row was seen twice, so every row has a key.
        Ok(())
    }

    fn codes_of(&self, dictionary: usize) -> usize {
        self.directory.dictionaries.get(dictionary).map_or(0, |d| d.codes())
    }
}
