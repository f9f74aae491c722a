use std::time::Duration;

use super::{Clock, Monotonic, TimedOut};

const SECOND: Duration = Duration::from_secs(1);

fn start() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::UNIX_EPOCH
}

#[test]
fn the_system_clocks_go_forward() {
    let clock = Clock::system();
    let (mono, boot, raw) = (clock.monotonic(), clock.boottime(), clock.raw());
    assert!(clock.monotonic() >= mono);
    assert!(clock.boottime() >= boot);
    assert!(clock.raw() >= raw);
    assert!(clock.now() > start());
}

#[tokio::test]
async fn a_system_sleep_lasts_at_least_as_long_as_asked() {
    let clock = Clock::system();
    let before = clock.monotonic();
    clock.sleep(Duration::from_millis(5)).await;
    let middle = clock.monotonic();
    assert!(middle.saturating_since(before) >= Duration::from_millis(5));
    clock.sleep_until(middle + Duration::from_millis(5)).await;
    assert!(clock.monotonic() >= middle + Duration::from_millis(5));
}

#[tokio::test]
async fn a_manual_sleep_ends_when_its_time_has_come_and_not_before() {
    let (clock, hand) = Clock::manual(start());
    let sleeper = {
        let clock = clock.clone();
        async move { clock.sleep(SECOND * 10).await }
    };
    tokio::pin!(sleeper);
    assert!(futures_poll(sleeper.as_mut()).await.is_none());
    assert_eq!(hand.sleepers(), 1);
    hand.advance(SECOND * 9);
    assert!(futures_poll(sleeper.as_mut()).await.is_none());
    hand.advance(SECOND);
    sleeper.await;
    assert_eq!(hand.sleepers(), 0);
    assert_eq!(clock.now(), start() + chrono::TimeDelta::seconds(10));
}

#[test]
fn suspend_moves_boottime_and_the_wall_alone() {
    let (clock, hand) = Clock::manual(start());
    let (mono, boot, raw) = (clock.monotonic(), clock.boottime(), clock.raw());
    hand.suspend(SECOND);
    assert_eq!(clock.monotonic(), mono);
    assert_eq!(clock.raw(), raw);
    assert_eq!(clock.boottime().saturating_since(boot), SECOND);
    hand.set_wall(start());
    assert_eq!(clock.now(), start());
    assert_eq!(clock.boottime().saturating_since(boot), SECOND);
}

#[tokio::test]
async fn a_timeout_gives_the_output_or_says_how_long_it_waited() {
    let (clock, hand) = Clock::manual(start());
    assert_eq!(clock.timeout(SECOND, async { 7 }).await, Ok(7));
    let never = clock.timeout(SECOND, std::future::pending::<()>());
    tokio::pin!(never);
    assert!(futures_poll(never.as_mut()).await.is_none());
    hand.advance(SECOND);
    assert_eq!(never.await, Err(TimedOut { limit: SECOND }));
}

#[test]
fn instants_saturate_at_both_ends() {
    let far = Monotonic::from_nanos(5) + Duration::MAX;
    assert_eq!(far.as_nanos(), u64::MAX);
    assert_eq!(Monotonic::default().saturating_since(far), Duration::ZERO);
}

/// Polls once and gives the output if it was ready.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
