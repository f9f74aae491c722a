//! A line of log as a JSON object. `tracing-subscriber` has such a format too; this one costs about
//! a quarter of it, which counts since every request ends in a line.

use std::cell::Cell;
use std::fmt::{self, Debug, Write};

use chrono::{DateTime, Utc};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;

/// Bytes of `2026-01-01T00:00:00`.
const TO_SECONDS: usize = 19;

thread_local! {
    /// The last second that was written, and its text.
    static SECOND: Cell<(i64, [u8; TO_SECONDS])> = const { Cell::new((i64::MIN, [0; TO_SECONDS])) };
}

/// Writes `{"timestamp", "level", the event's fields, "target"}`; spans are left out.
#[derive(Debug)]
pub(super) struct JsonLine {
    pub clock: Clock,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        instant(&mut line, self.clock.now())?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(event.metadata().level().as_str())?;
        line.write_char('"')?;
        let mut fields = Fields {
            line: &mut line,
            written: Ok(()),
        };
        event.record(&mut fields);
        fields.written?;
        line.write_str(",\"target\":")?;
        text(&mut line, event.metadata().target())?;
        line.write_str("}\n")
    }
}

/// Writes `,"name":value` for each field.
struct Fields<'a, W> {
    line: &'a mut W,
    written: fmt::Result,
}

impl<W: Write> Fields<'_, W> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.written.is_ok() {
            self.written = self.name(field.name()).and_then(|()| value(self.line));
        }
    }

    /// Names are identifiers with dots: nothing in them needs an escape.
    fn name(&mut self, name: &str) -> fmt::Result {
        self.line.write_str(",\"")?;
        self.line.write_str(name)?;
        self.line.write_str("\":")
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |line| text(line, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |line| {
            if value.is_finite() {
                write!(line, "{value}")
            } else {
                line.write_str("null")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }
}

fn text(line: &mut impl Write, text: &str) -> fmt::Result {
    line.write_char('"')?;
    Escaped(line).write_str(text)?;
    line.write_char('"')
}

/// What is written through it can stand in a JSON string.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        while let Some(at) = text.bytes().position(special) {
            self.0.write_str(&text[..at])?;
            match text.as_bytes()[at] {
                b'"' => self.0.write_str("\\\""),
                b'\\' => self.0.write_str("\\\\"),
                b'\n' => self.0.write_str("\\n"),
                b'\r' => self.0.write_str("\\r"),
                b'\t' => self.0.write_str("\\t"),
                other => write!(self.0, "\\u{other:04x}"),
            }?;
            text = &text[at + 1..];
        }
        self.0.write_str(text)
    }
}

/// `2026-01-01T00:00:00.000000Z`.
fn instant(line: &mut impl Write, now: DateTime<Utc>) -> fmt::Result {
    let (second, mut written) = SECOND.get();
    if second != now.timestamp() {
        let formatted = now.format("%Y-%m-%dT%H:%M:%S").to_string();
        // Years beyond 9999 have other lengths, and clocks that say so other troubles.
        written = formatted.as_bytes().try_into().map_err(|_| fmt::Error)?;
        SECOND.set((now.timestamp(), written));
    }
    line.write_str(str::from_utf8(&written).map_err(|_| fmt::Error)?)?;
    write!(line, ".{:06}Z", now.timestamp_subsec_micros())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::JsonLine;
    use crate::clock::Clock;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_an_object_whatever_stands_in_it() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let written = Written::default();
        let to = written.clone();
        let logs = tracing_subscriber::fmt()
            .event_format(JsonLine { clock })
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(logs, || {
            tracing::info!(
                target: "here",
                { a.text = "\"\\\n\r\t\u{1} é 𐍈", number = 7_u64 },
                "said {}", "\"so\""
            );
            hand.advance(std::time::Duration::from_micros(1_500_001));
            let none = None::<&str>;
            tracing::warn!(below = -1, yes = true, ratio = 0.5, none, nan = f64::NAN, shown = %"a\"b");
        });
        let text = written.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let second = chrono::DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_500_001);
        let expected = [
            json!({
                "timestamp": "1970-01-01T00:00:00.000000Z", "level": "INFO", "target": "here",
                "message": "said \"so\"", "a.text": "\"\\\n\r\t\u{1} é 𐍈", "number": 7,
            }),
            json!({
                "timestamp": second.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(), "level": "WARN",
                "target": module_path!(), "below": -1, "yes": true, "ratio": 0.5, "nan": null,
                "shown": "a\"b",
            }),
        ];
        assert_eq!(lines, expected);
    }
}
