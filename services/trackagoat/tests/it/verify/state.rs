//! `trackagoat log state` on a log of which something was taken away.

use super::{Said, World, of_log, said};

impl World {
    async fn state(&self, arguments: &[&str]) -> Said {
        let mut command = of_log("state", arguments);
        command.env("TGA_DATABASE_URL", self.db.url());
        said(command).await
    }
}

/// What is shown is made of all decisions up to then, or it is not shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_that_lost_a_decision_is_not_shown_as_if_it_had_all() {
    // Of the first org: versions 1 to 3 at positions 1 to 3, then 4 at 7, 5 at 9 and 6 at 11.
    for (lost, version) in [(1, 1), (9, 5)] {
        let (world, [org, other]) = World::filled(6, false).await;
        let (org, other) = (org.to_string(), other.to_string());
        let whole = world.state(&["--org", &org]).await;
        whole.is(0, "\"stream_version\": 6");
        world
            .tamper(format!("delete from log.events where position = {lost}"))
            .await;
        let refused = format!("the log has lost decision {version} of org {org}");
        let last = (lost - 1).max(1).to_string();
        for at in [&[][..], &["--at", "12"], &["--at", &last]] {
            let asked = [&["--org", &org], at].concat();
            world.state(&asked).await.is(1, &refused);
        }
        // What stands before is not touched by it, once a later one shows where before ends.
        if lost == 9 {
            let before = world.state(&["--org", &org, "--at", "3"]).await;
            before.is(0, "\"stream_version\": 3");
        }
        let whole = world.state(&["--org", &other]).await;
        whole.is(0, "\"stream_version\": 6");
        world.stop().await;
    }
}
