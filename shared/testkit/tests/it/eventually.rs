use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use testkit::eventually;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn it_asks_until_the_answer_is_there() {
    let asked = AtomicU32::new(0);
    let third = async || {
        let count = asked.fetch_add(1, Ordering::SeqCst);
        (count == 3).then_some(count)
    };
    assert_eq!(eventually(SOON, "the third answer", third).await, 3);
    eventually(SOON, "a true", async || true).await;
}

#[tokio::test]
#[should_panic(expected = "not within 0 ms: the sky falls; last status: \"still up\"")]
async fn it_reports_what_it_last_saw() {
    eventually(Duration::ZERO, "the sky falls", async || {
        Err::<(), _>("still up")
    })
    .await;
}
