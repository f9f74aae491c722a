//! The whole: two servers and five services, each in its place, and an org whose keys are revoked.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use event_log::EventLog;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use testkit::eventually;
use testkit::history::Violation;
use uuid::Uuid;

use crate::client::{Key, Target, answer, client};
use crate::counters::Counters;
use crate::judge::{Acknowledged, Findings};
use crate::limits::{ASK_TIMEOUT, CALM_WITHIN, COMMANDS, QUERIES, SOON, VICTIMS};
use crate::net::{Net, Place};
use crate::process::{Recipe, Service};
use crate::seen::{Revoked, Seen};
use crate::servers::{Nats, Postgres};
use crate::setup::{DATABASE, Operator, database};
use crate::watch::Watch;

const CURSOR_SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// Connections of the rig's own to Postgres.
const CONNECTIONS: u32 = 4;
/// Everything that runs.
pub struct Rig {
    pub net: Arc<Net>,
    pub postgres: Postgres,
    pub nats: Nats,
    /// The command services, then the query services.
    pub services: Vec<Service>,
    pub pool: PgPool,
    pub admin: Key,
    pub control: Key,
    /// Of the row that runs.
    pub found: Findings,
    pub counters: Counters,
    pub acknowledged: Acknowledged,
    pub folder: tempfile::TempDir,
    logins: BTreeMap<&'static str, String>,
    sources: usize,
    /// Services that were there for one row alone.
    extras: usize,
}

impl Rig {
    /// Starts everything.
    pub async fn start(net: Net) -> Self {
        Self::start_with(Arc::new(net), &[]).await
    }

    /// Starts everything once more in the same places, with a Postgres of these settings.
    pub async fn beside(&self, settings: &[(&'static str, String)]) -> Self {
        Self::start_with(Arc::clone(&self.net), settings).await
    }

    async fn start_with(net: Arc<Net>, settings: &[(&'static str, String)]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tga-rig-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .expect("the temporary folder takes one more");
        let postgres = Postgres::start(net.place("pg"), folder.path(), settings).await;
        let nats = Nats::start(net.place("nats"), folder.path()).await;
        let logins = database(&postgres).await;
        let operator = Operator {
            database_url: postgres.url(DATABASE),
            nats_url: nats.url(),
            folder: folder.path(),
        };
        let secret = operator.set_up();
        let admin = Key::new(Uuid::nil(), secret, client(net.source(0)));
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_lazy(&postgres.url(DATABASE))
            .expect("the launcher writes URLs");
        let mut rig = Self {
            net,
            postgres,
            nats,
            services: Vec::new(),
            pool,
            control: admin.clone(),
            admin,
            found: Findings::default(),
            counters: Counters::default(),
            acknowledged: Acknowledged::default(),
            folder,
            logins,
            sources: 1,
            extras: 0,
        };
        rig.start_services().await;
        rig.control = rig.key().await;
        rig
    }

    /// Judges the whole log of a rig that was there for one row, which must still answer, and adds
    /// that and what it found before to what this row has found.
    pub async fn judge_aside(&mut self, aside: &mut Self) {
        let log = aside.log();
        aside.found.judge_log(&log, &aside.acknowledged).await;
        aside.absorb().await;
        self.counters.add(std::mem::take(&mut aside.counters));
        let mut found = std::mem::take(&mut aside.found);
        if !found.problems.is_empty() {
            let logs = aside.folder.path().display().to_string();
            aside.folder.disable_cleanup(true);
            found.note(format!("logs stay in {logs}"));
        }
        self.found.problems.append(&mut found.problems);
        self.found.notes.append(&mut found.notes);
        self.found.add(found);
    }

    async fn start_services(&mut self) {
        let recipe = |role: &'static str, number: usize| {
            let name = format!("{}{}", &role[..1], number + 1);
            (name.clone(), self.recipe(role, self.net.place(&name)))
        };
        let commands = (0..COMMANDS).map(|number| recipe("command", number));
        let queries = (0..QUERIES).map(|number| recipe("query", number));
        let recipes: Vec<_> = commands.chain(queries).collect();
        for (name, recipe) in recipes {
            self.services
                .push(Service::spawn(&name, recipe, self.folder.path()));
        }
        for service in &mut self.services {
            service.ready().await;
        }
    }

    /// What a service of that role is started with.
    pub fn recipe(&self, role: &'static str, place: Place) -> Recipe {
        let mut variables = vec![("TGA_DATABASE_URL", self.logins[role].clone())];
        if role == "query" {
            variables.push(("TGA_NATS_URL", self.nats.replica_url()));
            variables.push((
                "TGA_PROJECTOR_DATABASE_URL",
                self.logins["projector"].clone(),
            ));
            variables.push(("TGA_CURSOR_SECRET", CURSOR_SECRET.to_owned()));
            variables.push(("TGA_REPLICA_NAME", place.name.to_owned()));
        } else {
            variables.push(("TGA_NATS_URL", self.nats.url()));
            let ledger = self.folder.path().join("ledger").join(place.name);
            std::fs::create_dir_all(&ledger).expect("the folder takes one more");
            variables.push(("TGA_LEDGER_DIR", ledger.display().to_string()));
        }
        Recipe {
            role,
            place,
            binary: None,
            variables,
            through: Vec::new(),
        }
    }

    /// A name that no process of this run had before.
    pub fn fresh_name(&mut self, kind: &str) -> String {
        self.extras += 1;
        format!("{kind}{}", self.extras)
    }

    /// Starts a service for one row, by this recipe.
    pub async fn extra(&mut self, recipe: Recipe) -> Service {
        let name = self.fresh_name("x");
        Service::start(&name, recipe, self.folder.path()).await
    }

    /// Starts every service again at once.
    pub async fn restart_all(&mut self) {
        for service in &mut self.services {
            service.spawn_again();
        }
        for service in &mut self.services {
            service.ready().await;
        }
    }

    /// Lets replicas have leases of so many seconds.
    pub fn allow_leases(&self, seconds: &str) {
        self.operate(&["leases", "allow", seconds]);
    }

    /// What the operator's command prints, which must succeed.
    pub fn operate(&self, arguments: &[&str]) -> String {
        self.operator().run(arguments)
    }

    /// Whoever administers it.
    pub fn operator(&self) -> Operator<'_> {
        Operator {
            database_url: self.postgres.url(DATABASE),
            nats_url: self.nats.url(),
            folder: self.folder.path(),
        }
    }

    /// A client with an address of its own.
    pub fn client(&mut self) -> reqwest::Client {
        let source = self.net.source(self.sources);
        self.sources += 1;
        client(source)
    }

    /// Kills a service that was there for one row.
    pub async fn abandon(&mut self, mut service: Service) {
        self.count(&service).await;
        service.kill();
    }

    /// Ends a service that was there for one row, in order.
    pub async fn dismiss(&mut self, mut service: Service) {
        self.count(&service).await;
        service.go_on();
        service.terminate();
        service.ended().await;
    }

    /// The service of that name.
    pub fn service(&mut self, name: &str) -> &mut Service {
        let found = self
            .services
            .iter_mut()
            .find(|service| service.name == name);
        found.expect("there is such a service")
    }

    /// Whom clients ask.
    pub fn targets(&self) -> Vec<Target> {
        self.services.iter().map(target).collect()
    }

    pub fn target(&self, name: &str) -> Target {
        let found = self.services.iter().find(|service| service.name == name);
        target(found.expect("there is such a service"))
    }

    fn queries(&self) -> impl Iterator<Item = &Service> {
        let is_query = |service: &&Service| service.recipe.role == "query";
        self.services.iter().filter(is_query)
    }

    /// Makes a key that may read and write, with an address of its own.
    pub async fn key(&mut self) -> Key {
        self.key_at(1_000_000).await
    }

    /// The same, with so many requests in any minute.
    pub async fn key_at(&mut self, rate: u64) -> Key {
        let client = self.client();
        let body = json!({
            "name": "victim", "scopes": ["read", "write"], "rate_limit_per_minute": rate
        });
        let command = self.target("c1");
        let admin = &self.admin;
        let made = eventually(SOON, "a key is made", async || {
            let request = admin
                .request(&command, Method::POST, "/api-keys")
                .json(&body);
            let made = answer(request).await;
            made.is(StatusCode::CREATED)
                .then_some(())
                .ok_or(made.told())?;
            Ok::<_, String>(made.body["data"].clone())
        })
        .await;
        let id = made["id"].as_str().and_then(|id| id.parse().ok());
        let secret = made["key"]
            .as_str()
            .expect("a new key has its secret")
            .to_owned();
        Key::new(id.expect("ids are UUIDs"), secret, client)
    }

    /// Makes keys, and asks every service with them until told to end.
    pub async fn round(&mut self) -> Watch {
        self.round_among(self.targets()).await
    }

    /// The same, with services that are there for this row alone.
    pub async fn round_with(&mut self, more: &[&Service]) -> Watch {
        let mut targets = self.targets();
        targets.extend(more.iter().map(|service| target(service)));
        self.round_among(targets).await
    }

    /// The same, but nobody asks the service of that name.
    pub async fn round_without(&mut self, name: &str) -> Watch {
        let mut targets = self.targets();
        targets.retain(|target| target.name != name);
        self.round_among(targets).await
    }

    /// Makes keys, and asks nobody with them.
    pub async fn round_of_nobody(&mut self) -> Watch {
        self.round_among(Vec::new()).await
    }

    async fn round_among(&mut self, targets: Vec<Target>) -> Watch {
        let mut victims = Vec::new();
        for _ in 0..VICTIMS {
            victims.push(self.key().await);
        }
        for target in &targets {
            for key in &victims {
                let what = format!("{} knows a new key", target.name);
                eventually(SOON, &what, async || accepts(target, key).await).await;
            }
        }
        Watch::start(targets, victims, self.control.clone(), self.admin.clone())
    }

    /// Ends a round: what was seen is judged.
    pub async fn end(&mut self, watch: Watch, affected: &[&str]) -> Vec<Revoked> {
        self.judged(watch, affected).await.revoked
    }

    /// The same, for who looks at all that was seen.
    pub async fn judged(&mut self, watch: Watch, affected: &[&str]) -> Seen {
        let seen = watch.finish().await;
        let queries: Vec<_> = self.queries().map(|service| service.name.clone()).collect();
        self.found.judge(&seen, &queries, affected);
        self.acknowledged.writes.extend(&seen.writes);
        let receipts = seen.revoked.iter().map(|revoked| revoked.receipt.clone());
        self.acknowledged.receipts.extend(receipts);
        self.absorb().await;
        seen
    }

    /// Ends a round of which nothing is judged but what the caller does.
    pub async fn see(&mut self, watch: Watch) -> Seen {
        let seen = watch.finish().await;
        self.found.revokes += seen.revoked.len() as u64;
        self.found.probes += seen.requests.len() as u64;
        self.found.late = self.found.late.max(seen.late);
        self.acknowledged.writes.extend(&seen.writes);
        let receipts = seen.revoked.iter().map(|revoked| revoked.receipt.clone());
        self.acknowledged.receipts.extend(receipts);
        seen
    }

    /// Ends a round of a control, in which S1 must have been seen to break.
    pub async fn end_broken(&mut self, watch: Watch) {
        let seen = self.see(watch).await;
        let violations = seen.histories.violations();
        let is_late = violations
            .iter()
            .any(|(_, violation)| matches!(violation, Violation::AcceptedAfterSuccess { .. }));
        self.found.expect(is_late, || {
            "a control did not fail: the judge is blind".to_owned()
        });
        if let Some((_, violation)) = violations.first() {
            self.found
                .note(format!("a control fails as it must: {violation}"));
        }
    }

    /// Adds up what services count; what a killed one counted last is lost.
    pub async fn absorb(&mut self) {
        let client = client(self.net.hub());
        for service in &self.services {
            if let Some(text) = service.metrics(&client).await {
                self.counters.take(service, &text);
            }
        }
    }

    /// Adds up what one service counts.
    pub async fn count(&mut self, service: &Service) {
        if let Some(text) = service.metrics(&client(self.net.hub())).await {
            self.counters.take(service, &text);
        }
    }

    /// Takes every fault back, and waits until all is as it should be.
    pub async fn mend(&mut self) {
        self.postgres.get().resume();
        self.nats.get().resume();
        for service in &self.services {
            service.recipe.place.heal();
            service.go_on();
        }
        if !self.postgres.get().is_running() {
            self.postgres.act(async |server| server.start().await).await;
        }
        if !self.nats.get().is_running() {
            self.nats.act(async |server| server.start().await).await;
        }
        for service in &mut self.services {
            if !service.lives() {
                service.restart().await;
            }
        }
        self.calm_but(0).await;
    }

    /// Waits until every service answers, and no lease stands but those of living replicas, so many
    /// of which are there for one row alone.
    pub async fn calm_but(&mut self, extras: usize) {
        for target in self.targets() {
            let (control, what) = (&self.control, format!("{} answers", target.name));
            eventually(CALM_WITHIN, &what, async || {
                let answer = control.ask_briefly(&target).await;
                // A command service has nothing to read, which it says to whom it knows.
                let expected = [StatusCode::OK, StatusCode::NOT_FOUND];
                let is_well = answer
                    .status
                    .is_some_and(|status| expected.contains(&status));
                is_well.then_some(()).ok_or(answer.told())
            })
            .await;
        }
        let alive = self.queries().count() + extras;
        let first = self.leases().await;
        eventually(
            CALM_WITHIN,
            "every lease is that of a living replica",
            async || {
                let now = self.leases().await;
                let renewed = now
                    .iter()
                    .filter(|(id, seq)| first.get(*id).is_none_or(|old| old < seq));
                let is_calm = now.len() == alive && renewed.count() == alive;
                is_calm
                    .then_some(())
                    .ok_or(format!("{} leases, {alive} replicas", now.len()))
            },
        )
        .await;
    }

    /// Every lease, with how often it was renewed; none if Postgres does not answer.
    pub async fn leases(&self) -> BTreeMap<Uuid, i64> {
        let rows = sqlx::query_as("select incarnation, renew_seq from gate.leases");
        let rows: Option<Vec<(Uuid, i64)>> = self.soon(rows.fetch_all(&self.pool)).await;
        rows.into_iter().flatten().collect()
    }

    /// The leases of replicas of that name; none if Postgres does not answer.
    pub async fn incarnations(&self, replica: &str) -> Vec<Uuid> {
        let rows = sqlx::query_scalar("select incarnation from gate.leases where replica = $1");
        let rows = rows.bind(replica).fetch_all(&self.pool);
        self.soon(rows).await.unwrap_or_default()
    }

    /// Up to where every denial is said to hold; none if Postgres does not answer.
    pub async fn settled(&self) -> Option<i64> {
        let settled = sqlx::query_scalar("select settled from gate.head");
        self.soon(settled.fetch_one(&self.pool)).await
    }

    /// Where the revocation of a key stands in the log, if it does and Postgres answers.
    pub async fn revocation(&self, key: Uuid) -> Option<i64> {
        let found = "select position from log.events where type = 'key.revoked' and subject = $1";
        let found = sqlx::query_scalar(found).bind(format!("keys/{key}"));
        self.soon(found.fetch_optional(&self.pool)).await.flatten()
    }

    /// What Postgres says, if it says it soon.
    async fn soon<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Option<T> {
        let answer = Clock::system().timeout(ASK_TIMEOUT, answer).await;
        answer.ok()?.ok()
    }

    /// The log, to be read as a whole.
    pub fn log(&self) -> EventLog {
        let config = event_log::Config::default();
        EventLog::new(self.pool.clone(), Clock::system(), Entropy::os(), config).0
    }
}

/// Whom clients ask if they ask this service.
pub fn target(service: &Service) -> Target {
    Target {
        name: service.name.clone(),
        is_query: service.recipe.role == "query",
        url: service.url.clone(),
    }
}

async fn accepts(target: &Target, key: &Key) -> Result<(), String> {
    let answer = key.ask(target).await;
    let accepted = [StatusCode::OK, StatusCode::CREATED];
    let is_accepted = answer
        .status
        .is_some_and(|status| accepted.contains(&status));
    is_accepted.then_some(()).ok_or(answer.told())
}
