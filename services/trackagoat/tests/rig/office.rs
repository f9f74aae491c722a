//! What only a program can ask of the log so far: who belongs to an org, and keys of persons.

use std::sync::Arc;
use std::time::Duration;

use command::app::{CommandContext, Commander, Parts};
use domain::ids::{KeyId, OrgId, UserId};
use domain::org::{Caller, Command, NewKey, NewSession, SessionCommand};
use domain::scope::Scopes;
use domain::text::Name;
use event_log::{Config, EventLog};
use gate::{Coordinator, CoordinatorConfig, CoordinatorParts, Hold};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use runtime::nats::NatsUrl;

use crate::rig::Rig;

/// Bytes of folded orgs.
const ORG_CACHE_BYTES: u64 = 1 << 20;

/// Takes commands in the rig's own process.
pub struct Office {
    commander: Commander,
    lifecycle: Lifecycle,
}

impl Office {
    pub async fn open(rig: &Rig) -> Self {
        let (clock, entropy) = (Clock::system(), Entropy::os());
        let lifecycle = Lifecycle::new(clock.clone());
        let tasks = lifecycle.handle();
        let (pool, config) = (rig.pool.clone(), Config::default());
        let (log, appender) = EventLog::new(pool, clock.clone(), entropy.clone(), config);
        tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
        let nats: NatsUrl = rig.nats.url().parse().expect("the launcher writes URLs");
        let parts = CoordinatorParts {
            primary: rig.pool.clone(),
            log: log.clone(),
            nats: nats.connect().await.ok(),
            ledger: None,
            hold: Arc::new(Hold::new(clock.clone())),
            clock: clock.clone(),
        };
        let coordinator = Coordinator::start(parts, CoordinatorConfig::default(), &tasks);
        let (commander, snapshotter) = Commander::new(Parts {
            log,
            coordinator,
            clock,
            entropy,
            tasks: tasks.clone(),
            org_cache_bytes: ORG_CACHE_BYTES,
            ingest_places: 1,
        });
        let snapshots = snapshotter.run(tasks.clone());
        tasks.spawn(TaskKind::Disposable, "snapshots", snapshots);
        Self {
            commander,
            lifecycle,
        }
    }

    /// Decides as the operator; what took something away holds everywhere when this returns. Says
    /// how long its barrier waited, if it took something away.
    pub async fn decide(&self, org: OrgId, command: Command) -> Option<Duration> {
        let context = CommandContext::operator("rig");
        let done = Box::pin(self.commander.execute(org, &command, &context, None));
        let denial = done.await.expect("an operator may").denial;
        denial?.settled.map(|receipt| receipt.barrier.waited)
    }

    /// A session of a member.
    async fn sign_in(&self, org: OrgId, user: UserId) -> Caller {
        let (id, secret) = self.commander.mint_session();
        let open = Command::Session(SessionCommand::Open {
            user_id: user,
            session: NewSession {
                session_id: id,
                hash: secret.hash(),
            },
        });
        let context = CommandContext {
            caller: Caller::Person {
                id: user,
                session: None,
            },
            ..CommandContext::operator("rig")
        };
        let opened = Box::pin(self.commander.execute(org, &open, &context, None));
        opened.await.expect("a member may sign in");
        Caller::Session { id, user }
    }

    /// A key that a person made.
    pub async fn key_of(&self, org: OrgId, user: UserId) -> (KeyId, String) {
        let minted = self.commander.mint();
        let command = Command::CreateKey(NewKey {
            key_id: minted.key_id,
            name: Name::parse("Theirs").expect("a name"),
            prefix: minted.secret.prefix(),
            hash: minted.secret.hash(),
            scopes: Scopes::DEFAULT,
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: Some(1_000_000),
            strict: false,
        });
        let context = CommandContext {
            caller: self.sign_in(org, user).await,
            ..CommandContext::operator("rig")
        };
        let made = Box::pin(self.commander.execute(org, &command, &context, None));
        made.await.expect("an admin may make keys");
        (minted.key_id, minted.secret.reveal().to_owned())
    }

    pub async fn close(self) {
        let policy = ShutdownPolicy {
            notice: Duration::ZERO,
            grace: Duration::from_secs(5),
        };
        drop(self.commander);
        self.lifecycle.shutdown(policy).await;
    }
}
