//! NATS: reachable, with a stream that holds this log.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream;
use event_log::{EPOCH_KEY, LARGEST_MESSAGE, STREAM_NAME};
use runtime::clock::Clock;
use runtime::nats::NatsUrl;
use runtime::telemetry::chain;
use secrecy::{ExposeSecret, SecretString};

use super::database::Log;
use super::finding::{Finding, Findings};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Events; the stream is a few milliseconds behind.
const LAG: u64 = 10_000;

pub async fn look(
    url: Option<&SecretString>,
    log: Option<&Log>,
    clock: &Clock,
    findings: &mut Findings,
) {
    let Some(url) = url else {
        findings.add(
            Finding::warning("nats", "none is named: revocations take up to 0.6 s")
                .mend("name one with TGA_NATS_URL"),
        );
        return;
    };
    let url: NatsUrl = match url.expose_secret().parse() {
        Ok(url) => url,
        Err(error) => {
            findings.add(unreadable(&error));
            return;
        }
    };
    match clock.timeout(ANSWER_WITHIN, url.connect()).await {
        Ok(Ok(client)) => server(client, log, clock, findings).await,
        Ok(Err(error)) => findings.add(unreachable(chain(&error))),
        Err(_) => findings.add(unreachable("it does not answer")),
    }
}

/// Its address is given and cannot be had.
pub fn unreadable(error: &dyn Error) -> Finding {
    Finding::broken("nats", chain(error)).mend("correct TGA_NATS_URL or TGA_NATS_URL_FILE")
}

fn unreachable(says: impl std::fmt::Display) -> Finding {
    Finding::broken("nats", says).mend("start it, or name the right one with TGA_NATS_URL")
}

async fn server(
    client: async_nats::Client,
    log: Option<&Log>,
    clock: &Clock,
    findings: &mut Findings,
) {
    let info = client.server_info();
    findings.add(if !client.is_server_compatible(2, 10, 0) {
        Finding::broken("nats", format_args!("{} is too old", info.version))
            .mend("upgrade it to 2.10 or newer")
    } else if info.max_payload < LARGEST_MESSAGE {
        let says = format!("takes messages of {} bytes at most", info.max_payload);
        Finding::broken("nats", says).mend(format_args!(
            "max_payload: {LARGEST_MESSAGE} in its configuration"
        ))
    } else {
        Finding::fine("nats", info.version)
    });
    let context = jetstream::new(client);
    let asked = clock
        .timeout(ANSWER_WITHIN, context.get_stream(STREAM_NAME))
        .await;
    findings.add(match asked {
        Ok(Ok(stream)) => judge(stream.cached_info(), log),
        Ok(Err(error)) => Finding::warning("stream", chain(&error))
            .mend("jetstream {} in its configuration; `trackagoat serve command` makes the stream"),
        Err(_) => Finding::broken("stream", "JetStream does not answer")
            .mend("look into the NATS server's log"),
    });
}

fn judge(info: &jetstream::stream::Info, log: Option<&Log>) -> Finding {
    let config = &info.config;
    if !(config.deny_delete && config.deny_purge) {
        return Finding::broken("stream", "messages can be deleted from it")
            .mend("delete the stream; `trackagoat serve command` makes it anew");
    }
    let last = info.state.last_sequence;
    let Some(log) = log else {
        return Finding::fine("stream", format_args!("{STREAM_NAME} at {last}"));
    };
    if config.metadata.get(EPOCH_KEY) != Some(&log.epoch.to_string()) {
        return Finding::warning("stream", "it is of another epoch of the log")
            .mend("trackagoat serve command, which replaces it");
    }
    let behind = u64::try_from(log.position)
        .unwrap_or(0)
        .saturating_sub(last);
    if behind > LAG {
        return Finding::warning("stream", format_args!("{behind} events behind the log"))
            .mend("trackagoat serve command, and look into its log");
    }
    Finding::fine("stream", format_args!("{STREAM_NAME} at {last}"))
}
