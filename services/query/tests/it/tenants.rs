//! Orgs apart: every question by every kind of caller about what is their own, another org's, or
//! missing; as it is, and with the predicates of the queries taken away, so that row security stands alone.

use std::collections::BTreeSet;

use api::route::Access;
use domain::event::{MemberJoined, Role};
use domain::scope::{Scope, Scopes};
use http::{HeaderName, Method, StatusCode};
use read_model::ProjectionVersion;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::furnished::{Furnished, Ids, Question, furnished, questions};
use crate::support::{PATIENCE, Replica, Reply, World, bearer, sign};

/// In every text of the other org, whatever its case.
const CANARY: &str = "canary";
/// In every text of one's own.
const OWN: &str = "domestic";

/// A session may ask no more than so often in a minute: each person has several.
const SESSIONS: usize = 9;

/// Who asks, and its credentials.
struct Caller {
    name: String,
    /// Taken in turn.
    secrets: Vec<String>,
    /// Whether other orgs' names may be shown to it, where it is told of its own orgs.
    belongs_to_both: bool,
}

/// One of every kind of caller of an org; the last one belongs to the other org too.
async fn callers(world: &World, own: &Furnished, theirs: &Furnished) -> Vec<Caller> {
    let mut callers = Vec::new();
    let mut add = |name: String, secrets: Vec<String>, belongs_to_both| {
        callers.push(Caller {
            name,
            secrets,
            belongs_to_both,
        });
    };
    for scope in Scope::ALL {
        let secret = world.key(&own.org, Scopes::NONE.with(scope)).await;
        add(format!("a key with {scope}"), vec![secret], false);
    }
    add(
        "a key with all".to_owned(),
        vec![own.org.key.clone()],
        false,
    );
    let member = world.person(&own.org, Role::Member, OWN).await;
    let both = world.person(&own.org, Role::Admin, OWN).await;
    let joined = MemberJoined {
        user_id: both.id,
        role: Role::Admin,
    };
    world.append(&theirs.org, vec![joined.into()]).await;
    for (name, user, role, belongs_to_both) in [
        ("an admin", own.admin.id, Role::Admin, false),
        ("a member", member.id, Role::Member, false),
        ("an admin of both", both.id, Role::Admin, true),
    ] {
        let mut secrets = Vec::new();
        for _ in 0..SESSIONS {
            secrets.push(world.session(&own.org, user, role).await.1);
        }
        add(name.to_owned(), secrets, belongs_to_both);
    }
    callers
}

/// What anybody may ask, and does, of the org of `own`.
struct Matrix {
    world: World,
    own: Furnished,
    theirs: Furnished,
    callers: Vec<Caller>,
    document: OpenApi,
}

impl Matrix {
    async fn new() -> Self {
        let world = World::start().await;
        let (own, theirs) = (
            furnished(&world, OWN).await,
            furnished(&world, CANARY).await,
        );
        let callers = callers(&world, &own, &theirs).await;
        let document = api::openapi::document([query::openapi()]);
        // All of it is projected, and campaigns are rolled up.
        world.get(&theirs.org.key, "/projects").await;
        let mut connection = superuser(&world).await;
        testkit::eventually(PATIENCE, "campaigns are rolled up", async || {
            let count = "select count(*) from campaigns where is_rolled";
            let rolled = sqlx::query_scalar::<_, i64>(count);
            let rolled = rolled.fetch_one(&mut connection).await.unwrap();
            (rolled == 4).then_some(())
        })
        .await;
        Self {
            world,
            own,
            theirs,
            callers,
            document,
        }
    }

    async fn ask(replica: &Replica, caller: &Caller, turn: usize, path: &str) -> Reply {
        let headers = [bearer(&caller.secrets[turn % caller.secrets.len()])];
        replica.send(Method::GET, path, &headers).await
    }

    /// Every answer that tells of the other org, or differs from that about what is missing; and how
    /// many answers told of one's own.
    async fn leaks(&self, replica: &Replica) -> (Vec<String>, usize) {
        let missing = Uuid::from_u128(0x0192_f0c1_2b7e_7c00_8000_0000_0000_abcd);
        let of = |ids: &Ids| questions(&self.document, ids);
        let (own, theirs) = (of(&self.own.ids), of(&self.theirs.ids));
        let (mut leaks, mut told, mut asked_by_owner) = (Vec::new(), 0, 0);
        let owner = Caller {
            name: "their own key".to_owned(),
            secrets: vec![self.theirs.org.key.clone()],
            belongs_to_both: false,
        };
        let questions = own.iter().zip(&theirs).zip(of(&Ids::all(missing)));
        for (turn, ((own, theirs), missing)) in questions.enumerate() {
            if own.path == "/audit/checkpoint" {
                // It is told only while it is new, and nobody else signs here.
                sign(&self.world.log).await;
            }
            for caller in &self.callers {
                let name = &caller.name;
                // Its owner has asked too, whose answer is kept.
                let asked = Self::ask(replica, &owner, 0, &theirs.path).await;
                asked_by_owner += usize::from(asked.status.is_success());
                let about_own = Self::ask(replica, caller, turn, &own.path).await;
                let foreign = Self::ask(replica, caller, turn, &theirs.path).await;
                let absent = Self::ask(replica, caller, turn, &missing.path).await;
                // Which orgs are one's own is told by all of them.
                let may_show = caller.belongs_to_both && own.path == "/orgs";
                for reply in [&about_own, &foreign] {
                    if shows(reply, CANARY) && !may_show {
                        leaks.push(format!("{name}: {} shows the other org", theirs.path));
                    }
                }
                let names_something = theirs.path != missing.path;
                if names_something && lasting(&foreign) != lasting(&absent) {
                    leaks.push(format!(
                        "{name}: {} tells foreign from missing",
                        theirs.path
                    ));
                }
                let is_let_in = may_ask(own, caller);
                if is_let_in != about_own.status.is_success() {
                    let status = about_own.status;
                    leaks.push(format!("{name}: {} is answered {status}", own.path));
                }
                told += usize::from(shows(&about_own, OWN));
            }
        }
        assert!(asked_by_owner > 100, "{asked_by_owner}");
        (leaks, told)
    }

    /// What the tables and views of the read model are replaced with: views in which every row
    /// claims to be of the org that asks, so that no predicate on it leaves anything out. The rows'
    /// own org is known to row security alone, which looks at the tables beneath.
    async fn take_predicates_away(&self) -> PgConnection {
        let mut connection = superuser(&self.world).await;
        let views: Vec<(String, String)> = sqlx::query_as(
            "select viewname::text, definition from pg_views where schemaname = current_schema()",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let tables: Vec<(String, String)> = sqlx::query_as(
            "select c.relname::text, string_agg(
                 case a.attname when 'org_id'
                     then 'nullif(current_setting(''tga.org_id'', true), '''')::uuid as org_id'
                     else quote_ident(a.attname) end, ', ' order by a.attnum)
             from pg_class c join pg_attribute a on a.attrelid = c.oid
             where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
                 and a.attnum > 0 and not a.attisdropped
             group by c.oid having bool_or(a.attname = 'org_id')",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert!(tables.len() > 20, "{tables:?}");
        let overlay = |name: &str, body: &str| {
            format!(
                "create view {name} with (security_invoker = true) as {body};
                 grant select on {name} to tga_query;"
            )
        };
        let mut script = vec!["create schema beneath;".to_owned()];
        script.extend(views.iter().map(|(view, _)| format!("drop view {view};")));
        for (table, columns) in &tables {
            script.push(format!("alter table {table} set schema beneath;"));
            script.push(overlay(
                table,
                &format!("select {columns} from beneath.{table}"),
            ));
        }
        for (view, definition) in &views {
            script.push(overlay(view, definition.trim_end_matches(';')));
        }
        let script = script.concat();
        connection.execute(AssertSqlSafe(script)).await.unwrap();
        connection
    }

    /// The second wall taken away as well.
    async fn take_row_security_away(&self, connection: &mut PgConnection) {
        let tables: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class
             where relnamespace = 'beneath'::regnamespace and relkind = 'r'",
        )
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        for table in tables {
            let statement = format!("alter table beneath.{table} disable row level security");
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
        }
    }

    async fn reader(&self) -> Replica {
        let flags = ["--projector", "false"];
        self.world.another_replica(&flags).await
    }
}

/// Whom no row security holds back, in the schema of the read model.
async fn superuser(world: &World) -> PgConnection {
    let options = ProjectionVersion::CURRENT.in_schema(world.database.options());
    PgConnection::connect_with(&options).await.unwrap()
}

fn may_ask(question: &Question, caller: &Caller) -> bool {
    let is_session = caller.secrets[0].starts_with("tgs_");
    if question.path == "/api-keys/self" {
        return !is_session;
    }
    // Others' sessions are an admin's to see.
    if question.path.starts_with("/sessions?user_id=") && caller.name == "a member" {
        return false;
    }
    match question.access {
        Access::Any | Access::Public => true,
        Access::Session => is_session,
        Access::Scope(scope) => match caller.name.strip_prefix("a key with ") {
            Some("all") => Scopes::ORG_ADMIN.contains(scope),
            Some(name) => name == scope.name(),
            None if caller.name == "a member" => matches!(scope, Scope::Read | Scope::Write),
            None => Scopes::ORG_ADMIN.contains(scope),
        },
    }
}

/// The answer, and which headers it has, but for how long it holds.
fn lasting(reply: &Reply) -> (StatusCode, Vec<HeaderName>, Value) {
    let mut body = reply.json();
    if let Some(meta) = body["meta"].as_object_mut() {
        meta.remove("validUntil");
    }
    (reply.status, reply.headers.keys().cloned().collect(), body)
}

fn shows(reply: &Reply, word: &str) -> bool {
    let text = String::from_utf8_lossy(&reply.body).to_lowercase();
    text.contains(word)
}

#[tokio::test]
async fn nobody_is_told_of_another_org_whatever_is_asked() {
    let matrix = Matrix::new().await;
    let (leaks, told) = matrix.leaks(&matrix.world.replica).await;
    assert_eq!(leaks, [] as [&str; 0]);
    assert!(told > 100, "{told} answers told of one's own");
}

#[tokio::test]
async fn nobody_is_either_where_no_query_asks_for_its_own_org() {
    let matrix = Matrix::new().await;
    let (_, told_before) = matrix.leaks(&matrix.world.replica).await;
    let mut connection = matrix.take_predicates_away().await;
    let (leaks, told) = matrix.leaks(&matrix.reader().await).await;
    assert_eq!(leaks, [] as [&str; 0]);
    assert_eq!(told, told_before, "what is one's own is told as before");

    matrix.take_row_security_away(&mut connection).await;
    let (leaks, _) = matrix.leaks(&matrix.reader().await).await;
    let paths: BTreeSet<&str> = leaks
        .iter()
        .filter_map(|leak| leak.strip_prefix("a key with all: "))
        .filter_map(|leak| leak.split(['?', ' ']).next())
        .collect();
    assert!(paths.len() > 20, "without both walls, only {paths:?} leak");
}
