//! The lines of an exported file, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line, in bytes: more than any event of the log takes.
const LINE_BYTES: u64 = 4 * 1024 * 1024;

/// Why a file of lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    #[error("the file {path} cannot be read")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("line {number} of {path} is longer than {LINE_BYTES} bytes: it is no event")]
    Long { path: PathBuf, number: u64 },
}

/// One line after the other.
pub struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file; one whose name ends with `.zst` is compressed.
    pub fn open(path: &Path) -> Result<Self, LinesError> {
        let failed = |source| LinesError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let is_packed = path.extension().is_some_and(|end| end == "zst");
        let reader: Box<dyn BufRead> = if is_packed {
            let unpacked = zstd::stream::read::Decoder::new(file).map_err(failed)?;
            Box::new(BufReader::new(unpacked))
        } else {
            Box::new(BufReader::new(file))
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next line without its end, and whether it has one.
    pub fn next(&mut self) -> Result<Option<(&[u8], bool)>, LinesError> {
        self.line.clear();
        self.number += 1;
        let read = (&mut self.reader)
            .take(LINE_BYTES)
            .read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| LinesError::Io {
            path: self.path.clone(),
            source,
        })?;
        if read == 0 {
            return Ok(None);
        }
        if let Some(line) = self.line.strip_suffix(b"\n") {
            return Ok(Some((line, true)));
        }
        if read as u64 == LINE_BYTES {
            return Err(LinesError::Long {
                path: self.path.clone(),
                number: self.number,
            });
        }
        Ok(Some((&self.line, false)))
    }

    /// The number of the line that was read last, from 1.
    pub const fn number(&self) -> u64 {
        self.number
    }
}
