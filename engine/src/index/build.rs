//! From a batch of rows to the bytes of its index. The result depends on the rows and the declaration only.

use arrow::record_batch::RecordBatch;
use hashbrown::HashMap;

use super::{
    cells::{Cells, Texts},
    codec::put_planes,
    dictionary::{ValueKind, encode_numbers, encode_text},
    group::Groups,
    layout::{BlockEntry, ColumnEntry, DictionaryEntry, Directory, Role, Section, assemble},
    limits::{MAX_KEY_COLUMNS, MAX_ROWS},
    postings::{self, Counts},
};
use crate::{ColumnDef, Error, Result, TableDef, table::IndexKind};

/// The bytes of `<table>.idx` for a segment whose rows are `batch`, row 0 first. The batch's schema must be the table's.
///
/// # Errors
///
/// [`Error::Limit`] for more than 2²⁸ rows; [`Error::Columnar`] if the batch is not of the table or the table's columns do
/// not mirror each other in pairs.
pub fn build(table: &TableDef, batch: &RecordBatch) -> Result<Vec<u8>> {
    let rows = limited_rows(batch.num_rows())?;
    let plan = Plan::new(table)?;
    let mut texts: Vec<Texts<'_>> = plan.dictionaries.iter().map(|_| Texts::default()).collect();
    let cells = plan.cells(table, batch, &mut texts)?;

    let keys = plan.is_key().any(|key| key).then(|| plan.group_keys(batch.num_rows(), &cells));
    let groups: Vec<Coded<'_>> = plan.code_columns(batch.num_rows(), &cells, keys.as_ref());
    let mut sections = Vec::new();
    let mut dictionaries = Vec::new();
    let mut columns: Vec<(usize, ColumnEntry, Vec<u8>)> = Vec::new();
    for (number, (&kind, texts)) in plan.dictionaries.iter().zip(&texts).enumerate() {
        let users: Vec<&Coded<'_>> = groups.iter().filter(|c| c.column.dictionary == number).collect();
        let (entry, section, codes) = dictionary(kind, texts, users.iter().flat_map(|c| c.cells.iter().copied()));
        dictionaries.push(entry);
        sections.push(section);
        for coded in users {
            columns.push((coded.position, plan.entry(coded.column)?, coded.section(&codes)));
        }
    }
    columns.sort_by_key(|(position, ..)| *position);
    let (columns, column_sections): (Vec<_>, Vec<_>) = columns.into_iter().map(|(_, e, s)| (e, s)).unzip();
    sections.extend(column_sections);

    let (virtual_keys, key_count) = keys.as_ref().map_or((&[][..], 0), |k| (k.virtual_keys.as_slice(), k.len()));
    sections.push(Counts::encode(virtual_keys, key_count));
    let (blocks, block_sections): (Vec<_>, Vec<_>) = postings::encode(virtual_keys, key_count)
        .into_iter()
        .map(|(keys, bytes)| (BlockEntry { keys, section: Section::default() }, bytes))
        .unzip();
    sections.extend(block_sections);

    let keys = u32::try_from(key_count).expect("no more keys than rows");
    assemble(Directory { rows, keys, dictionaries, columns, counts: Section::default(), blocks }, &sections)
}

fn limited_rows(rows: usize) -> Result<u32> {
    u32::try_from(rows)
        .ok()
        .filter(|&rows| rows <= MAX_ROWS)
        .ok_or_else(|| Error::Limit { what: format!("{rows} rows in one segment"), limit: format!("{MAX_ROWS} rows") })
}

/// Which columns the index has, and which of them share a dictionary.
#[derive(Debug)]
struct Plan {
    columns: Vec<Planned>,
    dictionaries: Vec<ValueKind>,
}

#[derive(Debug)]
struct Planned {
    /// Position in the batch.
    source: usize,
    definition: &'static ColumnDef,
    dictionary: usize,
    is_key: bool,
    /// Position in the plan of the column it mirrors.
    mirror: Option<usize>,
}

/// A column's cells, once per key or per distinct value, and how to spread their codes.
#[derive(Debug)]
struct Coded<'p> {
    /// Position in the plan.
    position: usize,
    column: &'p Planned,
    cells: Vec<Option<u64>>,
    /// For row columns the cell of each row, by position, doubled.
    per_row: Option<Vec<u32>>,
}

impl Plan {
    fn new(table: &TableDef) -> Result<Plan> {
        let indexed: Vec<(usize, &'static ColumnDef)> =
            table.columns.iter().enumerate().filter(|(_, c)| c.index != IndexKind::None).collect();
        let mut plan = Plan { columns: Vec::new(), dictionaries: Vec::new() };
        for (position, &(source, definition)) in indexed.iter().enumerate() {
            let mirror = match definition.index {
                IndexKind::KeyMirrored { with } => Some(partner(table, &indexed, position, definition, with)?),
                _ => None,
            };
            // The second of a pair uses the dictionary of the first.
            let shared = mirror.filter(|&m| m < position).and_then(|m| plan.columns.get(m)).map(|c| c.dictionary);
            let dictionary = shared.unwrap_or_else(|| {
                plan.dictionaries.push(definition.kind.into());
                plan.dictionaries.len() - 1
            });
            let is_key = definition.index != IndexKind::Row;
            plan.columns.push(Planned { source, definition, dictionary, is_key, mirror });
        }
        if plan.is_key().filter(|&key| key).count() > MAX_KEY_COLUMNS {
            let what = format!("key columns of table {}", table.name);
            return Err(Error::Limit { what, limit: MAX_KEY_COLUMNS.to_string() });
        }
        Ok(plan)
    }

    fn is_key(&self) -> impl Iterator<Item = bool> {
        self.columns.iter().map(|c| c.is_key)
    }

    /// The cells of the indexed columns, in plan order.
    fn cells<'a>(&self, table: &TableDef, batch: &'a RecordBatch, texts: &mut [Texts<'a>]) -> Result<Vec<Cells<'a>>> {
        if batch.num_columns() != table.columns.len() {
            let (has, wants) = (batch.num_columns(), table.columns.len());
            return Err(Error::Columnar(format!(
                "a batch of {has} columns for table {}, which has {wants}",
                table.name
            )));
        }
        self.columns
            .iter()
            .map(|c| {
                let array = batch.columns().get(c.source);
                let (Some(array), Some(texts)) = (array, texts.get_mut(c.dictionary)) else {
                    return Err(Error::Columnar(format!("no column {}", c.definition.name)));
                };
                Cells::new(c.definition.kind, array, texts)
            })
            .collect()
    }

    fn group_keys(&self, rows: usize, cells: &[Cells<'_>]) -> Groups {
        let columns: Vec<&Cells<'_>> = self.is_key().zip(cells).filter(|(key, _)| *key).map(|(_, c)| c).collect();
        // Positions among the key columns, which is what a tuple has.
        let among_keys = |position: usize| self.is_key().take(position).filter(|&key| key).count();
        let pairs: Vec<(usize, usize)> = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(position, c)| Some((position, c.mirror?)))
            .filter(|(position, mirror)| position < mirror)
            .map(|(position, mirror)| (among_keys(position), among_keys(mirror)))
            .collect();
        Groups::new(rows, &columns, &pairs)
    }

    fn code_columns(&self, rows: usize, cells: &[Cells<'_>], keys: Option<&Groups>) -> Vec<Coded<'_>> {
        let mut key_column = 0;
        let columns = self.columns.iter().zip(cells).enumerate();
        columns
            .map(|(position, (column, cells))| match keys {
                Some(keys) if column.is_key => {
                    key_column += 1;
                    Coded { position, column, cells: keys.column(key_column - 1).collect(), per_row: None }
                }
                _ => {
                    let groups = Groups::new(rows, &[cells], &[]);
                    let cells = groups.column(0).collect();
                    Coded { position, column, cells, per_row: Some(groups.virtual_keys) }
                }
            })
            .collect()
    }

    fn entry(&self, column: &Planned) -> Result<ColumnEntry> {
        let small = |n: usize| {
            u16::try_from(n)
                .map_err(|_| Error::Limit { what: "indexed columns".to_owned(), limit: u16::MAX.to_string() })
        };
        let role = match column.is_key {
            true => Role::Key { mirror: column.mirror.map(small).transpose()? },
            false => Role::Row,
        };
        let name = column.definition.name.to_owned();
        Ok(ColumnEntry { name, role, dictionary: small(column.dictionary)?, section: Section::default() })
    }
}

impl Coded<'_> {
    /// The section of the column's codes: one per key, or one per row.
    fn section(&self, codes: &Codes) -> Vec<u8> {
        let of_cells: Vec<u64> = self.cells.iter().map(|&cell| codes.of(cell)).collect();
        let mut out = Vec::new();
        match &self.per_row {
            None => put_planes(&of_cells, &mut out),
            Some(rows) => {
                let code = |&doubled: &u32| of_cells.get(doubled as usize / 2).copied().unwrap_or_default();
                put_planes(&rows.iter().map(code).collect::<Vec<u64>>(), &mut out);
            }
        }
        out
    }
}

/// The plan position of the column that `definition` mirrors, if that mirrors it back and is like it.
fn partner(
    table: &TableDef,
    indexed: &[(usize, &'static ColumnDef)],
    position: usize,
    definition: &ColumnDef,
    with: &str,
) -> Result<usize> {
    let back = |d: &ColumnDef| matches!(d.index, IndexKind::KeyMirrored { with } if with == definition.name);
    let like = |d: &ColumnDef| d.name == with && d.kind == definition.kind && back(d);
    indexed.iter().position(|(_, d)| like(d)).filter(|&p| p != position).ok_or_else(|| {
        Error::Columnar(format!(
            "table {}: column {} mirrors {with}, which is no column of its kind that mirrors it back",
            table.name, definition.name
        ))
    })
}

/// The codes of a dictionary's cells.
#[derive(Debug)]
struct Codes {
    of_cell: HashMap<u64, u64>,
    null: u64,
}

impl Codes {
    fn of(&self, cell: Option<u64>) -> u64 {
        cell.map_or(self.null, |cell| self.of_cell.get(&cell).copied().unwrap_or(self.null))
    }
}

/// Sorts the distinct ones of `cells`: directory entry, section and codes of their dictionary.
fn dictionary(
    kind: ValueKind,
    texts: &Texts<'_>,
    cells: impl Iterator<Item = Option<u64>>,
) -> (DictionaryEntry, Vec<u8>, Codes) {
    let mut of_cell: HashMap<u64, u64> = HashMap::new();
    let mut has_null = false;
    for cell in cells {
        match cell {
            Some(cell) => drop(of_cell.entry(cell).or_default()),
            None => has_null = true,
        }
    }
    let mut distinct: Vec<u64> = of_cell.keys().copied().collect();
    let section = if kind == ValueKind::Text {
        let text = |cell: &u64| texts.get(*cell).unwrap_or_default();
        distinct.sort_unstable_by_key(text);
        encode_text(&distinct.iter().map(text).collect::<Vec<&str>>())
    } else {
        distinct.sort_unstable();
        encode_numbers(&distinct)
    };
    for (code, cell) in (0..).zip(&distinct) {
        of_cell.insert(*cell, code);
    }
    let values = u32::try_from(distinct.len()).expect("at most two values a row, and rows are limited");
    let entry = DictionaryEntry { kind, has_null, values, section: Section::default() };
    (entry, section, Codes { of_cell, null: u64::from(values) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Kind;

    #[test]
    fn rows_are_limited_exactly_at_the_limit() {
        assert_eq!(limited_rows(MAX_ROWS as usize).unwrap(), MAX_ROWS);
        let refused = limited_rows(MAX_ROWS as usize + 1).unwrap_err();
        assert_eq!(refused.to_string(), "16777217 rows in one segment is over the limit of 16777216 rows");
        assert!(limited_rows(1 << 32).is_err());
    }

    #[test]
    fn columns_must_mirror_each_other() {
        let one_way: &'static TableDef = Box::leak(Box::new(TableDef {
            name: "t",
            comment: "",
            columns: Box::leak(Box::new([
                ColumnDef::new("ts", Kind::Ts, false, ""),
                ColumnDef::new("a", Kind::U16, false, "").mirrors("b"),
                ColumnDef::new("b", Kind::U16, false, "").key(),
            ])),
            part_key: None,
            system: false,
            group: None,
            variables: &[],
            entries: &[],
        }));
        let error = Plan::new(one_way).unwrap_err();
        let expected =
            "columnar encoding: table t: column a mirrors b, which is no column of its kind that mirrors it back";
        assert_eq!(error.to_string(), expected);
    }
}
