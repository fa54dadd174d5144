//! A statement that meets a segment which retention drops meanwhile begins anew, over what is left.
//!
//! The one fact to know: only the first batch is waited for, and not for long. Files that are gone are missed when a
//! statement begins; one that has given rows away cannot take them back and ends with the error.

use std::time::Duration;

use datafusion::{execution::SendableRecordBatchStream, physical_plan::stream::RecordBatchStreamAdapter};
use futures::{StreamExt, stream};
use wiretape_engine::View;

use crate::SqlError;

/// How often a statement begins at most. Files of a dropped segment stay until the next one is sealed, so that one which
/// does not come to its first row in so many attempts takes longer than segments last.
pub(crate) const MAX_BEGINNINGS: usize = 10;

/// How long the first batch is waited for. A statement that takes longer has its files open by then.
const PATIENCE: Duration = Duration::from_secs(1);

/// The stream once its first batch is there or is long in coming, or the error that came in its place.
pub(crate) async fn begun(mut rows: SendableRecordBatchStream) -> Result<SendableRecordBatchStream, SqlError> {
    let schema = rows.schema();
    let Ok(first) = tokio::time::timeout(PATIENCE, rows.next()).await else { return Ok(rows) };
    let first = first.transpose()?;
    let all = stream::iter(first.map(Ok)).chain(rows);
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, all)))
}

/// Whether a file of one of the view's segments is no longer there.
pub(crate) fn any_of(view: &View) -> bool {
    view.segments().iter().any(|s| s.meta().components.iter().any(|c| !s.dir().join(&c.file).exists()))
}
