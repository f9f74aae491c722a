use command::app::CommandContext;
use domain::credential::CredentialSecret;
use domain::event::Role;
use domain::ids::{CreatorId, KeyId, OrgId};
use domain::org::{Command, NewKey};
use domain::plan::{LimitKey, Plan};
use domain::scope::{Scope, Scopes};
use domain::text::Name;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Person, TestApp};

/// An org with a key that may do everything.
pub struct Org {
    pub id: OrgId,
    pub key_id: KeyId,
    pub secret: String,
}

/// An org with one thing of each kind, in every state that calls need.
pub struct World {
    pub org: Org,
    pub project: Uuid,
    /// Active, mode `auto`.
    pub creator: Uuid,
    pub disabled_creator: Uuid,
    /// Found and waiting in the inbox.
    pub pending_video: Uuid,
    /// Found under `creator`.
    pub auto_video: Uuid,
    pub direct_video: Uuid,
    /// Holds `creator`.
    pub campaign: Uuid,
    /// A goal of `creator`.
    pub goal: Uuid,
    pub annotation: Uuid,
    /// Leads where nobody is.
    pub webhook: Uuid,
    /// An event that it took.
    pub delivery: Uuid,
    /// Another key, with scope read.
    pub key: Uuid,
    /// An admin.
    pub admin: Person,
    /// A member without keys.
    pub member: Person,
    /// Another org that the admin belongs to.
    pub elsewhere: Uuid,
    /// An open invitation of the org.
    pub invitation: Uuid,
    /// An open invitation to the admin.
    pub received: Uuid,
    /// A session that the admin may end.
    pub session: Uuid,
}

/// One line of an ingest.
pub fn ingest_line(line: &Value) -> String {
    format!("{line}\n")
}

impl TestApp {
    /// Carries a command out as the operator.
    pub async fn operate(&self, org: OrgId, command: Command) {
        let context = CommandContext::operator("test");
        self.service
            .commander()
            .execute(org, &command, &context, None)
            .await
            .unwrap();
    }

    /// A new org on plan `ultra` with room for requests.
    pub async fn org(&self) -> Org {
        let org = self.bare_org(Plan::Ultra).await;
        for (limit_key, value) in [
            (LimitKey::MaxRequestsPerMinutePerKey, 100_000),
            (LimitKey::MaxApiRequestsPerDay, 1_000_000),
        ] {
            let value = Some(value);
            self.operate(org, Command::SetLimit { limit_key, value })
                .await;
        }
        let (key_id, secret) = self.key(org, Scopes::ORG_ADMIN).await;
        Org {
            id: org,
            key_id,
            secret,
        }
    }

    /// A new org without a key.
    pub async fn bare_org(&self, plan: Plan) -> OrgId {
        let commander = self.service.commander();
        let id = OrgId::generate(commander.now(), commander.random_id_part());
        let create = Command::CreateOrg {
            name: Name::parse("Acme").unwrap(),
            plan,
            timezone: "Europe/Berlin".to_owned(),
        };
        self.operate(id, create).await;
        id
    }

    /// A new key with these scopes and the widest window.
    pub async fn key(&self, org: OrgId, scopes: Scopes) -> (KeyId, String) {
        self.key_with(org, scopes, Some(100_000)).await
    }

    /// The same with a window of its own.
    pub async fn key_with(&self, org: OrgId, scopes: Scopes, rate: Option<u64>) -> (KeyId, String) {
        let minted = self.service.commander().mint();
        let secret: CredentialSecret = minted.secret;
        let new = NewKey {
            key_id: minted.key_id,
            name: Name::parse("A key").unwrap(),
            prefix: secret.prefix(),
            hash: secret.hash(),
            scopes,
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: rate,
            strict: false,
        };
        self.operate(org, Command::CreateKey(new)).await;
        (minted.key_id, secret.reveal().to_owned())
    }

    /// Sends a request with a key and perhaps a body.
    pub async fn call(
        &self,
        method: &Method,
        path: &str,
        secret: &str,
        body: Option<&Value>,
    ) -> Answer {
        let ask = self.request(method, path).with_key(secret);
        match body {
            Some(body) => ask.json(body).send_patiently().await,
            None => ask.send_patiently().await,
        }
    }

    pub async fn post(&self, org: &Org, path: &str, body: Value) -> Answer {
        self.call(&Method::POST, path, &org.secret, Some(&body))
            .await
    }

    pub async fn patch(&self, org: &Org, path: &str, body: Value) -> Answer {
        self.call(&Method::PATCH, path, &org.secret, Some(&body))
            .await
    }

    pub async fn delete(&self, org: &Org, path: &str) -> Answer {
        self.call(&Method::DELETE, path, &org.secret, None).await
    }

    /// Sends lines as they are.
    pub async fn ingest(&self, org: &Org, body: impl Into<bytes::Bytes>) -> Answer {
        self.request(&Method::POST, "/ingest/observations")
            .with_key(&org.secret)
            .body("application/x-ndjson", body)
            .send_patiently()
            .await
    }

    pub async fn project(&self, org: &Org) -> Uuid {
        self.post(org, "/projects", json!({"name": "Launch"}))
            .await
            .id(201)
    }

    pub async fn campaign(&self, org: &Org, project: Uuid, name: &str) -> Uuid {
        let path = format!("/projects/{project}/campaigns");
        self.post(org, &path, json!({"name": name})).await.id(201)
    }

    /// A creator on TikTok that takes up every video.
    pub async fn creator(&self, org: &Org, project: Uuid, handle: &str, mode: &str) -> Uuid {
        let body = json!({"handle": handle, "tracking_mode": mode, "tracking_start_date": null});
        self.post(org, &format!("/projects/{project}/creators"), body)
            .await
            .id(201)
    }

    /// Lets ingest find a video of a creator on TikTok; gives its id.
    pub async fn discover(&self, org: &Org, handle: &str, video: &str) -> Uuid {
        let line = json!({"kind": "video", "platform": "tiktok", "platform_video_id": video,
            "creator_handle": handle, "observed_at": "2026-01-05T05:00:00Z", "title": "Hello",
            "posted_at": "2026-01-04T00:00:00Z"});
        let answer = self.ingest(org, ingest_line(&line)).await;
        assert_eq!(answer.data(200)["accepted"], 1, "{}", answer.body);
        let position = domain::ids::GlobalPosition::new(answer.position() - 1);
        let events = self.service.log().read_at(&[position]).await.unwrap();
        let data: Value = serde_json::from_str(&events[0].data).unwrap();
        data["video_id"].as_str().unwrap().parse().unwrap()
    }

    /// An event that a webhook took.
    async fn delivery(&self, org: &Org, webhook: Uuid) -> Uuid {
        let id = Uuid::from_u128(webhook.as_u128() + 1);
        sqlx::query(
            "insert into hooks.deliveries (delivery_id, webhook_id, org_id, position, event_id,
                    event_type, subject, status, ready, apart, attempts, tries, created_at,
                    delivered_at)
             select $1, $2, $3, position, event_id, type, subject, 'delivered', false, false, 1, 1,
                    now(), now()
             from log.events where org_id = $3 order by position limit 1",
        )
        .bind(id)
        .bind(webhook)
        .bind(org.id.as_uuid())
        .execute(self.pool())
        .await
        .unwrap();
        id
    }

    /// An org with one thing of each kind.
    pub async fn world(&self) -> World {
        let org = self.org().await;
        let project = self.project(&org).await;
        let creator = self.creator(&org, project, "charli", "auto").await;
        self.creator(&org, project, "picky", "selective").await;
        let disabled_creator = self.creator(&org, project, "gone", "auto").await;
        let disable = Command::AutoDisableCreator {
            creator_id: CreatorId::from_uuid(disabled_creator),
            reason: "account is gone".to_owned(),
        };
        self.operate(org.id, disable).await;
        let auto_video = self.discover(&org, "charli", "7000000000000000001").await;
        let pending_video = self.discover(&org, "picky", "7000000000000000002").await;
        let url = "https://www.tiktok.com/@somebody/video/7000000000000000003";
        let direct_video = self
            .post(
                &org,
                &format!("/projects/{project}/videos"),
                json!({"url": url}),
            )
            .await
            .id(201);
        let campaign = self.campaign(&org, project, "Campaign").await;
        let item = json!({"item_type": "creator", "item_id": creator});
        let items = format!("/campaigns/{campaign}/items");
        self.post(&org, &items, item).await.data(201);
        let goal = json!({"creator_id": creator, "metric": "posts", "period": "weekly",
            "target_value": 5});
        let goals = format!("/projects/{project}/goals");
        let goal = self.post(&org, &goals, goal).await.id(201);
        let mark = json!({"project_id": project, "date": "2026-03-01", "label": "A mark"});
        let annotation = self
            .post(&org, "/analytics/annotations", mark)
            .await
            .id(201);
        let hook = json!({"url": "http://127.0.0.1:9/in", "types": ["goal.removed"]});
        let webhook = self.post(&org, "/webhooks", hook).await.id(201);
        let delivery = self.delivery(&org, webhook).await;
        let (key, _) = self.key(org.id, Scopes::NONE.with(Scope::Read)).await;
        let admin = self.person(org.id, Role::Admin).await;
        let member = self.person(org.id, Role::Member).await;
        let (invitation, _) = self.invite(&admin, "grace@example.com", "member").await;
        let other = self.bare_org(Plan::Ultra).await;
        let host = self.person(other, Role::Admin).await;
        let (received, _) = self.invite(&host, &admin.email, "member").await;
        let elsewhere = self.bare_org(Plan::Ultra).await;
        let join = Command::JoinMember {
            user_id: admin.id,
            role: Role::Member,
        };
        self.operate(elsewhere, join).await;
        let (session, _) = self.session(org.id, member.id).await;
        World {
            org,
            session: session.as_uuid(),
            elsewhere: elsewhere.as_uuid(),
            invitation: invitation.parse().unwrap(),
            received: received.parse().unwrap(),
            admin,
            member,
            project,
            creator,
            disabled_creator,
            pending_video,
            auto_video,
            direct_video,
            campaign,
            goal,
            annotation,
            webhook,
            delivery,
            key: key.as_uuid(),
        }
    }
}
