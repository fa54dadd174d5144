//! Reading a key log, which may grow meanwhile.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::{Line, MAX_LINE_BYTES};

/// Bytes read at a time: what a busy program logs in many seconds.
const READ_BYTES: usize = 1 << 20;

/// Bytes of a whole secret: of SHA-256, of SHA-384 and the master secret of TLS 1.2.
const SECRET_BYTES: [usize; 2] = [32, 48];

/// Why a key log is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyLogError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has lines, and none says a secret.
    #[error("{}: line {line}: {what}; no line of {lines} has a TLS secret", path.display())]
    NoSecrets {
        /// The file.
        path: PathBuf,
        /// The first line that is wrong, counted from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
        /// Lines looked at.
        lines: u64,
    },
    /// It has nothing but comments.
    #[error("{}: no line has a TLS secret", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// What was read of a key log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines.
    pub lines: u64,
    /// Those that say a secret.
    pub usable: u64,
    /// Those that say nothing that can be understood.
    pub wrong: u64,
    /// The first of these, counted from 1, and what is wrong with it.
    pub first_wrong: Option<(u64, &'static str)>,
}

/// A key log being read.
#[derive(Debug)]
pub struct KeyLog {
    path: PathBuf,
    /// Which file it is by now: one that is replaced, or that was emptied, is read from its beginning.
    inode: u64,
    offset: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    read: Tally,
}

impl KeyLog {
    /// Opens the key log at `path`, at its beginning.
    pub fn open(path: &Path) -> Result<KeyLog, KeyLogError> {
        let at = |source| KeyLogError::Io { path: path.to_owned(), source };
        // Opened to see that it can be.
        let meta = File::open(path).and_then(|file| file.metadata()).map_err(at)?;
        if meta.is_dir() {
            return Err(at(io::ErrorKind::IsADirectory.into()));
        }
        Ok(KeyLog { path: path.to_owned(), inode: meta.ino(), offset: 0, rest: Vec::new(), read: Tally::default() })
    }

    /// All of the key log at `path`, as usable lines. An error when there are none.
    pub fn read_all(path: &Path) -> Result<(Vec<u8>, Tally), KeyLogError> {
        let mut log = KeyLog::open(path)?;
        let mut lines = Vec::new();
        loop {
            let before = log.offset;
            lines.append(&mut log.news()?);
            if log.offset == before {
                break;
            }
        }
        // A last line needs no end when nothing more comes.
        let rest = std::mem::take(&mut log.rest);
        log.line(&rest, &mut lines);
        log.check()?;
        match log.read.usable {
            0 => Err(KeyLogError::Empty { path: path.to_owned() }),
            _ => Ok((lines, log.read)),
        }
    }

    /// The usable ones of the lines that have come since the last call, of a megabyte at most. A file that is gone has none.
    pub fn news(&mut self) -> Result<Vec<u8>, KeyLogError> {
        let at = |source| KeyLogError::Io { path: self.path.clone(), source };
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            // The next one of this name is another file, though it may get the same inode.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.offset = 0;
                self.rest.clear();
                return Ok(Vec::new());
            }
            Err(e) => return Err(at(e)),
        };
        if meta.ino() != self.inode || meta.len() < self.offset {
            (self.inode, self.offset) = (meta.ino(), 0);
            self.rest.clear();
        }
        if meta.len() == self.offset {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; READ_BYTES];
        let len = File::open(&self.path).and_then(|file| file.read_at(&mut bytes, self.offset)).map_err(at)?;
        bytes.truncate(len);
        self.offset += len as u64;
        let mut usable = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.len() <= MAX_LINE_BYTES {
                self.rest.extend_from_slice(piece.get(..MAX_LINE_BYTES + 1).unwrap_or(piece));
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                self.line(&line, &mut usable);
            }
        }
        // A line whose end is missing may be whole: then it counts, and once more should its end come.
        if let Ok(Some(line)) = Line::parse(&self.rest)
            && SECRET_BYTES.contains(&line.secret.len())
        {
            usable.extend_from_slice(self.rest.trim_ascii());
            usable.push(b'\n');
        }
        Ok(usable)
    }

    /// What was read so far.
    pub fn so_far(&self) -> Tally {
        self.read
    }

    /// An error if there are lines and none of them is of use.
    pub fn check(&self) -> Result<(), KeyLogError> {
        match self.read {
            Tally { usable: 0, first_wrong: Some((line, what)), lines, .. } => {
                Err(KeyLogError::NoSecrets { path: self.path.clone(), line, what, lines })
            }
            _ => Ok(()),
        }
    }

    fn line(&mut self, line: &[u8], usable: &mut Vec<u8>) {
        if line.is_empty() {
            return;
        }
        self.read.lines += 1;
        let parsed = if line.len() > MAX_LINE_BYTES { Err("is longer than any secret") } else { Line::parse(line) };
        match parsed {
            Ok(Some(_)) => {
                self.read.usable += 1;
                usable.extend_from_slice(line.trim_ascii());
                usable.push(b'\n');
            }
            Ok(None) => {}
            Err(what) => {
                self.read.wrong += 1;
                self.read.first_wrong.get_or_insert((self.read.lines, what));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(number: usize) -> String {
        format!("CLIENT_RANDOM {number:064x} 0102\n")
    }

    fn text(lines: Vec<u8>) -> String {
        String::from_utf8(lines).unwrap()
    }

    /// Proves that what is appended comes once, when its line is whole; that a file that is replaced or emptied is read anew; and
    /// that a line without end takes no memory.
    #[test]
    fn what_is_appended_comes_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.log");
        let append = |text: &str| {
            let mut file = File::options().append(true).create(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append("# SSL/TLS secrets log file\n");
        let mut log = KeyLog::open(&path).unwrap();
        assert_eq!(text(log.news().unwrap()), "");
        let (first, second) = (line(1), line(2));
        append(&first[..20]);
        assert_eq!(text(log.news().unwrap()), "");
        append(&first[20..]);
        append(&second);
        assert_eq!(text(log.news().unwrap()), format!("{first}{second}"));
        assert_eq!(text(log.news().unwrap()), "");
        append(&"x".repeat(3 << 20));
        (0..4).for_each(|_| assert_eq!(text(log.news().unwrap()), ""));
        assert!(log.rest.len() <= 2 * MAX_LINE_BYTES + 2);
        append(&format!("\n{first}"));
        assert_eq!(text(log.news().unwrap()), first);
        assert_eq!(log.so_far().first_wrong, Some((4, "is longer than any secret")));
        let whole = format!("CLIENT_RANDOM {} {}", "ab".repeat(32), "cd".repeat(48));
        append(&whole[..100]);
        assert_eq!(text(log.news().unwrap()), "");
        append(&whole[100..]);
        assert_eq!(text(log.news().unwrap()), format!("{whole}\n"), "its end may never come");
        assert_eq!(text(log.news().unwrap()), "");
        fs::write(&path, &second).unwrap();
        assert_eq!(text(log.news().unwrap()), second);
        fs::remove_file(&path).unwrap();
        assert_eq!(text(log.news().unwrap()), "");
        fs::write(&path, first.clone() + &second).unwrap();
        assert_eq!(text(log.news().unwrap()), first + &second);
    }

    /// Proves that a file which is of no use is refused with the reason: the line and what is wrong with it.
    #[test]
    fn a_key_log_of_no_use_says_which_line_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.log");
        let said = |content: &str| {
            fs::write(&path, content).unwrap();
            let said = KeyLog::read_all(&path).unwrap_err().to_string();
            said.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
        };
        assert_eq!(said(""), "no line has a TLS secret");
        assert_eq!(said("# only\n\n"), "no line has a TLS secret");
        let expected = "line 2: does not begin with the label of a secret; no line of 3 has a TLS secret";
        assert_eq!(said("#\n-----BEGIN PRIVATE KEY-----\nMII"), expected);
        assert!(said("CLIENT_RANDOM 00 00").starts_with("line 1: the client random after the label is not 64"));
        fs::write(&path, format!("nonsense\n{}", line(7).trim_end())).unwrap();
        let (lines, read) = KeyLog::read_all(&path).unwrap();
        assert_eq!(text(lines), line(7));
        let first_wrong = Some((1, "does not begin with the label of a secret"));
        assert_eq!(read, Tally { lines: 2, usable: 1, wrong: 1, first_wrong });
        let missing = KeyLog::read_all(&dir.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("none: No such file"), "{missing}");
        assert!(KeyLog::open(dir.path()).unwrap_err().to_string().contains("directory"));
    }
}
