use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What matches no list of addresses.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Where a request comes from: the connection's address, or what a trusted proxy says it is. In
/// each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

impl PeerAddr {
    /// Goes from the connection's address back through `Forwarded` (RFC 7239) or `X-Forwarded-For`, as
    /// long as the one who says so is a trusted proxy. Whatever is no address, text or not, ends the
    /// way: beyond it stands what the client itself may have written. So may all of a header that
    /// the proxies do not know: if the two lead to different addresses, neither is believed.
    pub(super) fn resolve(connection: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = connection.to_canonical();
        let is_trusted = |peer: IpAddr| trusted.iter().any(|network| network.contains(&peer));
        if !is_trusted(peer) {
            return Self(peer);
        }
        let walk = |name, address: fn(&str) -> Option<IpAddr>| {
            let lines: Vec<_> = headers.get_all(name).iter().collect();
            let hops = lines
                .iter()
                .rev()
                .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
            let mut reached = peer;
            for hop in hops {
                let text = str::from_utf8(hop).ok().filter(|_| is_trusted(reached));
                let Some(address) = text.and_then(|hop| address(hop.trim())) else {
                    break;
                };
                reached = address.to_canonical();
            }
            (!lines.is_empty()).then_some(reached)
        };
        let forwarded = walk(FORWARDED, forwarded_for);
        let x_forwarded = walk(X_FORWARDED_FOR, |hop| hop.parse().ok());
        match (forwarded, x_forwarded) {
            (Some(one), Some(other)) if one != other => Self(NOBODY),
            (one, other) => Self(one.or(other).unwrap_or(peer)),
        }
    }
}

/// The address of `for=192.0.2.43;proto=https` or `for="[2001:db8::1]:47011"`.
fn forwarded_for(hop: &str) -> Option<IpAddr> {
    let mut pairs = hop
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let node = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => value,
    };
    let (address, port): (IpAddr, _) = if let Some(node) = node.strip_prefix('[') {
        let (address, port) = node.split_once(']')?;
        (address.parse::<Ipv6Addr>().ok()?.into(), port)
    } else {
        let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
        (address.parse::<Ipv4Addr>().ok()?.into(), port)
    };
    is_port(port).then_some(address)
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderValue};
    use ipnet::IpNet;

    use super::{FORWARDED, PeerAddr, X_FORWARDED_FOR};

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

    fn resolve_both(forwarded: &[&str], x_forwarded_for: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for (name, lines) in [(FORWARDED, forwarded), (X_FORWARDED_FOR, x_forwarded_for)] {
            for line in lines {
                let value = HeaderValue::from_str(line).expect("no control characters");
                headers.append(&name, value);
            }
        }
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let connection = "10.0.0.1".parse().expect("an address");
        PeerAddr::resolve(connection, &headers, &trusted)
            .0
            .to_string()
    }

    #[test]
    fn forwarded_is_read_as_its_standard_has_it() {
        for (line, expected) in [
            ("for=192.0.2.43", "192.0.2.43"),
            (
                "For=\"192.0.2.43:47011\";proto=https;by=203.0.113.43",
                "192.0.2.43",
            ),
            ("proto=https; for=192.0.2.43", "192.0.2.43"),
            ("for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"[2001:db8::1]:47011\", for=10.0.0.2", "2001:db8::1"),
            ("for=\"[::ffff:192.0.2.43]\"", "192.0.2.43"),
            ("for=1.1.1.1, for=192.0.2.43, for=10.0.0.2", "192.0.2.43"),
            // What says nothing, or makes no sense, ends the way at whoever wrote it.
            ("for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("for=_hidden", "10.0.0.1"),
            ("for=\"192.0.2.43", "10.0.0.1"),
            ("for=\", for=10.0.0.2", "10.0.0.2"),
            ("for=192.0.2.43:port", "10.0.0.1"),
            ("for=2001:db8::1", "10.0.0.1"),
            ("for=\"[2001:db8::1]x\"", "10.0.0.1"),
            ("by=192.0.2.43", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(resolve_both(&[line], &[]), expected, "{line}");
        }
        let lines = ["for=192.0.2.43", "for=10.0.0.2"];
        assert_eq!(resolve_both(&lines, &[]), "192.0.2.43");
    }

    /// One of them may be the client's own, which the proxies pass on as they do not know it.
    #[test]
    fn two_headers_that_disagree_are_nobodys_address() {
        let forwarded = ["for=192.0.2.43"];
        assert_eq!(resolve_both(&forwarded, &["192.0.2.43"]), "192.0.2.43");
        assert_eq!(resolve_both(&forwarded, &["192.0.2.44"]), "0.0.0.0");
        assert_eq!(resolve_both(&forwarded, &["nonsense"]), "0.0.0.0");
    }
}
