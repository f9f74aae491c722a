//! A body must have arrived 30 s after its headers (v1-contract.md 1.5).

use std::io;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use domain::limits::BODY_SECONDS;
use futures_util::{StreamExt, stream};
use runtime::clock::Clock;

/// Gives a body its time, after which it ends with an error of kind `TimedOut`.
pub(super) fn within_time(body: Body, clock: &Clock) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let clock = clock.clone();
    let over = Box::pin(async move { clock.sleep(Duration::from_secs(BODY_SECONDS)).await });
    let begun = Some((body.into_data_stream(), over));
    Body::from_stream(stream::unfold(begun, async |state| {
        let (mut chunks, mut over) = state?;
        tokio::select! {
            biased;
            chunk = chunks.next() => match chunk? {
                Ok(chunk) => Some((Ok(chunk), Some((chunks, over)))),
                Err(error) => Some((Err(error), None)),
            },
            () = over.as_mut() => {
                let late = io::Error::new(io::ErrorKind::TimedOut, "the body is late");
                Some((Err(axum::Error::new(late)), None))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use api::input::body::collect;
    use bytes::Bytes;

    use super::*;

    fn stopped_clock() -> (Clock, runtime::clock::ManualClock) {
        Clock::manual("2026-01-05T05:37:52Z".parse().unwrap())
    }

    #[tokio::test]
    async fn a_body_that_is_there_passes() {
        let (clock, _) = stopped_clock();
        let body = within_time(Body::from("{}"), &clock);
        assert_eq!(collect(body).await.unwrap(), "{}");
        assert!(within_time(Body::empty(), &clock).is_end_stream());
    }

    #[tokio::test]
    async fn a_body_that_is_late_ends_as_timed_out() {
        let (clock, hand) = stopped_clock();
        let half = stream::iter([io::Result::Ok(Bytes::from("{"))]);
        let stalled = Body::from_stream(half.chain(stream::pending()));
        let passes = async {
            while hand.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            hand.advance(Duration::from_secs(BODY_SECONDS));
        };
        let (read, ()) = tokio::join!(collect(within_time(stalled, &clock)), passes);
        let error = read.unwrap_err().into_inner();
        let late = error.downcast_ref::<axum::Error>().unwrap();
        assert!(format!("{late:?}").contains("TimedOut"), "{late:?}");
    }
}
