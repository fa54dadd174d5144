//! `EXPLAIN` for reading: each plan under its name, line by line, not as cells of a table.

use std::io::{self, Write};

use arrow::array::RecordBatch;

use super::text::Cells;

/// Writes the rows of an `EXPLAIN`.
pub(crate) struct PlanWriter {
    out: Box<dyn Write + Send>,
}

impl PlanWriter {
    pub(crate) fn new(out: Box<dyn Write + Send>) -> PlanWriter {
        PlanWriter { out }
    }

    /// Writes every row: the last column is a plan, those before it name it.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let cells = batch.columns().iter().map(Cells::new).collect::<io::Result<Vec<_>>>()?;
        let Some((plan, names)) = cells.split_last() else { return Ok(()) };
        for row in 0..batch.num_rows() {
            for name in names {
                writeln!(self.out, "{}:", name.shown(row, usize::MAX))?;
            }
            for line in plan.lines(row) {
                writeln!(self.out, "  {line}")?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
