//! Who may call, folded from the events: what the gate has must be that.

use std::collections::{HashMap, HashSet};

use domain::event::{Event, KeyChanged};
use domain::ids::{GlobalPosition, OrgId, UserId};
use domain::limits::SESSION_RATE;
use event_log::{EventLog, ReadError, Standing, StoredEvent};
use ipnet::IpNet;
use uuid::Uuid;

use super::report::{Fault, Report};

/// Credentials of one read.
const PAGE: u16 = 5_000;
/// Events of one read.
const EVENTS: u16 = 5_000;
/// How often it is begun again when somebody changes who may call meanwhile.
const TRIES: usize = 5;

/// Credentials that may call, as of the last event that was looked at.
#[derive(Debug, Default)]
pub struct Access {
    standings: HashMap<Uuid, Standing>,
    banned: HashSet<(OrgId, Uuid)>,
}

impl Access {
    /// Takes in the next event. One that this build does not know changes nothing here.
    pub fn past(&mut self, event: &StoredEvent) {
        if !event.is_auth() {
            return;
        }
        if let Ok(decoded) = event.decode() {
            self.apply(event.org_id, &decoded.event);
        }
    }

    fn apply(&mut self, org: OrgId, event: &Event) {
        match event {
            Event::KeyCreated(key) => {
                let owner = key.owner_id.map(UserId::as_uuid);
                self.add(Standing {
                    scopes: i16::from(key.scopes.bits()),
                    strict: key.strict,
                    owner,
                    rate: as_bigint(key.rate_limit_per_minute),
                    networks: key.ip_allowlist.as_deref().map(texts),
                    expires_at: key.expires_at,
                    ..self.standing(key.key_id.as_uuid(), org, owner)
                });
            }
            Event::SessionOpened(session) => {
                let owner = Some(session.user_id.as_uuid());
                self.add(Standing {
                    is_session: true,
                    scopes: i16::from(session.role.scopes().bits()),
                    rate: as_bigint(SESSION_RATE),
                    expires_at: Some(session.expires_at),
                    ..self.standing(session.session_id.as_uuid(), org, owner)
                });
            }
            Event::KeyChanged(changed) => self.alter(org, changed),
            Event::KeyRotated(rotated) => {
                if let Some(key) = self.of(org, rotated.key_id.as_uuid()) {
                    key.is_rotating = true;
                    key.overlap_ends_at = Some(rotated.ends_at);
                }
            }
            Event::KeyRevoked(revoked) => self.end(org, revoked.key_id.as_uuid()),
            Event::SessionEnded(ended) => self.end(org, ended.session_id.as_uuid()),
            Event::MemberJoined(joined) => {
                let scopes = joined.role.scopes().bits();
                self.each_session(org, joined.user_id.as_uuid(), |one| {
                    one.scopes = scopes.into();
                });
            }
            Event::MemberRoleChanged(changed) => {
                let scopes = changed.role.scopes().bits();
                self.each_session(org, changed.user_id.as_uuid(), |one| {
                    one.scopes = scopes.into();
                });
            }
            Event::MemberRemoved(removed) => {
                let user = Some(removed.user_id.as_uuid());
                self.standings
                    .retain(|_, one| !(one.is_session && one.org == org && one.owner == user));
            }
            Event::MemberBanned(banned) => self.ban(org, banned.user_id.as_uuid(), true),
            Event::MemberUnbanned(unbanned) => self.ban(org, unbanned.user_id.as_uuid(), false),
            _ => {}
        }
    }

    fn standing(&self, id: Uuid, org: OrgId, owner: Option<Uuid>) -> Standing {
        Standing {
            id,
            org,
            is_session: false,
            is_rotating: false,
            scopes: 0,
            strict: false,
            owner,
            is_banned: self.is_banned(org, owner),
            rate: 0,
            networks: None,
            expires_at: None,
            overlap_ends_at: None,
        }
    }

    fn is_banned(&self, org: OrgId, owner: Option<Uuid>) -> bool {
        owner.is_some_and(|owner| self.banned.contains(&(org, owner)))
    }

    fn add(&mut self, standing: Standing) {
        self.standings.insert(standing.id, standing);
    }

    fn of(&mut self, org: OrgId, id: Uuid) -> Option<&mut Standing> {
        self.standings.get_mut(&id).filter(|one| one.org == org)
    }

    fn end(&mut self, org: OrgId, id: Uuid) {
        if self.of(org, id).is_some() {
            self.standings.remove(&id);
        }
    }

    fn alter(&mut self, org: OrgId, to: &KeyChanged) {
        let owner = to.owner_id.map(|owner| owner.map(UserId::as_uuid));
        let is_banned = owner.map(|owner| self.is_banned(org, owner));
        let Some(key) = self.of(org, to.key_id.as_uuid()) else {
            return;
        };
        if let Some(scopes) = to.scopes {
            key.scopes = scopes.bits().into();
        }
        key.strict = to.strict.unwrap_or(key.strict);
        key.rate = to.rate_limit_per_minute.map_or(key.rate, as_bigint);
        key.expires_at = to.expires_at.unwrap_or(key.expires_at);
        if let Some(networks) = &to.ip_allowlist {
            key.networks = networks.as_deref().map(texts);
        }
        key.owner = owner.unwrap_or(key.owner);
        key.is_banned = is_banned.unwrap_or(key.is_banned);
    }

    fn each_session(&mut self, org: OrgId, user: Uuid, change: impl Fn(&mut Standing)) {
        let all = self.standings.values_mut();
        all.filter(|one| one.is_session && one.org == org && one.owner == Some(user))
            .for_each(change);
    }

    fn ban(&mut self, org: OrgId, user: Uuid, is_banned: bool) {
        if is_banned {
            self.banned.insert((org, user));
        } else {
            self.banned.remove(&(org, user));
        }
        let all = self.standings.values_mut();
        all.filter(|one| one.org == org && one.owner == Some(user))
            .for_each(|one| one.is_banned = is_banned);
    }

    /// What the gate has and the events up to here, and since, do not give.
    pub async fn compare(
        mut self,
        log: &EventLog,
        mut at: GlobalPosition,
        report: &mut Report,
    ) -> Result<Option<Fault>, ReadError> {
        for _ in 0..TRIES {
            let due = log.head().await?.auth_position;
            let found = standings(log).await?;
            if log.head().await?.auth_position != due {
                continue;
            }
            while at < due {
                let page = log.read_auth(at, EVENTS).await?;
                let until = page.iter().take_while(|event| event.position <= due);
                let Some(last) = until.inspect(|event| self.past(event)).last() else {
                    break;
                };
                at = last.position;
            }
            return Ok(self.differs(&found));
        }
        report.doubt("that who may call is what the events say: it was changed all the time");
        Ok(None)
    }

    fn differs(&self, found: &[Standing]) -> Option<Fault> {
        let is_other = |one: &&Standing| self.standings.get(&one.id) != Some(*one);
        let mut others = found.iter().filter(is_other);
        let first = others.next()?;
        let what = if self.standings.contains_key(&first.id) {
            "may call otherwise than the events of the log say"
        } else {
            "may call, and by the events of the log it ended"
        };
        Some(Fault::beside(format!(
            "credential {} of org {} {what} ({} such)",
            first.id,
            first.org,
            1 + others.count()
        )))
    }
}

async fn standings(log: &EventLog) -> Result<Vec<Standing>, ReadError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = log.standings(after, PAGE).await?;
        after = page.last().map(|last| last.id);
        let is_last = page.len() < usize::from(PAGE);
        all.extend(page.into_iter().map(|one| {
            Standing {
                networks: one
                    .networks
                    .map(|texts| texts.iter().map(|text| written(text)).collect()),
                ..one
            }
        }));
        if is_last {
            return Ok(all);
        }
    }
}

/// A network as this program writes it.
fn written(text: &str) -> String {
    let network = text.parse::<IpNet>();
    network.map_or_else(|_| text.to_owned(), |network| network.to_string())
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

/// As the gate keeps numbers.
fn as_bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
