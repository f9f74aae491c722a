//! Further query services: processes of their own, started and ended with this one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use runtime::clock::Clock;
use runtime::files;
use runtime::lifecycle::{TaskKind, Tasks};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret, SecretString};
use tokio::process::{Child, Command};

use super::Access;
use crate::arguments::{ArchiveArgs, ProxyArgs};
use crate::services::{GRACE, Replica};

/// How long a replica may take to answer.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take to end: one grace for each of its stages is more than it needs.
const END_WITHIN: Duration = GRACE;
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The variables of ours that are meant for replicas too: what they write to their logs. What begins
/// alike may be a secret.
const KEPT: [&str; 2] = ["TGA_LOG", "TGA_LOG_FORMAT"];

/// Why a replica does not run.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    #[error("the file {path} cannot be used")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the process cannot be started")]
    Spawn(#[source] std::io::Error),
    #[error("the process ended early: {0}")]
    Ended(std::process::ExitStatus),
    #[error("the process did not answer within a minute")]
    Late,
}

/// What replicas are started with.
pub struct Template<'a> {
    pub folder: &'a Path,
    pub access: &'a Access,
    pub query: &'a query::Config,
    pub archive: &'a ArchiveArgs,
    pub proxies: &'a ProxyArgs,
}

impl Template<'_> {
    /// Starts one and waits until it answers; it ends with the stage.
    pub async fn start(&self, n: u16, tasks: &Tasks) -> Result<Replica, ReplicaError> {
        let folder = self.folder.join(format!("replica-{n}"));
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| ReplicaError::File { path, source }
        };
        std::fs::create_dir_all(&folder).map_err(file(&folder))?;
        let owner_only = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&folder, owner_only).map_err(file(&folder))?;
        let ready = folder.join("ready.json");
        files::remove(&ready).map_err(file(&ready))?;
        let program = std::env::current_exe().map_err(ReplicaError::Spawn)?;
        let mut command = Command::new(program);
        // What is meant for us may be wrong for it: a database, an address, a role.
        let variables = std::env::vars_os().map(|(name, _)| name);
        for name in variables.filter(|name| name.as_encoded_bytes().starts_with(b"TGA_")) {
            if !KEPT.iter().any(|kept| name == *kept) {
                command.env_remove(name);
            }
        }
        command
            .args([
                "serve",
                "query",
                "--listen",
                "127.0.0.1:0",
                "--end-with-parent",
            ])
            .arg("--ready-file")
            .arg(&ready)
            .args(self.proxies())
            .env("TGA_CURSOR_SECRET_FILE", &self.access.cursor_secret_file)
            .env("TGA_REPLICA_NAME", format!("query-{n}"))
            .envs(self.query.variables())
            .envs(self.archive.variable())
            .stdin(Stdio::null())
            // Ctrl-C in a terminal reaches us alone, and we stop it in order.
            .process_group(0)
            .kill_on_drop(true);
        let nats = SecretString::from(self.access.nats_url.as_str());
        let secrets = [
            ("TGA_DATABASE_URL", &self.access.urls.query),
            ("TGA_PROJECTOR_DATABASE_URL", &self.access.urls.projector),
            ("TGA_NATS_URL", &nats),
        ];
        let subscribers = self.access.subscribers.variables();
        for (name, secret) in secrets.into_iter().chain(subscribers) {
            let path = folder.join(name.to_lowercase());
            files::write_private(&path, secret.expose_secret().as_bytes()).map_err(file(&path))?;
            command.env(format!("{name}_FILE"), path);
        }
        let mut child = command.spawn().map_err(ReplicaError::Spawn)?;
        let replica = wait_ready(&mut child, &ready, tasks.clock()).await?;
        tasks.spawn(
            TaskKind::Critical,
            "query replica",
            watch(child, tasks.clone()),
        );
        Ok(replica)
    }

    fn proxies(&self) -> Vec<String> {
        let ProxyArgs {
            trusted_proxies,
            proxy_header,
        } = self.proxies;
        let ranges: Vec<_> = trusted_proxies.iter().map(IpNet::to_string).collect();
        if ranges.is_empty() {
            return Vec::new();
        }
        let header = proxy_header.to_possible_value().expect("none is skipped");
        vec![
            format!("--trusted-proxies={}", ranges.join(",")),
            format!("--proxy-header={}", header.get_name()),
        ]
    }
}

async fn wait_ready(
    child: &mut Child,
    path: &Path,
    clock: &Clock,
) -> Result<Replica, ReplicaError> {
    let deadline = clock.monotonic() + READY_WITHIN;
    while clock.monotonic() < deadline {
        if let Some(status) = child.try_wait().map_err(ReplicaError::Spawn)? {
            return Err(ReplicaError::Ended(status));
        }
        let text = std::fs::read(path).unwrap_or_default();
        if let Ok(replica) = serde_json::from_slice(&text) {
            return Ok(replica);
        }
        clock.sleep(LOOK_AGAIN).await;
    }
    Err(ReplicaError::Late)
}

/// A replica that ends by itself takes everything down; at the end it is told to.
async fn watch(mut child: Child, tasks: Tasks) -> Result<(), ReplicaError> {
    tokio::select! {
        ended = child.wait() => {
            return Err(ReplicaError::Ended(ended.map_err(ReplicaError::Spawn)?));
        }
        () = tasks.stopping() => {}
    }
    let pid = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // One that has ended already needs no telling.
        let _ = kill_process(pid, Signal::TERM);
    }
    let _ = tasks.clock().timeout(END_WITHIN, child.wait()).await;
    Ok(())
}
