//! The ready-file: where everything is, once everything answers.

use std::io;
use std::path::Path;

use domain::ids::{OrgId, ProjectId};
use runtime::files;
use serde::Serialize;

use crate::services::Replica;
use crate::terminal::say;

/// What the file says (design.md, pinned interfaces).
#[derive(Serialize)]
pub struct ReadyFile {
    pub pid: u32,
    pub api: String,
    pub console: Option<String>,
    pub mcp: Option<String>,
    pub admin: String,
    pub nats_url: String,
    pub database_url: String,
    pub query_replicas: Vec<Replica>,
    pub setup_token: Option<String>,
    pub demo: Option<Demo>,
}

/// The demo org and how to call for it.
#[derive(Serialize)]
pub struct Demo {
    pub org_id: OrgId,
    pub project_id: ProjectId,
    pub admin_email: &'static str,
    pub admin_password: String,
    pub api_key: String,
}

impl ReadyFile {
    /// Writes it whole or not at all, readable by its owner only.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        files::write_private(path, &json)
    }

    /// Says on the terminal what one needs to begin.
    pub fn print(&self) {
        say(format_args!("API        {}", self.api));
        if let Some(console) = &self.console {
            say(format_args!("console    {console}"));
        }
        say(format_args!("operator   {}/metrics", self.admin));
        for replica in &self.query_replicas {
            say(format_args!(
                "query      {} (pid {})",
                replica.url, replica.pid
            ));
        }
        if let Some(demo) = &self.demo {
            say(format_args!("org        {}", demo.org_id));
            say(format_args!("project    {}", demo.project_id));
            say(format_args!("demo key   {}", demo.api_key));
            say(format_args!(
                "demo admin {} {}",
                demo.admin_email, demo.admin_password
            ));
        }
        if let Some(token) = &self.setup_token {
            say(format_args!(
                "setup      {token} (for /setup in the console, an hour)"
            ));
        }
        say("ready; Ctrl-C stops everything and loses nothing");
    }
}
