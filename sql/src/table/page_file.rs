//! A Parquet component opened for single pages: its footer with the places of pages, kept in memory, and positioned reads.

use std::{
    any::Any,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use datafusion::{
    common::HashMap,
    datasource::listing::PartitionedFile,
    error::{DataFusionError, Result},
    execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata, FileMetadataCache},
    parquet::{
        arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
        errors::{ParquetError, Result as ParquetResult},
        file::{
            metadata::PageIndexPolicy,
            reader::{ChunkReader, Length},
        },
    },
};
use wiretape_engine::Error;

use super::evaluate::external;

/// An open component. Clones read the same file.
#[derive(Debug, Clone)]
pub(super) struct PageFile {
    file: Arc<File>,
    size: u64,
}

impl PageFile {
    pub(super) fn open(path: &Path, size: u64) -> Result<PageFile> {
        let file = File::open(path).map_err(Error::io(path)).map_err(external)?;
        Ok(PageFile { file: Arc::new(file), size })
    }

    /// The footer, from `cache` or the file's end.
    pub(super) fn footer(&self, path: &Path, cache: &FileMetadataCache) -> Result<ArrowReaderMetadata> {
        let mut meta = PartitionedFile::new(String::new(), self.size).object_meta;
        // Beside the footers that file scans keep, which lack the places of pages.
        let location = object_store::path::Path::from_absolute_path(path.join("pages"));
        meta.location = location.map_err(|e| DataFusionError::External(Box::new(e)))?;
        if let Some(kept) = cache.get(&meta.location).filter(|kept| kept.is_valid_for(&meta))
            && let Some(footer) = kept.file_metadata.as_any().downcast_ref::<Footer>()
        {
            return Ok(footer.0.clone());
        }
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load(self, options);
        let footer = footer.map_err(|e| external(Error::damaged(path, 0, e.to_string())))?;
        let location = meta.location.clone();
        cache.put(&location, CachedFileMetadataEntry::new(meta, Arc::new(Footer(footer.clone()))));
        Ok(footer)
    }

    fn available(&self, start: u64, length: usize) -> io::Result<()> {
        let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        match end.is_some_and(|end| end <= self.size) {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Length for PageFile {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for PageFile {
    type T = BufReader<Tail>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(Tail { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let read = || {
            self.available(start, length)?; // before there is memory for what a damaged footer says
            let mut buffer = vec![0; length];
            self.file.read_exact_at(&mut buffer, start)?;
            Ok(Bytes::from(buffer))
        };
        read().map_err(|e: io::Error| ParquetError::External(Box::new(e)))
    }
}

/// A file from some byte on.
#[derive(Debug)]
pub(super) struct Tail {
    file: Arc<File>,
    at: u64,
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A footer among those that file scans keep, so that one limit holds for all.
struct Footer(ArrowReaderMetadata);

impl FileMetadata for Footer {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn memory_size(&self) -> usize {
        self.0.metadata().memory_size()
    }

    fn extra_info(&self) -> HashMap<String, String> {
        HashMap::new()
    }
}
