//! Files that `COPY` writes: where they may be, and that they appear whole or not at all.

use std::{
    fs,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use datafusion::{
    logical_expr::LogicalPlan,
    physical_plan::execute_stream,
    sql::{
        parser::{CopyToSource, CopyToStatement, Statement as DfStatement},
        sqlparser::ast::{Statement as SqlStatement, Value},
    },
};
use futures::TryStreamExt;
use wiretape_engine::fs::Fs;

use super::{CopyFormat, CopyPlan};
use crate::{Ast, Session, SqlError, error::Scope, filters, names, session::Pinned};

/// The path that `name` means below `export_dir`, without `..` and without symbolic links that lead out of it. A name
/// that ends in `/` is a folder, which only formats of rows can fill.
pub(crate) fn resolve(export_dir: Option<&Path>, name: &str, format: CopyFormat) -> Result<PathBuf, SqlError> {
    let Some(export_dir) = export_dir else {
        return Err(SqlError::new("42501", "COPY TO a file is not allowed here")
            .with_hint("Use COPY … TO STDOUT, or psql's \\copy; the server's --export-dir allows files."));
    };
    let outside = |what: &str| {
        SqlError::new("42501", format!("\"{name}\" {what}"))
            .with_hint(format!("Files go into {} or folders below it.", export_dir.display()))
    };
    let given = Path::new(name);
    if given.components().any(|c| c == Component::ParentDir) {
        return Err(outside("contains .."));
    }
    let root = export_dir.canonicalize().map_err(|e| io_error(export_dir, &e))?;
    let base = if root.parent().is_none() {
        std::env::current_dir().map_err(|e| io_error(Path::new("."), &e))?
    } else {
        root.clone()
    };
    let path = base.join(given); // an absolute name stands for itself
    let Some(file_name) = path.file_name().map(ToOwned::to_owned) else { return Err(outside("is no file name")) };
    let parent = path.parent().unwrap_or(&root);
    let parent = parent.canonicalize().map_err(|e| io_error(parent, &e))?;
    if !parent.starts_with(&root) {
        return Err(outside("is outside the export folder"));
    }
    let path = parent.join(file_name);
    let is_folder = name.ends_with('/');
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_symlink() => Err(outside("is a symbolic link")),
        Ok(meta) if meta.is_dir() && !is_folder => {
            Err(SqlError::new("42809", format!("\"{name}\" is a folder")).with_hint("End a folder's name in /."))
        }
        Ok(meta) if is_folder && (!meta.is_dir() || fs::read_dir(&path).is_ok_and(|mut d| d.next().is_some())) => {
            Err(SqlError::new("58P02", format!("\"{name}\" exists and is not an empty folder")))
        }
        Ok(_) | Err(_) if is_folder && matches!(format, CopyFormat::Pcap | CopyFormat::Pcapng) => {
            Err(SqlError::new("42809", format!("a {} is one file, not a folder", format.name())))
        }
        _ => Ok(path),
    }
}

/// Temporary names given out by this process: two copies to one file do not meet.
static TEMPORARIES: AtomicU64 = AtomicU64::new(0);

/// A name beside the file, taken away again unless the file is kept.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Temporary {
    /// A temporary name in the folder of `target`, with its extension.
    pub(crate) fn beside(target: &Path) -> Temporary {
        let stem = target.file_stem().unwrap_or_default().to_string_lossy();
        let extension = target.extension().unwrap_or_default().to_string_lossy();
        let dot = if extension.is_empty() { "" } else { "." };
        let (process, number) = (std::process::id(), TEMPORARIES.fetch_add(1, Ordering::Relaxed));
        let path = target.with_file_name(format!(".{stem}.{process}-{number}.partial{dot}{extension}"));
        Temporary { path, target: target.to_owned(), kept: false }
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, replacing what had it.
    pub(crate) fn keep(mut self) -> Result<(), SqlError> {
        Fs::default().rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Nothing to be done where even this fails: the name says what it is.
        let _ = if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
    }
}

/// Writes the rows of a planned copy to `path` by DataFusion's writers; gives their number.
pub(super) async fn write(session: &Session, plan: &CopyPlan, path: &Path) -> Result<u64, SqlError> {
    let Ast::Sql(ast) = &plan.query.statement.ast else {
        return Err(SqlError::new("XX000", "a copy without a query"));
    };
    let DfStatement::Statement(statement) = ast.as_ref() else {
        return Err(SqlError::new("XX000", "a copy of what is no query"));
    };
    let SqlStatement::Query(query) = statement.as_ref() else {
        return Err(SqlError::new("XX000", "a copy of what is no query"));
    };
    let temporary = Temporary::beside(path);
    let folder = is_folder(plan);
    let mut target = temporary.path().to_string_lossy().into_owned();
    if folder {
        target.push('/');
    }
    let mut options: Vec<(String, Value)> = plan
        .copy
        .file_options
        .iter()
        .map(|(key, value)| (key.clone(), Value::SingleQuotedString(value.clone())))
        .collect();
    if plan.copy.options.format == CopyFormat::Csv {
        let copy = &plan.copy.options;
        let mut csv = |key: &str, value: String| options.push((key.to_owned(), Value::SingleQuotedString(value)));
        csv("format.has_header", copy.header.unwrap_or(true).to_string());
        csv("format.delimiter", copy.delimiter.to_string());
        csv("format.null_value", copy.null.clone());
        csv("format.quote", copy.quote.to_string());
    }
    let copy = DfStatement::CopyTo(CopyToStatement {
        source: CopyToSource::Query(query.clone()),
        target,
        partitioned_by: plan.copy.partitioned_by.clone(),
        stored_as: Some(plan.copy.options.format.name().to_uppercase()),
        options,
    });
    let rows = run(session, copy, &plan.query.statement.text).await?;
    temporary.keep()?;
    Ok(rows)
}

fn is_folder(plan: &CopyPlan) -> bool {
    let slash = matches!(&plan.copy.target, super::CopyTarget::File(name) if name.ends_with('/'));
    slash || !plan.copy.partitioned_by.is_empty()
}

/// Runs one of DataFusion's own `COPY`s, whose target has been checked; gives the number of rows.
pub(crate) async fn run(session: &Session, copy: DfStatement, text: &str) -> Result<u64, SqlError> {
    let Pinned { state, source, .. } = session.pin()?;
    let scope = Scope { text, state: Some(&state), memory_limit: session.memory_limit() };
    let work = async {
        let (plan, names) = names::plan(&state, copy).await?;
        let (mut plan, _) = filters::expand(plan, &source)?;
        if let LogicalPlan::Copy(copy) = &mut plan {
            copy.input = Arc::new(names.project(copy.input.as_ref().clone())?);
        }
        let physical = state.create_physical_plan(&plan).await?;
        let stream = execute_stream(physical, state.task_ctx())?;
        stream.try_collect::<Vec<_>>().await
    };
    let batches = work.await.map_err(|e| scope.explain(&e))?;
    let counts = batches.iter().filter_map(|b| b.columns().first()?.as_primitive_opt::<UInt64Type>());
    Ok(counts.flat_map(|c| c.values().iter()).sum())
}

/// What the system said about `path`.
pub(crate) fn io_error(path: &Path, error: &std::io::Error) -> SqlError {
    let state = match error.kind() {
        ErrorKind::NotFound => "58P01",
        ErrorKind::PermissionDenied => "42501",
        ErrorKind::StorageFull => "53100",
        _ => "58030",
    };
    SqlError::new(state, format!("{}: {error}", path.display()))
}
