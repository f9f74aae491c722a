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
    /// says so is a trusted proxy. Whatever is no address, text or not, ends the way: beyond it
    /// stands what the client itself may have written.
    pub(super) fn resolve(connection: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let mut peer = connection.to_canonical();
        if trusted.is_empty() {
            return Self(peer);
        }
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            if !trusted.iter().any(|network| network.contains(&peer)) {
                break;
            }
            let Some(address) = address(hop) else {
                break;
            };
            peer = address.to_canonical();
        }
        Self(peer)
    }
}

fn address(hop: &[u8]) -> Option<IpAddr> {
    str::from_utf8(hop).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderValue};
    use ipnet::IpNet;

    use super::{PeerAddr, X_FORWARDED_FOR};

    fn resolve(connection: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let lines: Vec<_> = forwarded.iter().map(|line| line.as_bytes()).collect();
        resolve_bytes(connection, &lines, trusted)
    }

    fn resolve_bytes(connection: &str, forwarded: &[&[u8]], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let value = HeaderValue::from_bytes(line).expect("no control characters");
            headers.append(X_FORWARDED_FOR, value);
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
    /// What a client writes into a line of its own must not be taken for the word of a proxy.
    #[test]
    fn bytes_that_are_no_text_end_the_way() {
        let trusted = &["10.0.0.0/8"];
        let forged: &[&[u8]] = &[b"1.1.1.1", b"198.51.100.7\xff"];
        assert_eq!(resolve_bytes("10.0.0.1", forged, trusted), "10.0.0.1");
        let forged: &[&[u8]] = &[b"1.1.1.1", b"\xe4, 10.0.0.2"];
        assert_eq!(resolve_bytes("10.0.0.1", forged, trusted), "10.0.0.2");
        assert_eq!(
            resolve("10.0.0.1", &["1.1.1.1", "", "10.0.0.2"], trusted),
            "10.0.0.2"
        );
    }
}
