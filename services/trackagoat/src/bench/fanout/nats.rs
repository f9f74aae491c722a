//! A subscriber over core NATS, reduced to what it needs: on few cores what a thousand of them take
//! is missing to the server.

use runtime::clock::Clock;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::deliveries::Arrived;
use crate::bench::error::BenchError;

/// In the headers of a mirrored event.
const POSITION: &str = "Tga-Position:";
const BUFFER_BYTES: usize = 32 << 10;
/// More than the largest message: what is longer is no message.
const UNREAD_BYTES_MAX: usize = 8 << 20;

/// Who subscribes.
#[derive(Clone, Debug)]
pub enum Login {
    /// A tenant, by an API key as the token.
    Key(String),
    /// Whoever may do everything.
    Operator { user: String, password: String },
}

/// An open subscription.
pub struct Subscription {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Said by the server and not yet taken notice of.
    said: Said,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    ping: bool,
    pong: bool,
}

impl Login {
    fn connect(&self) -> String {
        let mut options = json!({
            "verbose": false,
            "pedantic": false,
            "headers": true,
            "lang": "bench",
            "version": env!("CARGO_PKG_VERSION"),
        });
        match self {
            Self::Key(key) => options["auth_token"] = key.as_str().into(),
            Self::Operator { user, password } => {
                options["user"] = user.as_str().into();
                options["pass"] = password.as_str().into();
            }
        }
        format!("CONNECT {options}\r\n")
    }
}

impl Subscription {
    /// Returns once the server has it; an error if it refuses.
    pub async fn open(address: &str, login: &Login, subject: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(BenchError::Talk)?;
        stream.set_nodelay(true).map_err(BenchError::Talk)?;
        let mut subscription = Self {
            stream,
            unread: Vec::with_capacity(BUFFER_BYTES),
            said: Said::default(),
        };
        let hello = format!("{}SUB {subject} 1\r\nPING\r\n", login.connect());
        subscription.send(hello.as_bytes()).await?;
        let mut none = Vec::new();
        while !subscription.said.pong {
            subscription.read().await?;
            subscription.parse(0, &mut none)?;
        }
        Ok(subscription)
    }

    /// Waits until something came, and adds the events among it. Dropping the future loses nothing.
    pub async fn next(
        &mut self,
        arrived: &mut Vec<Arrived>,
        clock: &Clock,
    ) -> Result<(), BenchError> {
        self.read().await?;
        self.parse(clock.monotonic().as_nanos(), arrived)?;
        if std::mem::take(&mut self.said.ping) {
            self.send(b"PONG\r\n").await?;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        self.stream.write_all(bytes).await.map_err(BenchError::Talk)
    }

    async fn read(&mut self) -> Result<(), BenchError> {
        self.unread.reserve(BUFFER_BYTES);
        let read = self.stream.read_buf(&mut self.unread).await;
        match read.map_err(BenchError::Talk)? {
            0 => Err(BenchError::Wrong("NATS ended a connection".into())),
            _ if self.unread.len() > UNREAD_BYTES_MAX => {
                Err(BenchError::Wrong("NATS sends what is no message".into()))
            }
            _ => Ok(()),
        }
    }

    fn parse(&mut self, now: u64, arrived: &mut Vec<Arrived>) -> Result<(), BenchError> {
        let mut begin = 0;
        while let Some(length) = message(&self.unread[begin..], now, arrived, &mut self.said)? {
            begin += length;
        }
        self.unread.drain(..begin);
        Ok(())
    }
}

/// The length of the message at the beginning; none if it has not come whole.
fn message(
    bytes: &[u8],
    now: u64,
    arrived: &mut Vec<Arrived>,
    said: &mut Said,
) -> Result<Option<usize>, BenchError> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let wrong = |what: &str| BenchError::Wrong(format!("NATS said: {what}"));
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("no text"))?;
    let line = line.trim_end();
    let length = end + 1;
    match line.split(' ').next().unwrap_or_default() {
        "HMSG" => {
            let mut sizes = line.rsplit(' ').map(str::parse::<usize>);
            let (Some(Ok(total)), Some(Ok(headers))) = (sizes.next(), sizes.next()) else {
                return Err(wrong(line));
            };
            let whole = length + total + 2;
            if bytes.len() < whole {
                return Ok(None);
            }
            let headers = bytes.get(length..length + headers).unwrap_or_default();
            let position = position(headers).ok_or_else(|| wrong("an event without position"))?;
            arrived.push((position, now));
            return Ok(Some(whole));
        }
        "PING" => said.ping = true,
        "PONG" => said.pong = true,
        "INFO" | "+OK" => {}
        _ => return Err(wrong(line)),
    }
    Ok(Some(length))
}

fn position(headers: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(headers).ok()?;
    let (_, rest) = text.split_once(POSITION)?;
    rest.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const EVENT: &str =
        "HMSG tga.events.a.key.revoked 1 30 33\r\nNATS/1.0\r\nTga-Position: 42\r\n\r\n{ }\r\n";

    #[test]
    fn events_are_found_however_they_are_cut() {
        let mut said = Said::default();
        let text = format!("INFO {{}}\r\nPONG\r\n{EVENT}PING\r\n{EVENT}");
        for cut in 0..=text.len() {
            let (mut arrived, mut begin) = (Vec::new(), 0);
            for end in [cut, text.len()] {
                let bytes = &text.as_bytes()[..end];
                while let Some(length) =
                    message(&bytes[begin..], 7, &mut arrived, &mut said).unwrap()
                {
                    begin += length;
                }
            }
            assert_eq!(arrived, [(42, 7), (42, 7)], "{cut}");
            assert_eq!(begin, text.len());
        }
        assert_eq!(
            said,
            Said {
                ping: true,
                pong: true
            }
        );
    }

    #[test]
    fn a_refusal_is_an_error() {
        let (mut arrived, mut said) = (Vec::new(), Said::default());
        let refusal = b"-ERR 'Authorization Violation'\r\n";
        assert!(message(refusal, 0, &mut arrived, &mut said).is_err());
    }
}
