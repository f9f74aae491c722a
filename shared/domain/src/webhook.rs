//! Where an org wants its events sent, and which of them.
//!
//! The form of an address is judged here, and narrowly, so that no two readers can take it for two
//! different hosts; whether the service may connect to what stands behind it is judged by who
//! connects.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use crate::event::{Stream, TypePattern};
use crate::limits::URL_CHARS;
use crate::named::named;

/// Why a text is no address for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WebhookUrlError {
    /// Longer than any URL may be.
    #[error("must have at most {URL_CHARS} characters")]
    TooLong,
    /// Neither scheme, or another one.
    #[error("must begin with https://")]
    Scheme,
    /// Spaces, control characters, letters outside ASCII, or what URLs must write as `%xx`.
    #[error("must be plain ASCII: an international domain in its xn-- form, all else as %xx")]
    Characters,
    /// A user or a password, which would be sent to whoever answers there.
    #[error("must not hold a user or a password")]
    Credentials,
    /// What stands behind `#`, which is never sent.
    #[error("must not have a fragment")]
    Fragment,
    /// Not a domain name, and not an address in its one canonical form.
    #[error("must name a host: a domain, or an address in its usual form")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("must have a port from 1 to 65535, if any")]
    Port,
}

/// An address that events are sent to: `https://host/path?query`, in plain ASCII, the host in lower
/// case. `http` and other ports than 443 are well-formed; who connects says where they are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct WebhookUrl(String);

/// The host of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookHost<'a> {
    /// A domain name.
    Name(&'a str),
    /// An address.
    Address(IpAddr),
}

impl WebhookUrl {
    /// Checks, and writes scheme and host in lower case.
    ///
    /// # Errors
    /// [`WebhookUrlError`]
    pub fn parse(text: &str) -> Result<Self, WebhookUrlError> {
        if text.len() > URL_CHARS {
            return Err(WebhookUrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(WebhookUrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            return Err(WebhookUrlError::Scheme);
        }
        if rest.contains('#') {
            return Err(WebhookUrlError::Fragment);
        }
        if !rest.chars().all(is_plain) {
            return Err(WebhookUrlError::Characters);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(WebhookUrlError::Credentials);
        }
        let authority = authority.to_ascii_lowercase();
        let (host, port) = split_port(&authority)?;
        host_of(host).ok_or(WebhookUrlError::Host)?;
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let slash = if target.starts_with('/') { "" } else { "/" };
        let url = format!("{scheme}://{host}{port}{slash}{target}");
        if url.len() > URL_CHARS {
            return Err(WebhookUrlError::TooLong);
        }
        Ok(Self(url))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether TLS is spoken there.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The host; never none, since every door leads through [`Self::parse`].
    pub fn host(&self) -> Option<WebhookHost<'_>> {
        host_of(split_port(self.authority()).ok()?.0)
    }

    /// The port, that of the scheme if none is written.
    pub fn port(&self) -> u16 {
        let written = split_port(self.authority()).ok().and_then(|(_, port)| port);
        written.unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
    }
}

/// By the one door: an event holds what was parsed before it was recorded.
impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in a URL as itself: the unreserved and reserved characters of RFC 3986, and `%`.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?[]@!$&'()*+,;=%".contains(c)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), WebhookUrlError> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[end..].find(':').map(|at| end + at) else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    match port.parse::<u16>() {
        Ok(port) if is_number => Ok((host, Some(port))),
        _ => Err(WebhookUrlError::Port),
    }
}

fn host_of(host: &str) -> Option<WebhookHost<'_>> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(WebhookHost::Address(address.into()));
    }
    let last = host.rsplit('.').next()?;
    // Browsers and C libraries read such a host as an IPv4 address, in octal, hexadecimal and with
    // parts left out: only the usual form is one here, and none of the others is a name.
    if last.starts_with(|c: char| c.is_ascii_digit()) && is_numeric(last) {
        let address: Ipv4Addr = host.parse().ok()?;
        return Some(WebhookHost::Address(address.into()));
    }
    is_name(host).then_some(WebhookHost::Name(host))
}

fn is_numeric(label: &str) -> bool {
    let digits = label.strip_prefix("0x");
    let is_hex = digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    is_hex || label.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Whether events of this type are wanted where these patterns stand: without any, every decision
/// is; observations only where a pattern asks for them.
pub fn wants(patterns: &[TypePattern], type_name: &str, stream: Stream) -> bool {
    if patterns.is_empty() {
        return stream == Stream::Decisions;
    }
    patterns.iter().any(|pattern| pattern.matches(type_name))
}

named! {
    /// Why the service switched a webhook off.
    DisabledReason {
        /// A delivery failed at every attempt of three days.
        Failing = "failing",
        /// It answered 410: nothing is wanted there any more.
        Gone = "gone",
        /// More deliveries waited than are kept.
        Backlog = "backlog",
    }
}

impl DisabledReason {
    /// Whether it lies in what the URL answered; what waits, waits for any.
    pub const fn is_of_url(self) -> bool {
        match self {
            Self::Failing | Self::Gone => true,
            Self::Backlog => false,
        }
    }
}

named! {
    /// What became of an event on its way to a webhook.
    DeliveryStatus {
        /// It is to be sent, perhaps again.
        Pending = "pending",
        /// It was taken.
        Delivered = "delivered",
        /// The one attempt of a test, or of a repetition by hand, failed.
        Failed = "failed",
        /// Every attempt of three days failed.
        Abandoned = "abandoned",
    }
}

named! {
    /// Why an attempt at a delivery failed.
    DeliveryError {
        /// The address is one that the service does not connect to.
        AddressRefused = "address_refused",
        /// The host's name leads nowhere.
        NameNotResolved = "name_not_resolved",
        /// No connection, or one that broke.
        Connection = "connection",
        /// The host did not prove to be who it should be.
        Tls = "tls",
        /// No answer in time.
        Timeout = "timeout",
        /// An answer that leads elsewhere: it is never followed.
        Redirect = "redirect",
        /// An answer that says no.
        Status = "status",
        /// What came back is no answer of HTTP.
        Protocol = "protocol",
        /// The service itself was not able to send it.
        Internal = "internal",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_kept_in_one_form() {
        for (text, expected) in [
            ("https://hooks.example.com", "https://hooks.example.com/"),
            (
                "HTTPS://Hooks.Example.COM/In?a=B",
                "https://hooks.example.com/In?a=B",
            ),
            ("https://a.example?x=1", "https://a.example/?x=1"),
            ("https://a.example:8443/x", "https://a.example:8443/x"),
            ("https://203.0.113.7/x", "https://203.0.113.7/x"),
            ("https://[2001:DB8::1]:444/", "https://[2001:db8::1]:444/"),
            (
                "https://xn--bcher-kva.example/",
                "https://xn--bcher-kva.example/",
            ),
            ("http://localhost:8080/a%20b", "http://localhost:8080/a%20b"),
        ] {
            let url = WebhookUrl::parse(text).unwrap();
            assert_eq!(url.as_str(), expected);
            assert_eq!(WebhookUrl::parse(expected).unwrap(), url);
        }
        let url = WebhookUrl::parse("https://[::1]:444/x").unwrap();
        let address = WebhookHost::Address("::1".parse().unwrap());
        assert_eq!(
            (url.host(), url.port(), url.is_https()),
            (Some(address), 444, true)
        );
        let url = WebhookUrl::parse("http://a.example/x").unwrap();
        assert_eq!(
            (url.host(), url.port()),
            (Some(WebhookHost::Name("a.example")), 80)
        );
    }

    #[test]
    fn what_two_readers_could_take_for_two_hosts_is_no_address() {
        use WebhookUrlError::{Characters, Credentials, Fragment, Host, Port, Scheme, TooLong};
        for (text, error) in [
            ("", Scheme),
            ("hooks.example.com/in", Scheme),
            ("ftp://a.example/", Scheme),
            ("javascript:alert(1)", Scheme),
            ("https://user@a.example/", Credentials),
            ("https://user:pw@a.example/", Credentials),
            ("https://a.example/#part", Fragment),
            ("https://a.example/ü", Characters),
            ("https://bücher.example/", Characters),
            ("https://a.example\\@b.example/", Characters),
            ("https://a.example/a b", Characters),
            ("https://a.example/\r\nHost: b", Characters),
            ("https://a.example\t/", Characters),
            ("https:///x", Host),
            ("https://a..example/", Host),
            ("https://a.example./", Host),
            ("https://-a.example/", Host),
            ("https://a_b.example/", Host),
            ("https://a%2eexample/", Host),
            ("https://127.1/", Host),
            ("https://2130706433/", Host),
            ("https://0x7f000001/", Host),
            ("https://0x7f.0.0.1/", Host),
            ("https://0177.0.0.1/", Host),
            ("https://127.0.0.01/", Host),
            ("https://1.2.3.4.5/", Host),
            ("https://a.example.0x1/", Host),
            ("https://[::1/", Port),
            ("https://[::1%25eth0]/", Host),
            ("https://[v1.a]/", Host),
            ("https://a.example:/", Port),
            ("https://a.example:0/", Port),
            ("https://a.example:0443/", Port),
            ("https://a.example:+443/", Port),
            ("https://a.example:65536/", Port),
            ("https://a:1:2/", Port),
        ] {
            assert_eq!(WebhookUrl::parse(text), Err(error), "{text:?}");
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_CHARS));
        assert_eq!(WebhookUrl::parse(&long), Err(TooLong));
    }

    #[test]
    fn what_is_read_is_what_could_have_been_taken() {
        let url = |text| serde_json::from_value::<WebhookUrl>(serde_json::Value::from(text));
        let text = "https://hooks.example.com/in?a=b";
        assert_eq!(url(text).unwrap().as_str(), text);
        for text in [
            "",
            "https://u:p@a.example/",
            "file:///etc/passwd",
            "https://0x7f.1/",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_patterns_every_decision_is_wanted_and_no_observation() {
        let named = |text| vec![TypePattern::parse(text).unwrap()];
        assert!(wants(&[], "key.imagined_later", Stream::Decisions));
        assert!(!wants(&[], "observation.recorded", Stream::Observations));
        let observations = named("observation.recorded");
        assert!(wants(
            &observations,
            "observation.recorded",
            Stream::Observations
        ));
        assert!(!wants(&named("key.*"), "video.added", Stream::Decisions));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_has_a_host_and_stays_as_it_is(text in "https?://[ -~]{0,40}") {
            if let Ok(url) = WebhookUrl::parse(&text) {
                prop_assert!(url.host().is_some());
                prop_assert_eq!(WebhookUrl::parse(url.as_str()), Ok(url.clone()));
            }
        }
    }
}
