//! Results as aligned columns in psql's style, as one record after the other where the columns do not fit the terminal,
//! and as Markdown.
//!
//! Widths come from the first [`MEASURED_ROWS`] rows; a later cell that is wider pushes its line, and no more.

use std::io::{self, Write};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use unicode_width::UnicodeWidthStr;

use super::text::{Cells, is_number};

/// Rows held back to find the widths of the columns.
const MEASURED_ROWS: usize = 1000;
/// Widest cell shown on a terminal: a long user agent is cut, an IPv6 address or a URL's beginning is not.
const TERMINAL_CELL_WIDTH: usize = 80;

/// What the rows are laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A file or a pipe: nothing is cut.
    Pipe,
    /// A terminal of so many columns: long cells are cut, and rows that do not fit become records.
    Terminal(usize),
    /// Markdown (GitHub's tables): `|` is escaped, no row count.
    Markdown,
}

struct Column {
    name: String,
    number: bool,
    width: usize,
}

/// Writes one result as a table.
pub(crate) struct TableWriter {
    columns: Vec<Column>,
    layout: Layout,
    out: Box<dyn Write + Send>,
    /// Rows waiting for the widths; `None` once those are fixed.
    waiting: Option<Vec<Vec<String>>>,
    records: bool,
    rows: u64,
}

impl TableWriter {
    pub(crate) fn new(schema: &SchemaRef, layout: Layout, out: Box<dyn Write + Send>) -> TableWriter {
        let column = |f: &arrow::datatypes::FieldRef| Column {
            name: f.name().clone(),
            number: is_number(f.data_type()),
            width: f.name().width(),
        };
        let columns = schema.fields().iter().map(column).collect();
        TableWriter { columns, layout, out, waiting: Some(Vec::new()), records: false, rows: 0 }
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let max_width = match self.layout {
            Layout::Terminal(_) => TERMINAL_CELL_WIDTH,
            Layout::Pipe | Layout::Markdown => usize::MAX,
        };
        let cells = batch.columns().iter().map(Cells::new).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let mut texts: Vec<String> = cells.iter().map(|c| c.shown(row, max_width)).collect();
            if self.layout == Layout::Markdown {
                texts.iter_mut().for_each(|t| *t = t.replace('\\', "\\\\").replace('|', "\\|"));
            }
            match &mut self.waiting {
                Some(waiting) => {
                    for (column, text) in self.columns.iter_mut().zip(&texts) {
                        column.width = column.width.max(text.width());
                    }
                    waiting.push(texts);
                    if waiting.len() >= MEASURED_ROWS {
                        self.begin()?;
                    }
                }
                None => self.row(&texts)?,
            }
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.begin()?;
        if self.layout != Layout::Markdown {
            let rows = if self.rows == 1 { "row" } else { "rows" };
            writeln!(self.out, "({} {rows})", self.rows)?;
        }
        self.out.flush()
    }

    /// Shows the rows so far. Without any, the widths wait for the first.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty()) {
            self.begin()?;
        }
        self.out.flush()
    }

    /// Fixes the widths, writes the heading and the rows that waited.
    fn begin(&mut self) -> io::Result<()> {
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        if let Layout::Terminal(available) = self.layout {
            let needed: usize = self.columns.iter().map(|c| c.width + 3).sum();
            self.records = !waiting.is_empty() && needed > available + 1;
        }
        if !self.records {
            self.heading()?;
        }
        waiting.iter().try_for_each(|row| self.row(row))
    }

    fn heading(&mut self) -> io::Result<()> {
        let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        if self.layout == Layout::Markdown {
            self.line(&names)?;
            let rules = self.columns.iter().map(|c| match c.number {
                true => format!("{}:|", "-".repeat(c.width + 1)),
                false => format!("{}|", "-".repeat(c.width + 2)),
            });
            return writeln!(self.out, "|{}", rules.collect::<String>());
        }
        self.line(&names)?;
        let rules: Vec<String> = self.columns.iter().map(|c| "-".repeat(c.width + 2)).collect();
        writeln!(self.out, "{}", rules.join("+"))
    }

    fn row(&mut self, cells: &[String]) -> io::Result<()> {
        self.rows += 1;
        if self.records { self.record(cells) } else { self.line(cells) }
    }

    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let padded = self.columns.iter().zip(cells).map(|(column, cell)| {
            let gap = " ".repeat(column.width.saturating_sub(cell.width()));
            if column.number { format!(" {gap}{cell} ") } else { format!(" {cell}{gap} ") }
        });
        let line = padded.collect::<Vec<_>>().join("|");
        match self.layout {
            Layout::Markdown => writeln!(self.out, "|{line}|"),
            _ => writeln!(self.out, "{}", line.trim_end()),
        }
    }

    /// One row as `name | value` lines, as psql's `\x` has it.
    fn record(&mut self, cells: &[String]) -> io::Result<()> {
        writeln!(self.out, "-[ row {} ]{}", self.rows, "-".repeat(30))?;
        let width = self.columns.iter().map(|c| c.name.width()).max().unwrap_or(0);
        for (column, cell) in self.columns.iter().zip(cells) {
            let gap = " ".repeat(width.saturating_sub(column.name.width()));
            writeln!(self.out, "{}", format!("{}{gap} | {cell}", column.name).trim_end())?;
        }
        Ok(())
    }
}
