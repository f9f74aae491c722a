//! Pages: to the end, without a skip or a repeat, whatever is written meanwhile.

use std::collections::BTreeSet;

use domain::event::{Event, ProjectAdded, ProjectRemoved};
use domain::ids::ProjectId;
use domain::text::{Metadata, ProjectName};
use serde_json::Value;
use uuid::Uuid;

use crate::objects::ids;
use crate::support::{Org, World};

#[tokio::test]
async fn pages_hold_everything_once_while_more_is_written() {
    let world = World::start().await;
    let org = world.org().await;
    let first = add(&world, &org, 120).await;
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let path = match &cursor {
            Some(cursor) => format!("/projects?limit=7&cursor={cursor}"),
            None => "/projects?limit=7".to_owned(),
        };
        let reply = world.get(&org.key, &path).await;
        let page = ids(&reply.data());
        pages += 1;
        seen.extend(page.iter().copied());
        match reply.json()["meta"]["nextCursor"].as_str() {
            Some(next) => {
                assert_eq!(page.len(), 7);
                cursor = Some(next.to_owned());
            }
            None => break,
        }
        // New ones come before all pages, and one that was shown goes.
        add(&world, &org, 3).await;
        let removed = ProjectRemoved {
            project_id: ProjectId::from_uuid(page[0]),
        };
        world.append(&org, vec![removed.into()]).await;
    }
    assert_eq!(pages, 18);
    let unique: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "shown twice");
    assert_eq!(unique, first.into_iter().collect(), "skipped, or too new");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_alone() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    for org in [&org, &other] {
        let ids = add(&world, org, 3).await;
        for handle in ["ada", "bob", "eve"] {
            world
                .creator(org, ProjectId::from_uuid(ids[0]), handle)
                .await;
        }
    }
    let cursor = next(&world, &org, "/projects?limit=1&search=p").await;
    let get = async |key: &str, path: &str| {
        let path = path.replace("{}", &cursor);
        world.get(key, &path).await
    };
    // Another page size is the same list.
    let more = get(&org.key, "/projects?limit=2&search=p&cursor={}").await;
    assert_eq!(more.data().as_array().unwrap().len(), 2);
    for (key, path) in [
        (&other.key, "/projects?limit=1&search=p&cursor={}"),
        (&org.key, "/projects?limit=1&cursor={}"),
        (&org.key, "/projects?limit=1&search=P&cursor={}"),
        (&org.key, "/creators?limit=1&search=p&cursor={}"),
        (&org.key, "/projects?search=p&cursor={}x"),
        (&org.key, "/projects?search=p&cursor=x{}"),
        (&org.key, "/projects?search=p&cursor="),
        (&org.key, "/projects?search=p&cursor=%00"),
        (&org.key, "/projects?search=p&cursor={}&cursor={}"),
    ] {
        let reply = get(key, path).await;
        assert_eq!(reply.code(), "invalid_query", "{path}");
    }
    for index in 0..cursor.len() {
        let mut altered = cursor.clone().into_bytes();
        altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        let path = format!("/projects?search=p&cursor={altered}");
        // Bits beyond the last byte are not part of the text.
        let reply = world.replica.get(&org.key, &path).await;
        assert_eq!(reply.code(), "invalid_query", "{index}");
    }
    let cut = &cursor[..cursor.len() - 4];
    let cut = world
        .get(&org.key, &format!("/projects?search=p&cursor={cut}"))
        .await;
    assert_eq!(cut.code(), "invalid_query");
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named() {
    let world = World::start().await;
    let org = world.org().await;
    let long = "x".repeat(101);
    for (path, issue) in [
        ("/projects?limit=0".to_owned(), "limit"),
        ("/projects?limit=101".to_owned(), "limit"),
        ("/projects?limit=+5".to_owned(), "limit"),
        ("/projects?limit=1.0".to_owned(), "limit"),
        ("/projects?search=".to_owned(), "search"),
        (format!("/projects?search={long}"), "search"),
        ("/projects?serach=x".to_owned(), "serach"),
        ("/projects?search=a&search=b".to_owned(), "search"),
        ("/projects?search=%ff".to_owned(), "search"),
        ("/creators?platform=vimeo".to_owned(), "platform"),
        ("/creators?status=removed".to_owned(), "status"),
        ("/creators?project_id=1".to_owned(), "project_id"),
        (
            "/videos?tracking_status=excluded".to_owned(),
            "tracking_status",
        ),
        ("/limits?x=1".to_owned(), "x"),
        ("/schema?x=1".to_owned(), "x"),
    ] {
        let reply = world.get(&org.key, &path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (400, "invalid_query"),
            "{path}"
        );
        let issues = reply.json()["meta"]["issues"].clone();
        assert_eq!(issues[0]["path"], issue, "{path}");
        assert_ne!(issues[0]["message"], Value::Null);
    }
    for path in [
        "/projects/1",
        "/creators/0192f0c12b7e7c00800000000000abcd",
        "/videos/%20",
    ] {
        assert_eq!(
            world.get(&org.key, path).await.code(),
            "invalid_params",
            "{path}"
        );
    }
}

/// Adds projects, each in an append of its own, newest last; gives them newest first.
async fn add(world: &World, org: &Org, count: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    // Many of one append have one instant: then the id decides.
    for chunk in (0..count).collect::<Vec<_>>().chunks(11) {
        let added: Vec<ProjectAdded> = chunk
            .iter()
            .map(|number| ProjectAdded {
                project_id: ProjectId::generate(world.now(), world.entropy.bytes()),
                name: ProjectName::parse(&format!("P {number}")).unwrap(),
                readme: None,
                metadata: Metadata::empty(),
            })
            .collect();
        ids.extend(added.iter().map(|added| added.project_id.as_uuid()));
        world
            .append(org, added.into_iter().map(Event::from).collect())
            .await;
    }
    ids.reverse();
    ids
}

async fn next(world: &World, org: &Org, path: &str) -> String {
    let reply = world.get(&org.key, path).await;
    reply.data();
    reply.json()["meta"]["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned()
}
