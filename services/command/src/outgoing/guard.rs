//! Where requests may go: public addresses, by TLS, on port 443; and what the operator allows
//! beside them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use domain::webhook::{WebhookHost, WebhookUrl};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// Something that the operator allows: a range of addresses, or a host by its name. Whatever is
/// allowed may be reached by plain HTTP and on any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Addresses.
    Range(IpNet),
    /// A host, wherever its name leads.
    Host(String),
}

/// A text that is neither a range of addresses nor a host's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a range such as 10.1.0.0/16, an address or a host's name")]
pub struct NeitherRangeNorHost;

/// Why nothing may be sent to an address; the message is for whoever gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAllowed {
    /// It is not on the public internet.
    #[error("must not lead to an internal or reserved address")]
    Internal,
    /// Only TLS is spoken.
    #[error("must begin with https://")]
    Scheme,
    /// Any other port would make the service knock where nobody waits for it.
    #[error("must be on port 443")]
    Port,
}

/// Judges where requests may go.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Arc<[Allowed]>,
}

impl FromStr for Allowed {
    type Err = NeitherRangeNorHost;

    fn from_str(text: &str) -> Result<Self, NeitherRangeNorHost> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        if let Ok(range) = address.or_else(|_| text.parse::<IpNet>()) {
            return Ok(Self::Range(range.trunc()));
        }
        let url = WebhookUrl::parse(&format!("https://{text}/"));
        match url.as_ref().ok().and_then(WebhookUrl::host) {
            Some(WebhookHost::Name(host)) if host.eq_ignore_ascii_case(text) => {
                Ok(Self::Host(host.to_owned()))
            }
            _ => Err(NeitherRangeNorHost),
        }
    }
}

impl Guard {
    /// That lets this through beside what is public.
    pub fn new(allowed: &[Allowed]) -> Self {
        Self {
            allowed: allowed.into(),
        }
    }

    /// Judges an address as it is written. Where a name leads is judged when it is followed.
    ///
    /// # Errors
    /// [`NotAllowed`]
    pub fn judge(&self, url: &WebhookUrl) -> Result<(), NotAllowed> {
        match url.host() {
            Some(WebhookHost::Name(name)) if self.allows_host(name) => return Ok(()),
            Some(WebhookHost::Address(address)) if self.allows_address(address) => return Ok(()),
            Some(WebhookHost::Address(address)) if !is_public(address) => {
                return Err(NotAllowed::Internal);
            }
            Some(WebhookHost::Name(name)) if is_local(name) => return Err(NotAllowed::Internal),
            None => return Err(NotAllowed::Internal),
            Some(_) => {}
        }
        if !url.is_https() {
            return Err(NotAllowed::Scheme);
        }
        if url.port() != 443 {
            return Err(NotAllowed::Port);
        }
        Ok(())
    }

    /// Whether a connection may be made to where a host's name leads.
    pub fn admits(&self, host: &str, address: IpAddr) -> bool {
        is_public(address) || self.allows_address(address) || self.allows_host(host)
    }

    fn allows_host(&self, name: &str) -> bool {
        let is_it = |it: &Allowed| matches!(it, Allowed::Host(host) if host == name);
        self.allowed.iter().any(is_it)
    }

    fn allows_address(&self, address: IpAddr) -> bool {
        let holds = |it: &Allowed| matches!(it, Allowed::Range(net) if net.contains(&address));
        self.allowed.iter().any(holds)
    }
}

/// Names that lead nowhere outside: told at once, rather than by every request.
fn is_local(name: &str) -> bool {
    const INSIDE: [&str; 5] = ["localhost", "local", "internal", "home.arpa", "onion"];
    let ends_in = |zone: &str| {
        let rest = name.strip_suffix(zone);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    !name.contains('.') || INSIDE.into_iter().any(ends_in)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// IPv4 that is not the public internet (IANA's registry of special purposes, and multicast).
const RESERVED_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// All that is given out as public IPv6.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What of it is not the public internet: protocol assignments with Teredo and ORCHID,
/// documentation, 6to4.
const RESERVED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x2002, 0, 0, 16),
    v6(0x3fff, 0, 0, 20),
];

/// IPv4 in IPv6, as networks without IPv4 translate it (RFC 6052): the address inside counts.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// Whether an address is on the public internet. Forms that hold another address are not, but for
/// the one that translating resolvers give out.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !RESERVED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !RESERVED_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// Certificates of authorities that are trusted beside the public ones.
#[derive(Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// A file that holds no certificates.
#[derive(Debug, Error)]
#[error("must be a readable file of certificates in PEM form")]
pub struct NoCertificates;

impl FromStr for Authorities {
    type Err = NoCertificates;

    /// Reads the file of this path.
    fn from_str(path: &str) -> Result<Self, NoCertificates> {
        let read = CertificateDer::pem_file_iter(PathBuf::from(path));
        let read: Result<Vec<_>, _> = read.map_err(|_| NoCertificates)?.collect();
        let certificates = read.map_err(|_| NoCertificates)?;
        if certificates.is_empty() {
            return Err(NoCertificates);
        }
        Ok(Self(certificates))
    }
}

impl Authorities {
    /// The certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Addresses at and beside the edges of what is refused.
    const INSIDE: [&str; 58] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1:fffe::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
    ];
    const OUTSIDE: [&str; 21] = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4001::1",
        "64:ff9b::8.8.8.8",
    ];

    fn url(text: &str) -> WebhookUrl {
        WebhookUrl::parse(text).unwrap()
    }

    fn literal(address: IpAddr) -> WebhookUrl {
        match address {
            IpAddr::V4(address) => url(&format!("https://{address}/in")),
            IpAddr::V6(address) => url(&format!("https://[{address}]/in")),
        }
    }

    #[test]
    fn what_is_not_the_public_internet_is_refused_however_it_is_reached() {
        let guard = Guard::default();
        for text in INSIDE {
            let address: IpAddr = text.parse().unwrap();
            let refused = guard.judge(&literal(address));
            assert_eq!(refused, Err(NotAllowed::Internal), "{text}");
            assert!(!guard.admits("hooks.example.com", address), "{text}");
        }
        for text in ["ff02::1", "ff0e::1"] {
            assert!(!guard.admits("hooks.example.com", text.parse().unwrap()));
        }
        for text in OUTSIDE {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(guard.judge(&literal(address)), Ok(()), "{text}");
            assert!(guard.admits("hooks.example.com", address), "{text}");
        }
    }

    #[test]
    fn names_that_lead_inside_are_told_at_once_and_ports_and_schemes_too() {
        let guard = Guard::default();
        for (text, refused) in [
            ("https://localhost/", NotAllowed::Internal),
            ("https://a.localhost/", NotAllowed::Internal),
            ("https://printer.local/", NotAllowed::Internal),
            ("https://metadata.google.internal/", NotAllowed::Internal),
            ("https://postgres/", NotAllowed::Internal),
            ("https://router.home.arpa/", NotAllowed::Internal),
            ("http://hooks.example.com/", NotAllowed::Scheme),
            ("https://hooks.example.com:8443/", NotAllowed::Port),
            ("https://hooks.example.com:22/", NotAllowed::Port),
            ("http://hooks.example.com:443/", NotAllowed::Scheme),
        ] {
            assert_eq!(guard.judge(&url(text)), Err(refused), "{text}");
        }
        for text in [
            "https://hooks.example.com/",
            "https://notlocalhost.example:443/in?a=b",
        ] {
            assert_eq!(guard.judge(&url(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_let_through_and_nothing_beside_it() {
        let allowed = ["127.0.0.0/8", "hooks.inside", "fd00::7"].map(|it| it.parse().unwrap());
        let guard = Guard::new(&allowed);
        for text in [
            "http://127.0.0.1:8080/in",
            "http://hooks.inside:81/",
            "https://[fd00::7]/",
        ] {
            assert_eq!(guard.judge(&url(text)), Ok(()), "{text}");
        }
        for text in [
            "http://10.0.0.1/",
            "https://[fd00::8]/",
            "https://more.hooks.inside.local/",
        ] {
            assert_eq!(guard.judge(&url(text)), Err(NotAllowed::Internal), "{text}");
        }
        assert!(guard.admits("hooks.inside", "10.0.0.1".parse().unwrap()));
        assert!(!guard.admits("hooks.outside", "10.0.0.1".parse().unwrap()));
        // A range of addresses in IPv4 says nothing of the same addresses written in IPv6.
        assert!(!guard.admits("a.example", "::ffff:127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_neither_range_nor_host_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0",
            "a b",
            "https://a.example",
            "a.example:80",
            "*",
        ] {
            assert_eq!(text.parse::<Allowed>(), Err(NeitherRangeNorHost), "{text}");
        }
        let range = "10.1.2.3/8".parse::<Allowed>().unwrap();
        assert_eq!(range, Allowed::Range("10.0.0.0/8".parse().unwrap()));
    }
}
