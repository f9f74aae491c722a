//! Sessions: a person who is signed in to the org.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    Authority, Caller, Context, Decision, Denial, Existing, NewSession, OrgState, Outcome,
    Recorded, Rejection, SessionCommand,
};
use crate::event::{Event, Role, SessionEndReason, SessionEnded, SessionOpened};
use crate::ids::{SessionId, UserId};
use crate::limits::{SESSION_DAYS, SESSION_REMEMBERED_DAYS, SESSIONS_PER_MEMBER};
use crate::scope::Scope;
use crate::time::Timestamp;

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of v1-contract.md 8.4")]
pub struct Session {
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended: Option<EndedSession>,
}

/// That a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what the names say")]
pub struct EndedSession {
    pub denial: Denial,
    pub reason: SessionEndReason,
}

impl Session {
    /// Whether it is accepted at an instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    /// When it was ended, else when it ends by itself.
    fn over_at(&self) -> Timestamp {
        self.ended.map_or(self.expires_at, |ended| {
            ended.denial.at.min(self.expires_at)
        })
    }
}

pub(super) fn decide(
    state: &OrgState,
    command: &SessionCommand,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    match *command {
        SessionCommand::Open { user_id, session } => open(state, user_id, session, context),
        SessionCommand::End { session_id } => end(state, session_id, authority, context),
        SessionCommand::EndAll {
            user_id,
            except,
            reason,
        } => {
            let ends = ends(state, user_id, except, reason);
            Ok(Decision::done(ends.collect()))
        }
    }
}

fn open(
    state: &OrgState,
    user_id: UserId,
    session: NewSession,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let member = state.members.get(&user_id).ok_or(Rejection::NotFound)?;
    if state.sessions.contains_key(&session.session_id) {
        return Err(Rejection::Duplicate {
            what: Existing::Session,
            id: session.session_id.as_uuid(),
        });
    }
    let mut live: Vec<_> = state
        .sessions
        .iter()
        .filter(|(_, it)| it.user_id == user_id && it.is_live(context.now))
        .map(|(id, it)| (it.created_at, *id))
        .collect();
    live.sort_unstable();
    let surplus = (live.len() + 1).saturating_sub(SESSIONS_PER_MEMBER);
    let ended = live.into_iter().take(surplus).map(|(_, session_id)| {
        let reason = SessionEndReason::Replaced;
        ended(session_id, user_id, reason)
    });
    let mut events: Vec<Event> = ended.collect();
    events.push(opened(user_id, member.role, session, context));
    Ok(Decision {
        events,
        outcome: Outcome::Created(session.session_id.as_uuid()),
    })
}

/// That a member is signed in.
pub(super) fn opened(
    user_id: UserId,
    role: Role,
    session: NewSession,
    context: &Context<'_>,
) -> Event {
    SessionOpened {
        session_id: session.session_id,
        user_id,
        role,
        expires_at: context.now.plus(TimeDelta::days(SESSION_DAYS)),
        hash: Some(session.hash),
    }
    .into()
}

/// One that is over may be ended too, and an ended one again: the barrier runs again.
fn end(
    state: &OrgState,
    session_id: SessionId,
    authority: &Authority,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    let session = state.sessions.get(&session_id).ok_or(Rejection::NotFound)?;
    let is_own = match context.caller {
        Caller::Session { user, .. } | Caller::Person { id: user, .. } => user == session.user_id,
        Caller::Operator | Caller::Key(_) => false,
    };
    if !is_own && !authority.scopes.contains(Scope::Keys) {
        return Err(Rejection::NotOrgAdmin);
    }
    let reason = SessionEndReason::Requested;
    let event = ended(session_id, session.user_id, reason);
    let events = if session.ended.is_none() {
        vec![event]
    } else {
        vec![]
    };
    Ok(Decision::done(events))
}

/// The ends of all sessions of a person but one. Those that are over by the date are among them: a
/// replica whose clock is behind may still accept them.
pub(super) fn ends(
    state: &OrgState,
    user_id: UserId,
    except: Option<SessionId>,
    reason: SessionEndReason,
) -> impl Iterator<Item = Event> {
    state
        .sessions
        .iter()
        .filter(move |(id, it)| it.user_id == user_id && it.ended.is_none() && Some(**id) != except)
        .map(move |(id, _)| ended(*id, user_id, reason))
}

fn ended(session_id: SessionId, user_id: UserId, reason: SessionEndReason) -> Event {
    SessionEnded {
        session_id,
        user_id,
        reason,
    }
    .into()
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::SessionOpened(opened) => {
            let remembered = TimeDelta::days(SESSION_REMEMBERED_DAYS);
            state
                .sessions
                .retain(|_, it| recorded.at < it.over_at().plus(remembered));
            let session = Session {
                user_id: opened.user_id,
                created_at: recorded.at,
                expires_at: opened.expires_at,
                ended: None,
            };
            state.sessions.insert(opened.session_id, session);
        }
        Event::SessionEnded(ended) => {
            if let Some(session) = state.sessions.get_mut(&ended.session_id) {
                session.ended.get_or_insert(EndedSession {
                    denial: Denial::of(recorded, None),
                    reason: ended.reason,
                });
            }
        }
        _ => {}
    }
}
