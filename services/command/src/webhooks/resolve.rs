//! Names become addresses here, and every one of them is judged before a connection is made to it:
//! the very addresses that were judged are those that are connected to, so that a name which leads
//! elsewhere the next time gains nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

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

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn look_up(&self, name: &str) -> Looking {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name that leads where nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the name leads to an address that is not connected to")]
pub(super) struct LeadsInside;

/// A name that leads nowhere.
#[derive(Debug, Error)]
#[error("the name leads nowhere")]
pub(super) struct LeadsNowhere(#[source] Option<io::Error>);

/// A resolver that gives out judged addresses alone.
pub(super) struct GuardedResolver {
    lookup: Arc<dyn Lookup>,
    guard: Guard,
}

impl GuardedResolver {
    pub(super) fn new(lookup: Arc<dyn Lookup>, guard: Guard) -> Self {
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
