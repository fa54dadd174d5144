//! SQL over one segment, from text to rows: everything, and a needle that the index finds.

use divan::Bencher;
use tokio::runtime::Runtime;

use crate::traffic;

/// Reads two columns of every row.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn full_aggregate(bencher: Bencher<'_, '_>) {
    bench(bencher, "select proto, count(*), sum(orig_len) from packets group by proto");
}

/// Reads the rows of one host.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn needle_aggregate(bencher: Bencher<'_, '_>) {
    let host = traffic::HOST;
    bench(
        bencher,
        &format!("select count(*), sum(orig_len) from packets where src_ip = '{host}' or dst_ip = '{host}'"),
    );
}

fn bench(bencher: Bencher<'_, '_>, sql: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = traffic::database(dir.path());
    let runtime = Runtime::new().expect("threads");
    bencher.counter(traffic::items()).bench_local(|| {
        let rows = runtime.block_on(db.query(sql)).expect("a sound query");
        assert!(rows.iter().any(|batch| batch.num_rows() > 0), "there is an answer");
    });
}
