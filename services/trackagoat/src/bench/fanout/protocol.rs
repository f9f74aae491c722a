//! What a server of NATS says, read from bytes that come in pieces.

use std::str::from_utf8;

use crate::bench::error::BenchError;

/// In the headers of an event.
const POSITION: &str = "Tga-Position:";
/// In the first line of a server's own words, before what is like a status of HTTP.
const STATUS: &str = "NATS/1.0 ";
/// What stands before the answer to a question for events that is over: nothing is there, it waited
/// as long as it said, or the server ends it, for a reason that decides.
const NOTHING: u16 = 404;
const WAITED: u16 = 408;
const ENDED: u16 = 409;
/// With which a question is ended although nothing is wrong with it, in lower case.
const HARMLESS: [&str; 2] = ["batch completed", "leadership change"];

/// One thing that it says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// It wants to be told that somebody is there.
    Ping,
    /// It has taken all that was sent before the question.
    Pong,
    /// An event.
    Event(Event<'a>),
    /// A question is over, by the number of the subscription that it was asked for.
    Over(u64),
    /// The answer to another question.
    Answer(&'a [u8]),
    /// It does not do something, or lets nobody in.
    Refusal(&'a str),
    /// Nothing that anybody needs.
    Chatter,
}

/// An event, as far as it is needed.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The number of the subscription.
    pub sid: u64,
    pub position: u64,
    /// Where it is acknowledged.
    pub reply: &'a str,
}

/// `MSG` and `HMSG` without what the one has and the other has not.
struct Message<'a> {
    sid: u64,
    reply: Option<&'a str>,
    headers: &'a str,
    payload: &'a [u8],
}

/// What is said at the beginning, and in how many bytes; none if it has not come whole.
pub fn read(bytes: &[u8]) -> Result<Option<(Said<'_>, usize)>, BenchError> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = from_utf8(&bytes[..end]).map_err(|_| wrong("what is no text"))?;
    let (line, rest) = (line.trim_end(), &bytes[end + 1..]);
    let (word, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let said = match word {
        "MSG" | "HMSG" => {
            let Some((message, length)) = message(word == "HMSG", arguments, rest)? else {
                return Ok(None);
            };
            return Ok(Some((message.said()?, end + 1 + length)));
        }
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "INFO" | "+OK" => Said::Chatter,
        "-ERR" => Said::Refusal(arguments),
        _ => return Err(wrong(line)),
    };
    Ok(Some((said, end + 1)))
}

/// Its arguments are subject, subscription, where to answer if anywhere, and sizes.
fn message<'a>(
    has_headers: bool,
    arguments: &'a str,
    rest: &'a [u8],
) -> Result<Option<(Message<'a>, usize)>, BenchError> {
    let malformed = || wrong(arguments);
    let size = |word: Option<&str>| word.and_then(|word| word.parse::<usize>().ok());
    let mut words = arguments.split_ascii_whitespace().rev();
    let total = size(words.next()).ok_or_else(malformed)?;
    let headers = if has_headers {
        size(words.next()).ok_or_else(malformed)?
    } else {
        0
    };
    let mut words = words.rev().skip(1);
    let sid = words.next().and_then(|word| word.parse().ok());
    let sid = sid.ok_or_else(malformed)?;
    let length = total.checked_add(2).ok_or_else(malformed)?;
    if rest.len() < length {
        return Ok(None);
    }
    let body = rest[..total].split_at_checked(headers);
    let (headers, payload) = body.ok_or_else(malformed)?;
    let message = Message {
        sid,
        reply: words.next(),
        headers: from_utf8(headers).map_err(|_| malformed())?,
        payload,
    };
    Ok(Some((message, length)))
}

impl<'a> Message<'a> {
    fn said(&self) -> Result<Said<'a>, BenchError> {
        if let Some(status) = self.status() {
            return self.over(status);
        }
        let Some(position) = self.position() else {
            return Ok(Said::Answer(self.payload));
        };
        let reply = self.reply.ok_or_else(|| wrong("an event without reply"))?;
        Ok(Said::Event(Event {
            sid: self.sid,
            position,
            reply,
        }))
    }

    /// The code and its text, if the server speaks for itself.
    fn status(&self) -> Option<(u16, &'a str)> {
        let status = self.headers.lines().next()?.strip_prefix(STATUS)?.trim();
        let (code, text) = status.split_once(' ').unwrap_or((status, ""));
        Some((code.parse().ok()?, text))
    }

    fn over(&self, (code, text): (u16, &str)) -> Result<Said<'a>, BenchError> {
        let is_harmless = || {
            let text = text.to_ascii_lowercase();
            HARMLESS.iter().any(|harmless| text.contains(harmless))
        };
        match code {
            NOTHING | WAITED => Ok(Said::Over(self.sid)),
            ENDED if is_harmless() => Ok(Said::Over(self.sid)),
            _ => Err(wrong(&format!("{code} {text}"))),
        }
    }

    fn position(&self) -> Option<u64> {
        let (_, rest) = self.headers.split_once(POSITION)?;
        rest.lines().next()?.trim().parse().ok()
    }
}

fn wrong(what: &str) -> BenchError {
    BenchError::Wrong(format!("NATS said: {what}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const REPLY: &str = "$JS.ACK.TGA_EVENTS.a-b.1.42.7.1767591472000000000.0";

    fn with_headers(arguments: &str, headers: &str, payload: &str) -> String {
        let (size, total) = (headers.len(), headers.len() + payload.len());
        format!("HMSG {arguments} {size} {total}\r\n{headers}{payload}\r\n")
    }

    fn event(sid: u64, position: u64) -> String {
        let arguments = format!("tga.events.a.key.revoked {sid} {REPLY}");
        let headers = format!("NATS/1.0\r\nTga-Position: {position}\r\nTga-Hash: 0\r\n\r\n");
        with_headers(&arguments, &headers, "{ }\r\n")
    }

    fn status(sid: u64, status: &str) -> String {
        let headers = format!("NATS/1.0 {status}\r\nNats-Pending-Messages: 3\r\n\r\n");
        with_headers(&format!("_INBOX_a.1 {sid}"), &headers, "")
    }

    fn one(text: &str) -> Result<Said<'_>, BenchError> {
        let (said, length) = read(text.as_bytes())?.unwrap();
        assert_eq!(length, text.len());
        Ok(said)
    }

    #[test]
    fn all_is_found_however_it_is_cut() {
        let (first, second) = (event(1, 42), event(2, 43));
        let over = status(2, "408 Request Timeout");
        let answer = "MSG _INBOX_a.3 3 2\r\n{}\r\n";
        let text = format!("INFO {{}}\r\nPONG\r\n{first}PING\r\n{over}{answer}{second}");
        let event = |sid, position| {
            let reply = REPLY;
            Said::Event(Event {
                sid,
                position,
                reply,
            })
        };
        let all = [
            Said::Chatter,
            Said::Pong,
            event(1, 42),
            Said::Ping,
            Said::Over(2),
            Said::Answer(b"{}"),
            event(2, 43),
        ];
        for cut in 0..=text.len() {
            let (mut found, mut begin) = (Vec::new(), 0);
            for end in [cut, text.len()] {
                while let Some((said, length)) = read(&text.as_bytes()[begin..end]).unwrap() {
                    found.push(said);
                    begin += length;
                }
            }
            assert_eq!(found, all, "{cut}");
            assert_eq!(begin, text.len());
        }
    }

    #[test]
    fn a_question_that_is_over_is_told_from_one_that_is_wrong() {
        for harmless in [
            "404 No Messages",
            "408 Request Timeout",
            "408",
            "409 Batch Completed",
            "409 Leadership Change",
        ] {
            let text = status(2, harmless);
            assert_eq!(one(&text).unwrap(), Said::Over(2), "{harmless}");
        }
        for bad in [
            "409 Exceeded MaxWaiting",
            "409 Exceeded MaxRequestBatch of 512",
            "409 Consumer Deleted",
            "503",
        ] {
            let error = one(&status(2, bad)).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn an_answer_may_have_headers_and_a_place_to_answer_to() {
        let answer = with_headers("_INBOX_a.3 3 b", "NATS/1.0\r\nA: 1\r\n\r\n", "{}");
        assert_eq!(one(&answer).unwrap(), Said::Answer(b"{}"));
        let answer = "MSG _INBOX_a.3 3 b 0\r\n\r\n";
        assert_eq!(one(answer).unwrap(), Said::Answer(b""));
    }

    #[test]
    fn a_refusal_is_told_and_what_is_malformed_is_an_error() {
        let refusal = "-ERR 'Authorization Violation'\r\n";
        let said = Said::Refusal("'Authorization Violation'");
        assert_eq!(one(refusal).unwrap(), said);
        let no_reply = with_headers("a 1", "NATS/1.0\r\nTga-Position: 1\r\n\r\n", "");
        for malformed in [
            "HTTP/1.1 400\r\n",
            "MSG\r\n",
            "MSG a b 0\r\n\r\n",
            "MSG a 1 -1\r\n\r\n",
            "HMSG a 1 9 2\r\nab\r\n",
            &no_reply,
        ] {
            assert!(read(malformed.as_bytes()).is_err(), "{malformed}");
        }
    }
}
