//! Arguments that several commands share. A secret stands in an environment variable or in a file,
//! never on a command line, which everybody on the machine can read.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use gate::{Ledger, LedgerError};
use ipnet::IpNet;
use runtime::clock::Clock;
use runtime::config::{SecretError, optional_secret, secret};
use runtime::entropy::Entropy;
use runtime::http::{Proxies, ProxyHeader};
use runtime::lifecycle::Tasks;
use secrecy::SecretString;

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
    CursorSecret:
        "64 hexadecimal digits under which cursors are written; the same on every replica",
        "TGA_CURSOR_SECRET", cursor_secret_file;
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
    /// Comma-separated address ranges of proxies whose word about the caller's address is believed; by default
    /// none.
    #[arg(
        long,
        env = "TGA_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "CIDR"
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

impl ProxyArgs {
    /// For the HTTP layer.
    pub fn proxies(&self) -> Proxies {
        Proxies {
            trusted: self.trusted_proxies.clone(),
            header: self.proxy_header,
        }
    }
}

/// Where a second copy of revocations is kept.
#[derive(Args, Clone, Debug, Default)]
pub struct LedgerArgs {
    /// A folder, on another volume or host than the database's, for a second copy of everything
    /// that takes access away: after a restore it is what still knows of revocations.
    #[arg(long = "ledger-dir", env = "TGA_LEDGER_DIR", global = true)]
    pub ledger_dir: Option<PathBuf>,
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
        let began = clock.now().format("%Y%m%dT%H%M%SZ");
        let name = format!("{began}-{}", entropy.uuid_v4());
        Ledger::open(folder, &name, tasks).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use crate::Cli;

    #[test]
    fn every_argument_says_what_it_is() {
        assert_eq!(silent(&Cli::command()), [""; 0]);
    }

    fn silent(command: &Command) -> Vec<String> {
        let arguments = command.get_arguments();
        let own = arguments.filter(|argument| argument.get_help().is_none());
        let own = own.map(|argument| format!("{} {}", command.get_name(), argument.get_id()));
        own.chain(command.get_subcommands().flat_map(silent))
            .collect()
    }
}
