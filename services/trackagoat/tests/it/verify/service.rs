//! Command services sign, each in its turn, and what they signed is held to by `log verify`.

use std::time::Duration;

use testkit::eventually;

use crate::serve::{Given, text};

const SIGNED_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn services_sign_the_log_and_one_goes_on_when_another_is_killed() {
    let given = Given::new("signed").await;
    given.told(&["migrate"]).await;
    let well = text(&given.operate(&["doctor"]).await);
    assert!(
        well.contains("what the log holds cannot be proven"),
        "{well}"
    );
    let key = given.folder.path().join("signing.key");
    let new = ["log", "new-signing-key", "--file", key.to_str().unwrap()];
    let public = given.told(&new).await;
    let copies = given.folder.path().join("checkpoints");
    let login = given.login("tga_command").await;
    let service = async || {
        let mut command = given.command(&login);
        command
            .env("TGA_LOG_SIGNING_KEY_FILE", &key)
            .env("TGA_CHECKPOINT_DIR", &copies);
        given.serve("command", command).await.0
    };
    let first = service().await;
    let second = service().await;
    let verify = [
        &["log", "verify", "--public-key", &public, "--checkpoint-dir"][..],
        &[copies.to_str().unwrap()],
    ]
    .concat();
    let all_signed = async || {
        eventually(SIGNED_WITHIN, "all of the log to be signed", async || {
            let verified = given.operate(&verify).await;
            let said = text(&verified);
            let is_copied = !said.contains("0 in folders") && !said.contains(" 0 on the stream");
            match verified.status.code() {
                Some(0) if is_copied => Ok(()),
                Some(1) => panic!("{said}"),
                _ => Err(said),
            }
        })
        .await;
    };
    given.told(&["orgs", "create", "--name", "Goats"]).await;
    all_signed().await;
    // Killed, whichever of the two signs.
    drop(first);
    given.told(&["orgs", "create", "--name", "Sheep"]).await;
    all_signed().await;
    let third = service().await;
    drop(second);
    given.told(&["orgs", "create", "--name", "Cows"]).await;
    all_signed().await;
    let well = text(&given.operate(&["doctor"]).await);
    assert!(well.contains("signatures"), "{well}");
    assert!(!well.contains("cannot be proven"), "{well}");
    third.terminate().await;
}
