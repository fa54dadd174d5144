//! From what stands on the command line to the capture files that are meant: files, folders, globs and `-`.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::Failure;

/// What capture files are called, apart from a compression's ending.
const CAPTURE_ENDINGS: &[&str] = &["pcap", "pcapng", "cap", "dmp", "ntar", "pcap-ng"];
/// Endings of the compressions that are read.
const COMPRESSION_ENDINGS: &[&str] = &["gz", "zst", "lz4"];

/// One thing to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// The inputs that `arguments` name, in their order; within a folder or a glob by name. A file named outright is taken
/// whatever it is called, in a folder only what is called like a capture.
pub(super) fn expand(arguments: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            inputs.push(Input::Stdin);
        } else if argument.is_dir() {
            inputs.extend(folder(argument)?);
        } else if !argument.exists() && is_pattern(argument) {
            inputs.extend(pattern(argument)?);
        } else {
            inputs.push(Input::File(argument.clone()));
        }
    }
    if inputs.iter().filter(|i| **i == Input::Stdin).count() > 1 {
        return Err(Failure::new("standard input can be read only once"));
    }
    Ok(inputs)
}

fn folder(dir: &Path) -> Result<Vec<Input>, Failure> {
    let mut files = Vec::new();
    collect(dir, &mut files).map_err(|e| Failure::new(format!("{}: {e}", dir.display())))?;
    if files.is_empty() {
        return Err(Failure::new(format!("{}: no captures in this folder", dir.display())).hint(
            "in a folder only files called .pcap, .pcapng, .cap or .dmp are taken, also with .gz, .zst or .lz4",
        ));
    }
    files.sort();
    Ok(files.into_iter().map(Input::File).collect())
}

/// Captures in `dir` and the folders below it. Symbolic links to folders are not followed: they may lead round in circles.
/// Neither are databases: the exact packets in them are captures by name and content, and in already.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !path.join("manifest.json").is_file() {
                collect(&path, files)?;
            }
        } else if path.is_file() && is_called_like_a_capture(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_called_like_a_capture(path: &Path) -> bool {
    let ending = |p: &Path| p.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let outer = ending(path);
    let inner = if COMPRESSION_ENDINGS.contains(&outer.as_str()) { ending(&path.with_extension("")) } else { outer };
    CAPTURE_ENDINGS.contains(&inner.as_str())
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn pattern(path: &Path) -> Result<Vec<Input>, Failure> {
    let text = path.to_string_lossy();
    let matches = glob::glob(&text).map_err(|e| Failure::new(format!("{text}: {e}")))?;
    let files: Vec<PathBuf> = matches.filter_map(Result::ok).filter(|p| p.is_file()).collect();
    if files.is_empty() {
        return Err(Failure::new(format!("{text}: no file matches")));
    }
    Ok(files.into_iter().map(Input::File).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path, names: &[&str]) {
        for name in names {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
    }

    #[test]
    fn a_folder_gives_its_captures_by_name_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        files(dir.path(), &["b.pcap", "a.pcapng.gz", "notes.txt", "x.gz", "deep/C.CAP"]);
        let expected = ["a.pcapng.gz", "b.pcap", "deep/C.CAP"].map(|n| Input::File(dir.path().join(n)));
        assert_eq!(expand(&[dir.path().to_owned()]).unwrap(), expected);
    }

    #[test]
    fn a_database_in_a_folder_is_not_imported_into_itself() {
        let dir = tempfile::tempdir().unwrap();
        files(dir.path(), &["a.pcap", "db/manifest.json", "db/segments/0000000001/raw.pcapng.zst"]);
        assert_eq!(expand(&[dir.path().to_owned()]).unwrap(), [Input::File(dir.path().join("a.pcap"))]);
    }

    #[test]
    fn a_glob_the_shell_left_alone_is_expanded() {
        let dir = tempfile::tempdir().unwrap();
        files(dir.path(), &["x1.pcap", "x2.bin", "y.pcap"]);
        let expected = ["x1.pcap", "x2.bin"].map(|n| Input::File(dir.path().join(n)));
        assert_eq!(expand(&[dir.path().join("x*")]).unwrap(), expected);
        assert!(expand(&[dir.path().join("z*")]).unwrap_err().to_string().ends_with("no file matches"));
    }

    #[test]
    fn a_named_file_is_taken_whatever_it_is_called_and_stdin_once() {
        let named = PathBuf::from("no-such-file.bin");
        assert_eq!(expand(&["-".into(), named.clone()]).unwrap(), [Input::Stdin, Input::File(named)]);
        assert!(expand(&["-".into(), "-".into()]).is_err());
    }
}
