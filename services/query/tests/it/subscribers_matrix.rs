//! What each login of NATS may do, on a real server: login by subject by verb. A server that refuses says so,
//! and nobody gets what is another's.

use std::collections::BTreeSet;

use domain::ids::{KeyId, OrgId};
use runtime::nats::NatsUrl;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::subscriber::Scene;
use crate::support::Org;

/// The protocol itself, which tells of every refusal before it answers what was asked after it.
struct Raw {
    stream: BufReader<TcpStream>,
    /// What was delivered.
    heard: Vec<String>,
}

/// A verb of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Publish,
    Request,
    Subscribe,
    QueueSubscribe,
}

const VERBS: [Verb; 4] = [
    Verb::Publish,
    Verb::Request,
    Verb::Subscribe,
    Verb::QueueSubscribe,
];

impl Raw {
    /// With what stands in CONNECT beside the rest.
    async fn connect(port: u16, credentials: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut raw = Self {
            stream: BufReader::new(stream),
            heard: Vec::new(),
        };
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1{credentials}}}\r\n"
        );
        raw.send(&connect).await;
        let refused = raw.settle().await;
        if refused.is_empty() {
            Ok(raw)
        } else {
            Err(refused.concat())
        }
    }

    async fn send(&mut self, line: &str) {
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .await
            .unwrap();
    }

    /// What was refused of all that was sent so far.
    async fn settle(&mut self) -> Vec<String> {
        // A server that refuses a login closes.
        let _ = self.stream.get_mut().write_all(b"PING\r\n").await;
        let mut refused = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                refused.push("closed".to_owned());
                return refused;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["PONG"] => return refused,
                ["PING"] => self.send("PONG\r\n").await,
                ["-ERR", ..] => refused.push(line.clone()),
                ["MSG" | "HMSG", .., length] => {
                    let mut body = vec![0; length.parse::<usize>().unwrap() + 2];
                    self.stream.read_exact(&mut body).await.unwrap();
                    let body = String::from_utf8_lossy(&body).into_owned();
                    self.heard.push(line.clone() + &body);
                }
                _ => {}
            }
        }
    }

    /// Whether the server let it pass.
    async fn may(&mut self, verb: Verb, subject: &str, inbox: &str) -> bool {
        let line = match verb {
            Verb::Publish => format!("PUB {subject} 0\r\n\r\n"),
            Verb::Request => format!("PUB {subject} {inbox}.r 0\r\n\r\n"),
            Verb::Subscribe => format!("SUB {subject} 1\r\nUNSUB 1\r\n"),
            Verb::QueueSubscribe => format!("SUB {subject} workers 1\r\nUNSUB 1\r\n"),
        };
        self.send(&line).await;
        let refused = self.settle().await;
        for text in &refused {
            assert!(text.contains("Permissions Violation"), "{subject}: {text}");
        }
        refused.is_empty()
    }
}

fn token(secret: &str) -> String {
    format!(",\"auth_token\":\"{secret}\"")
}

/// The login of a URL with credentials.
fn login(url: &str) -> String {
    let _: NatsUrl = url.parse().unwrap();
    let (user, rest) = url
        .strip_prefix("nats://")
        .unwrap()
        .split_once(':')
        .unwrap();
    let password = rest.split_once('@').unwrap().0;
    format!(",\"user\":\"{user}\",\"pass\":\"{password}\"")
}

/// Everything that somebody might try, about these orgs and their durables.
fn subjects(orgs: [(OrgId, KeyId); 2]) -> BTreeSet<String> {
    let fixed = "> * *.> tga.> tga.*.> tga.events.> tga.events.* tga.events.*.> tga.events.*.key.revoked \
         tga.gate.> tga.gate.* tga.gate.ack.* tga.gate.ack.1 tga.gate.counts.* tga.gate.counts.1 \
         tga.gate.settled tga.gate.auth tga.checkpoints tga.other tga.api.> tga.api.INFO $JS.> $JS.API.> $JS.API.INFO $JS.ACK.> \
         $JS.API.STREAM.NAMES $JS.API.STREAM.LIST $JS.API.STREAM.INFO.TGA_EVENTS $JS.API.STREAM.CREATE.MINE \
         $JS.API.STREAM.UPDATE.TGA_EVENTS $JS.API.STREAM.SNAPSHOT.TGA_EVENTS $JS.API.STREAM.RESTORE.MINE \
         $JS.API.STREAM.MSG.GET.TGA_EVENTS $JS.API.STREAM.MSG.DELETE.TGA_EVENTS \
         $JS.API.STREAM.PURGE.TGA_EVENTS $JS.API.STREAM.DELETE.TGA_EVENTS \
         $JS.API.STREAM.PEER.REMOVE.TGA_EVENTS $JS.API.STREAM.LEADER.STEPDOWN.TGA_EVENTS \
         $JS.API.META.LEADER.STEPDOWN $JS.API.DIRECT.GET.TGA_EVENTS $JS.API.CONSUMER.> \
         $JS.API.CONSUMER.NAMES.TGA_EVENTS $JS.API.CONSUMER.LIST.TGA_EVENTS \
         $JS.API.CONSUMER.CREATE.TGA_EVENTS $JS.API.CONSUMER.CREATE.TGA_EVENTS.mine \
         $JS.API.CONSUMER.CREATE.TGA_EVENTS.mine.> $JS.API.CONSUMER.CREATE.TGA_EVENTS.mine.tga.events.> \
         $JS.API.CONSUMER.DURABLE.CREATE.TGA_EVENTS.mine $JS.API.CONSUMER.MSG.NEXT.> \
         $JS.API.CONSUMER.MSG.NEXT.TGA_EVENTS.* $JS.API.CONSUMER.INFO.TGA_EVENTS.* $JS.EVENT.> \
         $JS.EVENT.ADVISORY.API $KV.any.thing $O.any.thing $SYS.> $SYS.REQ.USER.AUTH $SYS.REQ.USER.INFO \
         $SYS.REQ.SERVER.PING $SYS.REQ.SERVER.PING.CONNZ $SYS.REQ.SERVER.PING.VARZ $SYS.REQ.SERVER.N.CONNZ \
         $SYS.REQ.SERVER.N.KICK $SYS.REQ.SERVER.N.RELOAD $SYS.REQ.SERVER.N.LDM \
         $SYS.REQ.ACCOUNT.TGA.CONNZ $SYS.ACCOUNT.> $SYS.ACCOUNT.TGA.CONNECT $SYS._INBOX.> \
         $SYS._INBOX.a.b _INBOX.> _INBOX.a _INBOX_*.> _INBOX_durables.> _INBOX_durables.a \
         _INBOX_subscribers.> _INBOX_subscribers.a _R_.> _R_.a $MQTT.> $LDS.a $GR.a";
    let mut all: BTreeSet<String> = fixed.split_whitespace().map(str::to_owned).collect();
    for (org, key) in orgs {
        let durable = format!("{org}-{key}");
        all.extend([
            format!("tga.events.{org}"),
            format!("tga.events.{org}.>"),
            format!("tga.events.{org}.*.*"),
            format!("tga.events.{org}.key.revoked"),
            format!("_INBOX_{org}.>"),
            format!("_INBOX_{org}.a"),
            format!("_INBOX_{org}x.>"),
            format!("$JS.ACK.TGA_EVENTS.{durable}.1.1.1.1.1"),
            format!("$JS.ACK.TGA_EVENTS.{durable}.>"),
            format!("$JS.ACK.a.b.TGA_EVENTS.{durable}.1.1.1.1.1"),
            format!("$JS.API.DIRECT.GET.TGA_EVENTS.tga.events.{org}.key.created"),
            format!("$JS.API.CONSUMER.CREATE.TGA_EVENTS.mine.tga.events.{org}.>"),
            format!("$JS.API.CONSUMER.DURABLE.CREATE.TGA_EVENTS.{durable}"),
        ]);
        for call in ["MSG.NEXT", "INFO", "DELETE", "PAUSE", "UNPIN"] {
            for api in ["$JS.API", "tga.api"] {
                all.insert(format!("{api}.CONSUMER.{call}.TGA_EVENTS.{durable}"));
            }
        }
    }
    all
}

/// All that a subscriber may do.
fn of_subscriber(org: OrgId, key: KeyId) -> BTreeSet<(Verb, String)> {
    let durable = format!("{org}-{key}");
    let ask = [
        format!("tga.api.CONSUMER.MSG.NEXT.TGA_EVENTS.{durable}"),
        format!("tga.api.CONSUMER.INFO.TGA_EVENTS.{durable}"),
        format!("$JS.ACK.TGA_EVENTS.{durable}.1.1.1.1.1"),
        format!("$JS.ACK.TGA_EVENTS.{durable}.>"),
    ];
    let hear = [format!("_INBOX_{org}.>"), format!("_INBOX_{org}.a")];
    pairs(&ask, &hear)
}

fn pairs<T: AsRef<str>>(ask: &[T], hear: &[T]) -> BTreeSet<(Verb, String)> {
    let each = |subjects: &[T], verbs: [Verb; 2]| -> Vec<(Verb, String)> {
        let subjects = subjects.iter().map(|subject| subject.as_ref().to_owned());
        subjects
            .flat_map(|subject| verbs.map(|verb| (verb, subject.clone())))
            // A wildcard is none where something is sent.
            .filter(|(verb, subject)| {
                *verb > Verb::Request || !subject.ends_with('>') && !subject.contains('*')
            })
            .collect()
    };
    let mut all = each(ask, [Verb::Publish, Verb::Request]);
    all.extend(each(hear, [Verb::Subscribe, Verb::QueueSubscribe]));
    all.into_iter().collect()
}

/// What a login is let do, of all that may be tried.
async fn allowed(
    raw: &mut Raw,
    subjects: &BTreeSet<String>,
    inbox: &str,
) -> BTreeSet<(Verb, String)> {
    let mut allowed = BTreeSet::new();
    for subject in subjects {
        let is_wild = subject.contains('*') || subject.ends_with('>');
        for verb in VERBS {
            // Nothing can be sent to a wildcard.
            if is_wild && verb <= Verb::Request {
                continue;
            }
            if raw.may(verb, subject, inbox).await {
                allowed.insert((verb, subject.clone()));
            }
        }
    }
    allowed
}

/// That one may do what is written, told by what differs.
fn are_equal(may: &BTreeSet<(Verb, String)>, should: &BTreeSet<(Verb, String)>) {
    let more: Vec<_> = may.difference(should).collect();
    let less: Vec<_> = should.difference(may).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "also may: {more:?}, may not: {less:?}"
    );
}

async fn two_orgs(scene: &Scene) -> (Org, Org) {
    let (one, other) = (scene.org().await, scene.org().await);
    // So that their durables are there.
    drop(scene.subscriber(&one).await);
    drop(scene.subscriber(&other).await);
    (one, other)
}

#[tokio::test]
async fn a_subscriber_may_ask_its_own_durable_and_nothing_else() {
    let scene = Scene::start().await;
    let (one, other) = two_orgs(&scene).await;
    let subjects = subjects([(one.id, one.key_id), (other.id, other.key_id)]);
    for org in [&one, &other] {
        let port = scene.nats.port();
        let mut raw = Raw::connect(port, &token(&org.key)).await.unwrap();
        let inbox = format!("_INBOX_{}", org.id);
        let may = allowed(&mut raw, &subjects, &inbox).await;
        are_equal(&may, &of_subscriber(org.id, org.key_id));
    }
}

#[tokio::test]
async fn logins_of_ours_may_do_what_is_written_and_nothing_else() {
    let scene = Scene::start().await;
    let (one, other) = two_orgs(&scene).await;
    let subjects = subjects([(one.id, one.key_id), (other.id, other.key_id)]);
    let port = scene.nats.port();
    let may = async |url: String, inbox: &str| {
        let mut raw = Raw::connect(port, &login(&url)).await.unwrap();
        allowed(&mut raw, &subjects, inbox).await
    };
    let of_durables = may(scene.nats.durables_url(), "_INBOX_durables").await;
    let durable = |org: &Org| {
        format!(
            "$JS.API.CONSUMER.DELETE.TGA_EVENTS.{}-{}",
            org.id, org.key_id
        )
    };
    let create = |org: &Org| {
        format!(
            "$JS.API.CONSUMER.CREATE.TGA_EVENTS.mine.tga.events.{}.>",
            org.id
        )
    };
    let ask = [
        "$JS.API.CONSUMER.NAMES.TGA_EVENTS".to_owned(),
        durable(&one),
        durable(&other),
        create(&one),
        create(&other),
    ];
    let hear = [
        "_INBOX_durables.>".to_owned(),
        "_INBOX_durables.a".to_owned(),
    ];
    are_equal(&of_durables, &pairs(&ask, &hear));

    let of_subscribers = may(scene.nats.subscribers_url(), "_INBOX_subscribers").await;
    let ask = [
        "$SYS.REQ.SERVER.PING.CONNZ",
        "$SYS.REQ.SERVER.N.CONNZ",
        "$SYS.REQ.SERVER.N.KICK",
    ];
    let hear = ["_INBOX_subscribers.>", "_INBOX_subscribers.a"];
    // It may listen to what the server asks, but only together with all who do.
    are_equal(&of_subscribers, &pairs(&ask, &hear));

    let of_query = may(scene.nats.replica_url(), "_INBOX").await;
    let ask = ["tga.gate.ack.1", "tga.gate.counts.1"];
    let events = subjects
        .iter()
        .filter(|subject| subject.starts_with("tga.events."));
    let hear: Vec<&str> = events
        .map(String::as_str)
        .chain([
            "tga.gate.*",
            // To a server the last token of this one is one that the pattern above allows.
            "tga.gate.>",
            "tga.gate.settled",
            "tga.gate.auth",
            "tga.gate.counts.*",
            "tga.gate.counts.1",
        ])
        .collect();
    are_equal(&of_query, &pairs(&ask, &hear));
}

#[tokio::test]
async fn who_presents_nothing_that_counts_gets_no_connection() {
    let scene = Scene::start().await;
    let org = scene.org().await;
    let port = scene.nats.port();
    for credentials in [
        String::new(),
        token(""),
        token("tga_wrong"),
        format!(",\"user\":\"trackagoat\",\"pass\":\"{}\"", org.key),
        format!(",\"user\":\"replica\",\"pass\":\"{}\"", org.key),
        format!(",\"user\":\"durables\",\"pass\":\"{}\"", org.key),
        format!(",\"user\":\"subscribers\",\"pass\":\"{}\"", org.key),
        format!(",\"user\":\"system\",\"pass\":\"{}\"", org.key),
        format!(",\"jwt\":\"{}\"", org.key),
        format!(",\"name\":\"{}\"", org.key),
    ] {
        let refused = Raw::connect(port, &credentials).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{credentials} is let in"));
        assert!(refused.contains("Authorization Violation"), "{refused}");
    }
    Raw::connect(port, &token(&org.key)).await.unwrap();
}

/// A server sends its answer wherever who asks wants it: not to where it would be taken for something else.
#[tokio::test]
async fn an_answer_reaches_nothing_but_who_asked() {
    let scene = Scene::start().await;
    let (one, other) = two_orgs(&scene).await;
    let mut victim = Raw::connect(scene.nats.port(), &token(&other.key))
        .await
        .unwrap();
    victim
        .send(&format!("SUB _INBOX_{}.> 1\r\n", other.id))
        .await;
    victim.settle().await;
    let mut raw = Raw::connect(scene.nats.port(), &token(&one.key))
        .await
        .unwrap();
    let durable = format!("{}-{}", one.id, one.key_id);
    let before = scene.world.log.head().await.unwrap().position;
    let replies = [
        format!("tga.events.{}.key.revoked", other.id),
        format!("tga.events.{}.key.revoked", one.id),
        "$JS.API.STREAM.DELETE.TGA_EVENTS".to_owned(),
        "$JS.API.STREAM.PURGE.TGA_EVENTS".to_owned(),
        format!(
            "$JS.API.CONSUMER.DELETE.TGA_EVENTS.{}-{}",
            other.id, other.key_id
        ),
        "tga.gate.settled".to_owned(),
        "$SYS.REQ.SERVER.PING".to_owned(),
    ];
    for reply in &replies {
        for asked in [
            format!("tga.api.CONSUMER.INFO.TGA_EVENTS.{durable}"),
            format!("tga.api.CONSUMER.MSG.NEXT.TGA_EVENTS.{durable}"),
            format!("$JS.ACK.TGA_EVENTS.{durable}.1.1.1.1.1"),
        ] {
            raw.send(&format!("PUB {asked} {reply} 0\r\n\r\n")).await;
        }
    }
    raw.settle().await;
    // What they asked is done by the time that something asked after it is.
    scene.subscriber(&one).await.described().await;
    scene.world.project(&other, "After").await;
    scene.mirrored().await;
    let stream = scene.nats.jetstream().await;
    let stream = stream.get_stream(event_log::STREAM_NAME).await.unwrap();
    let state = &stream.cached_info().state;
    assert_eq!(state.last_sequence, before.get() + 1);
    assert_eq!(state.messages, before.get() + 1);
    victim.settle().await;
    assert_eq!(victim.heard, Vec::<String>::new());
}
