use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::LocalError;
use super::account::Account;
use super::nats_access::{
    DURABLES_PERMISSIONS, REPLICA_PERMISSIONS, SUBSCRIBERS_EXPORTS, SUBSCRIBERS_IMPORTS,
    SUBSCRIBERS_PERMISSIONS, Subscribers,
};
use super::postgres::until_ended;
use super::process::{FolderLock, Program, Watchdog};
use super::{binary, port, secret_file};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::lifecycle::Tasks;
use crate::nats_keys::SubscriberKeys;

const NAME: &str = "nats-server";
const USER: &str = "trackagoat";
const REPLICA_USER: &str = "replica";
const SYSTEM_USER: &str = "system";
const DURABLES_USER: &str = "durables";
const SUBSCRIBERS_USER: &str = "subscribers";
const STARTS: usize = 5;
const GREETING: &[u8; 5] = b"INFO ";
const GREETING_WITHIN: Duration = Duration::from_secs(1);

/// Where and how to run a private NATS server.
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// The server's folder; made if missing, used again if not.
    pub folder: PathBuf,
    /// The address to listen on; other than loopback only where the network is a test's own.
    pub address: Ipv4Addr,
    /// The longest message, in bytes.
    pub max_payload: u32,
    /// The most that JetStream may store, in bytes.
    pub max_store: u64,
    /// Lines of its configuration beside those that are made here.
    pub lines: String,
    /// A folder to delete when the server, or this process, ends.
    pub delete: Option<PathBuf>,
}

/// A private NATS server with JetStream, on a loopback port unless told otherwise. Stopped when dropped, and when this
/// process dies.
pub struct NatsServer {
    program: Program,
    config: NatsConfig,
    /// The folder resolved, without links.
    folder: PathBuf,
    port: u16,
    password: SecretString,
    replica_password: SecretString,
    system_password: SecretString,
    subscribers: Subscribers,
    child: Option<Child>,
    watchdog: Watchdog,
    _lock: FolderLock,
}

impl NatsConfig {
    /// A server in `folder`: messages up to 1 MiB, a store up to 10 GiB.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            address: Ipv4Addr::LOCALHOST,
            max_payload: 1 << 20,
            max_store: 10 << 30,
            lines: String::new(),
            delete: None,
        }
    }
}

/// The binary, or a copy of it in the server's folder where a folder on the way to it shuts the
/// account out.
fn within_reach(binary: PathBuf, folder: &Path, account: &Account) -> Result<PathBuf, LocalError> {
    if account.check_reach(NAME, &binary).is_ok() {
        return Ok(binary);
    }
    let copy = folder.join(NAME);
    // A running one cannot be written to, so it is replaced.
    let _ = fs::remove_file(&copy);
    fs::copy(&binary, &copy).map_err(LocalError::io("copy", &binary))?;
    account.own(&copy)?;
    Ok(copy)
}

impl NatsServer {
    /// Starts the server in its folder.
    ///
    /// # Errors
    /// If no binary fits, the folder is in use or out of reach, or the server does not come up.
    pub async fn init(
        config: NatsConfig,
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
        let binary = within_reach(binary::nats_server()?, &folder, &account)?;
        let password = secret_file::password(&folder.join("password"), &account, entropy)?;
        let replica = secret_file::password(&folder.join("replica.password"), &account, entropy)?;
        let system = secret_file::password(&folder.join("system.password"), &account, entropy)?;
        let subscribers = Subscribers::kept(&folder, &account, entropy)?;
        let program = Program {
            name: NAME,
            binary,
            log: folder.join("server.log"),
            folder: folder.clone(),
            account,
            stop_signal: Signal::INT,
            clock: clock.clone(),
        };
        program.stop_leftovers().await?;
        let mut server = Self {
            watchdog: Watchdog::start(&program, config.delete.as_deref())?,
            program,
            config,
            folder,
            port: 0,
            password,
            replica_password: replica,
            system_password: system,
            subscribers,
            child: None,
            _lock: lock,
        };
        server.start_somewhere(entropy).await?;
        Ok(server)
    }

    /// A URL for the user who may do everything in the one account. It holds the password.
    pub fn url(&self) -> String {
        self.url_of(USER, &self.password)
    }

    /// A URL for query services, with [`REPLICA_PERMISSIONS`]. It holds the password.
    pub fn replica_url(&self) -> String {
        self.url_of(REPLICA_USER, &self.replica_password)
    }

    /// A URL for the system account. It holds the password.
    pub fn system_url(&self) -> String {
        self.url_of(SYSTEM_USER, &self.system_password)
    }

    /// A URL for whoever makes the durables of subscribers, with [`DURABLES_PERMISSIONS`]. It holds the
    /// password.
    pub fn durables_url(&self) -> String {
        self.url_of(DURABLES_USER, &self.subscribers.durables_password)
    }

    /// A URL for whoever lets subscribers in, in the system account, with
    /// [`SUBSCRIBERS_PERMISSIONS`]. It holds the password.
    pub fn subscribers_url(&self) -> String {
        self.url_of(SUBSCRIBERS_USER, &self.subscribers.password)
    }

    /// The keys of whoever lets subscribers in.
    pub fn subscriber_keys(&self) -> &SubscriberKeys {
        &self.subscribers.keys
    }

    /// Where subscribers connect, with credentials of their own.
    pub fn open_url(&self) -> String {
        format!("nats://{}", self.address())
    }

    fn url_of(&self, user: &str, password: &SecretString) -> String {
        let (password, address) = (password.expose_secret(), self.address());
        format!("nats://{user}:{password}@{address}")
    }

    /// The port; it stays the same when the server is started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process's id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the server again after it was stopped or killed.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(&mut self) -> Result<(), LocalError> {
        self.program.stop_leftovers().await?;
        let file = self.write_configuration()?;
        let arguments = ["--config".to_owned(), file.display().to_string()];
        let mut child = self.program.spawn(&arguments)?;
        self.watchdog
            .watch(&child)
            .map_err(LocalError::io("watch over", &self.folder))?;
        let (clock, address) = (&self.program.clock, self.address());
        let ready = async |_| greets(clock, address).await;
        let started = self.program.wait_ready(&mut child, ready).await;
        self.child = Some(child);
        started
    }

    /// Stops the server cleanly.
    ///
    /// # Errors
    /// If it does not end, not even when killed.
    pub async fn stop(&mut self) -> Result<(), LocalError> {
        self.stop_with(Signal::INT).await
    }

    /// Kills it, as a crash would.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn kill(&mut self) -> Result<(), LocalError> {
        self.stop_with(Signal::KILL).await
    }

    /// Deletes everything JetStream stored; the server must be stopped.
    ///
    /// # Errors
    /// If the store cannot be deleted.
    pub fn wipe(&mut self) -> Result<(), LocalError> {
        let store = self.store();
        if store.exists() {
            fs::remove_dir_all(&store).map_err(LocalError::io("delete", &store))?;
        }
        Ok(())
    }

    /// The folder that JetStream stores in.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Gives it other lines beside those that are made here, from its next start or reload on.
    pub fn configure(&mut self, lines: impl Into<String>) {
        self.config.lines = lines.into();
    }

    /// Has it read its configuration, and the files named there, without ending a connection.
    ///
    /// # Errors
    /// If the configuration cannot be written.
    pub fn reload(&mut self) -> Result<(), LocalError> {
        self.write_configuration()?;
        self.program.signal_all(Signal::HUP);
        Ok(())
    }

    /// Stops the process where it stands, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.program.signal_all(Signal::STOP);
    }

    /// Lets the process go on.
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
        self.stop().await?;
        let clock = self.program.clock.clone();
        let finished = self.watchdog.finish(&clock).await;
        finished.map_err(LocalError::io("clean up", &self.folder))
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

    fn address(&self) -> SocketAddr {
        SocketAddr::from((self.config.address, self.port))
    }

    fn write_configuration(&self) -> Result<PathBuf, LocalError> {
        let file = self.folder.join("nats.conf");
        let account = &self.program.account;
        secret_file::write_private(&file, self.configuration().as_bytes(), account)?;
        Ok(file)
    }

    fn configuration(&self) -> String {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        format!(
            "listen: \"{address}\"\n\
             max_payload: {max_payload}\n\
             jetstream {{ store_dir: {store}, max_mem: 0, max_file: {max_store} }}\n\
             accounts {{\n\
             \x20 TGA {{ jetstream: enabled, users: [\n\
             \x20   {{ user: {USER}, password: \"{password}\" }}\n\
             \x20   {{ user: {REPLICA_USER}, password: \"{replica}\", permissions: {REPLICA_PERMISSIONS} }}\n\
             \x20   {{ user: {DURABLES_USER}, password: \"{durables}\", permissions: {DURABLES_PERMISSIONS} }}\n\
             \x20 ], exports: {SUBSCRIBERS_EXPORTS} }}\n\
             \x20 SUBSCRIBERS {{ imports: {SUBSCRIBERS_IMPORTS} }}\n\
             \x20 SYS {{ users: [\n\
             \x20   {{ user: {SYSTEM_USER}, password: \"{system}\" }}\n\
             \x20   {{ user: {SUBSCRIBERS_USER}, password: \"{subscribers}\", permissions: {SUBSCRIBERS_PERMISSIONS} }}\n\
             \x20 ] }}\n\
             }}\n\
             system_account: SYS\n\
             authorization {{ auth_callout {{\n\
             \x20 issuer: {issuer}, xkey: {xkey}, account: SYS, allowed_accounts: [SUBSCRIBERS]\n\
             \x20 auth_users: [{USER}, {REPLICA_USER}, {DURABLES_USER}, {SYSTEM_USER}, {SUBSCRIBERS_USER}]\n\
             }} }}\n{lines}",
            address = self.address(),
            max_payload = self.config.max_payload,
            store = quoted(&self.store()),
            max_store = self.config.max_store,
            password = self.password.expose_secret(),
            replica = self.replica_password.expose_secret(),
            system = self.system_password.expose_secret(),
            durables = self.subscribers.durables_password.expose_secret(),
            subscribers = self.subscribers.password.expose_secret(),
            issuer = self.subscribers.keys.issuer(),
            xkey = self.subscribers.keys.xkey(),
            lines = self.config.lines,
        )
    }
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NatsServer")
            .field("folder", &self.folder)
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// Whether a NATS server speaks at the address; it does so once JetStream is up.
async fn greets(clock: &Clock, address: SocketAddr) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut start = [0; GREETING.len()];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start == *GREETING)
    };
    matches!(clock.timeout(GREETING_WITHIN, greeting).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::process::Command;

    use super::*;

    #[test]
    fn what_operators_are_given_is_valid_and_allows_what_is_tested() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats.conf");
        let text = fs::read_to_string(&file).unwrap();
        for permissions in [
            REPLICA_PERMISSIONS,
            DURABLES_PERMISSIONS,
            SUBSCRIBERS_PERMISSIONS,
        ] {
            assert!(text.contains(&format!("permissions: {permissions}")));
        }
        assert!(text.contains(&format!("exports: {SUBSCRIBERS_EXPORTS}")));
        assert!(text.contains(&format!("imports: {SUBSCRIBERS_IMPORTS}")));
        let keys = SubscriberKeys::generate(&Entropy::seeded(1));
        let checked = Command::new(binary::nats_server().unwrap())
            .arg("-t")
            .arg("--config")
            .arg(file)
            .env("NATS_NAME", "n1")
            .env("NATS_COMMAND_PASSWORD", "secret1")
            .env("NATS_QUERY_PASSWORD", "secret2")
            .env("NATS_DURABLES_PASSWORD", "secret3")
            .env("NATS_SUBSCRIBERS_PASSWORD", "secret4")
            .env("NATS_SUBSCRIBERS_ISSUER", keys.issuer())
            .env("NATS_SUBSCRIBERS_XKEY", keys.xkey())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{told}");
    }
}
