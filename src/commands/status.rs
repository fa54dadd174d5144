//! `wiretape status`: is anything being recorded, how fast, what was lost, and how long the disk lasts.

use std::io::Write;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::Int64Type,
};
use futures::TryStreamExt;
use indicatif::{HumanBytes, HumanDuration};
use wiretape_engine::{View, retention::Policy};
use wiretape_sql::{Outcome, Session, SqlError};

use super::database;
use crate::{
    End, Failure,
    cli::Global,
    output::{Format, Layout, RowWriter, Stdout},
    units,
};

/// Show what is recorded, how fast, what was lost, and how long the disk lasts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads system.coverage, which every recorder keeps: one row per interface and minute.

  wiretape status
  wiretape status --minutes 60                   the last hour
  wiretape query \"select * from system.coverage where restarts > 0\"")]
pub(crate) struct Args {
    /// Minutes to look back for rates and losses
    #[arg(long, value_name = "N", default_value_t = 10)]
    minutes: u32,
}

/// Rates and losses of the last minutes, by interface.
const RECENT: &str = "
select coalesce(node, '') as node, iface,
       max(capture_source) as source,
       sum(recorded) as recorded,
       sum(recorded) * 1000000000 / greatest(sum(cast(end_ts as bigint) - cast(start_ts as bigint)), 1000000000) as \"per second\",
       sum(recorded_bytes) as bytes,
       sum(dropped_ring) as \"dropped: ring\",
       sum(dropped_limit) as \"dropped: disk\",
       sum(filtered) as filtered,
       sum(restarts) as restarts
from system.coverage
where ts >= to_timestamp_nanos({since})
group by 1, 2
order by bytes desc, iface";

/// Captured bytes and the time they took, over the last hour that was recorded.
const PACE: &str = "
select coalesce(sum(recorded_bytes), 0),
       coalesce(max(cast(end_ts as bigint)) - min(cast(start_ts as bigint)), 0)
from system.coverage
where ts >= (select max(ts) from system.coverage) - interval '1 hour'";

/// What the whole of the coverage says: its ends, losses and gaps.
const ALL: &str = "
select cast(min(start_ts) as bigint), cast(max(end_ts) as bigint),
       coalesce(sum(dropped_ring + dropped_limit), 0), coalesce(sum(restarts), 0), coalesce(sum(gap_ns), 0)
from system.coverage";

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let dir = global.db_dir()?;
    let database = database::open(&dir, global, None)?;
    database::run(global, async {
        let session = database.session();
        let db = database.db();
        let view = db.view()?;
        let mut out = Stdout::new();
        writeln!(out, "database   {}", dir.display())?;
        writeln!(out, "recording  {}", if db.is_being_written() { "yes" } else { "no" })?;
        tell_coverage(&mut out, &session).await?;
        tell_disk(&mut out, &session, &view).await?;
        let since = units::now_ns() - i64::from(args.minutes) * 60_000_000_000;
        let recent = rows(&session, &RECENT.replace("{since}", &since.to_string())).await?;
        writeln!(out, "\nthe last {}:", units::count(u64::from(args.minutes), "minute"))?;
        out.flush()?;
        print(&recent)?;
        Ok(End::Done)
    })
}

async fn tell_coverage(out: &mut Stdout, session: &Session) -> Result<(), Failure> {
    let all = rows(session, ALL).await?;
    let [Some(from), Some(to), lost, restarts, gap] = numbers(&all) else {
        writeln!(out, "recorded   nothing yet; packets that were imported have no coverage")?;
        return Ok(());
    };
    let time = |ns: i64| {
        let array = arrow::array::TimestampNanosecondArray::from(vec![ns]).with_timezone("UTC");
        arrow::util::display::array_value_to_string(&array, 0).unwrap_or_default()
    };
    let whole = |n: Option<i64>| u64::try_from(n.unwrap_or(0)).unwrap_or(0);
    writeln!(out, "recorded   from {} to {}", time(from), time(to))?;
    let gap = HumanDuration(std::time::Duration::from_nanos(whole(gap)));
    let (lost, restarts) = (units::count(whole(lost), "packet"), units::count(whole(restarts), "restart"));
    writeln!(out, "lost       {lost}; {restarts}, {gap} between recordings")?;
    Ok(())
}

async fn tell_disk(out: &mut Stdout, session: &Session, view: &View) -> Result<(), Failure> {
    let components = |raw: bool| -> u64 {
        let all = view.segments().iter().flat_map(|s| &s.meta().components);
        all.filter(|c| wiretape_engine::Segment::is_raw(&c.file) == raw).map(|c| c.size_bytes).sum()
    };
    let open: u64 = view.live().iter().map(|s| s.log_bytes()).sum();
    let (packets, rest) = (components(true) + open, components(false));
    let (all, exact) = (HumanBytes(packets + rest), HumanBytes(packets));
    writeln!(out, "disk       {all}: {exact} of packets, {} of rows and indexes", HumanBytes(rest))?;
    let pace = rows(session, PACE).await?;
    let [bytes, ns] = numbers(&pace);
    let (bytes, ns) = (bytes.unwrap_or(0).max(0) as f64, ns.unwrap_or(0).max(0) as f64);
    // What a captured byte comes to on the disk, by what is there.
    let captured: u64 = view.segments().iter().filter_map(|s| s.raw().ok().flatten()).map(|r| r.captured_bytes()).sum();
    let sealed = (packets - open + rest) as f64;
    let shrinks = if captured > 0 { sealed / captured as f64 } else { 1.0 };
    let per_second = if ns > 0.0 { bytes * shrinks / (ns / 1e9) } else { 0.0 };
    writeln!(out, "budget     {}", budget(view.policy(), packets, packets + rest, per_second))?;
    Ok(())
}

/// What may stay, and how long until it is full at `per_second` bytes.
fn budget(policy: &Policy, packets: u64, all: u64, per_second: f64) -> String {
    let mut parts = Vec::new();
    for (budget, used, what) in [(policy.max_bytes, all, "all"), (policy.raw_max_bytes, packets, "packets")] {
        let Some(budget) = budget else { continue };
        let left = budget.saturating_sub(used) as f64;
        let time = match () {
            () if left == 0.0 => "used up, the oldest goes as new comes".to_owned(),
            () if per_second < 1.0 => "not filling".to_owned(),
            () => {
                let left = std::time::Duration::from_secs_f64((left / per_second).min(1e9));
                format!("full in {} at this rate", HumanDuration(left))
            }
        };
        parts.push(format!("{} for {what}, {time}", HumanBytes(budget)));
    }
    for (age, what) in [(policy.max_age_ns, "all"), (policy.raw_max_age_ns, "packets")] {
        if let Some(age) = age {
            let age = std::time::Duration::from_nanos(u64::try_from(age).unwrap_or(0));
            parts.push(format!("{} for {what}", HumanDuration(age)));
        }
    }
    if parts.is_empty() { "no limit".to_owned() } else { parts.join("; ") }
}

async fn rows(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
    match session.query(sql).await? {
        Outcome::Rows(rows) => Ok(rows.try_collect().await.map_err(SqlError::from)?),
        _ => Ok(Vec::new()),
    }
}

/// The first row, all of whose columns are whole numbers.
fn numbers<const N: usize>(batches: &[RecordBatch]) -> [Option<i64>; N] {
    let batch = batches.iter().find(|b| b.num_rows() > 0);
    std::array::from_fn(|at| {
        let column = batch?.columns().get(at)?.as_primitive_opt::<Int64Type>()?;
        column.is_valid(0).then(|| column.value(0))
    })
}

fn print(batches: &[RecordBatch]) -> Result<(), Failure> {
    let Some(first) = batches.first() else { return Ok(()) };
    let mut writer = RowWriter::new(Format::Table, &first.schema(), Layout::Pipe, Box::new(Stdout::new()))?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.finish()?)
}
