//! A whole rig beside the rig, for rows that ruin what a server stores.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use runtime::entropy::Entropy;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use testkit::eventually;

use crate::disk::{Disk, Loss};
use crate::limits::CALM_WITHIN;
use crate::report::say;
use crate::rig::Rig;

/// A rig, one of whose servers stores on a disk that can fail.
pub struct Aside {
    /// It goes first, or its folder could not be removed.
    pub disk: Disk,
    rig: Option<Rig>,
}

impl Aside {
    /// Its Postgres, with these settings, is on the disk.
    pub async fn under_postgres(beside: &Rig, settings: &[(&'static str, String)]) -> Self {
        let mut rig = beside.beside(settings).await;
        rig.postgres.act(async |server| server.stop().await).await;
        let disk = disk(&rig.folder.path().join("postgres/data"));
        rig.postgres.act(async |server| server.start().await).await;
        Self::calm(rig, disk).await
    }

    /// What its NATS stores is on the disk.
    pub async fn under_nats(beside: &Rig) -> Self {
        let mut rig = beside.beside(&[]).await;
        rig.nats.act(async |server| server.stop().await).await;
        let disk = disk(&rig.nats.get().store());
        rig.nats.act(async |server| server.start().await).await;
        Self::calm(rig, disk).await
    }

    async fn calm(mut rig: Rig, disk: Disk) -> Self {
        rig.mend().await;
        Self {
            disk,
            rig: Some(rig),
        }
    }

    /// The power of Postgres' machine fails, and comes back. Without chance nothing is left that was
    /// not synced.
    pub async fn cut_postgres(&mut self, chance: Option<&Entropy>) -> Loss {
        self.postgres.act(async |server| server.kill().await).await;
        self.disk.unused().await;
        let loss = self.disk.cut(chance).expect("all who used it are dead");
        self.postgres.act(async |server| server.start().await).await;
        loss
    }

    /// The power of NATS' machine fails, and comes back.
    pub async fn cut_nats(&mut self, chance: Option<&Entropy>) -> Loss {
        self.nats.act(async |server| server.kill().await).await;
        let loss = self.disk.cut(chance).expect("all who used it are dead");
        self.nats.act(async |server| server.start().await).await;
        loss
    }

    /// Waits until Postgres answers, and starts it if it has ended.
    pub async fn bring_postgres_back(&mut self) {
        eventually(CALM_WITHIN, "Postgres is back", async || {
            if !self.postgres.get().is_running() {
                self.postgres.act(async |server| server.start().await).await;
            }
            let connection = PgConnection::connect(&self.postgres.url("postgres")).await?;
            connection.close().await
        })
        .await;
    }

    /// Ends it, and adds what was found, in its log too, to what the row has found.
    pub async fn finish(mut self, row: &mut Rig) {
        let mut rig = self.rig.take().expect("it is ended once");
        row.judge_aside(&mut rig).await;
        rig.postgres.act(async |server| server.kill().await).await;
        rig.nats.act(async |server| server.kill().await).await;
        // The disk goes before the folder that it is in.
        drop(self);
    }
}

impl Deref for Aside {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        self.rig.as_ref().expect("it has not ended")
    }
}

impl DerefMut for Aside {
    fn deref_mut(&mut self) -> &mut Rig {
        self.rig.as_mut().expect("it has not ended")
    }
}

impl Drop for Aside {
    /// A control has no more to say; a row that panicked tells what it had noted. Either leaves it
    /// running: nobody may use the disk when it goes.
    fn drop(&mut self) {
        let Some(rig) = &mut self.rig else { return };
        if std::thread::panicking() {
            rig.folder.disable_cleanup(true);
            for note in &rig.found.notes {
                say(format_args!("           {note}"));
            }
            say(format_args!(
                "           logs stay in {}",
                rig.folder.path().display()
            ));
        }
        let servers = [rig.postgres.get().pid(), rig.nats.get().pid()];
        for pid in servers.into_iter().flatten() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // It may have ended.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn disk(folder: &Path) -> Disk {
    Disk::under(folder).expect("it was tried whether disks can be mounted")
}
