//! Subscribers over NATS: whether what lets them in fits what the server has.

use std::time::Duration;

use async_nats::ConnectErrorKind;
use query::subscribers::SYSTEM_INBOX;
use runtime::clock::Clock;
use runtime::nats::NatsUrl;
use runtime::telemetry::chain;
use secrecy::{ExposeSecret, SecretString};

use super::finding::{Finding, Findings};
use crate::subscribers::{SubscriberAccess, SubscriberError};

const WHAT: &str = "subscribers";
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const MEND: &str = "deploy/nats.conf, with what `trackagoat nats new-keys` made";

pub async fn look(
    access: Result<Option<SubscriberAccess>, SubscriberError>,
    clock: &Clock,
    findings: &mut Findings,
) {
    let access = match access {
        Ok(Some(access)) => access,
        // Who runs none needs to hear nothing.
        Ok(None) => return,
        Err(error) => {
            findings.add(Finding::broken(WHAT, chain(&error)).mend("give all of them, or none"));
            return;
        }
    };
    if let Err(error) = access.keys() {
        findings.add(Finding::broken(WHAT, error).mend(MEND));
        return;
    }
    for (login, url) in [
        ("subscribers", &access.system_url),
        ("durables", &access.durables_url),
    ] {
        if let Err(says) = log_in(url, clock).await {
            let says = format_args!("as `{login}`: {says}");
            findings.add(Finding::broken(WHAT, says).mend(MEND));
            return;
        }
    }
    findings.add(if lists(&access.system_url, clock).await {
        Finding::fine(WHAT, "both logins are there, and connections are listed")
    } else {
        Finding::broken(WHAT, "the server lists no connections")
            .mend("`subscribers` belongs into the system account: deploy/nats.conf")
    });
}

async fn log_in(url: &SecretString, clock: &Clock) -> Result<(), String> {
    let url: NatsUrl = url
        .expose_secret()
        .parse()
        .map_err(|error| chain(&error).to_string())?;
    match clock.timeout(ANSWER_WITHIN, url.connect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() == ConnectErrorKind::AuthorizationViolation => {
            Err("the server refuses the login".to_owned())
        }
        Ok(Err(error)) => Err(chain(&error).to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

async fn lists(url: &SecretString, clock: &Clock) -> bool {
    let Ok(url) = url.expose_secret().parse::<NatsUrl>() else {
        return false;
    };
    let options = url.options().custom_inbox_prefix(SYSTEM_INBOX);
    let Ok(client) = options.connect(url.addresses()).await else {
        return false;
    };
    let asked = client.request("$SYS.REQ.SERVER.PING.CONNZ", "{\"limit\":1}".into());
    matches!(clock.timeout(ANSWER_WITHIN, asked).await, Ok(Ok(_)))
}
