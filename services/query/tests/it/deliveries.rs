//! Deliveries to webhooks: whose they are, and which of them are asked for.

use domain::ids::OrgId;
use domain::scope::{Scope, Scopes};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::World;

/// How many deliveries to a webhook of `argument` a query service is given where `setting` is named.
async fn given(pool: &PgPool, (argument, webhook): (OrgId, Uuid), setting: Option<OrgId>) -> i64 {
    let mut tx = pool.begin().await.unwrap();
    if let Some(setting) = setting {
        sqlx::query("select set_config('tga.org_id', $1, true)")
            .bind(setting.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    sqlx::query_scalar(
        "select count(*) from hooks.page_of_deliveries($1, $2, null, 'infinity', $3, 100)",
    )
    .bind(argument.as_uuid())
    .bind(webhook)
    .bind(Uuid::max())
    .fetch_one(&mut *tx)
    .await
    .unwrap()
}

#[tokio::test]
async fn deliveries_are_given_out_where_both_the_question_and_the_transaction_name_their_org() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    let webhook = world.webhook(&org, "To the pager").await;
    world.delivery(&org, webhook, "no").await;
    let pool = world.database.pool_as("tga_query");
    let own = (org.id, webhook.as_uuid());
    assert_eq!(given(&pool, own, Some(org.id)).await, 1);
    assert_eq!(given(&pool, own, None).await, 0);
    assert_eq!(given(&pool, own, Some(other.id)).await, 0);
    let others = (other.id, webhook.as_uuid());
    assert_eq!(given(&pool, others, Some(other.id)).await, 0);
}

#[tokio::test]
async fn of_several_statuses_the_newest_come_first_and_each_once() {
    let world = World::start().await;
    let org = world.org().await;
    let webhook = world.webhook(&org, "To the pager").await;
    let mut made = Vec::new();
    for status in ["abandoned", "delivered", "failed", "delivered", "abandoned"] {
        let id = world.delivery(&org, webhook, "no").await;
        sqlx::query("update hooks.deliveries set status = $2 where delivery_id = $1")
            .bind(id)
            .bind(status)
            .execute(&world.database.pool_as("tga_command"))
            .await
            .unwrap();
        made.insert(0, (id.to_string(), status));
    }
    let key = world.key(&org, Scopes::NONE.with(Scope::Read)).await;
    for wanted in [
        &["delivered", "failed"][..],
        &["abandoned"],
        &["pending"],
        &["delivered", "abandoned", "failed", "pending"],
    ] {
        let path = format!("/webhooks/{}/deliveries", webhook.as_uuid());
        let expected: Vec<&str> = made
            .iter()
            .filter(|(_, status)| wanted.contains(status))
            .map(|(id, _)| id.as_str())
            .collect();
        for page in 0..=expected.len() {
            let asked = format!("{path}?status={}&limit={}", wanted.join(","), page.max(1));
            let reply = world.get(&key, &asked).await;
            let data = reply.data();
            let ids: Vec<&str> = data
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["id"].as_str().unwrap())
                .collect();
            assert_eq!(ids, expected[..page.max(1).min(expected.len())], "{asked}");
        }
    }
}

#[tokio::test]
async fn a_rare_status_has_an_index_of_its_own() {
    let world = World::start().await;
    let found: Vec<String> = sqlx::query_scalar(
        "select regexp_replace(indexdef, '.* USING ', '') from pg_indexes
         where schemaname = 'hooks' and tablename = 'deliveries'",
    )
    .fetch_all(&world.database.pool_as("tga_query"))
    .await
    .unwrap();
    let expected = "btree (webhook_id, status, created_at, delivery_id)";
    assert!(found.iter().any(|it| it == expected), "{found:?}");
}
