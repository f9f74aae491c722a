//! A subscriber over NATS with an API key, which reads its durable as `deploy/clients` do, reduced to
//! what it needs: on few cores what a thousand whole clients take is missing to the server.

use std::time::Duration;

use event_log::STREAM_NAME;
use query::subscribers::{API, inbox_prefix};
use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::deliveries::Arrived;
use super::protocol::{self, Event, Said};
use crate::bench::error::BenchError;

/// Events of one question.
const BATCH: u64 = 100;
/// How long a question waits. There are always two of them, half of that apart: one is open while
/// the other is asked anew, which is as often as a client asks that has one of half as long.
const WAITS: Duration = Duration::from_secs(10);
/// The subscriptions of those two, and that of other answers.
const QUESTIONS: [u64; 2] = [1, 2];
const ANSWERS: u64 = 3;
const BUFFER_BYTES: usize = 32 << 10;
/// More than the largest message: what is longer is no message.
const UNREAD_BYTES_MAX: usize = 8 << 20;
/// How long the server may take to let a subscriber in or not, and over what one sends last.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// How long a subscriber may take over what came before it was there.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether it is through.
const LOOK: Duration = Duration::from_millis(20);

/// Who reads which durable, from where.
pub struct Reader<'a> {
    pub address: &'a str,
    pub key: &'a str,
    /// The durable's name.
    pub durable: String,
    /// In the names of its inboxes: answers to a connection before go nowhere.
    pub number: u64,
}

/// A connection that reads a durable.
pub struct Subscription {
    stream: TcpStream,
    unread: Vec<u8>,
    /// What the server has not taken.
    unsent: Vec<u8>,
    /// Of both questions, how many events they may still bring.
    left: [u64; QUESTIONS.len()],
    durable: String,
    inboxes: String,
    /// Said by the server and not yet taken notice of.
    heard: Heard,
}

#[derive(Debug, Default)]
struct Heard {
    pong: bool,
    /// Why something is not done.
    refusal: Option<String>,
    state: Option<State>,
}

/// What the server says of a durable.
#[derive(Debug, Deserialize)]
struct State {
    num_pending: u64,
    num_ack_pending: u64,
}

impl Reader<'_> {
    fn connect(&self) -> String {
        let options = json!({
            "verbose": false,
            "pedantic": false,
            "headers": true,
            "no_responders": true,
            "lang": "bench",
            "version": env!("CARGO_PKG_VERSION"),
            "auth_token": self.key,
        });
        format!("CONNECT {options}\r\nPING\r\n")
    }

    fn inboxes(&self) -> String {
        format!("{}.{:x}", inbox_prefix(self.key), self.number)
    }
}

impl Subscription {
    /// Returns once it is let in, or what the server says if it is not, for now or for good.
    pub async fn open(
        reader: Reader<'_>,
        clock: &Clock,
    ) -> Result<Result<Self, String>, BenchError> {
        let opened = clock.timeout(ANSWERED_WITHIN, Self::connect(reader)).await;
        opened.map_err(|source| BenchError::Late {
            what: "the answer whether a key is let in",
            source,
        })?
    }

    async fn connect(reader: Reader<'_>) -> Result<Result<Self, String>, BenchError> {
        let connected = TcpStream::connect(reader.address).await;
        let stream = connected.map_err(BenchError::Talk)?;
        stream.set_nodelay(true).map_err(BenchError::Talk)?;
        let mut subscription = Self {
            stream,
            unread: Vec::with_capacity(BUFFER_BYTES),
            unsent: Vec::new(),
            left: [0; QUESTIONS.len()],
            inboxes: reader.inboxes(),
            durable: reader.durable.clone(),
            heard: Heard::default(),
        };
        subscription.send(&reader.connect());
        subscription.flush().await?;
        while !subscription.heard.pong {
            subscription.receive().await?;
            subscription.take(0, &mut Vec::new())?;
            if let Some(refusal) = subscription.heard.refusal {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(subscription))
    }

    /// Begins to read, and returns once all is taken and acknowledged that was there before.
    pub async fn settle(&mut self, clock: &Clock) -> Result<(), BenchError> {
        for sid in QUESTIONS.into_iter().chain([ANSWERS]) {
            self.send(&format!("SUB {}.{sid} {sid}\r\n", self.inboxes));
        }
        // Neither do they wait equally long nor are they used up together, now and ever after.
        self.ask(QUESTIONS[0], BATCH / 2, WAITS / 2)?;
        self.ask(QUESTIONS[1], BATCH, WAITS)?;
        let settling = async {
            while !self.state(clock).await?.is_through() {
                clock.sleep(LOOK).await;
            }
            Ok(())
        };
        let settled = clock.timeout(SETTLED_WITHIN, settling).await;
        settled.map_err(|source| BenchError::Late {
            what: "the end of what a durable held",
            source,
        })?
    }

    /// Waits until something came, and adds the events among it, which it acknowledges. Dropping the
    /// future loses nothing.
    pub async fn next(
        &mut self,
        arrived: &mut Vec<Arrived>,
        clock: &Clock,
    ) -> Result<(), BenchError> {
        self.flush().await?;
        self.receive().await?;
        self.take(clock.monotonic().as_nanos(), arrived)?;
        if let Some(refusal) = &self.heard.refusal {
            let text = format!("NATS refuses what a key may do: {refusal}");
            return Err(BenchError::Wrong(text));
        }
        self.flush().await
    }

    /// Returns once the server has every acknowledgement.
    pub async fn end(mut self, clock: &Clock) -> Result<(), BenchError> {
        self.heard.pong = false;
        self.send("PING\r\n");
        let answered = async {
            while !self.heard.pong {
                self.next(&mut Vec::new(), clock).await?;
            }
            Ok(())
        };
        let answered = clock.timeout(ANSWERED_WITHIN, answered).await;
        answered.map_err(|source| BenchError::Late {
            what: "the end of a subscription",
            source,
        })?
    }

    async fn state(&mut self, clock: &Clock) -> Result<State, BenchError> {
        let Self {
            durable, inboxes, ..
        } = self;
        let question = format!(
            "PUB {API}.CONSUMER.INFO.{STREAM_NAME}.{durable} {inboxes}.{ANSWERS} 0\r\n\r\n"
        );
        self.send(&question);
        loop {
            self.next(&mut Vec::new(), clock).await?;
            if let Some(state) = self.heard.state.take() {
                return Ok(state);
            }
        }
    }

    /// Asks for so many events, which come by the subscription `sid`.
    fn ask(&mut self, sid: u64, batch: u64, waits: Duration) -> Result<(), BenchError> {
        *self.left_of(sid)? = batch;
        let expires = waits.as_nanos();
        let asked = format!(r#"{{"batch":{batch},"expires":{expires}}}"#);
        let Self {
            durable, inboxes, ..
        } = self;
        let question = format!(
            "PUB {API}.CONSUMER.MSG.NEXT.{STREAM_NAME}.{durable} {inboxes}.{sid} {}\r\n{asked}\r\n",
            asked.len()
        );
        self.send(&question);
        Ok(())
    }

    fn left_of(&mut self, sid: u64) -> Result<&mut u64, BenchError> {
        let index = QUESTIONS.iter().position(|question| *question == sid);
        let left = index.and_then(|index| self.left.get_mut(index));
        left.ok_or_else(|| BenchError::Wrong(format!("an event by subscription {sid}")))
    }

    fn send(&mut self, text: &str) {
        self.unsent.extend_from_slice(text.as_bytes());
    }

    /// Dropping the future loses nothing.
    async fn flush(&mut self) -> Result<(), BenchError> {
        while !self.unsent.is_empty() {
            let sent = self.stream.write(&self.unsent).await;
            self.unsent.drain(..sent.map_err(BenchError::Talk)?);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<(), BenchError> {
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

    /// What has come whole. Acknowledgements of all of it are sent together.
    fn take(&mut self, now: u64, arrived: &mut Vec<Arrived>) -> Result<(), BenchError> {
        let unread = std::mem::take(&mut self.unread);
        let mut begin = 0;
        while let Some((said, length)) = protocol::read(&unread[begin..])? {
            begin += length;
            match said {
                Said::Event(event) => {
                    arrived.push((event.position, now));
                    self.acknowledge(&event)?;
                }
                Said::Over(sid) => self.ask(sid, BATCH, WAITS)?,
                Said::Answer(answer) => {
                    let state = serde_json::from_slice(answer).map_err(BenchError::json)?;
                    self.heard.state = Some(state);
                }
                Said::Ping => self.send("PONG\r\n"),
                Said::Pong => self.heard.pong = true,
                Said::Refusal(text) => self.heard.refusal = Some(text.to_owned()),
                Said::Chatter => {}
            }
        }
        self.unread = unread;
        self.unread.drain(..begin);
        Ok(())
    }

    /// Each event for itself, as a durable of a key wants it.
    fn acknowledge(&mut self, event: &Event<'_>) -> Result<(), BenchError> {
        self.send(&format!("PUB {} 4\r\n+ACK\r\n", event.reply));
        let left = self.left_of(event.sid)?;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.ask(event.sid, BATCH, WAITS)?;
        }
        Ok(())
    }
}

impl State {
    const fn is_through(&self) -> bool {
        self.num_pending == 0 && self.num_ack_pending == 0
    }
}
