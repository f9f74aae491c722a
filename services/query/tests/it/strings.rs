//! Every parameter with texts that are trouble elsewhere, and every cursor that is none.

use api::route::Verb;
use serde_json::Value;
use testkit::TROUBLE;

use crate::furnished::{Furnished, ask, furnished, queries};
use crate::routes::{parameters, query};
use crate::support::{Reply, World};

/// Every byte but letters and digits is written out.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Each route's path and query that answers, and the names of its parameters.
fn asked(of: &Furnished) -> Vec<(String, String, Vec<String>)> {
    let document = api::openapi::document([query::openapi()]);
    let described = queries()
        .filter(|route| route.verb == Verb::Get)
        .map(|route| {
            let mut path = route.path.to_owned();
            if route.has_id() {
                path = path.replace("{id}", &of.ids.of_path(route.path).to_string());
            }
            let operation = document.paths.paths[route.path].get.as_ref().unwrap();
            let required = match route.path {
                "/analytics/annotations" => format!("?project_id={}", of.ids.project),
                known => query(known, &of.ids.project.to_string()),
            };
            (path, required, parameters(operation))
        });
    described.collect()
}

#[tokio::test]
async fn no_text_in_a_parameter_or_a_path_is_more_than_a_text() {
    let world = World::start().await;
    let of = furnished(&world, "ada").await;
    let before = world.log.head().await.unwrap().position;
    let mut asked_of_texts = 0;
    for (path, required, names) in asked(&of) {
        for name in names {
            for text in TROUBLE {
                let others: Vec<_> = required
                    .trim_start_matches('?')
                    .split('&')
                    .filter(|one| !one.is_empty() && !one.starts_with(&format!("{name}=")))
                    .map(str::to_owned)
                    .chain([format!("{name}={}", encoded(text))])
                    .collect();
                let path = format!("{path}?{}", others.join("&"));
                let reply = ask(&world, &of, &path).await;
                match reply.status.as_u16() {
                    200 => assert_eq!(name, "search", "{path} takes {text:?}"),
                    400 => {
                        assert_eq!(reply.code(), "invalid_query", "{path}");
                        let issues = reply.json()["meta"]["issues"].clone();
                        let issues = issues.as_array().unwrap();
                        let named = issues.iter().any(|issue| {
                            let path = issue["path"].as_str().unwrap();
                            path == name || path.starts_with(&format!("{name}."))
                        });
                        assert!(named, "{path}: {issues:?}");
                    }
                    status => panic!("{path} is answered {status}"),
                }
                // What is repeated of it stays a text of the answer's JSON, without control characters.
                let body = String::from_utf8(reply.body.to_vec()).unwrap();
                assert!(!body.contains(char::is_control), "{path}: {body}");
                asked_of_texts += 1;
            }
        }
    }
    assert!(asked_of_texts > 1_000, "{asked_of_texts}");
    for (path, ..) in asked(&of) {
        for text in TROUBLE {
            let id = path.split('/').find(|part| part.len() == 36);
            let path = match id {
                Some(id) => path.replace(id, &encoded(text)),
                None => format!("{path}/{}", encoded(text)),
            };
            let reply = ask(&world, &of, &path).await;
            let code = (reply.status.as_u16(), reply.code());
            let known = [
                (400, "invalid_params"),
                (404, "not_found"),
                (405, "method_not_allowed"),
            ];
            assert!(
                known.contains(&(code.0, code.1.as_str())),
                "{path}: {code:?}"
            );
        }
    }
    assert_eq!(world.log.head().await.unwrap().position, before);
}

fn next(reply: &Reply) -> Option<String> {
    let next = reply.json()["meta"]["nextCursor"].clone();
    match next {
        Value::String(cursor) => Some(cursor),
        _ => None,
    }
}

#[tokio::test]
async fn a_cursor_is_whole_its_lists_and_its_orgs_or_none() {
    let world = World::start().await;
    let own = furnished(&world, "ada").await;
    let other = furnished(&world, "bob").await;
    // Both people are invited elsewhere twice, and belong to two orgs.
    for host in [world.org().await, world.org().await] {
        for guest in [&own, &other] {
            world.invite(&host, &guest.admin.email).await;
            let joined = domain::event::MemberJoined {
                user_id: guest.admin.id,
                role: domain::event::Role::Member,
            };
            world.append(&host, vec![joined.into()]).await;
        }
    }
    let lists: Vec<_> = asked(&own)
        .into_iter()
        .zip(asked(&other))
        .filter(|((_, _, names), _)| names.iter().any(|name| name == "cursor"))
        .collect();
    assert!(lists.len() > 12, "{}", lists.len());
    let mut cursors = Vec::new();
    for ((path, required, _), _) in &lists {
        let and = if required.is_empty() { "?" } else { "&" };
        let first = format!("{path}{required}{and}limit=1");
        // One's own orgs are a person's, not a key's.
        let secret = match path.as_str() {
            "/orgs" => Some(&own.admin.secret),
            _ => None,
        };
        let reply = match secret {
            Some(secret) => world.get(secret, &first).await,
            None => ask(&world, &own, &first).await,
        };
        let cursor = next(&reply).unwrap_or_else(|| panic!("{first} has one page: {reply:?}"));
        cursors.push((first, secret, cursor));
    }
    for (index, ((path, required, _), (their_path, their_required, _))) in lists.iter().enumerate()
    {
        let (first, secret, cursor) = &cursors[index];
        let get = async |cursor: &str| {
            let path = format!("{first}&cursor={}", encoded(cursor));
            match secret {
                Some(secret) => world.get(secret, &path).await,
                None => ask(&world, &own, &path).await,
            }
        };
        assert_eq!(get(cursor).await.status, 200, "{path}{required}");
        let mut wrong = vec![String::new(), format!("{cursor}A"), format!("A{cursor}")];
        wrong.extend([1, cursor.len() / 2, cursor.len() - 1].map(|end| cursor[..end].to_owned()));
        for place in [0, cursor.len() / 3, cursor.len() - 1] {
            let mut flipped = cursor.clone().into_bytes();
            flipped[place] = if flipped[place] == b'A' { b'B' } else { b'A' };
            wrong.push(String::from_utf8(flipped).unwrap());
        }
        // Those of all other lists.
        let others = cursors
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        wrong.extend(others.map(|(_, (_, _, cursor))| cursor.clone()));
        for cursor in wrong {
            get(&cursor).await.is_refused_for("cursor", "");
        }
        // Another org's, of the same list.
        let and = if their_required.is_empty() { "?" } else { "&" };
        let theirs = format!(
            "{their_path}{their_required}{and}limit=1&cursor={}",
            encoded(cursor)
        );
        let reply = match secret {
            Some(_) => world.get(&other.admin.secret, &theirs).await,
            None => ask(&world, &other, &theirs).await,
        };
        reply.is_refused_for("cursor", "");
    }
}
