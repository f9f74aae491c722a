use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a request comes from: the connection's address, or what a trusted proxy says it is. In
/// each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

impl PeerAddr {
    /// Goes from the connection's address back through `X-Forwarded-For`, as long as the one who
    /// says so is a trusted proxy. Text that is no address ends the way.
    pub(super) fn resolve(connection: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let mut peer = connection.to_canonical();
        if trusted.is_empty() {
            return Self(peer);
        }
        let values = headers.get_all(X_FORWARDED_FOR);
        let texts: Vec<_> = values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let hops = texts.iter().rev().flat_map(|text| text.rsplit(','));
        for hop in hops {
            if !trusted.iter().any(|network| network.contains(&peer)) {
                break;
            }
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            peer = address.to_canonical();
        }
        Self(peer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderValue};
    use ipnet::IpNet;

    use super::{PeerAddr, X_FORWARDED_FOR};

    fn resolve(connection: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for text in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(text));
        }
        let connection: IpAddr = connection.parse().expect("an address");
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        PeerAddr::resolve(connection, &headers, &trusted)
            .0
            .to_string()
    }

    #[test]
    fn without_a_trusted_proxy_nothing_is_believed() {
        assert_eq!(resolve("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        let other = &["10.0.0.0/8"];
        assert_eq!(resolve("192.0.2.1", &["198.51.100.7"], other), "192.0.2.1");
        assert_eq!(resolve("::ffff:192.0.2.1", &[], &[]), "192.0.2.1");
    }

    #[test]
    fn the_way_leads_back_to_the_first_that_is_not_trusted() {
        let trusted = &["10.0.0.0/8"];
        let spoofed = &["1.1.1.1, 198.51.100.7", "10.0.0.2"];
        assert_eq!(resolve("10.0.0.1", spoofed, trusted), "198.51.100.7");
        assert_eq!(resolve("10.0.0.1", &[], trusted), "10.0.0.1");
        assert_eq!(
            resolve("10.0.0.1", &["1.1.1.1, nonsense"], trusted),
            "10.0.0.1"
        );
        assert_eq!(resolve("10.0.0.1", &["10.0.0.3"], trusted), "10.0.0.3");
    }
}
