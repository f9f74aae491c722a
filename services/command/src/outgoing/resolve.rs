//! Names become addresses here, and every one of them is judged before a connection is made to it:
//! the very addresses that were judged are those that are connected to, so that a name which leads
//! elsewhere the next time gains nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::guard::Guard;

/// Most addresses of one name that are tried.
const ADDRESSES: usize = 16;

/// Addresses of a name, to come.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Asks where names lead.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of a name.
    fn look_up(&self, name: &str) -> Looking;
}

/// The system's resolver. Whoever waits for an answer may give up; the thread that asks cannot, and
/// keeps its place until the resolver has answered.
#[derive(Debug, Clone)]
pub struct SystemLookup(Arc<Semaphore>);

impl SystemLookup {
    /// Asks about so many names at once.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }
}

impl Lookup for SystemLookup {
    fn look_up(&self, name: &str) -> Looking {
        let name = name.to_owned();
        kept_until_over(Arc::clone(&self.0), move || {
            let found = (name.as_str(), 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Runs `ask` on a thread for what blocks, once there is a place; the place is free when it returns.
fn kept_until_over(
    places: Arc<Semaphore>,
    ask: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
) -> Looking {
    Box::pin(async move {
        let place = places.acquire_owned().await.map_err(io::Error::other)?;
        let asking = tokio::task::spawn_blocking(move || {
            let answer = ask();
            drop(place);
            answer
        });
        asking.await.map_err(io::Error::other)?
    })
}

/// A name that leads where nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the name leads to an address that is not connected to")]
pub(crate) struct LeadsInside;

/// A name that leads nowhere.
#[derive(Debug, Error)]
#[error("the name leads nowhere")]
pub(crate) struct LeadsNowhere(#[source] Option<io::Error>);

/// A resolver that gives out judged addresses alone.
pub(crate) struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    guard: Guard,
}

impl GuardedResolver {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, guard: Guard) -> Self {
        Self { lookup, guard }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, looking) = (self.guard.clone(), self.lookup.look_up(name.as_str()));
        Box::pin(async move {
            let found = looking.await.map_err(|error| LeadsNowhere(Some(error)))?;
            if found.is_empty() {
                return Err(LeadsNowhere(None).into());
            }
            // One address inside among others outside is an attempt, and not a mistake.
            if !found
                .iter()
                .all(|address| guard.admits(name.as_str(), *address))
            {
                return Err(LeadsInside.into());
            }
            let found = found.into_iter().take(ADDRESSES);
            let addresses: Addrs = Box::new(found.map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_place_is_kept_until_the_thread_is_back_though_nobody_waits_any_more() {
        let places = Arc::new(Semaphore::new(1));
        let (answer, answers) = mpsc::channel::<()>();
        let mut first = kept_until_over(Arc::clone(&places), move || {
            answers.recv().map_err(io::Error::other)?;
            Ok(vec![])
        });
        assert!(first.as_mut().now_or_never().is_none());
        drop(first);
        let mut second = kept_until_over(Arc::clone(&places), || Ok(vec![]));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(places.available_permits(), 0, "the thread is not back");
        answer.send(()).unwrap();
        assert!(second.await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_system_knows_this_machine() {
        let found = SystemLookup::new(1).look_up("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty());
    }
}
