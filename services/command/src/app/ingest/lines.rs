//! The lines of an ingest body: split, numbered, and parsed each on its own.

use domain::limits::INGEST_LINES;
use domain::observation::{Line, LineError, parse_line};
use domain::time::Timestamp;
use thiserror::Error;

/// Lines that are not blank, with the numbers under which the sender knows them.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    /// From 1, blank lines counted.
    pub(super) numbers: Vec<u32>,
    /// In the same order.
    pub(super) parsed: Vec<Result<Line, LineError>>,
}

/// Why a body is not taken at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Nothing but blank lines.
    #[error("no line at all")]
    NoLine,
    /// More than [`INGEST_LINES`].
    #[error("more than {INGEST_LINES} lines")]
    TooManyLines,
}

/// Splits and parses a body; `now` bounds what may be observed.
pub(super) fn read(body: &[u8], now: Timestamp) -> Result<Lines, Unreadable> {
    let mut lines = Lines {
        numbers: Vec::new(),
        parsed: Vec::new(),
    };
    // Counted first, so that what is refused costs no parsing.
    for (line, number) in body.split(|byte| *byte == b'\n').zip(1_u32..) {
        if !line.trim_ascii().is_empty() {
            lines.numbers.push(number);
        }
        if lines.numbers.len() > INGEST_LINES {
            return Err(Unreadable::TooManyLines);
        }
    }
    if lines.numbers.is_empty() {
        return Err(Unreadable::NoLine);
    }
    lines.parsed.reserve_exact(lines.numbers.len());
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            lines.parsed.push(parse_line(line, now));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::observation::LineErrorCode;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-05T05:37:52Z").unwrap()
    }

    #[test]
    fn blank_lines_are_skipped_and_still_counted_in_the_numbers() {
        let body = b"\n{}\r\n \t\r\n\xff\nnull";
        let lines = read(body, now()).unwrap();
        assert_eq!(lines.numbers, [2, 4, 5]);
        let codes: Vec<_> = lines
            .parsed
            .into_iter()
            .map(|line| line.unwrap_err().code)
            .collect();
        let invalid_json = LineErrorCode::InvalidJson;
        assert_eq!(
            codes,
            [LineErrorCode::InvalidLine, invalid_json, invalid_json]
        );
    }

    #[test]
    fn a_body_without_a_line_and_one_with_too_many_are_refused_whole() {
        for empty in [&b""[..], b"\n\n", b" \r\n\t"] {
            assert_eq!(read(empty, now()).unwrap_err(), Unreadable::NoLine);
        }
        let most = "{}\n\n".repeat(INGEST_LINES);
        assert_eq!(
            read(most.as_bytes(), now()).unwrap().parsed.len(),
            INGEST_LINES
        );
        let more = "{}\n".repeat(INGEST_LINES + 1);
        assert_eq!(
            read(more.as_bytes(), now()).unwrap_err(),
            Unreadable::TooManyLines
        );
    }
}
