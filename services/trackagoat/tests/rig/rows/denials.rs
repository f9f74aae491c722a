//! Rounds of row 0b: rights that end otherwise than by the end of their key, each a register of its own.

use std::time::Duration;

use chrono::TimeDelta;
use domain::event::Role;
use domain::ids::{OrgId, UserId};
use domain::org::{Command, KeyDisposition};
use domain::time::Timestamp;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use serde_json::{Value, json};
use testkit::eventually;
use testkit::history::Outcome;
use uuid::Uuid;

use super::lasts;
use super::partitions::{Peer, cut};
use crate::client::{Answer, Key, answer, now};
use crate::judge::Findings;
use crate::limits::{BOUND, BOUND_GRACE, CALL_BESIDES, SOON};
use crate::net::Way;
use crate::office::Office;
use crate::register::{LAG, Register, Turn};
use crate::rig::Rig;

/// How long a right is used before it is taken away, and missed before it is given back.
const USED: Duration = Duration::from_millis(400);
/// An end that lies so far ahead may be set, by a second more than the least.
const END: TimeDelta = TimeDelta::seconds(61);
/// What a program takes to start and to stop around its call.
const PROGRAM: Duration = Duration::from_secs(1);
/// An address that nobody calls from.
const ELSEWHERE: &str = "192.0.2.1/32";

/// What strikes a replica, or all, while rights end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    Nothing,
    Stopped,
    CutOff,
    NatsKilled,
}

/// Row 0b.
pub async fn in_health(rig: &mut Rig) {
    round(rig, Strike::Nothing).await;
}

/// The same, with one replica stopped, cut off from both servers, and without NATS.
pub async fn amid_faults(rig: &mut Rig) {
    for strike in [Strike::Stopped, Strike::CutOff, Strike::NatsKilled] {
        round(rig, strike).await;
        rig.mend().await;
    }
}

/// An expiry date that was brought forward: past it nobody is let in, whoever asks.
pub async fn end_comes(rig: &mut Rig) {
    let key = rig.key().await;
    let targets: Vec<_> = rig
        .targets()
        .into_iter()
        .filter(|one| one.is_query)
        .collect();
    let mut register = Register::watch("expiry", true, key.clone(), targets, ended);
    lasts(USED).await;
    let end = Clock::system().now() + END;
    let begun = now();
    patch(
        rig,
        &key,
        json!({"expires_at": Timestamp::from_datetime(end)}),
    )
    .await;
    let until = (end - Clock::system().now()).to_std().unwrap_or_default();
    Clock::system().sleep(until).await;
    let turn = Turn {
        takes_away: true,
        begun,
        returned: now(),
    };
    register.turned(turn).await;
    lasts(USED).await;
    register.end(&mut rig.found, &[]).await;
}

/// Every right at once, taken away one after the other, then given back and taken away again.
async fn round(rig: &mut Rig, strike: Strike) {
    let mut rights = Rights::make(rig).await;
    lasts(USED).await;
    strike.begin(rig).await;
    for right in Right::ALL {
        rights.take(rig, right).await;
    }
    lasts(USED).await;
    strike.end(rig).await;
    for right in Right::ALL {
        rights.give_back(rig, right).await;
    }
    lasts(LAG + USED).await;
    for right in Right::ALL.into_iter().filter(|right| right.comes_back()) {
        rights.take(rig, right).await;
    }
    lasts(USED).await;
    let affected = strike.affected();
    rights.end(rig, affected).await;
}

impl Strike {
    async fn begin(self, rig: &mut Rig) {
        match self {
            Self::Nothing => {}
            Self::Stopped => rig.service("q3").stop(),
            Self::CutOff => cut(rig, "q3", &[Peer::Postgres, Peer::Nats], Way::Both, 100),
            Self::NatsKilled => rig.nats.act(async |server| server.kill().await).await,
        }
    }

    async fn end(self, rig: &mut Rig) {
        rig.service("q3").recipe.place.heal();
        rig.service("q3").go_on();
        if self == Self::NatsKilled {
            rig.nats.act(async |server| server.start().await).await;
        }
    }

    const fn affected(self) -> &'static [&'static str] {
        match self {
            Self::Nothing | Self::NatsKilled => &[],
            Self::Stopped | Self::CutOff => &["q3"],
        }
    }
}

/// What a caller may, for one of several reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Scope,
    Expiry,
    Address,
    Banned,
    Removed,
    Suspended,
    Plan,
}

impl Right {
    const ALL: [Self; 7] = [
        Self::Scope,
        Self::Expiry,
        Self::Address,
        Self::Banned,
        Self::Removed,
        Self::Suspended,
        Self::Plan,
    ];

    const fn comes_back(self) -> bool {
        !matches!(self, Self::Expiry | Self::Removed)
    }

    /// A limit, and new terms, are met at once: only denials wait until they hold everywhere.
    const fn is_held(self) -> bool {
        !matches!(self, Self::Expiry | Self::Plan)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Scope => "scope taken away",
            Self::Expiry => "expiry brought forward",
            Self::Address => "allow-list narrowed",
            Self::Banned => "member banned",
            Self::Removed => "member removed",
            Self::Suspended => "org suspended",
            Self::Plan => "plan lowered",
        }
    }

    /// By program, whose start is part of its call.
    const fn is_by_program(self) -> bool {
        matches!(self, Self::Banned | Self::Suspended | Self::Plan)
    }

    fn read(self) -> fn(&Answer) -> Outcome {
        match self {
            Self::Scope => |answer| told(answer, 403, "insufficient_scope"),
            Self::Expiry => |answer| match answer.key_ends {
                Some(_) if answer.is(StatusCode::OK) => Outcome::Refused,
                _ => told(answer, 0, ""),
            },
            Self::Address => |answer| told(answer, 403, "ip_not_allowed"),
            Self::Banned => |answer| told(answer, 403, "user_suspended"),
            Self::Removed => ended,
            Self::Suspended => |answer| told(answer, 403, "org_suspended"),
            Self::Plan => |answer| told(answer, 429, "rate_limit_exceeded"),
        }
    }
}

fn ended(answer: &Answer) -> Outcome {
    match answer.outcome() {
        Outcome::Accepted if !answer.is(StatusCode::OK) => Outcome::Unknown,
        outcome => outcome,
    }
}

/// An answer with what was asked for, or with this refusal.
fn told(answer: &Answer, status: u16, code: &str) -> Outcome {
    let is_refused = answer.status.is_some_and(|it| it.as_u16() == status);
    match &answer.code {
        _ if answer.is(StatusCode::OK) => Outcome::Accepted,
        Some(it) if is_refused && it == code => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

/// All rights, and who can take them away.
struct Rights {
    office: Office,
    org: OrgId,
    member: UserId,
    banned: UserId,
    plan: String,
    suspended: String,
    keys: Vec<Key>,
    registers: Vec<Register>,
    calls: Vec<Call>,
}

/// A call that took a right away.
struct Call {
    right: Right,
    took: Duration,
    /// As its barrier says; a program tells nothing of it.
    waited: Option<Duration>,
}

impl Call {
    /// L1, as far as it is told how long the barrier waited by that.
    fn judge(&self, found: &mut Findings) {
        let (right, took) = (self.right, self.took);
        if right.is_by_program() {
            let bound = BOUND + BOUND_GRACE + CALL_BESIDES + PROGRAM;
            return found.expect_speed(took <= bound, || {
                format!("L1: {} after {took:?}", right.name())
            });
        }
        let Some(waited) = self.waited else {
            let text = format!("{}: a denial without its barrier", right.name());
            return found.problems.push(text);
        };
        let is_in_time =
            waited <= BOUND + BOUND_GRACE && took <= waited + BOUND_GRACE + CALL_BESIDES;
        found.expect_speed(is_in_time, || {
            let name = right.name();
            format!("L1: {name} after {took:?}, its barrier waited {waited:?}")
        });
    }
}

impl Rights {
    async fn make(rig: &mut Rig) -> Self {
        let office = Office::open(rig).await;
        let org = new_org(rig, "Members");
        let org: OrgId = org.parse().expect("the operator is told ids");
        let [banned, member, other] = [1, 2, 3].map(|n| UserId::from_uuid(Uuid::from_u128(n)));
        for user_id in [banned, member, other] {
            let role = Role::Admin;
            office
                .decide(org, Command::JoinMember { user_id, role })
                .await;
        }
        let (plan, suspended) = (new_org(rig, "Plan"), new_org(rig, "Suspended"));
        let mut rights = Self {
            office,
            org,
            member,
            banned,
            plan,
            suspended,
            keys: Vec::new(),
            registers: Vec::new(),
            calls: Vec::new(),
        };
        for right in Right::ALL {
            let key = rights.key(rig, right).await;
            let targets: Vec<_> = rig
                .targets()
                .into_iter()
                .filter(|one| one.is_query)
                .collect();
            for target in &targets {
                let what = format!("{} knows a key of {right:?}", target.name);
                eventually(SOON, &what, async || {
                    let answer = key.ask(target).await;
                    answer.is(StatusCode::OK).then_some(()).ok_or(answer.told())
                })
                .await;
            }
            let watch = Register::watch(
                right.name(),
                right.is_held(),
                key.clone(),
                targets,
                right.read(),
            );
            rights.keys.push(key);
            rights.registers.push(watch);
        }
        rights
    }

    async fn key(&self, rig: &mut Rig, right: Right) -> Key {
        let secret = match right {
            Right::Scope | Right::Expiry | Right::Address => return rig.key().await,
            Right::Banned => self.office.key_of(self.org, self.banned).await.1,
            Right::Removed => self.office.key_of(self.org, self.member).await.1,
            Right::Suspended => new_key(rig, &self.suspended),
            Right::Plan => new_key(rig, &self.plan),
        };
        Key::new(Uuid::nil(), secret, rig.client())
    }

    async fn take(&mut self, rig: &mut Rig, right: Right) {
        let key = self.keys[right as usize].clone();
        let begun = now();
        let waited = match right {
            Right::Scope => patch(rig, &key, json!({"scopes": ["write"]})).await,
            Right::Expiry => {
                let end = Timestamp::from_datetime(Clock::system().now() + END);
                patch(rig, &key, json!({"expires_at": end})).await
            }
            Right::Address => patch(rig, &key, json!({"ip_allowlist": [ELSEWHERE]})).await,
            Right::Banned => {
                let (org, user) = (self.org.to_string(), self.banned.to_string());
                rig.operate(&["members", "ban", &org, &user]);
                None
            }
            Right::Removed => {
                let remove = Command::RemoveMember {
                    user_id: self.member,
                    keys: Some(KeyDisposition::Revoke),
                };
                self.office.decide(self.org, remove).await
            }
            Right::Suspended => {
                rig.operate(&["orgs", "suspend", &self.suspended]);
                None
            }
            Right::Plan => {
                rig.operate(&["orgs", "set-plan", &self.plan, "free"]);
                None
            }
        };
        let turn = self.turn(right, true, begun).await;
        let took = Duration::from_nanos(turn.returned - turn.begun);
        rig.found.revokes += 1;
        rig.found.longest = rig.found.longest.max(took);
        self.calls.push(Call {
            right,
            took,
            waited,
        });
    }

    async fn give_back(&mut self, rig: &mut Rig, right: Right) {
        let key = self.keys[right as usize].clone();
        let begun = now();
        match right {
            Right::Scope => drop(patch(rig, &key, json!({"scopes": ["read", "write"]})).await),
            Right::Address => drop(patch(rig, &key, json!({"ip_allowlist": null})).await),
            Right::Banned => {
                let (org, user) = (self.org.to_string(), self.banned.to_string());
                rig.operate(&["members", "unban", &org, &user]);
            }
            Right::Suspended => drop(rig.operate(&["orgs", "reinstate", &self.suspended])),
            Right::Plan => drop(rig.operate(&["orgs", "set-plan", &self.plan, "ultra"])),
            Right::Expiry | Right::Removed => return,
        }
        self.turn(right, false, begun).await;
    }

    async fn turn(&mut self, right: Right, takes_away: bool, begun: u64) -> Turn {
        let turn = Turn {
            takes_away,
            begun,
            returned: now(),
        };
        self.registers[right as usize].turned(turn).await;
        turn
    }

    async fn end(self, rig: &mut Rig, affected: &[&str]) {
        for register in self.registers {
            register.end(&mut rig.found, affected).await;
        }
        for call in self.calls {
            call.judge(&mut rig.found);
        }
        self.office.close().await;
    }
}

/// An org whose keys may call as often as they like.
pub fn new_org(rig: &Rig, name: &str) -> String {
    let org = rig.operate(&["orgs", "create", "--name", name, "--plan", "ultra"]);
    let limit = "max_requests_per_minute_per_key";
    rig.operate(&["orgs", "set-limit", &org, limit, "10000000"]);
    org
}

pub fn new_key(rig: &Rig, org: &str) -> String {
    let rate = ["--rate-limit-per-minute", "1000000"];
    let create = ["keys", "create", org, "--name", "Theirs"];
    rig.operate(&[&create[..], &rate[..]].concat())
}

/// Changes a key, until that is done; says how long its barrier waited, if there was one.
async fn patch(rig: &Rig, key: &Key, body: Value) -> Option<Duration> {
    let path = format!("/api-keys/{}", key.id);
    let commands = [rig.target("c1"), rig.target("c2")];
    let mut commands = commands.iter().cycle();
    eventually(SOON, "a key is changed", async || {
        let command = commands.next().expect("there are some");
        let request = rig.admin.request(command, Method::PATCH, &path);
        let changed = answer(request.json(&body)).await;
        let is_changed = changed.is(StatusCode::OK);
        let waited = changed.body["data"]["receipt"]["barrier"]["waited_ms"].as_u64();
        is_changed
            .then_some(waited.map(Duration::from_millis))
            .ok_or(changed.told())
    })
    .await
}
