//! What is in the log: orgs, persons and things of theirs, as events written by hand.

use domain::credential::{CredentialHash, CredentialKind, CredentialSecret};
use domain::event::{
    Actor, CampaignAdded, CreatorAdded, Event, InvitationCreated, KeyCreated, LimitChanged,
    MediaType, MemberJoined, OrgCreated, ProjectAdded, Role, SessionOpened, TrackingMode,
    TrackingStatus, VideoDiscovered, VideoStats, WebhookAdded,
};
use domain::ids::{
    CampaignId, CreatorId, GlobalPosition, InvitationId, InviteeId, KeyId, OrgId, ProjectId,
    SessionId, UserId, VideoId, WebhookId, WebhookSecretId,
};
use domain::plan::{LimitKey, Plan};
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::scope::Scopes;
use domain::text::{CampaignName, Metadata, Name, ProjectName, WebhookDescription};
use domain::time::Timestamp;
use domain::webhook::WebhookUrl;
use event_log::AppendRequest;

use super::World;

/// An org with a key that may do everything.
pub struct Org {
    pub id: OrgId,
    pub key_id: KeyId,
    pub key: String,
}

/// A person who is signed in.
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub session_id: SessionId,
    /// The session's credential.
    pub secret: String,
}

impl World {
    /// An org on plan ultra with a generous window, and its key.
    pub async fn org(&self) -> Org {
        self.org_on(Plan::Ultra).await
    }

    pub async fn org_on(&self, plan: Plan) -> Org {
        let id = OrgId::generate(self.now(), self.entropy.bytes());
        let (key_id, key, event) = self.new_key(Scopes::ORG_ADMIN, 1_000_000);
        let limit = |limit_key, value| {
            Event::from(LimitChanged {
                limit_key,
                value: Some(value),
            })
        };
        let events = vec![
            OrgCreated {
                name: Name::parse("Acme").unwrap(),
                plan,
                timezone: "UTC".to_owned(),
            }
            .into(),
            limit(LimitKey::MaxApiRequestsPerDay, 1_000_000),
            limit(LimitKey::MaxRequestsPerMinutePerKey, 1_000_000),
            event,
        ];
        let org = Org { id, key_id, key };
        self.append(&org, events).await;
        org
    }

    /// A key that no event has made yet.
    pub fn new_key(&self, scopes: Scopes, per_minute: u64) -> (KeyId, String, Event) {
        let key_id = KeyId::generate(self.now(), self.entropy.bytes());
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &self.entropy.bytes());
        let text = secret.reveal().to_owned();
        let hash = secret.hash();
        let event = KeyCreated {
            prefix: secret.prefix(),
            ..key_created(key_id, scopes, per_minute, hash)
        };
        (key_id, text, event.into())
    }

    /// Gives the org one more key.
    pub async fn key(&self, org: &Org, scopes: Scopes) -> String {
        let (_, key, event) = self.new_key(scopes, 1_000_000);
        self.append(org, vec![event]).await;
        key
    }

    /// A new member of the org, signed in.
    pub async fn person(&self, org: &Org, role: Role, name: &str) -> Person {
        let id = UserId::generate(self.now(), self.entropy.bytes());
        let email = format!(
            "{}.{}@example.com",
            name.to_lowercase(),
            id.as_uuid().simple()
        );
        sqlx::query(
            "insert into auth.users (id, email, name, password_hash, created_at)
             values ($1, $2, $3, '', now())",
        )
        .bind(id.as_uuid())
        .bind(&email)
        .bind(name)
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        let joined = MemberJoined { user_id: id, role };
        self.append(org, vec![joined.into()]).await;
        let (session_id, secret) = self.session(org, id, role).await;
        Person {
            id,
            email,
            session_id,
            secret,
        }
    }

    /// Another session of a member.
    pub async fn session(&self, org: &Org, user_id: UserId, role: Role) -> (SessionId, String) {
        let session_id = SessionId::generate(self.now(), self.entropy.bytes());
        let secret = CredentialSecret::generate(CredentialKind::Session, &self.entropy.bytes());
        sqlx::query(
            "insert into auth.sessions (id, org_id, user_id, ip, user_agent, created_at)
             values ($1, $2, $3, '203.0.113.7', 'test', now())",
        )
        .bind(session_id.as_uuid())
        .bind(org.id.as_uuid())
        .bind(user_id.as_uuid())
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        let opened = SessionOpened {
            session_id,
            user_id,
            role,
            expires_at: self.now().plus(chrono::TimeDelta::days(7)),
            hash: Some(secret.hash()),
        };
        self.append(org, vec![opened.into()]).await;
        (session_id, secret.reveal().to_owned())
    }

    /// An open invitation of the org to an address.
    pub async fn invite(&self, org: &Org, email: &str) -> InvitationId {
        let invitation_id = InvitationId::generate(self.now(), self.entropy.bytes());
        let invitee_id = InviteeId::generate(self.now(), self.entropy.bytes());
        let token: [u8; 32] = self.entropy.bytes();
        sqlx::query(
            "with invitee as (
                 insert into auth.invitees (id, org_id, email) values ($2, $3, $4) returning id
             )
             insert into auth.invitations (id, invitee_id, token_hash, created_at)
             select $1, invitee.id, $5, now() from invitee",
        )
        .bind(invitation_id.as_uuid())
        .bind(invitee_id.as_uuid())
        .bind(org.id.as_uuid())
        .bind(email)
        .bind(&token[..])
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        let created = InvitationCreated {
            invitation_id,
            invitee_id,
            role: Role::Member,
            expires_at: self.now().plus(chrono::TimeDelta::days(7)),
        };
        self.append(org, vec![created.into()]).await;
        invitation_id
    }

    pub async fn append(&self, org: &Org, events: Vec<Event>) -> GlobalPosition {
        let request = AppendRequest {
            org_id: org.id,
            expected: None,
            events,
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        self.log.append(request).await.unwrap().last
    }

    pub async fn project(&self, org: &Org, name: &str) -> ProjectId {
        let project_id = ProjectId::generate(self.now(), self.entropy.bytes());
        let added = ProjectAdded {
            project_id,
            name: ProjectName::parse(name).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        };
        self.append(org, vec![added.into()]).await;
        project_id
    }

    pub async fn campaign(&self, org: &Org, project_id: ProjectId, name: &str) -> CampaignId {
        let campaign_id = CampaignId::generate(self.now(), self.entropy.bytes());
        let added = CampaignAdded {
            campaign_id,
            project_id,
            name: CampaignName::parse(name).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
            target_views: None,
            target_at: None,
        };
        self.append(org, vec![added.into()]).await;
        campaign_id
    }

    pub async fn webhook(&self, org: &Org, description: &str) -> WebhookId {
        let webhook_id = WebhookId::generate(self.now(), self.entropy.bytes());
        let added = WebhookAdded {
            webhook_id,
            url: WebhookUrl::parse("https://hooks.example.com/in").unwrap(),
            description: Some(WebhookDescription::parse(description).unwrap()),
            types: vec![],
            secret_id: WebhookSecretId::generate(self.now(), self.entropy.bytes()),
        };
        self.append(org, vec![added.into()]).await;
        webhook_id
    }

    /// Keeps a delivery to a webhook, to which this was answered; gives its id.
    pub async fn delivery(&self, org: &Org, webhook: WebhookId, answer: &str) -> uuid::Uuid {
        let id = self.entropy.uuid_v7(self.now().datetime());
        sqlx::query(
            "insert into hooks.deliveries (delivery_id, webhook_id, org_id, position, event_id,
                    event_type, subject, status, ready, apart, attempts, tries, last_attempt_at,
                    last_status, last_error, last_answer, created_at)
             values ($1, $2, $3, (select count(*) from hooks.deliveries), $1, 'key.revoked', 'keys/x',
                    'abandoned', false, false, 10, 10, now(), 500, 'status', $4, now())",
        )
        .bind(id)
        .bind(webhook.as_uuid())
        .bind(org.id.as_uuid())
        .bind(answer)
        .execute(&self.database.pool_as("tga_command"))
        .await
        .unwrap();
        id
    }

    pub async fn creator(&self, org: &Org, project_id: ProjectId, handle: &str) -> CreatorId {
        let creator_id = CreatorId::generate(self.now(), self.entropy.bytes());
        let added = CreatorAdded {
            creator_id,
            project_id,
            platform: Platform::Tiktok,
            handle: Handle::parse(Platform::Tiktok, handle).unwrap(),
            tracking_mode: TrackingMode::Auto,
            tracking_start_date: None,
            display_name: None,
            readme: None,
            metadata: Metadata::empty(),
        };
        self.append(org, vec![added.into()]).await;
        creator_id
    }

    pub async fn video(
        &self,
        org: &Org,
        project_id: ProjectId,
        creator_id: CreatorId,
        number: u64,
        tracking_status: TrackingStatus,
    ) -> VideoId {
        let video_id = VideoId::generate(self.now(), self.entropy.bytes());
        let name = PlatformVideoId::parse(Platform::Tiktok, &number.to_string()).unwrap();
        let found = VideoDiscovered {
            video_id,
            project_id,
            creator_id,
            platform: Platform::Tiktok,
            url: name.url(Platform::Tiktok, None),
            platform_video_id: name,
            media_type: MediaType::Video,
            tracking_status,
            posted_at: Some(instant("2026-01-01T12:00:00Z")),
        };
        self.append(org, vec![found.into()]).await;
        video_id
    }
}

pub fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn views(video_id: VideoId, at: &str, views: u64) -> VideoStats {
    VideoStats {
        video_id,
        observed_at: instant(at),
        view_count: Some(views),
        like_count: None,
        comment_count: None,
        share_count: None,
        save_count: None,
    }
}

fn key_created(key_id: KeyId, scopes: Scopes, per_minute: u64, hash: CredentialHash) -> KeyCreated {
    KeyCreated {
        key_id,
        name: Name::parse("Reporting").unwrap(),
        prefix: String::new(),
        scopes,
        owner_id: None,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: per_minute,
        strict: false,
        replaces: None,
        hash: Some(hash),
    }
}
