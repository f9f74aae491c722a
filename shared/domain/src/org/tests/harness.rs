//! Given events, when a command, then events or a refusal.

use chrono::TimeDelta;

use crate::credential::{CredentialKind, CredentialSecret};
use crate::event::{
    Actor, Event, KeyCreated, MemberJoined, OrgCreated, ProjectAdded, Role, SessionOpened,
};
use crate::ids::{
    CreatorId, GlobalPosition, InvitationId, InviteeId, KeyId, ProjectId, SessionId, UserId,
    VideoId,
};
use crate::limits::SESSION_DAYS;
use crate::org::{
    Caller, Command, Context, Decision, InvitationCommand, NewCreator, NewInvitation, NewKey,
    NewSession, NewVideo, OrgState, Recorded, Rejection, SubjectKeys, decide, evolve,
};
use crate::plan::Plan;
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::scope::{Scope, Scopes};
use crate::sealed::SubjectKey;
use crate::text::{Metadata, Name, ProjectName};
use crate::time::Timestamp;

pub fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn uuid(n: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([n; 16])
}

pub fn key(n: u8) -> KeyId {
    KeyId::from_uuid(uuid(n))
}

pub fn user(n: u8) -> UserId {
    UserId::from_uuid(uuid(n))
}

pub fn session(n: u8) -> SessionId {
    SessionId::from_uuid(uuid(n))
}

pub fn invitation(n: u8) -> InvitationId {
    InvitationId::from_uuid(uuid(n))
}

/// Person `n`, who signs in or was invited.
pub fn person(n: u8) -> Caller {
    Caller::Person {
        id: user(n),
        session: None,
    }
}

/// Person `n`, through session `n`.
pub fn signed_in(n: u8) -> Caller {
    Caller::Session {
        id: session(n),
        user: user(n),
    }
}

pub fn project(n: u8) -> ProjectId {
    ProjectId::from_uuid(uuid(n))
}

pub fn creator(n: u8) -> CreatorId {
    CreatorId::from_uuid(uuid(n))
}

pub fn video(n: u8) -> VideoId {
    VideoId::from_uuid(uuid(n))
}

fn subject_keys() -> SubjectKeys {
    let mut keys = SubjectKeys::default();
    keys.extend((0..=255).map(|n| (uuid(n), SubjectKey::from_bytes([n; 32]))));
    keys
}

/// An org of a plan as it stands after some events.
pub struct Given {
    pub state: OrgState,
    pub at: Timestamp,
    pub caller: Caller,
    keys: SubjectKeys,
}

impl Given {
    pub fn org(plan: Plan) -> Self {
        let given = Self {
            state: OrgState::default(),
            at: now(),
            caller: Caller::Operator,
            keys: subject_keys(),
        };
        let name = Name::parse("Goats").unwrap();
        given.and(OrgCreated {
            name,
            plan,
            timezone: "Pacific/Auckland".to_owned(),
        })
    }

    /// An org with project 1, so that creators and videos can follow.
    pub fn with_project(plan: Plan) -> Self {
        Self::org(plan).and(project_added(1))
    }

    #[must_use]
    pub fn and(mut self, event: impl Into<Event>) -> Self {
        self.fold(&event.into());
        self
    }

    #[must_use]
    pub fn and_key(self, n: u8, scopes: Scopes) -> Self {
        self.and(key_created(n, scopes))
    }

    #[must_use]
    pub fn and_member(self, n: u8, role: Role) -> Self {
        self.and(MemberJoined {
            user_id: user(n),
            role,
        })
    }

    /// Session `n` of member `n`.
    #[must_use]
    pub fn and_session(self, n: u8) -> Self {
        let expires_at = self.at.plus(TimeDelta::days(SESSION_DAYS));
        let role = self.state.members[&user(n)].role;
        self.and(SessionOpened {
            session_id: session(n),
            user_id: user(n),
            role,
            expires_at,
            hash: None,
        })
    }

    #[must_use]
    pub fn by(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    #[must_use]
    pub fn later(mut self, delta: TimeDelta) -> Self {
        self.at = self.at.plus(delta);
        self
    }

    /// The same with the state as a snapshot of it is read.
    #[must_use]
    pub fn reloaded(&self) -> Self {
        let stored = serde_json::to_vec(&self.state).unwrap();
        Self {
            state: serde_json::from_slice(&stored).unwrap(),
            at: self.at,
            caller: self.caller,
            keys: subject_keys(),
        }
    }

    fn fold(&mut self, event: &Event) {
        let position = GlobalPosition::new(self.state.events + 1);
        let recorded = Recorded {
            event,
            at: self.at,
            actor: Actor::System,
            position,
        };
        evolve(&mut self.state, &recorded);
    }

    pub fn decide(&self, command: &Command) -> Result<Decision, Rejection> {
        let context = Context {
            now: self.at,
            caller: self.caller,
            subject_keys: &self.keys,
        };
        decide(&self.state, command, &context)
    }

    /// Decides and folds what was decided.
    pub fn when(&mut self, command: &Command) -> Result<Decision, Rejection> {
        let decision = self.decide(command)?;
        for event in &decision.events {
            self.fold(event);
        }
        Ok(decision)
    }

    pub fn then(&mut self, command: &Command) -> Vec<Event> {
        self.when(command).unwrap().events
    }

    pub fn refused(&self, command: &Command) -> Rejection {
        self.decide(command).unwrap_err()
    }
}

pub fn project_added(n: u8) -> ProjectAdded {
    ProjectAdded {
        project_id: project(n),
        name: ProjectName::parse("Spring").unwrap(),
        readme: None,
        metadata: Metadata::empty(),
    }
}

pub fn key_created(n: u8, scopes: Scopes) -> KeyCreated {
    KeyCreated {
        key_id: key(n),
        name: Name::parse("Reporting").unwrap(),
        prefix: "tga_01234567…7e5a".to_owned(),
        scopes,
        owner_id: None,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: 60,
        strict: false,
        replaces: None,
        hash: None,
    }
}

pub fn new_key(n: u8) -> NewKey {
    let secret = CredentialSecret::generate(CredentialKind::ApiKey, &[n; 28]);
    NewKey {
        key_id: key(n),
        name: Name::parse("Reporting").unwrap(),
        prefix: secret.prefix(),
        hash: secret.hash(),
        scopes: Scopes::DEFAULT,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: None,
        strict: false,
    }
}

pub fn new_session(n: u8) -> NewSession {
    let secret = CredentialSecret::generate(CredentialKind::Session, &[n; 28]);
    NewSession {
        session_id: session(n),
        hash: secret.hash(),
    }
}

/// Invitation `n` to address `to`, of which nobody is known.
pub fn invite(n: u8, to: u8, role: Role) -> Command {
    Command::Invitation(InvitationCommand::Create(NewInvitation {
        invitation_id: invitation(n),
        invitee_id: InviteeId::from_uuid(uuid(to)),
        user_id: None,
        role,
    }))
}

pub fn new_creator(n: u8, handle: &str) -> NewCreator {
    NewCreator {
        creator_id: creator(n),
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, handle).unwrap(),
        tracking_mode: None,
        tracking_start_date: None,
        display_name: None,
        readme: None,
        metadata: None,
    }
}

pub fn add_creator(n: u8, handle: &str) -> Command {
    Command::AddCreator {
        project_id: project(1),
        creator: new_creator(n, handle),
    }
}

pub fn new_video(n: u8) -> NewVideo {
    let platform = Platform::Tiktok;
    let platform_video_id = PlatformVideoId::parse(platform, &format!("73{n}")).unwrap();
    NewVideo {
        video_id: video(n),
        platform,
        url: platform_video_id.url(platform, None),
        platform_video_id,
        media_type: crate::event::MediaType::Video,
        readme: None,
        metadata: None,
    }
}

pub fn add_video(n: u8) -> Command {
    Command::AddVideo {
        project_id: project(1),
        video: new_video(n),
    }
}

pub fn scopes(list: &[Scope]) -> Scopes {
    list.iter().copied().collect()
}
