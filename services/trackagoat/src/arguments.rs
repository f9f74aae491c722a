//! Arguments that several commands share. A secret stands in an environment variable or in a file,
//! never on a command line, which everybody on the machine can read.

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use domain::signed::{LogName, NoteSigner, SEED_BYTES};
use event_log::SignerConfig;
use gate::{Erasures, Ledger, LedgerError};
use ipnet::IpNet;
use runtime::clock::Clock;
use runtime::config::{SecretError, optional_secret, secret};
use runtime::entropy::Entropy;
use runtime::http::{Proxies, ProxyHeader};
use runtime::lifecycle::Tasks;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A secret that is given from outside.
pub trait SecretArgument {
    /// Its environment variable; with `_FILE` behind, that of the file.
    const VARIABLE: &'static str;

    /// The file, as it was given.
    fn file(&self) -> Option<&Path>;

    /// The secret, if it was given.
    fn optional(&self) -> Result<Option<SecretString>, SecretError> {
        optional_secret(
            Self::VARIABLE,
            value(Self::VARIABLE).as_deref(),
            self.file(),
        )
    }

    /// The secret, which must have been given.
    fn required(&self) -> Result<SecretString, SecretError> {
        secret(
            Self::VARIABLE,
            value(Self::VARIABLE).as_deref(),
            self.file(),
        )
    }
}

/// What a variable holds; what is no text is left to be refused for what it is.
fn value(variable: &str) -> Option<String> {
    Some(env::var_os(variable)?.to_string_lossy().into_owned())
}

/// Flags `--name-file`, also environment variables; those without `_FILE` hold the secrets themselves.
macro_rules! secret_arguments {
    ($($type:ident: $about:literal, $variable:literal, $file:ident;)+) => {
        /// The variables of all secrets. Clap knows only those of their files.
        pub const SECRET_VARIABLES: &[&str] = &[$($variable),+];

        $(
            #[doc = $about]
            #[derive(Args, Clone, Debug)]
            pub struct $type {
                #[arg(
                    long,
                    env = concat!($variable, "_FILE"),
                    help = concat!("A file with the ", $about, ", unless ", $variable, " holds it itself"),
                    global = true
                )]
                $file: Option<PathBuf>,
            }

            impl SecretArgument for $type {
                const VARIABLE: &'static str = $variable;

                fn file(&self) -> Option<&Path> {
                    self.$file.as_deref()
                }
            }
        )+
    };
}

secret_arguments! {
    DatabaseUrl:
        "URL of the log's database, with the login to use there",
        "TGA_DATABASE_URL", database_url_file;
    ReadDatabaseUrl:
        "URL of the read model's database, if it is another than the log's",
        "TGA_READ_DATABASE_URL", read_database_url_file;
    ProjectorDatabaseUrl:
        "URL of the read model's database for the projector, with a login in `tga_projector`",
        "TGA_PROJECTOR_DATABASE_URL", projector_database_url_file;
    NatsUrl:
        "URL of NATS, or of several of its servers with commas between",
        "TGA_NATS_URL", nats_url_file;
    NatsSystemUrl:
        "URL of NATS's system account for who lets subscribers in, with the login `subscribers`",
        "TGA_NATS_SYSTEM_URL", nats_system_url_file;
    NatsDurablesUrl:
        "URL of NATS for who makes what subscribers ask, with the login `durables`",
        "TGA_NATS_DURABLES_URL", nats_durables_url_file;
    NatsAccountKey:
        "seed of the key that signs what a subscriber may do, whose public half NATS knows as issuer",
        "TGA_NATS_ACCOUNT_KEY", nats_account_key_file;
    NatsCalloutXkey:
        "seed of the key for which NATS seals what it asks about subscribers, and knows as xkey",
        "TGA_NATS_CALLOUT_XKEY", nats_callout_xkey_file;
    CursorSecret:
        "64 hexadecimal digits under which cursors are written; the same on every replica",
        "TGA_CURSOR_SECRET", cursor_secret_file;
    LogSigningKey:
        "64 hexadecimal digits that make the key under which the log is signed",
        "TGA_LOG_SIGNING_KEY", log_signing_key_file;
    OidcClientSecret:
        "secret that the OpenID Connect provider of --oidc-issuer gave this service",
        "TGA_OIDC_CLIENT_SECRET", oidc_client_secret_file;
}

/// Where the operator's port is.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// Address of the operator's port (/livez, /readyz, /metrics); by default a free loopback port.
    #[arg(id = "admin_listen", long = "admin-listen", env = "TGA_ADMIN_LISTEN")]
    pub listen: Option<SocketAddr>,
}

/// What stands between this process and its callers.
#[derive(Args, Clone, Debug)]
pub struct ProxyArgs {
    /// Comma-separated addresses and address ranges of proxies whose word about the caller's address is believed; by default
    /// none.
    #[arg(
        long,
        env = "TGA_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "CIDR",
        value_parser = addresses
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which all of them say it; the other one may be the caller's own.
    #[arg(
        long,
        env = "TGA_PROXY_HEADER",
        value_enum,
        default_value_t,
        value_name = "HEADER"
    )]
    pub proxy_header: ProxyHeader,
}

/// An address alone is the range of this one.
fn addresses(text: &str) -> Result<IpNet, String> {
    let range = text.parse();
    let range = range.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range.map_err(|_| "neither an address nor a range such as 10.0.0.0/8".to_owned())
}

impl ProxyArgs {
    /// For the HTTP layer.
    pub fn proxies(&self) -> Proxies {
        Proxies {
            trusted: self.trusted_proxies.clone(),
            header: self.proxy_header,
        }
    }
}

/// Where a second copy of revocations and erasures is kept.
#[derive(Args, Clone, Debug, Default)]
pub struct LedgerArgs {
    /// A folder, on another volume or host than the database's, for a second copy of everything
    /// that takes access away, and of erasures: after a restore it is what still knows of both.
    #[arg(long = "ledger-dir", env = "TGA_LEDGER_DIR", global = true)]
    pub ledger_dir: Option<PathBuf>,
}

impl LedgerArgs {
    /// Opens a file of this process's own there, if there is such a folder.
    pub fn open(
        &self,
        clock: &Clock,
        entropy: &Entropy,
        tasks: &Tasks,
    ) -> Result<Option<Ledger>, LedgerError> {
        let Some(folder) = &self.ledger_dir else {
            return Ok(None);
        };
        Ledger::open(folder, &file_name(clock, entropy), tasks).map(Some)
    }

    /// Where this process records what it erases, if there is such a folder.
    pub fn erasures(&self, clock: &Clock, entropy: &Entropy) -> Option<Erasures> {
        let folder = self.ledger_dir.as_deref()?;
        Some(Erasures::new(folder, &file_name(clock, entropy)))
    }
}

/// A name that no other process takes.
fn file_name(clock: &Clock, entropy: &Entropy) -> String {
    let began = clock.now().format("%Y%m%dT%H%M%SZ");
    format!("{began}-{}", entropy.uuid_v4())
}

/// Where old events are read from.
#[derive(Args, Clone, Debug, Default)]
pub struct ArchiveArgs {
    /// The folder into which `trackagoat log archive` wrote, or a copy of it: from there the log's old
    /// events are read that are not online any more.
    #[arg(long = "archive-dir", env = "TGA_ARCHIVE_DIR", global = true)]
    pub archive_dir: Option<PathBuf>,
}

impl ArchiveArgs {
    /// The variable that says the same, for a process that is started.
    pub fn variable(&self) -> Option<(&'static str, &Path)> {
        Some(("TGA_ARCHIVE_DIR", self.archive_dir.as_deref()?))
    }
}

/// By what the log is signed, and where copies of what was signed are kept.
#[derive(Args, Clone, Debug)]
pub struct SignerArgs {
    #[command(flatten)]
    pub key: LogSigningKey,
    #[command(flatten)]
    pub name: LogNameArgs,
    /// A folder, on another volume or host than the database's, for a copy of every signed head of the
    /// log: with it a log that was rewritten as a whole is found out.
    #[arg(long = "checkpoint-dir", env = "TGA_CHECKPOINT_DIR")]
    pub checkpoint_dir: Option<PathBuf>,
}

/// As what the log is known.
#[derive(Args, Clone, Debug)]
pub struct LogNameArgs {
    /// The log's name in everything that is signed: the same for all command services, for ever.
    #[arg(long, env = "TGA_LOG_NAME", default_value_t)]
    pub log_name: LogName,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("{} must be 64 hexadecimal digits", LogSigningKey::VARIABLE)]
    Form,
}

impl SignerArgs {
    /// For the signer, if a key was given.
    pub fn config(&self) -> Result<Option<SignerConfig>, SigningKeyError> {
        let Some(text) = self.key.optional()? else {
            return Ok(None);
        };
        Ok(Some(self.config_with(&text)?))
    }

    /// For the signer, with this key.
    pub fn config_with(&self, text: &SecretString) -> Result<SignerConfig, SigningKeyError> {
        let seed = seed(text).ok_or(SigningKeyError::Form)?;
        let key = NoteSigner::new(self.name.log_name.clone(), &seed);
        Ok(SignerConfig {
            folder: self.checkpoint_dir.clone(),
            ..SignerConfig::new(key)
        })
    }
}

/// 32 bytes as 64 hexadecimal digits.
pub fn seed(text: &SecretString) -> Option<Zeroizing<[u8; SEED_BYTES]>> {
    let text = text.expose_secret();
    if text.len() != 2 * SEED_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    for (n, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(seed)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::addresses;
    use crate::Cli;

    #[test]
    fn every_argument_says_what_it_is() {
        assert_eq!(silent(&Cli::command()), [""; 0]);
    }

    #[test]
    fn a_proxy_is_an_address_or_a_range() {
        for (given, read) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ] {
            assert_eq!(addresses(given), Ok(read.parse().expect("a range")));
        }
        assert!(addresses("proxy.example").is_err_and(|why| why.contains("10.0.0.0/8")));
    }

    fn silent(command: &Command) -> Vec<String> {
        let arguments = command.get_arguments();
        let own = arguments.filter(|argument| argument.get_help().is_none());
        let own = own.map(|argument| format!("{} {}", command.get_name(), argument.get_id()));
        own.chain(command.get_subcommands().flat_map(silent))
            .collect()
    }
}
