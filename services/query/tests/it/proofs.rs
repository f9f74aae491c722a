//! `/audit/checkpoint` and `/audit/proof`: what a caller needs to believe nobody.

use domain::event::Stream;
use domain::ids::StreamVersion;
use domain::merkle::NodeHash;
use domain::merkle::proof::{proves_consistency, proves_inclusion};
use domain::scope::Scopes;
use domain::signed::{Checkpoint, Seal, SealedLine, VerifierKey};
use event_log::{Signer, SignerConfig};
use runtime::lifecycle::TaskKind;
use serde_json::Value;

use crate::support::{Reply, World, sign, signing_key};

async fn ask(world: &World, key: &str, path: &str) -> Reply {
    world.get(key, path).await
}

fn hashes(data: &Value) -> Vec<NodeHash> {
    let hashes = data["hashes"].as_array().unwrap().iter();
    hashes
        .map(|hash| hash.as_str().unwrap().parse().unwrap())
        .collect()
}

fn hash(data: &Value, name: &str) -> NodeHash {
    data[name].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_caller_can_prove_that_its_event_is_in_the_log_and_that_the_log_has_only_grown() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    sign(&world.log).await;
    let first = ask(&world, &org.key, "/audit/checkpoint").await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    let first = first.json()["data"].clone();
    let key: VerifierKey = first["public_key"].as_str().unwrap().parse().unwrap();
    assert_eq!(key, signing_key().verifier());
    let note = first["note"].as_str().unwrap();
    let signed = Checkpoint::open(note, std::slice::from_ref(&key)).unwrap();
    assert_eq!(first["tree_size"], signed.size.get());
    assert_eq!(hash(&first, "root_hash"), signed.root);
    assert_eq!(first["signed_at"], signed.at.to_string());
    assert_eq!(
        (&first["origin"], &first["key_name"]),
        (&"trackagoat".into(), &"trackagoat".into())
    );

    world.project(&other, "Another").await;
    world.project(&org, "Ours").await;
    sign(&world.log).await;
    let second = ask(&world, &org.key, "/audit/checkpoint").await;
    let second = second.json()["data"].clone();
    let (from, to) = (signed.size.get(), second["tree_size"].as_u64().unwrap());
    let path = format!("/audit/proof?from_size={from}&to_size={to}");
    let proof = ask(&world, &org.key, &path).await.json()["data"].clone();
    let root = hash(&second, "root_hash");
    assert!(proves_consistency(
        from,
        to,
        &hashes(&proof),
        signed.root,
        root
    ));

    // The org's newest event, in the newest tree and in the one of exactly that size.
    let last = world.log.head().await.unwrap().position;
    let event = world.log.read_at(&[last]).await.unwrap().remove(0);
    for path in [
        format!("/audit/proof?position={last}"),
        format!("/audit/proof?position={last}&tree_size={last}"),
    ] {
        let proof = ask(&world, &org.key, &path).await.json()["data"].clone();
        let leaf = NodeHash::of_leaf(&event.hash);
        assert_eq!(hash(&proof, "leaf_hash"), leaf);
        assert_eq!(hash(&proof, "root_hash"), root);
        let (index, size) = (&proof["leaf_index"], &proof["tree_size"]);
        let (index, size) = (index.as_u64().unwrap(), size.as_u64().unwrap());
        assert_eq!((index + 1, size), (last.get(), to));
        assert!(proves_inclusion(leaf, index, size, &hashes(&proof), root));
    }
}

#[tokio::test]
async fn another_orgs_event_is_not_there_and_what_is_not_signed_cannot_be_asked_for() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    sign(&world.log).await;
    let signed = world.log.head().await.unwrap().position;
    // The last event is the other org's.
    let foreign = ask(&world, &org.key, &format!("/audit/proof?position={signed}")).await;
    assert_eq!(
        (foreign.status.as_u16(), foreign.code()),
        (404, "not_found".to_owned())
    );
    let own = ask(
        &world,
        &other.key,
        &format!("/audit/proof?position={signed}"),
    )
    .await;
    assert_eq!(own.status, 200);
    let beyond = world.project(&org, "Not signed yet").await;
    let beyond_position = signed.next();
    for (query, name) in [
        (format!("position={beyond_position}"), "position"),
        (
            format!("position=1&tree_size={beyond_position}"),
            "tree_size",
        ),
        ("position=2&tree_size=1".to_owned(), "tree_size"),
        (format!("from_size=0&to_size={beyond_position}"), "to_size"),
        ("from_size=2&to_size=1".to_owned(), "from_size"),
        ("from_size=1".to_owned(), "to_size"),
        ("to_size=1".to_owned(), "from_size"),
        ("position=1&to_size=1".to_owned(), "position"),
        ("from_size=0&to_size=1&tree_size=1".to_owned(), "position"),
        (String::new(), "position"),
    ] {
        let refused = ask(&world, &org.key, &format!("/audit/proof?{query}")).await;
        assert_eq!(refused.code(), "invalid_query", "{query} {beyond}");
        assert_eq!(refused.json()["meta"]["issues"][0]["path"], name, "{query}");
    }
}

#[tokio::test]
async fn an_export_is_sealed_by_a_line_that_is_read_without_anything_else() {
    let world = World::start().await;
    let org = world.org().await;
    world.org().await;
    let plain = ask(&world, &org.key, "/audit/export").await;
    let unsigned = ask(&world, &org.key, "/audit/export?seal=true").await;
    assert_eq!(unsigned.code(), "projection_unavailable");
    let signing = Signer::new(world.log.clone(), None, SignerConfig::new(signing_key()));
    let tasks = world.tasks();
    tasks.spawn(TaskKind::Critical, "signer", signing.run(tasks.clone()));
    let sealed = ask(&world, &org.key, "/audit/export?seal=true").await;
    let line = sealed.body.strip_prefix(&*plain.body).unwrap();
    let line = SealedLine::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
    let keys = [signing_key().verifier()];
    let seal = Seal::open(&line.seal, &keys).unwrap();
    assert_eq!((line.org, seal.org), (org.id, org.id));
    let head = world.log.head().await.unwrap().position;
    assert_eq!(seal.size.get(), head.get());
    let checkpoint = Checkpoint::open(&line.checkpoint, &keys).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (seal.size, seal.root));
    let own = world
        .log
        .read_stream(org.id, Stream::Decisions, StreamVersion::ZERO, 100)
        .await;
    let last = own.unwrap().pop().unwrap();
    assert_eq!(
        (seal.decisions.version, seal.decisions.hash),
        (last.version, last.hash)
    );
    for part in [
        "type=key.*",
        "stream=decisions",
        "to_position=1",
        "from=2026-01-01",
    ] {
        let path = format!("/audit/export?seal=true&{part}");
        let refused = ask(&world, &org.key, &path).await;
        assert_eq!(refused.code(), "invalid_query", "{part}");
    }
}

#[tokio::test]
async fn a_log_that_nobody_signs_says_so() {
    let world = World::start().await;
    let org = world.org().await;
    let pool = world.database.options();
    let pool = sqlx::PgPool::connect_with(pool).await.unwrap();
    sqlx::query("delete from log.newest_checkpoint")
        .execute(&pool)
        .await
        .unwrap();
    for path in ["/audit/checkpoint", "/audit/proof?from_size=0&to_size=0"] {
        let refused = ask(&world, &org.key, path).await;
        assert_eq!(refused.status, 503, "{path}");
        assert_eq!(refused.code(), "projection_unavailable");
        assert!(
            refused.json()["error"]
                .as_str()
                .unwrap()
                .contains("not signed")
        );
        assert_ne!(refused.header("retry-after"), "");
    }
    let reader = world.key(&org, Scopes::DEFAULT).await;
    assert_eq!(ask(&world, &reader, "/audit/checkpoint").await.status, 403);
}
