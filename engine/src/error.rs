//! The one error type of the store. Variants say where and what; whose fault it is shows in the variant.

use std::path::{Path, PathBuf};

/// What the store returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: disk full, no permission, no such file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes on disk are not what was written: a checksum, length or rule does not hold.
    #[error("{}: damaged at byte {offset}: {what}", path.display())]
    Damaged {
        /// The component file.
        path: PathBuf,
        /// Byte offset where it shows; 0 when the whole file is meant.
        offset: u64,
        /// The rule that does not hold.
        what: String,
    },
    /// The directory is no database, or one of a newer format.
    #[error("{}: {what}", path.display())]
    NotADatabase {
        /// The directory.
        path: PathBuf,
        /// What is missing or unexpected.
        what: String,
    },
    /// Another process is writing to this database.
    #[error("{}: another process is writing to this database (the LOCK file is held)", path.display())]
    Locked {
        /// The database directory.
        path: PathBuf,
    },
    /// A row, segment or component that was asked for is not there.
    #[error("no {what}")]
    Missing {
        /// What was asked for.
        what: String,
    },
    /// Arrow or Parquet refused a batch that we built: our bug, or memory exhausted.
    #[error("columnar encoding: {0}")]
    Columnar(String),
    /// A limit of ours, by configuration or by format.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// What grew too large.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
}

impl Error {
    /// Wraps a system error with the path it happened on.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Io { path: path.to_owned(), source }
    }

    /// Whether there was no room: another try may do when something was removed.
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Error::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// A rule of the format that the bytes at `path` break.
    pub fn damaged(path: &Path, offset: u64, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), offset, what: what.into() }
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(e: parquet::errors::ParquetError) -> Self {
        Error::Columnar(e.to_string())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Error::Columnar(e.to_string())
    }
}
