use std::fmt::Debug;
use std::time::Duration;

use runtime::clock::Clock;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What a condition may answer: `bool`, `Option` or `Result`. The last tells best why it did not
/// come true.
pub trait Probe {
    /// What is waited for.
    type Value;

    /// The value, or what stands in its way.
    ///
    /// # Errors
    /// If the condition does not hold yet.
    fn settle(self) -> Result<Self::Value, String>;
}

impl Probe for bool {
    type Value = ();

    fn settle(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".to_owned())
    }
}

impl<T> Probe for Option<T> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing yet".to_owned())
    }
}

impl<T, E: Debug> Probe for Result<T, E> {
    type Value = T;

    fn settle(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Asks again and again, at least once and then for `limit`, until the condition holds; then gives
/// its value.
///
/// # Panics
/// With `what`, and the last answer, if the condition does not come true in time.
pub async fn eventually<P: Probe>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> P,
) -> P::Value {
    let clock = Clock::system();
    let deadline = clock.monotonic() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        let last = match probe().await.settle() {
            Ok(value) => return value,
            Err(status) => status,
        };
        assert!(
            clock.monotonic() < deadline,
            "not within {} ms: {what}; last status: {last}",
            limit.as_millis()
        );
        clock.sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
