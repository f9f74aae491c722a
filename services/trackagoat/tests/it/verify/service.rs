//! Command services sign, each in its turn, and what they signed is held to by `log verify`.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use testkit::eventually;
use uuid::Uuid;

use crate::dev::{Dev, run};
use crate::serve::{Given, Service, text};

const SIGNED_WITHIN: Duration = Duration::from_mins(1);

/// Servers, and what a log is signed and verified with.
struct World {
    given: Given,
    public: String,
    login: String,
}

impl World {
    async fn new(database: &'static str) -> Self {
        let given = Given::new(database).await;
        given.told(&["migrate"]).await;
        let folder = given.folder.path();
        fs::create_dir_all(folder.join("ledger")).unwrap();
        let key = folder.join("signing.key");
        let new = ["log", "new-signing-key", "--file", key.to_str().unwrap()];
        Self {
            public: given.told(&new).await,
            login: given.login("tga_command").await,
            given,
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.given.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    async fn service(&self) -> Service {
        let mut command = self.given.command(&self.login);
        command
            .env("TGA_LOG_SIGNING_KEY_FILE", self.path("signing.key"))
            .env("TGA_CHECKPOINT_DIR", self.path("checkpoints"));
        self.given.serve("command", command).await.0
    }

    /// A service makes orgs, and signs what it wrote.
    async fn signs(&self, names: &[&str]) {
        let service = self.service().await;
        for name in names {
            self.org(name).await;
            self.all_signed().await;
        }
        service.terminate().await;
    }

    /// Services go on from the backup as if nothing had been there, and write more than was signed.
    async fn goes_on_from_the_backup(&self) {
        self.given.restore().await;
        let service = self.service().await;
        for name in ["Ducks", "Geese", "Hens"] {
            self.org(name).await;
        }
        service.terminate().await;
    }

    /// One with a backup, after which services wrote and signed more.
    async fn backed_up(database: &'static str) -> Self {
        let world = Self::new(database).await;
        world.signs(&["Goats"]).await;
        world.given.back_up().await;
        world.signs(&["Sheep", "Cows"]).await;
        world
    }

    async fn org(&self, name: &str) {
        self.given.told(&["orgs", "create", "--name", name]).await;
    }

    async fn verify(&self) -> Output {
        let copies = self.path("checkpoints");
        let verify = ["log", "verify", "--public-key", &self.public];
        let verify = [&verify[..], &["--checkpoint-dir", &copies]].concat();
        self.given.operate(&verify).await
    }

    async fn verifies(&self, code: i32) {
        let verified = self.verify().await;
        assert_eq!(verified.status.code(), Some(code), "{}", text(&verified));
    }

    async fn all_signed(&self) {
        eventually(SIGNED_WITHIN, "all of the log to be signed", async || {
            let verified = self.verify().await;
            let said = text(&verified);
            let is_copied = !said.contains("0 in folders") && !said.contains(" 0 on the stream");
            match verified.status.code() {
                Some(0) if is_copied => Ok(()),
                Some(1) => panic!("{said}"),
                _ => Err(said),
            }
        })
        .await;
    }

    /// Runs `log restored` with these options, which must succeed, and returns its warnings; without any it
    /// says that services go on signing.
    async fn restored(&self, options: &[&str]) -> String {
        let (ledger, copies) = (self.path("ledger"), self.path("checkpoints"));
        let restored = ["log", "restored", &ledger, "--checkpoint-dir", &copies];
        warnings(&self.given.operate(&[&restored[..], options].concat()).await)
    }

    async fn restored_with_key(&self, options: &[&str]) -> String {
        let key = self.path("signing.key");
        let with_key = ["--log-signing-key-file", &key];
        self.restored(&[&with_key[..], options].concat()).await
    }

    /// The same where nothing that was signed is at hand.
    async fn restored_alone(&self, options: &[&str]) -> String {
        let mut alone = self.given.command(&self.given.operator_url());
        alone.env_remove("TGA_NATS_URL");
        alone
            .args(["log", "restored", &self.path("ledger")])
            .args(options);
        warnings(&run(alone).await)
    }

    async fn epoch(&self) -> Uuid {
        let mut connection = self.connection().await;
        let epoch = sqlx::query_scalar("select epoch from log.head");
        epoch.fetch_one(&mut connection).await.unwrap()
    }

    async fn set_epoch(&self, epoch: Uuid) {
        let mut connection = self.connection().await;
        let set = sqlx::query("update log.head set epoch = $1").bind(epoch);
        set.execute(&mut connection).await.unwrap();
    }

    async fn connection(&self) -> PgConnection {
        let url = self.given.operator_url();
        PgConnection::connect(&url).await.unwrap()
    }

    async fn tamper(&self, sql: &'static str) {
        let mut connection = self.connection().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}

fn warnings(output: &Output) -> String {
    let (said, warned) = (text(output), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{warned}");
    let doubts = [
        "warning: the log is not what was signed",
        "warning: all that was signed",
        "warning: only the database says",
        "warning: the log's key",
    ];
    let is_doubtful = doubts.iter().any(|doubt| warned.contains(doubt));
    let unsigned = said.contains("do not sign the log until");
    assert_eq!(unsigned, is_doubtful, "{said} {warned}");
    warned.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_sign_the_log_and_one_goes_on_when_another_is_killed() {
    let world = World::new("signed").await;
    let first = world.service().await;
    let second = world.service().await;
    world.org("Goats").await;
    world.all_signed().await;
    // Killed, whichever of the two signs.
    drop(first);
    world.org("Sheep").await;
    world.all_signed().await;
    let third = world.service().await;
    drop(second);
    world.org("Cows").await;
    world.all_signed().await;
    let well = text(&world.given.operate(&["doctor"]).await);
    assert!(well.contains("signatures"), "{well}");
    assert!(!well.contains("cannot be proven"), "{well}");
    third.terminate().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_says_that_nothing_of_an_unsigned_log_can_be_proven() {
    let given = Given::new("unsigned").await;
    given.told(&["migrate"]).await;
    let well = text(&given.operate(&["doctor"]).await);
    let said = "what the log holds cannot be proven";
    assert!(well.contains(said), "{well}");
}

/// A new life is signed if a note says under the log's key why it began.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_a_restore_is_signed_and_what_the_database_says_if_somebody_vouches() {
    let world = World::new("restored_lives").await;
    world.signs(&["Goats"]).await;

    let warned = world.restored(&[]).await;
    assert!(warned.contains("the log's key is not at hand"), "{warned}");
    world.verifies(3).await;
    // Once more with nothing at hand that was signed: the database still knows that something was.
    let warned = world.restored_alone(&[]).await;
    assert!(warned.contains("the log's key is not at hand"), "{warned}");
    let key = world.path("signing.key");
    let with_key = ["--log-signing-key-file", &key];
    let warned = world.restored_alone(&with_key).await;
    assert!(warned.contains("only the database says"), "{warned}");
    world.verifies(3).await;
    let vouched = ["--log-signing-key-file", &key, "--vouch"];
    let warned = world.restored_alone(&vouched).await;
    assert!(!warned.contains("only the database says"), "{warned}");
    world.signs(&["Ducks"]).await;

    // What was signed and is at hand says as much as a note.
    world.restored(&[]).await;
    world.verifies(3).await;
    let warned = world.restored_with_key(&[]).await;
    assert!(!warned.contains("the life"), "{warned}");

    // Services that are started over a restored database see another history on the stream, and begin a life of
    // which nothing is said.
    world
        .tamper("update log.head set epoch = gen_random_uuid()")
        .await;
    world.restored_with_key(&[]).await;
    world.signs(&["Geese"]).await;
}

/// An event that was changed is found whatever is said of restores.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_no_restore() {
    let world = World::new("rewritten").await;
    world.signs(&["Goats"]).await;
    let rewrite = "alter table log.events disable trigger append_only;
         alter table log.events_000000 disable trigger append_only;
         alter table log.checkpoints disable trigger append_only;
         alter table log.merkle disable trigger append_only;
         update log.events set hash = sha256(hash) where position = 1;
         delete from log.checkpoints; delete from log.newest_checkpoint;
         delete from log.merkle; update log.head set epoch = gen_random_uuid()";
    world.tamper(rewrite).await;
    let warned = world.restored_with_key(&[]).await;
    let said = "the log is not what was signed";
    assert!(warned.contains(said), "{warned}");
    world.verifies(1).await;
    // Somebody's word is for what came after a restore: events themselves are held to their hashes.
    world.restored_with_key(&["--vouch"]).await;
    world.verifies(1).await;
}

/// Whoever changes the log can also have it say that it is a life which another one had left.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_of_before_hides_no_rewrite() {
    let world = World::new("epoch_of_before").await;
    world.signs(&["Goats"]).await;
    let before = world.epoch().await;
    // Nothing is lost, and the new life is signed to be the former one so far.
    let warned = world.restored_with_key(&[]).await;
    assert!(!warned.contains("the life"), "{warned}");
    world.given.back_up().await;
    world.signs(&["Sheep", "Cows"]).await;

    // Other events, with hashes that are right, in place of those that were signed.
    world.goes_on_from_the_backup().await;
    world.set_epoch(before).await;
    let warned = world.restored_with_key(&[]).await;
    let said = "the log is not what was signed";
    assert!(warned.contains(said), "{warned}");
    world.verifies(1).await;
}

/// From the outside that is a rewrite too, until the backup is restored once more or somebody says what it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_services_wrote_to_after_a_restore_is_signed_if_somebody_vouches() {
    let world = World::backed_up("written").await;
    world.goes_on_from_the_backup().await;
    let warned = world.restored_with_key(&[]).await;
    assert!(warned.contains("once more with --vouch"), "{warned}");
    world.verifies(1).await;
    let warned = world.restored_with_key(&["--vouch"]).await;
    assert!(warned.contains("vouched for"), "{warned}");
    world.signs(&["Swans"]).await;

    // What was said of that backup is signed: the right way leads on from it, and nobody has to vouch.
    world.given.restore().await;
    let warned = world.restored_with_key(&[]).await;
    assert!(!warned.contains("the life"), "{warned}");
    world.signs(&["Quails"]).await;

    // And where services began a life over it, but wrote nothing, it is known without anybody's word what lives there
    // were, those too of which the log has nothing.
    world.given.restore().await;
    world.service().await.terminate().await;
    let warned = world.restored_with_key(&[]).await;
    assert!(!warned.contains("the life"), "{warned}");
    world.signs(&["Turkeys"]).await;
}

/// Without NATS nothing tells services that the log is another one: they write on in the life that was signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_life_that_services_went_on_with_after_a_restore_is_signed_if_somebody_vouches() {
    let world = World::backed_up("went_on").await;
    let life = world.epoch().await;
    world.goes_on_from_the_backup().await;
    world.set_epoch(life).await;
    let warned = world.restored_with_key(&[]).await;
    assert!(warned.contains("once more with --vouch"), "{warned}");
    let unsigned = "agree with nothing that was signed";
    assert!(warned.contains(unsigned), "{warned}");
    world.verifies(1).await;
    let warned = world.restored_with_key(&["--vouch"]).await;
    assert!(warned.contains("vouched for"), "{warned}");
    world.signs(&["Swans"]).await;
}

/// A key that signed nothing of the log would sign that it is another one.
#[tokio::test(flavor = "multi_thread")]
async fn another_key_begins_no_life_of_a_signed_log() {
    let world = World::new("other_key").await;
    world.signs(&["Goats"]).await;
    let life = world.epoch().await;
    let other = world.path("other.key");
    let new = ["log", "new-signing-key", "--file", &other];
    world.given.told(&new).await;
    let (ledger, copies) = (world.path("ledger"), world.path("checkpoints"));
    let restored = ["log", "restored", &ledger, "--checkpoint-dir", &copies];
    let with_other = [&restored[..], &["--log-signing-key-file", &other]].concat();
    let refused = world.given.operate(&with_other).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("is signed with this key"), "{said}");
    assert_eq!(world.epoch().await, life);
    world.verifies(0).await;
}

/// What `dev` was given, or keeps by itself, is what operators go by from wherever they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_dev_tells_operators_where_copies_archives_and_its_key_are() {
    let folder = tempfile::tempdir().unwrap();
    let copies = folder.path().join("copies");
    let archives = folder.path().join("archives");
    let dev = Dev::start_bare(&[
        "--checkpoint-dir",
        copies.to_str().unwrap(),
        "--archive-dir",
        archives.to_str().unwrap(),
    ])
    .await;
    let said = fs::read(dev.folder().join("data/dev.json")).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["archive_dir"], archives.to_str().unwrap());
    let key = Path::new(said["signing_key_file"].as_str().unwrap());
    assert!(key.is_absolute() && key.exists(), "{said}");
    eventually(SIGNED_WITHIN, "copies outside the database", async || {
        let verified = text(&run(dev.operate(&["log", "verify"])).await);
        let is_copied = verified.contains("signed heads") && !verified.contains(" 0 in folders");
        is_copied.then_some(()).ok_or(verified)
    })
    .await;
}
