//! Packets out of the database as a capture file.
//!
//! ```text
//!  the query, cut down to packet_id ─► one bitmap of rows per segment ─► time order ─► raw logs ─► writer ─► file, pipe
//! ```
//!
//! Only `packet_id` is asked of the query, so that a filter which the index answers reads no Parquet at all. A packet
//! selected twice comes once; the order is time, whatever the query's order.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, Write},
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::{
    array::{AsArray, RecordBatch},
    compute,
    datatypes::{DataType, Int64Type},
};
use bytes::Bytes;
use croaring::Bitmap;
use datafusion::{
    common::Column,
    execution::memory_pool::{MemoryConsumer, MemoryReservation},
    logical_expr::{Expr, LogicalPlanBuilder},
};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use wiretape_engine::{
    View,
    raw::{ExportError, Interface, PcapWriter, PcapngWriter, RawPacket},
};

use super::{CopyFormat, file, order};
use crate::{QueryPlan, Session, SqlError, copy::Temporary, limit::Deadline, names::OutputNames};

/// Chunks of a capture file between its writer and a client that is slower.
const CHUNKS_AHEAD: usize = 4;

/// The column that names a packet.
const PACKET_ID: &str = "packet_id";

/// The two capture-file formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// One link type.
    Pcap,
    /// Any number of interfaces.
    Pcapng,
}

impl Capture {
    /// The capture-file format that `format` is, if it is one.
    pub(crate) fn of(format: CopyFormat) -> Option<Capture> {
        match format {
            CopyFormat::Pcap => Some(Capture::Pcap),
            CopyFormat::Pcapng => Some(Capture::Pcapng),
            _ => None,
        }
    }
}

/// Cuts a query down to its column `packet_id`.
pub(crate) fn only_packet_ids(mut query: QueryPlan, capture: Capture) -> Result<QueryPlan, SqlError> {
    let mut candidates = query.plan.schema().iter().filter(|(_, f)| f.name() == PACKET_ID);
    let (found, more) = (candidates.next(), candidates.next());
    let missing = |message: String| {
        Err(SqlError::new("42703", message)
            .with_hint("Select from packets with packet_id among the columns; select * works."))
    };
    let column = match (found, more) {
        (Some((qualifier, field)), None) if *field.data_type() == DataType::Int64 => {
            Column::new(qualifier.cloned(), field.name())
        }
        (Some(_), None) => return missing(format!("column \"{PACKET_ID}\" is not of type bigint")),
        (Some(_), Some(_)) => return missing(format!("column \"{PACKET_ID}\" appears more than once")),
        (None, _) => return missing(format!("a {} needs the column \"{PACKET_ID}\"", capture_name(capture))),
    };
    drop(candidates);
    query.plan = LogicalPlanBuilder::from(query.plan).project([Expr::Column(column)])?.build()?;
    query.schema = Arc::new(query.plan.schema().as_arrow().clone());
    query.names = OutputNames::default();
    query.packet_ids = Some(capture);
    Ok(query)
}

fn capture_name(capture: Capture) -> &'static str {
    match capture {
        Capture::Pcap => "pcap",
        Capture::Pcapng => "pcapng",
    }
}

/// Packets to export, and the version of the database that has them.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) view: Arc<View>,
    /// Rows by segment id.
    pub(crate) segments: BTreeMap<u32, Bitmap>,
    /// What the bitmaps hold of the memory limit.
    pub(crate) memory: MemoryReservation,
    /// Threads that may decompress.
    pub(crate) threads: usize,
}

/// Runs the query and collects its packet ids.
async fn select(session: &Session, query: &QueryPlan) -> Result<Selection, SqlError> {
    let fresh = session.newest(query).await?;
    let query = fresh.as_ref().unwrap_or(query);
    let memory = MemoryConsumer::new("packets to export").register(&session.database().runtime().memory_pool);
    let threads = session.database().config().threads;
    let mut selection = Selection { view: Arc::clone(&query.view), segments: BTreeMap::new(), memory, threads };
    let mut rows = session.start(query, Vec::new()).await?;
    while let Some(batch) = rows.next().await {
        selection.add(&batch?)?;
    }
    Ok(selection)
}

impl Selection {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        let Some(column) = batch.columns().first() else { return Ok(()) };
        let column = compute::cast(column, &DataType::Int64).map_err(|e| SqlError::new("XX000", e.to_string()))?;
        let ids = column.as_primitive::<Int64Type>();
        let mut run: Vec<u32> = Vec::with_capacity(ids.len());
        let mut run_segment = None;
        for id in ids.iter().flatten() {
            let (segment, row) = split(id)?;
            if run_segment != Some(segment) {
                self.flush(run_segment, &mut run)?;
                run_segment = Some(segment);
            }
            run.push(row);
        }
        self.flush(run_segment, &mut run)
    }

    fn flush(&mut self, segment: Option<u32>, rows: &mut Vec<u32>) -> Result<(), SqlError> {
        let Some(segment) = segment else { return Ok(()) };
        let bitmap = self.segments.entry(segment).or_default();
        let before = size_bytes(bitmap);
        bitmap.add_many(rows);
        rows.clear();
        self.memory.try_grow(size_bytes(bitmap).saturating_sub(before))?;
        Ok(())
    }
}

fn size_bytes(bitmap: &Bitmap) -> usize {
    let s = bitmap.statistics();
    s.n_bytes_array_containers as usize + s.n_bytes_run_containers as usize + s.n_bytes_bitset_containers as usize
}

/// Segment and row of a packet id.
fn split(id: i64) -> Result<(u32, u32), SqlError> {
    let segment = u32::try_from(id >> 32);
    let row = u32::try_from(id & 0xffff_ffff);
    match (segment, row) {
        (Ok(segment), Ok(row)) => Ok((segment, row)),
        _ => Err(SqlError::new("22003", format!("{id} is no packet_id"))),
    }
}

/// Where a capture file goes.
pub(crate) enum Sink {
    /// To a file, which appears when it is whole.
    File(PathBuf),
    /// Anywhere else, as it comes.
    Writer(Box<dyn Write + Send>),
}

/// Writes the packets that the query names; gives their number. Dropping the future ends the work.
pub(crate) async fn to_sink(
    session: &Session,
    query: &QueryPlan,
    capture: Capture,
    sink: Sink,
) -> Result<u64, SqlError> {
    let selection = select(session, query).await?;
    let cancelled = CancelOnDrop::default();
    let flag = Arc::clone(&cancelled.0);
    let work = tokio::task::spawn_blocking(move || match sink {
        Sink::Writer(out) => write(selection, capture, out, &flag),
        Sink::File(path) => {
            let temporary = Temporary::beside(&path);
            let file = OpenOptions::new().write(true).create_new(true).open(temporary.path());
            let file = file.map_err(|e| file::io_error(temporary.path(), &e))?;
            let packets = write(selection, capture, file, &flag)?;
            temporary.keep()?;
            Ok(packets)
        }
    });
    work.await.map_err(|e| SqlError::new("XX000", e.to_string()))?
}

/// Starts writing the packets that the query names into a stream. Dropping the stream ends the work.
pub(super) async fn to_stream(
    session: &Session,
    query: &QueryPlan,
    capture: Capture,
    deadline: Option<Deadline>,
) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes, SqlError>> + Send>>, SqlError> {
    let selection = select(session, query).await?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let cancelled = CancelOnDrop::default();
    let flag = Arc::clone(&cancelled.0);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = write(selection, capture, Chunks(sender.clone()), &flag) {
            let _ = sender.blocking_send(Err(error)); // nobody to tell when the client has gone
        }
    });
    let state = Some((receiver, cancelled));
    Ok(Box::pin(futures::stream::unfold(state, move |state| async move {
        let (mut receiver, cancelled) = state?;
        let next = match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline.at(), receiver.recv()).await {
                Ok(next) => next,
                Err(_) => return Some((Err(deadline.error()), None)),
            },
            None => receiver.recv().await,
        };
        next.map(|chunk| (chunk, Some((receiver, cancelled))))
    })))
}

/// Tells the writing thread that nobody waits for it any more.
#[derive(Debug, Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bytes into a channel, chunk by chunk.
struct Chunks(mpsc::Sender<Result<Bytes, SqlError>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A capture file of either format.
enum Writer<W> {
    Pcap(PcapWriter<W>),
    Pcapng(PcapngWriter<W>),
}

fn write<W: Write>(selection: Selection, capture: Capture, out: W, cancelled: &AtomicBool) -> Result<u64, SqlError> {
    let mut writer = match capture {
        Capture::Pcap => {
            let interfaces = order::interfaces(&selection)?;
            Writer::Pcap(PcapWriter::new(out, &interfaces))
        }
        Capture::Pcapng => Writer::Pcapng(PcapngWriter::new(out)),
    };
    order::for_each(selection, |interface: &Interface, packet: &RawPacket<'_>| {
        if cancelled.load(Ordering::Relaxed) {
            return Err(SqlError::new("57014", "canceling statement due to user request"));
        }
        let pushed = match &mut writer {
            Writer::Pcap(pcap) => pcap.push(interface, packet),
            Writer::Pcapng(pcapng) => pcapng.push(interface, packet),
        };
        pushed.map_err(export_error)
    })?;
    let packets = match &writer {
        Writer::Pcap(pcap) => pcap.packets(),
        Writer::Pcapng(pcapng) => pcapng.packets(),
    };
    let finished = match writer {
        Writer::Pcap(pcap) => pcap.finish(),
        Writer::Pcapng(pcapng) => pcapng.finish(),
    };
    let mut out = finished.map_err(export_error)?;
    out.flush().map_err(|e| export_error(e.into()))?;
    Ok(packets)
}

fn export_error(error: ExportError) -> SqlError {
    let message = error.to_string();
    match error {
        ExportError::Store(error) => SqlError::from(error),
        ExportError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            SqlError::new("08006", "the receiver of the packets has gone")
        }
        ExportError::Io(error) if error.kind() == io::ErrorKind::StorageFull => SqlError::new("53100", message),
        ExportError::Io(_) => SqlError::new("58030", message),
        _ => {
            let (message, _) = message.split_once("; write pcapng").unwrap_or((&message, ""));
            SqlError::new("0A000", message).with_hint("Use .pcapng (FORMAT pcapng), or select one link_type.")
        }
    }
}
