use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};

use super::LocalError;
use super::account::Account;
use super::process::{FolderLock, Program, Watchdog};
use super::{binary, port, scram, secret_file};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::lifecycle::Tasks;

const NAME: &str = "postgres";
const SUPERUSER: &str = "postgres";
const STARTS: usize = 5;

/// Where and how to run a private Postgres.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// The server's folder; made if missing, used again if not.
    pub folder: PathBuf,
    /// Whether what it acknowledged must survive a power cut.
    pub durability: Durability,
    /// More settings, or other values for those we choose.
    pub settings: Vec<(&'static str, String)>,
    /// A folder to delete when the server, or this process, ends.
    pub delete: Option<PathBuf>,
}

/// What survives a power cut. Killing the server loses nothing either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// What was acknowledged.
    Full,
    /// Nothing, for tests: `fsync = off`, and immediate shutdown.
    None,
}

/// A private Postgres on a loopback port. Stopped when dropped, and when this process dies.
pub struct PostgresServer {
    program: Program,
    durability: Durability,
    settings: Vec<(&'static str, String)>,
    port: u16,
    password: SecretString,
    child: Option<Child>,
    watchdog: Watchdog,
    _lock: FolderLock,
}

impl PostgresConfig {
    /// A durable server in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            durability: Durability::Full,
            settings: Vec::new(),
            delete: None,
        }
    }
}

impl PostgresServer {
    /// Starts the server in its folder, which is initialised first if it is new.
    ///
    /// # Errors
    /// If no binary fits, the folder is in use or out of reach, or the server does not come up.
    pub async fn init(
        config: PostgresConfig,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Self, LocalError> {
        let account = Account::for_folder(&config.folder);
        account.make_folder(&config.folder)?;
        let folder = config
            .folder
            .canonicalize()
            .map_err(LocalError::io("resolve", &config.folder))?;
        account.check_reach(NAME, &folder)?;
        let lock = FolderLock::take(NAME, &folder)?;
        let data = folder.join("data");
        let bin = binary::postgres_bin(data_version(&data))?;
        account.check_reach(NAME, &bin.join(NAME))?;
        let program = Program {
            name: NAME,
            binary: bin.join(NAME),
            log: folder.join("server.log"),
            stop_signal: match config.durability {
                Durability::Full => Signal::INT,
                Durability::None => Signal::QUIT,
            },
            folder: data,
            account,
            clock: clock.clone(),
        };
        let password_file = folder.join("superuser.password");
        let password = secret_file::password(&password_file, &program.account, entropy)?;
        program.stop_leftovers().await?;
        if data_version(&program.folder).is_none() {
            let salt = entropy.bytes();
            let verifier =
                scram::verifier(password.expose_secret(), &salt, rounds(config.durability));
            initialise(&program, &bin, &verifier, config.durability).await?;
        }
        let mut server = Self {
            watchdog: Watchdog::start(&program, config.delete.as_deref())?,
            program,
            durability: config.durability,
            settings: config.settings,
            port: 0,
            password,
            child: None,
            _lock: lock,
        };
        server.start_somewhere(entropy).await?;
        Ok(server)
    }

    /// A URL for `database` as the superuser. It holds the password.
    pub fn url(&self, database: &str) -> String {
        let (password, port) = (self.password.expose_secret(), self.port);
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The port on 127.0.0.1; it stays the same when the server is started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The main process's id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the server again after it was stopped or killed.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(&mut self) -> Result<(), LocalError> {
        self.program.stop_leftovers().await?;
        let mut child = self.program.spawn(&self.arguments())?;
        self.watchdog
            .watch(&child)
            .map_err(LocalError::io("watch over", &self.program.folder))?;
        let pid_file = self.program.folder.join("postmaster.pid");
        let ready = async |pid| is_ready(&pid_file, pid);
        let started = self.program.wait_ready(&mut child, ready).await;
        self.child = Some(child);
        started
    }

    /// Stops the server as `pg_ctl stop -m fast` does: sessions are cut, nothing is lost.
    ///
    /// # Errors
    /// If it does not end, not even when killed.
    pub async fn stop(&mut self) -> Result<(), LocalError> {
        self.stop_with(Signal::INT).await
    }

    /// Stops the server as `pg_ctl stop -m immediate` does: the next start recovers from the log.
    ///
    /// # Errors
    /// If it does not end, not even when killed.
    pub async fn stop_immediately(&mut self) -> Result<(), LocalError> {
        self.stop_with(Signal::QUIT).await
    }

    /// Kills all its processes, as a crash would.
    ///
    /// # Errors
    /// If they do not end.
    pub async fn kill(&mut self) -> Result<(), LocalError> {
        self.program.signal_all(Signal::KILL);
        self.stop_with(Signal::KILL).await
    }

    /// Stops all its processes where they stand, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.program.signal_all(Signal::STOP);
    }

    /// Lets its processes go on.
    pub fn resume(&self) {
        self.program.signal_all(Signal::CONT);
    }

    /// Whether the server runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(self.program.has_ended(child), Ok(false)))
    }

    /// Keeps the server until the stage of `tasks` stops, then stops it. Fails if it ends before.
    ///
    /// # Errors
    /// If the server ends by itself or cannot be stopped.
    pub async fn supervise(mut self, tasks: Tasks) -> Result<(), LocalError> {
        tokio::select! {
            biased;
            () = tasks.stopping() => {}
            error = until_ended(&self.program, self.child.as_mut()) => return Err(error),
        }
        self.shut_down().await
    }

    /// Stops the server for good and waits until its folder, if it was to be deleted, is gone.
    ///
    /// # Errors
    /// If the server cannot be stopped.
    pub async fn shut_down(mut self) -> Result<(), LocalError> {
        self.stop_with(self.program.stop_signal).await?;
        let clock = self.program.clock.clone();
        let finished = self.watchdog.finish(&clock).await;
        finished.map_err(LocalError::io("clean up", &self.program.folder))
    }

    async fn stop_with(&mut self, signal: Signal) -> Result<(), LocalError> {
        match self.child.take() {
            Some(mut child) => self.program.stop(&mut child, signal).await,
            None => Ok(()),
        }
    }

    /// Starts on a free port, and on another if someone else was quicker.
    async fn start_somewhere(&mut self, entropy: &Entropy) -> Result<(), LocalError> {
        for _ in 1..STARTS {
            self.port = port::free_port(entropy);
            match self.start().await {
                Err(error) if port::was_taken(&error) => {}
                settled => return settled,
            }
        }
        self.port = port::free_port(entropy);
        self.start().await
    }

    fn arguments(&self) -> Vec<String> {
        let own = [("port", self.port.to_string())];
        let tuned = settings(self.durability)
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let all = tuned.chain(self.settings.iter().cloned()).chain(own);
        let folder = ["-D".to_owned(), self.program.folder.display().to_string()];
        folder
            .into_iter()
            .chain(all.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]))
            .collect()
    }
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresServer")
            .field("folder", &self.program.folder)
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// Waits until the server has ended by itself.
pub(super) async fn until_ended(program: &Program, child: Option<&mut Child>) -> LocalError {
    let Some(child) = child else {
        return program.ended("no process");
    };
    loop {
        match program.has_ended(child) {
            Ok(false) => program.clock.sleep(super::WATCH_PERIOD).await,
            Ok(true) => return program.ended("no reason given"),
            Err(error) => return error,
        }
    }
}

/// The major version that wrote the data folder; none if there is no finished one.
fn data_version(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Makes the data folder under another name first: an interrupted one must not look finished.
async fn initialise(
    program: &Program,
    bin: &Path,
    verifier: &str,
    durability: Durability,
) -> Result<(), LocalError> {
    let unfinished = program.folder.with_extension("new");
    for remnant in [&unfinished, &program.folder] {
        if remnant.exists() {
            fs::remove_dir_all(remnant).map_err(LocalError::io("delete", remnant))?;
        }
    }
    // With a verifier in place of the password it is for us to say how many rounds a login takes.
    let verifier_file = program.folder.with_extension("verifier");
    secret_file::write_private(&verifier_file, verifier.as_bytes(), &program.account)?;
    let mut arguments: Vec<_> = [
        "--auth=scram-sha-256",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--username=postgres",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--pwfile={}", verifier_file.display()));
    arguments.push(format!("--pgdata={}", unfinished.display()));
    if durability == Durability::None {
        arguments.push("--no-sync".to_owned());
    }
    let made = program.run(&bin.join("initdb"), &arguments).await;
    fs::remove_file(&verifier_file).map_err(LocalError::io("delete", &verifier_file))?;
    made?;
    fs::rename(&unfinished, &program.folder)
        .map_err(LocalError::io("put in place", &program.folder))
}

/// Whether the process `pid` has written that it takes connections (the pid file's eighth line).
fn is_ready(pid_file: &Path, pid: u32) -> bool {
    fs::read_to_string(pid_file).is_ok_and(|text| {
        let mut lines = text.lines().map(str::trim);
        lines.next().and_then(|line| line.parse().ok()) == Some(pid)
            && lines.nth(6) == Some("ready")
    })
}

/// Tests log in thousands of times.
const fn rounds(durability: Durability) -> u32 {
    match durability {
        Durability::Full => scram::USUAL_ROUNDS,
        Durability::None => scram::FEWEST_ROUNDS,
    }
}

fn settings(durability: Durability) -> &'static [(&'static str, &'static str)] {
    match durability {
        Durability::Full => &FULL,
        Durability::None => &NONE,
    }
}

/// For one machine that runs everything: memory for the hot tables, few checkpoints, connections
/// of dead clients noticed within seconds.
const FULL: [(&str, &str); 16] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("synchronous_commit", "on"),
    ("fsync", "on"),
    ("max_connections", "200"),
    ("shared_buffers", "256MB"),
    ("wal_buffers", "16MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
    ("random_page_cost", "1.1"),
    ("max_wal_senders", "0"),
    ("wal_level", "minimal"),
    ("tcp_keepalives_idle", "30"),
    ("client_connection_check_interval", "1s"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// For tests: small, and without waiting for the disk.
const NONE: [(&str, &str); 17] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("synchronous_commit", "on"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "300"),
    ("shared_buffers", "64MB"),
    ("max_wal_size", "1GB"),
    ("checkpoint_timeout", "1h"),
    ("random_page_cost", "1.1"),
    ("jit", "off"),
    ("max_wal_senders", "0"),
    ("wal_level", "minimal"),
    ("autovacuum_naptime", "5s"),
    ("client_connection_check_interval", "1s"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];
