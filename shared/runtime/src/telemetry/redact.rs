//! The last line of defence for secrets in logs. The first is that secrets are types which cannot
//! be printed; this one catches what libraries write and what a message was built from.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

use memchr::{memchr_iter, memchr2_iter, memmem};

const MASK: &[u8] = b"***";
/// From how many hexadecimal digits on `name_0123…` is taken for a credential.
const CREDENTIAL_DIGITS: usize = 32;
const BEARER: &[u8] = b"bearer ";

/// Masks what looks like a credential in everything written through it. Each write is looked at by
/// itself; the log writes whole lines.
#[derive(Debug)]
pub(super) struct Redacted<W>(pub W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&redact(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Masks passwords in URLs, bearer tokens, and long hexadecimal words after a prefix such as
/// `key_`.
fn redact(line: &[u8]) -> Cow<'_, [u8]> {
    if !may_hold_a_secret(line) {
        return Cow::Borrowed(line);
    }
    let mut masked = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while at < line.len() {
        match secret_at(line, at) {
            Some(secret) => {
                masked.extend_from_slice(&line[kept..secret.start]);
                masked.extend_from_slice(MASK);
                kept = secret.end;
                at = secret.end;
            }
            None => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(line);
    }
    masked.extend_from_slice(&line[kept..]);
    Cow::Owned(masked)
}

/// Whether any of the marks stands in it: a quick look, since most lines have none.
fn may_hold_a_secret(line: &[u8]) -> bool {
    memchr_iter(b'_', line).any(|at| credential(&line[at..]).is_some())
        || memmem::find(line, b"://").is_some()
        || memchr2_iter(b'B', b'b', line).any(|at| bearer(&line[at..]).is_some())
}

/// The secret that the mark at `at` announces.
fn secret_at(line: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &line[at..];
    let found = match rest[0] {
        b'_' if at > 0 && line[at - 1].is_ascii_alphanumeric() => credential(rest),
        b':' => password(rest),
        b'B' | b'b' => bearer(rest),
        _ => None,
    }?;
    Some(at + found.start..at + found.end)
}

/// `_` and many hexadecimal digits.
fn credential(rest: &[u8]) -> Option<Range<usize>> {
    let digits = length_while(&rest[1..], |byte| byte.is_ascii_hexdigit());
    (digits >= CREDENTIAL_DIGITS).then_some(1..1 + digits)
}

/// `://user:password@`, and `://password@`.
fn password(rest: &[u8]) -> Option<Range<usize>> {
    let authority = rest.strip_prefix(b"://")?;
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"/?#\"'<>\\".contains(&byte);
    let authority = &authority[..length_while(authority, |byte| !ends(byte))];
    let end = authority.iter().rposition(|byte| *byte == b'@')?;
    let start = authority[..end]
        .iter()
        .position(|byte| *byte == b':')
        .map_or(0, |colon| colon + 1);
    let scheme = b"://".len();
    (start < end).then_some(scheme + start..scheme + end)
}

/// `Bearer` and a word.
fn bearer(rest: &[u8]) -> Option<Range<usize>> {
    let scheme = rest.get(..BEARER.len())?;
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"\"'\\,".contains(&byte);
    let token = length_while(&rest[BEARER.len()..], |byte| !ends(byte));
    (scheme.eq_ignore_ascii_case(BEARER) && token > 0).then_some(BEARER.len()..BEARER.len() + token)
}

fn length_while(bytes: &[u8], holds: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|byte| !holds(*byte))
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::io::Write;

    use super::{Redacted, redact};

    fn text(line: &str) -> String {
        String::from_utf8(redact(line.as_bytes()).into_owned()).expect("what was text stays text")
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let hex = "0123456789abcdef".repeat(4);
        for (line, masked) in [
            (format!("key tga_{hex} é"), "key tga_*** é"),
            (format!("tga_{hex}tgs_{hex}"), "tga_***tgs_***"),
            (
                "at nats://me:pa:ss@127.0.0.1:4222, x".to_owned(),
                "at nats://me:***@127.0.0.1:4222, x",
            ),
            (
                "postgres://u:p@h/db?a=b".to_owned(),
                "postgres://u:***@h/db?a=b",
            ),
            ("nats://token@h:1".to_owned(), "nats://***@h:1"),
            (
                r#""authorization: bearer abc.def""#.to_owned(),
                r#""authorization: bearer ***""#,
            ),
            ("Bearer x".to_owned(), "Bearer ***"),
        ] {
            assert_eq!(text(&line), masked);
        }
    }

    #[test]
    fn what_is_no_secret_stays_and_costs_nothing() {
        for line in [
            "",
            "bearer",
            "_",
            "://",
            "http://host:80/a_b?c=d@e",
            "elapsed_us=12 hash_deadbeef 019b0e2a-7a10-7c3e-8d4f-aabbccddeeff",
            "mail to me@example.org: yes",
        ] {
            assert!(
                matches!(redact(line.as_bytes()), Cow::Borrowed(_)),
                "{line}"
            );
        }
    }

    #[test]
    fn a_writer_reports_what_it_was_given() {
        let mut written = Redacted(Vec::new());
        written
            .write_all(b"nats://a:b@c\n")
            .expect("a Vec takes all");
        written.flush().expect("a Vec takes all");
        assert_eq!(written.0, b"nats://a:***@c\n");
    }
}
