//! Rows of the CSV files, with the traps that real exports have.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::time::Timestamp;

use super::api::ImportError;

/// One reading of one video.
#[derive(Debug)]
pub struct Row {
    pub channel: Handle,
    pub channel_title: String,
    pub video: PlatformVideoId,
    pub title: String,
    pub published_at: Option<Timestamp>,
    pub fetched_at: Timestamp,
    pub views: Option<u64>,
    pub likes: Option<u64>,
    pub comments: Option<u64>,
    /// For messages: file and line.
    pub source: Source,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub file: usize,
    pub line: u64,
}

/// Examples kept of rows that were skipped.
const EXAMPLES: usize = 5;

/// Rows that were skipped.
#[derive(Debug, Default)]
pub struct Skipped {
    /// How many, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// The first of them.
    pub examples: Vec<(Source, String)>,
}

impl Skipped {
    fn add(&mut self, source: Source, reason: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push((source, reason.clone()));
        }
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// How many in all.
    pub fn count(&self) -> u64 {
        self.reasons.values().sum()
    }
}

const COLUMNS: [&str; 9] = [
    "channel_id",
    "channel_title",
    "video_id",
    "title",
    "published_at",
    "fetched_at",
    "views",
    "likes",
    "comments",
];

/// All rows of all files, ordered by the instant of the reading.
pub fn read_files(files: &[PathBuf]) -> Result<(Vec<Row>, Skipped), ImportError> {
    let mut rows = Vec::new();
    let mut skipped = Skipped::default();
    for (index, file) in files.iter().enumerate() {
        read_file(index, file, &mut rows, &mut skipped)?;
    }
    rows.sort_by_key(|row: &Row| row.fetched_at);
    Ok((rows, skipped))
}

fn read_file(
    index: usize,
    path: &Path,
    rows: &mut Vec<Row>,
    skipped: &mut Skipped,
) -> Result<(), ImportError> {
    let unreadable = |source| ImportError::File {
        path: path.to_owned(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let reader: Box<dyn Read> = if path.extension().is_some_and(|end| end == "zst") {
        Box::new(zstd::Decoder::new(file).map_err(unreadable)?)
    } else {
        Box::new(file)
    };
    read_csv(index, reader, rows, skipped).map_err(|source| ImportError::Csv {
        path: path.to_owned(),
        source,
    })
}

fn read_csv(
    file: usize,
    reader: impl Read,
    rows: &mut Vec<Row>,
    skipped: &mut Skipped,
) -> Result<(), CsvError> {
    let mut reader = csv::Reader::from_reader(reader);
    let headers = reader.headers()?.clone();
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = headers
            .iter()
            .position(|header| header.trim_start_matches('\u{feff}') == name)
            .ok_or(CsvError::NoColumn(name))?;
    }
    for record in reader.records() {
        let (record, line) = match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                (record, line)
            }
            Err(error) => {
                let (line, reason) = harmless(error)?;
                skipped.add(Source { file, line }, reason.to_owned());
                continue;
            }
        };
        let source = Source { file, line };
        let field = |n: usize| record.get(columns[n]).unwrap_or("");
        match row(field, source) {
            Ok(row) => rows.push(row),
            Err(reason) => skipped.add(source, reason),
        }
    }
    Ok(())
}

/// What is wrong with one row alone, and its line; a file that was cut ends in such a row.
fn harmless(error: csv::Error) -> Result<(u64, &'static str), csv::Error> {
    let (position, reason) = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, .. } => {
            (pos, "the row has not as many fields as the header")
        }
        csv::ErrorKind::Utf8 { pos, .. } => (pos, "the row is not UTF-8"),
        _ => return Err(error),
    };
    Ok((position.as_ref().map_or(0, csv::Position::line), reason))
}

/// Why a file is no such list.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("column {0} is missing")]
    NoColumn(&'static str),
    #[error(transparent)]
    Csv(#[from] csv::Error),
}

fn row<'a>(field: impl Fn(usize) -> &'a str, source: Source) -> Result<Row, String> {
    let channel = Handle::parse(Platform::Youtube, field(0))
        .map_err(|_| "channel_id is no YouTube channel id".to_owned())?;
    let video = PlatformVideoId::parse(Platform::Youtube, field(2).trim())
        .map_err(|_| "video_id is no YouTube video id".to_owned())?;
    let fetched_at = instant(field(5)).ok_or_else(|| "fetched_at is no instant".to_owned())?;
    Ok(Row {
        channel,
        channel_title: field(1).to_owned(),
        video,
        title: field(3).to_owned(),
        published_at: instant(field(4)),
        fetched_at,
        views: count("views", field(6))?,
        likes: count("likes", field(7))?,
        comments: count("comments", field(8))?,
        source,
    })
}

/// `2025-12-10 05:37:52.685771+00:00`, the same with `T`, without a fraction, with a space before
/// the offset, or with `Z`.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, time) = text.split_at_checked(10)?;
    let time: String = time
        .trim_start_matches(['T', ' '])
        .split_whitespace()
        .collect();
    Timestamp::parse(&format!("{date}T{time}")).ok()
}

/// An integer, also one written as a float; empty is not reported.
fn count(name: &str, text: &str) -> Result<Option<u64>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let integer = match text.split_once('.') {
        Some((integer, fraction)) if fraction.bytes().all(|digit| digit == b'0') => integer,
        Some(_) => return Err(format!("{name} is not a whole number")),
        None => text,
    };
    match integer.parse() {
        Ok(count) if count <= domain::limits::MAX_COUNT => Ok(Some(count)),
        _ => Err(format!("{name} is not a count")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const HEADER: &str = "video_id,country,fetched_at,published_at,title,channel_title,channel_id,\
                          tags,views,likes,comments\n";

    fn read(body: &str) -> (Vec<Row>, Skipped) {
        let (mut rows, mut skipped) = (Vec::new(), Skipped::default());
        read_csv(
            0,
            format!("{HEADER}{body}").as_bytes(),
            &mut rows,
            &mut skipped,
        )
        .unwrap();
        (rows, skipped)
    }

    #[test]
    fn every_form_of_an_instant_is_read() {
        for (text, expected) in [
            (
                "2025-12-10 05:37:52.685771+00:00",
                "2025-12-10T05:37:52.685771Z",
            ),
            (
                "2026-01-05T05:37:52.685771+00:00",
                "2026-01-05T05:37:52.685771Z",
            ),
            ("2026-01-05 05:37:52+00:00", "2026-01-05T05:37:52.000000Z"),
            ("2025-12-09T11:30:38Z", "2025-12-09T11:30:38.000000Z"),
            ("2025-12-09 11:30:38 +00:00", "2025-12-09T11:30:38.000000Z"),
        ] {
            assert_eq!(instant(text).unwrap().to_string(), expected);
        }
        for bad in [
            "",
            "yesterday",
            "2025-12-09",
            "2025-13-09 11:30:38Z",
            "ünicode text",
        ] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn floats_zeros_and_gaps_are_told_apart() {
        assert_eq!(count("views", "148419.0"), Ok(Some(148_419)));
        assert_eq!(count("views", "0"), Ok(Some(0)));
        assert_eq!(count("views", " "), Ok(None));
        for bad in ["1.5", "-3", "1e6", "many", "9007199254740992"] {
            assert!(count("views", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_inside_their_field() {
        let (rows, skipped) = read(
            "tHVDy4vYApA,NZ,2025-12-10 05:38:03+00:00,2025-11-28 13:09:15+00:00,\"A \"\"b\"\", c\nd\",\
             Goats,UC9ChdqQRCaZmTCwSJ49tcbw,\"x,\ny\",5.0,,0\n",
        );
        assert_eq!(skipped.count(), 0);
        assert_eq!(rows[0].title, "A \"b\", c\nd");
        assert_eq!(
            (rows[0].views, rows[0].likes, rows[0].comments),
            (Some(5), None, Some(0))
        );
    }

    #[test]
    fn bad_rows_are_skipped_with_their_reason_and_good_ones_kept() {
        let good =
            "tHVDy4vYApA,NZ,2025-12-10 05:38:03+00:00,,T,G,UC9ChdqQRCaZmTCwSJ49tcbw,,1,1,1\n";
        let body = [
            good,
            &good.replace("UC9Ch", "XX9Ch"),
            &good.replace("tHVDy4vYApA", "short"),
            &good.replace("2025-12-10", "someday"),
            &good.replace(",1,1,1", ",1.5,1,1"),
        ]
        .concat();
        let (rows, skipped) = read(&body);
        assert_eq!(
            (rows.len(), skipped.count(), skipped.reasons.len()),
            (1, 4, 4)
        );
        assert_eq!(skipped.examples[0].0.line, 3);
    }

    #[test]
    fn a_row_that_is_cut_or_garbled_is_skipped_and_never_sent_in_part() {
        let good =
            "tHVDy4vYApA,NZ,2025-12-10 05:38:03+00:00,,T,G,UC9ChdqQRCaZmTCwSJ49tcbw,,1,1,1\n";
        let cut = &good[..good.len() - 5];
        let body = [
            HEADER.as_bytes(),
            good.as_bytes(),
            b"\xff",
            good.as_bytes(),
            cut.as_bytes(),
        ];
        let (mut rows, mut skipped) = (Vec::new(), Skipped::default());
        read_csv(0, body.concat().as_slice(), &mut rows, &mut skipped).unwrap();
        assert_eq!((rows.len(), skipped.count()), (1, 2));
        let lines = skipped.examples.iter().map(|(source, _)| source.line);
        assert_eq!(lines.collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_file_without_a_column_says_which() {
        let error = read_csv(
            0,
            "a,b\n1,2\n".as_bytes(),
            &mut vec![],
            &mut Skipped::default(),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "column channel_id is missing"
        );
    }
}
