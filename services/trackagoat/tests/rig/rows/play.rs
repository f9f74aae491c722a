//! How scenes are played.

use std::time::Duration;

use gate::core::mutant::Mutant;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use testkit::{Direction, Proxy, eventually};
use uuid::Uuid;

use super::clocks::turn;
use super::commands::committed;
use super::faults::binary;
use super::partitions::{Peer, cut};
use super::{done, lasts};
use crate::client::answer;
use crate::limits::SOON;
use crate::net::{Rule, Way};
use crate::process::{Recipe, Service};
use crate::rig::{Rig, target};
use crate::seen::Seen;
use crate::watch::Watch;

/// Within rho of the true rate: for leases that last long, and waits that end soon.
const SLOW: &str = "0.91";
const FAST: &str = "1.09";
/// How long requests come at one rate before a replica is cut off: what it holds of an org's day,
/// a block of which is four times the last one's size, then outlasts that.
const STEADY: Duration = Duration::from_secs(7);
/// How long requests go on once a revocation has returned.
const AFTER: Duration = Duration::from_millis(600);
/// Less than the lease waits for an answer, on a slow clock too.
const LATE_ANSWER: Duration = Duration::from_millis(300);
const LATEST_ANSWER: Duration = Duration::from_millis(800);
/// Looks for the next renewal, and how long they go on.
const LOOK: Duration = Duration::from_millis(4);
const RENEWS_WITHIN: Duration = Duration::from_secs(2);
/// After so long, without a renewal, a row may be collected.
const LEASE_ENDS: Duration = Duration::from_millis(2_600);
/// After so long a replica that is cut off tries to renew.
const UNDER_WAY: Duration = Duration::from_millis(600);
/// What a replica that joins in one snapshot sends last.
const JOINED: &[u8] = b"commit work";
/// Replicas read no events in Postgres; those who hear of them over NATS do not notice.
const HIDE_THE_LOG: &str = "revoke select on log.events from tga_query";
pub const SHOW_THE_LOG: &str = "grant select (position, version, auth_prev, recorded_at, stream,
    schema_version, event_id, org_id, type, subject, actor, correlation_id, prev_hash, hash, data)
    on log.events to tga_query";
/// As long as a lease may be at most, in seconds: clocks that differ then differ by most.
pub const LONG_LEASE: &str = "5";
/// More than any replica may have.
pub const TOO_LONG_A_LEASE: &str = "30";

/// A scene that is played.
pub struct Play<'a> {
    rig: &'a mut Rig,
    fault: Option<Mutant>,
    extras: Vec<Service>,
}

impl<'a> Play<'a> {
    pub const fn new(rig: &'a mut Rig, fault: Option<Mutant>) -> Self {
        Self {
            rig,
            fault,
            extras: Vec::new(),
        }
    }

    /// Ends it; what was seen.
    pub async fn end(self, watch: Watch) -> Seen {
        let seen = self.rig.see(watch).await;
        for extra in self.extras {
            extra.recipe.place.heal();
            self.rig.abandon(extra).await;
        }
        seen
    }

    fn recipe(&self, role: &'static str, place: &str) -> Recipe {
        let mut recipe = self.rig.recipe(role, self.rig.net.place(place));
        recipe.binary = binary();
        if let Some(fault) = self.fault {
            let name = fault.name().to_owned();
            recipe.variables.push(("TGA_MUTANT", name));
        }
        recipe
    }

    /// Later than any lease waits for, where that would hide the fault.
    pub const fn late_answer(&self) -> Duration {
        match self.fault {
            Some(_) => LATEST_ANSWER,
            None => LATE_ANSWER,
        }
    }

    async fn start(&mut self, recipe: Recipe) -> usize {
        let extra = self.rig.extra(recipe).await;
        self.extras.push(extra);
        self.extras.len() - 1
    }

    /// The same, with its way to Postgres through a proxy.
    async fn start_behind(&mut self, mut recipe: Recipe) -> (usize, Proxy) {
        let proxy = Proxy::between(self.rig.net.hub(), self.rig.postgres.address()).await;
        recipe.lead("TGA_DATABASE_URL", &proxy);
        (self.start(recipe).await, proxy)
    }

    /// Clients ask, for long enough that replicas can be cut off.
    async fn steady(&mut self, asked: &[usize]) -> Watch {
        let asked: Vec<&Service> = asked.iter().map(|one| &self.extras[*one]).collect();
        let watch = self.rig.round_with(&asked).await;
        lasts(STEADY).await;
        watch
    }

    /// Cuts a process off from these places.
    fn part(&self, extra: usize, names: &[&str]) {
        let rule = |name: &&str| Rule {
            peer: self.rig.net.place(name).address,
            way: Way::Both,
            percent: 100,
        };
        let rules: Vec<_> = names.iter().map(rule).collect();
        let cut = self.extras[extra].recipe.place.lose(&rules);
        cut.expect("rules could be set when the rig began");
    }

    /// Waits until the replica at that place has just renewed its lease, or cannot.
    async fn renewed(&self, place: &str) {
        let clock = Clock::system();
        let deadline = clock.monotonic() + RENEWS_WITHIN;
        let before = self.row(place).await;
        while clock.monotonic() < deadline {
            lasts(LOOK).await;
            let now = self.row(place).await;
            if now.is_some() && now != before {
                return;
            }
        }
    }

    async fn row(&self, place: &str) -> Option<(Uuid, i64)> {
        let rows = "select incarnation, renew_seq from gate.leases where replica = $1";
        let rows = sqlx::query_as(rows)
            .bind(place)
            .fetch_optional(&self.rig.pool);
        rows.await.ok().flatten()
    }

    pub async fn cut_off(&mut self, lease: &str, late: Duration) -> Watch {
        self.rig.allow_leases(lease);
        let mut slow = self.recipe("query", "x1");
        slow.variables.push(("TGA_LEASE", lease.to_owned()));
        turn(&mut slow, SLOW);
        let (slow, proxy) = self.start_behind(slow).await;
        let fast = self.start_fast_command().await;
        let watch = self.steady(&[slow, fast]).await;
        self.part(slow, &["nats"]);
        self.revoke_just_after_a_renewal(&watch, fast, &proxy, late)
            .await;
        watch
    }

    async fn start_fast_command(&mut self) -> usize {
        let mut fast = self.recipe("command", "x2");
        turn(&mut fast, FAST);
        self.start(fast).await
    }

    /// All are revoked once the replica at x1 has renewed its lease, and hears no more but the
    /// answer, so late. Nothing else may come between: a lease that is older by half a second ends
    /// before the waits that are too short for it.
    async fn revoke_just_after_a_renewal(
        &self,
        watch: &Watch,
        command: usize,
        of_replica: &Proxy,
        late: Duration,
    ) {
        self.renewed("x1").await;
        if !late.is_zero() {
            of_replica.delay(Direction::ToClient, late);
            self.renewed("x1").await;
        }
        // What was asked is still answered.
        of_replica.stall(Direction::ToServer);
        done(watch.revoke_at(&[target(&self.extras[command])])).await;
        lasts(AFTER).await;
    }

    pub async fn stopped(&mut self) -> Watch {
        let replica = self.recipe("query", "x1");
        let (replica, proxy) = self.start_behind(replica).await;
        let watch = self.steady(&[replica]).await;
        self.part(replica, &["nats"]);
        proxy.stall(Direction::ToServer);
        let revoking = watch.revoke();
        lasts(UNDER_WAY).await;
        self.extras[replica].stop();
        done(revoking).await;
        lasts(AFTER).await;
        self.extras[replica].go_on();
        lasts(AFTER).await;
        watch
    }

    pub async fn deaf(&mut self) -> Watch {
        let deaf = self.recipe("query", "x1");
        let deaf = self.start(deaf).await;
        let watch = self.steady(&[deaf]).await;
        self.part(deaf, &["nats"]);
        self.operate(HIDE_THE_LOG).await;
        done(watch.revoke()).await;
        lasts(AFTER).await;
        self.operate(SHOW_THE_LOG).await;
        watch
    }

    async fn operate(&self, statement: &'static str) {
        let done = sqlx::raw_sql(statement).execute(&self.rig.pool).await;
        done.expect("a superuser may");
    }

    pub async fn rejoins(&mut self) -> Watch {
        let joining = self.recipe("query", "x1");
        let (joining, proxy) = self.start_behind(joining).await;
        let watch = self.steady(&[joining]).await;
        self.part(joining, &["nats"]);
        self.operate(HIDE_THE_LOG).await;
        proxy.stall(Direction::ToServer);
        lasts(LEASE_ENDS).await;
        let collect = "delete from gate.leases where replica = 'x1'";
        self.operate(collect).await;
        proxy.heal();
        let mut held = proxy.hold(Direction::ToServer, JOINED);
        if self.fault.is_some() {
            held.caught().await;
        }
        // Without a lease it asks for every key, and would learn of it.
        proxy.stall(Direction::ToServer);
        done(watch.revoke()).await;
        held.release();
        proxy.heal();
        lasts(AFTER).await;
        self.operate(SHOW_THE_LOG).await;
        watch
    }

    pub async fn comes_back(&mut self) -> Watch {
        let away = self.recipe("query", "x1");
        let (away, proxy) = self.start_behind(away).await;
        let watch = self.steady(&[away]).await;
        self.part(away, &["nats"]);
        proxy.stall(Direction::ToServer);
        proxy.stall(Direction::ToClient);
        done(watch.revoke()).await;
        lasts(AFTER).await;
        proxy.heal();
        proxy.cut_connections();
        self.extras[away].recipe.place.heal();
        lasts(4 * AFTER).await;
        watch
    }

    pub async fn told_once(&mut self) -> Watch {
        let replica = self.recipe("query", "x1");
        let replica = self.start(replica).await;
        let command = self.recipe("command", "x2");
        let command = self.start(command).await;
        let watch = self.steady(&[replica]).await;
        self.operate(HIDE_THE_LOG).await;
        // One of them mirrors the log.
        for name in ["c1", "c2"] {
            self.rig.service(name).stop();
        }
        done(watch.revoke_at(&[target(&self.extras[command])])).await;
        lasts(AFTER).await;
        for name in ["c1", "c2"] {
            self.rig.service(name).go_on();
        }
        self.operate(SHOW_THE_LOG).await;
        watch
    }

    pub async fn twins(&mut self) -> Watch {
        let mut twins = Vec::new();
        for place in ["x1", "x2"] {
            let mut twin = self.recipe("query", place);
            twin.variables.push(("TGA_REPLICA_NAME", "twin".to_owned()));
            twins.push(self.start(twin).await);
        }
        let watch = self.steady(&twins).await;
        self.part(twins[0], &["pg", "nats"]);
        done(watch.revoke()).await;
        lasts(AFTER).await;
        watch
    }

    pub async fn retried(&mut self) -> Watch {
        let again = self.recipe("command", "x2");
        let again = self.start(again).await;
        let watch = self.steady(&[]).await;
        cut(
            self.rig,
            "q3",
            &[Peer::Postgres, Peer::Nats],
            Way::Both,
            100,
        );
        let first = watch.revoke_at(&[self.rig.target("c1")]);
        eventually(SOON, "a revocation is committed", async || {
            (committed(self.rig, &watch).await > 0).then_some(())
        })
        .await;
        done(watch.revoke_at(&[target(&self.extras[again])])).await;
        lasts(AFTER).await;
        self.rig.service("q3").recipe.place.heal();
        done(first).await;
        watch
    }

    pub async fn overtaken(&mut self, lease: Option<&str>) -> Watch {
        let mut far = self.recipe("query", "x1");
        if let Some(lease) = lease {
            far.variables.push(("TGA_LEASE", lease.to_owned()));
        }
        let (far, proxy) = self.start_behind(far).await;
        let watch = self.steady(&[far]).await;
        if lease.is_some() {
            self.part(far, &["nats"]);
            self.operate(HIDE_THE_LOG).await;
        }
        // The row of a key, in the answer to a request that asked for it.
        let row = watch.victims()[0].id;
        let mut held = proxy.hold(Direction::ToClient, row.as_bytes());
        // Something else is denied first: a replica that then drops more than it must has to ask.
        self.revoke_another().await;
        if self.fault.is_some() {
            held.caught().await;
        }
        done(watch.revoke()).await;
        // Whoever asks now may find that somebody has asked before.
        lasts(AFTER / 2).await;
        held.release();
        lasts(AFTER).await;
        self.operate(SHOW_THE_LOG).await;
        watch
    }

    async fn revoke_another(&mut self) {
        let other = self.rig.key().await;
        let path = format!("/api-keys/{}", other.id);
        let command = self.rig.target("c1");
        eventually(SOON, "a key is revoked", async || {
            let revoke = self.rig.admin.request(&command, Method::DELETE, &path);
            let revoked = answer(revoke).await;
            let is_revoked = revoked.is(StatusCode::OK);
            is_revoked.then_some(()).ok_or(revoked.told())
        })
        .await;
    }

    pub async fn unused(&mut self) -> Watch {
        let watch = self.rig.round_of_nobody().await;
        let loaded = self.recipe("query", "x1");
        let loaded = self.start(loaded).await;
        let commands = ["c1", "c2"].map(|name| self.rig.target(name));
        done(watch.revoke_at(&commands)).await;
        watch.join(target(&self.extras[loaded]));
        lasts(AFTER).await;
        watch
    }

    pub async fn told(&mut self) -> Watch {
        self.rig.allow_leases(LONG_LEASE);
        let mut tells = self.recipe("query", "x2");
        turn(&mut tells, FAST);
        let tells = self.start(tells).await;
        let fault = self.fault.take();
        let mut slow = self.recipe("query", "x1");
        self.fault = fault;
        slow.variables.push(("TGA_LEASE", LONG_LEASE.to_owned()));
        turn(&mut slow, SLOW);
        let (slow, proxy) = self.start_behind(slow).await;
        let command = self.start_fast_command().await;
        let watch = self.steady(&[tells, slow, command]).await;
        self.part(slow, &["nats"]);
        self.revoke_just_after_a_renewal(&watch, command, &proxy, Duration::ZERO)
            .await;
        watch
    }
}
