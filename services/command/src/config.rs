//! What an operator may set about a command service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Args;
use ipnet::{IpNet, Ipv4Net};

use crate::oidc::OidcConfig;
use crate::outgoing::{Allowed, Authorities, Guard};
use crate::webhooks::CourierConfig;

/// Where people reach a service that says nothing else.
pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";
/// One mebibyte.
const MIB: u64 = 1024 * 1024;

/// Settings of the command service; every flag is also an environment variable.
#[derive(Args, Clone, Debug)]
#[group(id = "command_config")]
#[command(next_help_heading = "Command service")]
pub struct Config {
    /// Mebibytes of orgs' states to keep in memory; a million videos take about 900.
    #[arg(
        long = "org-cache-mib",
        env = "TGA_ORG_CACHE_MIB",
        default_value_t = 2_048,
        value_parser = clap::value_parser!(u64).range(1..=1_048_576)
    )]
    pub org_cache_mib: u64,

    /// Ingest requests whose lines are read at once; by default one for each processor. For each
    /// about 32 MiB of bodies may be under way; beyond, 503.
    #[arg(
        long = "ingest-places",
        env = "TGA_INGEST_PLACES",
        value_parser = clap::value_parser!(u16).range(1..=1_024)
    )]
    pub ingest_places: Option<u16>,

    /// Milliseconds after which an append that was not recorded is answered 503.
    #[arg(
        long = "append-deadline-ms",
        env = "TGA_APPEND_DEADLINE_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(500..=60_000)
    )]
    pub append_deadline_ms: u64,

    /// Requests that may ask the primary about their credential at once. Fifteen times as many may
    /// wait until it is their turn; beyond, 503.
    #[arg(
        long = "verify-places",
        env = "TGA_VERIFY_PLACES",
        default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=4_096)
    )]
    pub verify_places: u16,

    /// Where people reach the service, for the links of invitations; by default where this process
    /// listens.
    #[arg(
        long = "public-url",
        env = "TGA_PUBLIC_URL",
        value_name = "URL",
        value_parser = public_url
    )]
    pub public_url: Option<String>,

    /// Where webhooks may lead beside public addresses, by plain HTTP too and on any port: ranges of
    /// addresses and names of hosts, separated by commas.
    #[arg(
        long = "webhook-allow",
        env = "TGA_WEBHOOK_ALLOW",
        value_name = "RANGE_OR_HOST",
        value_delimiter = ','
    )]
    pub webhook_allow: Vec<Allowed>,

    /// A file with certificates of authorities, in PEM form, that webhooks may prove themselves by
    /// beside the public ones.
    #[arg(
        long = "webhook-ca-file",
        env = "TGA_WEBHOOK_CA_FILE",
        value_name = "PATH"
    )]
    pub webhook_ca_file: Option<Authorities>,

    /// Copies of the event stream in a NATS cluster.
    #[arg(
        long = "stream-replicas",
        env = "TGA_STREAM_REPLICAS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=5)
    )]
    pub stream_replicas: u8,

    /// By what people may sign in beside their passwords.
    #[command(flatten)]
    pub oidc: OidcConfig,
}

impl Config {
    /// Bytes of orgs' states to keep.
    pub const fn org_cache_bytes(&self) -> u64 {
        self.org_cache_mib * MIB
    }

    /// Where people reach the service.
    pub fn public_url(&self) -> String {
        let default = || PUBLIC_URL.to_owned();
        self.public_url.clone().unwrap_or_else(default)
    }

    /// Ingest requests whose lines are read at once.
    pub fn ingest_places(&self) -> usize {
        let processors = || available_parallelism().map_or(1, usize::from);
        self.ingest_places.map_or_else(processors, usize::from)
    }

    /// How the log is appended to: a step may take two fifths of the whole.
    pub fn append(&self) -> event_log::Config {
        let deadline = Duration::from_millis(self.append_deadline_ms);
        event_log::Config {
            deadline,
            step: deadline * 2 / 5,
            ..event_log::Config::default()
        }
    }

    /// How credentials are checked.
    pub fn verify(&self) -> gate::VerifyConfig {
        gate::VerifyConfig {
            places: usize::from(self.verify_places),
        }
    }

    /// Lets webhooks lead to this machine, and a provider be there, for a system that is tried out, unless
    /// the operator says where they may be.
    pub fn allow_loopback(&mut self) {
        let loopback = [
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST)),
        ];
        for allowed in [&mut self.webhook_allow, &mut self.oidc.allow] {
            if allowed.is_empty() {
                *allowed = loopback.map(Allowed::Range).to_vec();
            }
        }
    }

    /// Where webhooks may lead, and whom they are believed.
    pub fn courier(&self) -> CourierConfig {
        CourierConfig {
            guard: Guard::new(&self.webhook_allow),
            authorities: self.webhook_ca_file.clone(),
        }
    }

    /// How events are published.
    pub fn mirror(&self) -> event_log::MirrorConfig {
        event_log::MirrorConfig {
            replicas: usize::from(self.stream_replicas),
            ..event_log::MirrorConfig::default()
        }
    }
}

/// An address of a web server, without a slash at its end.
pub fn public_url(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>');
    match host {
        Some(host) if !host.is_empty() && host.chars().all(is_plain) => Ok(text.to_owned()),
        _ => Err("must begin with https:// or http://, and have neither query nor fragment"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        command: Config,
    }

    #[test]
    fn every_setting_has_a_default() {
        let config = Cli::try_parse_from(["command"]).unwrap().command;
        assert_eq!(config.org_cache_bytes(), 2_048 * MIB);
        assert!(config.ingest_places() >= 1);
        assert_eq!(config.append().step, Duration::from_secs(2));
        assert_eq!(config.public_url(), "http://127.0.0.1:8080");
        let named = ["command", "--public-url", "https://app.example.com/"];
        let config = Cli::try_parse_from(named).unwrap().command;
        assert_eq!(config.public_url(), "https://app.example.com");
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for (flag, value) in [
            ("--org-cache-mib", "0"),
            ("--ingest-places", "0"),
            ("--append-deadline-ms", "1"),
            ("--stream-replicas", "9"),
            ("--webhook-allow", "10.0.0.0/40"),
            ("--webhook-ca-file", "/nowhere.pem"),
            ("--public-url", "app.example.com"),
            ("--public-url", "https://app.example.com/?a=b"),
            ("--oidc-issuer", "id.example.com"),
            ("--oidc-issuer", "https://id.example.com"),
            ("--oidc-client-id", "trackagoat"),
            ("--oidc-allow", "10.0.0.0/40"),
            ("--oidc-ca-file", "/nowhere.pem"),
        ] {
            let Err(error) = Cli::try_parse_from(["command", flag, value]) else {
                panic!("{flag} {value} is accepted");
            };
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
