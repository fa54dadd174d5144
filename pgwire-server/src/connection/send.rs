//! Sends results: row descriptions, rows, COPY data, tags. Waiting for the next batch and for the client to read are
//! both under the connection's interrupts, so that a cancel, a time-out or a vanished client ends either.

use futures::TryStreamExt;
use pgwire::messages::{
    PgWireBackendMessage,
    copy::{CopyDone, CopyOutResponse},
    data::{FieldDescription, NoData, RowDescription},
    response::{CommandComplete, EmptyQueryResponse},
};
use wiretape_sql::{CopyData, CopyFormat, CopyOptions, CopyOut};

use super::Connection;
use crate::{
    cancel::Stop,
    copy::{RowCopier, copy_data_pieces, put_copy_data},
    encode::{Column, Format, type_len},
    error::PgError,
    rows::{RowSource, RowStream},
};

/// How reading from a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// There are no more rows for this reader.
    All(u64),
    /// The limit came first.
    Suspended,
}

impl Connection {
    /// RowDescription, or NoData for a statement without rows.
    pub(super) fn put_description(&mut self, columns: &[Column], formats: &[Format]) -> Result<(), Stop> {
        if columns.is_empty() {
            return self.put(PgWireBackendMessage::NoData(NoData::new()));
        }
        self.put_row_description(columns, formats)
    }

    /// RowDescription, also for rows without columns.
    pub(super) fn put_row_description(&mut self, columns: &[Column], formats: &[Format]) -> Result<(), Stop> {
        let describe = |(index, column): (usize, &Column)| {
            let format = formats.get(index).copied().unwrap_or(Format::Text);
            let (oid, len) = (column.pg_type.oid(), type_len(&column.pg_type));
            // No table OID: pgjdbc would look the table's columns up for every result.
            FieldDescription::new(column.name.clone(), 0, 0, oid, len, -1, format.code())
        };
        let fields = columns.iter().enumerate().map(describe).collect();
        self.put(PgWireBackendMessage::RowDescription(RowDescription::new(fields)))
    }

    pub(super) fn put_tag(&mut self, tag: String) -> Result<(), Stop> {
        self.put(PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))
    }

    pub(super) fn put_empty(&mut self) -> Result<(), Stop> {
        self.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))
    }

    /// Sends rows, at most `max_rows` (0 for all). The source can be read on from when it returns.
    pub(super) async fn send_rows(
        &mut self,
        source: &mut RowSource,
        formats: &[Format],
        max_rows: u64,
    ) -> Result<Sent, Stop> {
        let format_of = |index: usize| formats.get(index).copied().unwrap_or(Format::Text);
        let shared = std::sync::Arc::clone(&source.stream);
        let mut stream = shared.lock().await;
        let mut sent = 0;
        loop {
            if source.left == Some(0) {
                return Ok(Sent::All(sent));
            }
            if max_rows > 0 && sent >= max_rows {
                return Ok(Sent::Suspended);
            }
            let Some((row, batch)) = stream.take_row() else {
                if self.next_batch(&mut stream).await? {
                    continue;
                }
                return Ok(Sent::All(sent));
            };
            batch.write_data_row(row, format_of, &mut self.sender.out)?;
            sent += 1;
            source.left = source.left.map(|left| left - 1);
            if self.sender.is_full() {
                self.guarded_flush().await?;
            }
        }
    }

    /// CopyOutResponse, the data, CopyDone and the tag. A failure in the midst is an ErrorResponse instead of CopyDone.
    pub(super) async fn send_copy(&mut self, copy: CopyOut, columns: &[Column]) -> Result<(), Stop> {
        let raw = matches!(copy.data, CopyData::Bytes(_));
        let binary = raw || copy.options.format == CopyFormat::Binary;
        let count = if raw { 1 } else { columns.len() };
        let count_word = i16::try_from(count).unwrap_or(i16::MAX);
        let formats = vec![i16::from(binary); count];
        let response = CopyOutResponse::new(i8::from(binary), count_word, formats);
        self.put(PgWireBackendMessage::CopyOutResponse(response))?;
        let rows = match copy.data {
            CopyData::Batches(stream) => {
                self.send_copied_rows(RowStream::running(stream), &copy.options, columns).await?
            }
            CopyData::Bytes(mut bytes) => {
                while let Some(bytes) =
                    self.interrupts.guard(&mut self.receiver, bytes.try_next()).await?.map_err(PgError::from)?
                {
                    for piece in copy_data_pieces(&bytes) {
                        put_copy_data(&mut self.sender.out, |out| out.extend_from_slice(piece));
                        self.guarded_flush().await?;
                    }
                }
                None
            }
        };
        self.put(PgWireBackendMessage::CopyDone(CopyDone::new()))?;
        self.put_tag(rows.map_or_else(|| "COPY".to_owned(), |rows| format!("COPY {rows}")))
    }

    async fn send_copied_rows(
        &mut self,
        mut stream: RowStream,
        options: &CopyOptions,
        columns: &[Column],
    ) -> Result<Option<u64>, Stop> {
        let mut copier = RowCopier::new(options);
        put_copy_data(&mut self.sender.out, |out| copier.write_start(columns, out));
        let mut rows = 0;
        loop {
            let Some((row, batch)) = stream.take_row() else {
                if self.next_batch(&mut stream).await? {
                    continue;
                }
                break;
            };
            put_copy_data(&mut self.sender.out, |out| copier.write_row(batch, row, out))?;
            rows += 1;
            if self.sender.is_full() {
                self.guarded_flush().await?;
            }
        }
        put_copy_data(&mut self.sender.out, |out| copier.write_end(out));
        Ok(Some(rows))
    }

    /// Goes on to the next batch; what has gathered is written first if that will take time.
    async fn next_batch(&mut self, stream: &mut RowStream) -> Result<bool, Stop> {
        if stream.would_wait() && !self.sender.out.is_empty() {
            self.guarded_flush().await?;
        }
        self.interrupts.guard(&mut self.receiver, stream.advance()).await?.map_err(Stop::from)
    }

    async fn guarded_flush(&mut self) -> Result<(), Stop> {
        let Self { interrupts, receiver, sender, .. } = self;
        interrupts.guard(receiver, sender.flush()).await?.map_err(Stop::from)
    }
}
