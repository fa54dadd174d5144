//! What the rows of a table are to KFL, the filter language: which kinds of entries, and what its variables stand for. The
//! declarations are texts here; names, types and SQL are checked by those who read them.

use super::TableDef;

/// A name and the SQL expression over the table's columns that it stands for.
pub type Mapping = (&'static str, &'static str);

/// One kind of entry that rows of a table are. A row can be an entry of several kinds, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryDef {
    /// The kind, as in the column `entry`.
    pub kind: &'static str,
    /// Which rows are one: a predicate in SQL.
    pub when: &'static str,
    /// Columns that entries of all tables have, where they are not this table's columns of the same name.
    pub columns: &'static [Mapping],
    /// KFL variables. NULL is the zero of the variable's type, and so is a variable that is not named.
    pub variables: &'static [Mapping],
}

impl TableDef {
    /// What the KFL variable `name` stands for in entries of the kind `entry`: it says so itself, or else the table for all
    /// its kinds, or else the group for all its tables.
    pub fn variable(&self, entry: &EntryDef, name: &str) -> Option<&'static str> {
        let common = self.group.map_or::<&[Mapping], _>(&[], |g| g.variables);
        [entry.variables, self.variables, common].into_iter().find_map(|mappings| find(mappings, name))
    }

    /// Names of the variables that entries of the kind `entry` have. One that is said more than once comes as often.
    pub fn variables_of(&self, entry: &EntryDef) -> impl Iterator<Item = &'static str> {
        let common = self.group.map_or::<&[Mapping], _>(&[], |g| g.variables);
        [entry.variables, self.variables, common].into_iter().flatten().map(|(name, _)| *name)
    }
}

impl EntryDef {
    /// What the entries' column `name` is, where it is not the table's of the same name.
    pub fn column(&self, name: &str) -> Option<&'static str> {
        find(self.columns, name)
    }
}

fn find(mappings: &[Mapping], name: &str) -> Option<&'static str> {
    mappings.iter().find(|(n, _)| *n == name).map(|(_, sql)| *sql)
}
