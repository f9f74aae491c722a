use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::HttpConfig;
use crate::telemetry::names;

/// Counts connections, in all and by address.
#[derive(Debug)]
pub(super) struct Admission {
    most: usize,
    most_per_address: usize,
    exempt: Vec<IpNet>,
    count: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    gauge: metrics::Gauge,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    /// None for an exempt address.
    address: Option<IpAddr>,
}

impl Admission {
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            most: config.limits.connections,
            most_per_address: config.limits.connections_per_address,
            exempt: config.proxies.trusted.clone(),
            count: AtomicUsize::new(0),
            by_address: Mutex::new(HashMap::new()),
            gauge: metrics::gauge!(names::HTTP_CONNECTIONS),
        }
    }

    /// A place for a connection from `peer`, or which bound it meets.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Place, &'static str> {
        // Only the accept loop adds, so that nothing comes between the look and the step.
        if self.count.load(Ordering::Relaxed) >= self.most {
            return Err("total");
        }
        let address = (!self.is_exempt(peer)).then(|| source(peer));
        if let Some(address) = address {
            let mut counts = self
                .by_address
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(address).or_insert(0);
            if *count >= self.most_per_address {
                return Err("address");
            }
            *count += 1;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
        Ok(Place {
            admission: Arc::clone(self),
            address,
        })
    }

    fn is_exempt(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.exempt.iter().any(|network| network.contains(&peer))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.count.fetch_sub(1, Ordering::Relaxed);
        self.admission.gauge.decrement(1.0);
        let Some(address) = self.address else {
            return;
        };
        let counts = self.admission.by_address.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// What counts as one source: an IPv4 address, a /64 of IPv6.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Admission, HttpConfig, source};
    use crate::entropy::Entropy;
    use crate::http::{HttpLimits, Proxies};

    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(&HttpConfig {
            limits: HttpLimits {
                connections: 4,
                connections_per_address: 2,
                ..HttpLimits::default()
            },
            proxies: Proxies {
                trusted: vec!["10.0.0.0/8".parse().expect("a network")],
                ..Proxies::default()
            },
            ..HttpConfig::new(Entropy::os())
        }))
    }

    #[test]
    fn an_address_has_its_places_and_gets_them_back() {
        let admission = admission();
        let peer = "192.0.2.1".parse().expect("an address");
        let first = admission.admit(peer).expect("a place");
        let _second = admission.admit(peer).expect("a place");
        assert_eq!(admission.admit(peer).err(), Some("address"));
        drop(first);
        admission.admit(peer).expect("a place again");
        assert_eq!(admission.by_address.lock().expect("not poisoned").len(), 1);
    }

    #[test]
    fn the_total_binds_everyone_and_a_proxy_nothing_else() {
        let admission = admission();
        let proxy = "::ffff:10.0.0.1".parse().expect("an address");
        let places: Vec<_> = (0..4)
            .map(|_| admission.admit(proxy).expect("a place"))
            .collect();
        let other = "192.0.2.1".parse().expect("an address");
        assert_eq!(admission.admit(other).err(), Some("total"));
        drop(places);
        admission.admit(other).expect("a place");
    }

    #[test]
    fn a_slash_64_is_one_source() {
        let of = |text: &str| source(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
