use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::ValueEnum;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who may say where a request comes from, and how.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// What all of them write. The other header may be the client's own.
    pub header: ProxyHeader,
}

/// Where proxies say whom they speak for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: 192.0.2.43`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.43` (RFC 7239)
    Forwarded,
}

/// Where a request comes from: the connection's address, or what a trusted proxy says it is. In
/// each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

impl PeerAddr {
    /// Goes from the connection's address back through the header, as long as the one who says so is
    /// a trusted proxy. Whatever is no address, text or not, ends the way: beyond it stands what
    /// the client itself may have written.
    pub(super) fn resolve(connection: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> Self {
        let mut peer = connection.to_canonical();
        if proxies.trusted.is_empty() {
            return Self(peer);
        }
        let lines: Vec<_> = headers.get_all(proxies.header.name()).iter().collect();
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            if !proxies
                .trusted
                .iter()
                .any(|network| network.contains(&peer))
            {
                break;
            }
            let text = str::from_utf8(hop).ok();
            let Some(address) = text.and_then(|hop| proxies.header.address(hop.trim())) else {
                break;
            };
            peer = address.to_canonical();
        }
        Self(peer)
    }
}

impl ProxyHeader {
    const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    fn address(self, hop: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => hop.parse().ok(),
            Self::Forwarded => forwarded_for(hop),
        }
    }
}

/// The address of `for=192.0.2.43;proto=https` or `for="[2001:db8::1]:47011"`. A comma in a quoted
/// value, which may be the client's own, cuts it in two: what has one end of it says nothing.
fn forwarded_for(hop: &str) -> Option<IpAddr> {
    let pairs = hop.split(';').map(str::trim);
    let pairs = pairs.filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name, unquoted(value)?))
    });
    let pairs: Vec<_> = pairs.collect::<Option<_>>()?;
    let is_for = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case("for");
    let (_, node) = pairs.iter().find(is_for)?;
    let (address, port): (IpAddr, _) = if let Some(node) = node.strip_prefix('[') {
        let (address, port) = node.split_once(']')?;
        (address.parse::<Ipv6Addr>().ok()?.into(), port)
    } else {
        let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
        (address.parse::<Ipv4Addr>().ok()?.into(), port)
    };
    is_port(port).then_some(address)
}

fn unquoted(value: &str) -> Option<&str> {
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => value,
    };
    (!value.contains(['"', '\\'])).then_some(value)
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

    use super::{FORWARDED, PeerAddr, Proxies, ProxyHeader, X_FORWARDED_FOR};

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
        let header = ProxyHeader::XForwardedFor;
        PeerAddr::resolve(connection, &headers, &Proxies { trusted, header })
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

    fn resolve_forwarded(forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let value = HeaderValue::from_str(line).expect("no control characters");
            headers.append(FORWARDED, value);
        }
        // The client's own, which the proxies pass on as they do not know it.
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("198.51.100.7"));
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().expect("a network")],
            header: ProxyHeader::Forwarded,
        };
        let connection = "10.0.0.1".parse().expect("an address");
        PeerAddr::resolve(connection, &headers, &proxies)
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
            ("for=192.0.2.43;;proto=https;", "192.0.2.43"),
            ("for=192.0.2.43;secret", "10.0.0.1"),
            // A host that the client chose.
            ("for=192.0.2.43;host=\"a,for=1.1.1.1\"", "10.0.0.1"),
            ("for=192.0.2.43;host=\"a,for=1.1.1.1;x=b\"", "10.0.0.1"),
            ("for=192.0.2.43;host=\"a,for=1.1.1.1;x=\"", "10.0.0.1"),
            (
                "for=192.0.2.43;host=\"a,for=1.1.1.1;x=\\\"b\";by=10.0.0.9",
                "10.0.0.1",
            ),
            ("for=\"1.1.1.1\\\"", "10.0.0.1"),
            ("for=192.0.2.43;host=\"a;b\"", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(resolve_forwarded(&[line]), expected, "{line}");
        }
        let lines = ["for=192.0.2.43", "for=10.0.0.2"];
        assert_eq!(resolve_forwarded(&lines), "192.0.2.43");
    }

    #[test]
    fn the_header_that_the_proxies_do_not_write_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED, HeaderValue::from_static("for=192.0.2.43"));
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("198.51.100.7"));
        let connection = "10.0.0.1".parse().expect("an address");
        for (header, expected) in [
            (ProxyHeader::XForwardedFor, "198.51.100.7"),
            (ProxyHeader::Forwarded, "192.0.2.43"),
        ] {
            let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
            let proxies = Proxies { trusted, header };
            let peer = PeerAddr::resolve(connection, &headers, &proxies);
            assert_eq!(peer.0.to_string(), expected);
        }
    }
}
