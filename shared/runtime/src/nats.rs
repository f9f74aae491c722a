//! How to reach NATS: one or more servers with their credentials, as one URL.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use secrecy::{ExposeSecret, SecretString};

/// How often a connection is asked whether it still stands; after two questions in vain another is made.
/// The library's own minute leaves whoever lost it without word deaf for three.
const PING: Duration = Duration::from_secs(2);

/// `nats://user:password@host:port`, or several of them with commas between; the first one's
/// credentials count. `async-nats` alone ignores credentials in a URL, and logs them at debug.
#[derive(Clone)]
pub struct NatsUrl {
    addresses: Vec<ServerAddr>,
    credentials: Option<(String, SecretString)>,
}

/// The text is no address of a NATS server.
#[derive(Debug, thiserror::Error)]
pub enum InvalidNatsUrl {
    /// It cannot be read as a URL, or its scheme is none of NATS's.
    #[error("not a NATS address")]
    Address(#[source] io::Error),
    /// It holds credentials with characters that a URL must escape.
    #[error("user and password must not need escapes in a URL")]
    Escaped,
}

impl NatsUrl {
    /// The servers, without credentials.
    pub fn addresses(&self) -> &[ServerAddr] {
        &self.addresses
    }

    /// Options that hold the credentials, to be used with [`addresses`](Self::addresses).
    pub fn options(&self) -> ConnectOptions {
        let options = match &self.credentials {
            Some((user, password)) => ConnectOptions::with_user_and_password(
                user.clone(),
                password.expose_secret().to_owned(),
            ),
            None => ConnectOptions::new(),
        };
        options.ping_interval(PING)
    }

    /// Connects with no further options.
    ///
    /// # Errors
    /// If no server takes the connection.
    pub async fn connect(&self) -> Result<async_nats::Client, async_nats::ConnectError> {
        self.options().connect(self.addresses()).await
    }
}

impl FromStr for NatsUrl {
    type Err = InvalidNatsUrl;

    fn from_str(text: &str) -> Result<Self, InvalidNatsUrl> {
        let mut credentials = None;
        let mut addresses = Vec::new();
        for part in text.split(',') {
            let address: ServerAddr = part.trim().parse().map_err(InvalidNatsUrl::Address)?;
            if let (Some(user), Some(password)) = (address.username(), address.password()) {
                if user.contains('%') || password.contains('%') {
                    return Err(InvalidNatsUrl::Escaped);
                }
                credentials.get_or_insert((user.to_owned(), SecretString::from(password)));
            }
            addresses.push(without_credentials(address)?);
        }
        Ok(Self {
            addresses,
            credentials,
        })
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.addresses.iter().map(ServerAddr::as_url_str))
            .finish()
    }
}

fn without_credentials(address: ServerAddr) -> Result<ServerAddr, InvalidNatsUrl> {
    let mut url = address.into_inner();
    let refused = || InvalidNatsUrl::Address(io::Error::other("it names no host"));
    url.set_username("").map_err(|()| refused())?;
    url.set_password(None).map_err(|()| refused())?;
    ServerAddr::from_url(url).map_err(InvalidNatsUrl::Address)
}

#[cfg(test)]
mod tests {
    use super::NatsUrl;

    #[test]
    fn credentials_leave_the_addresses_and_the_debug_text() {
        let url: NatsUrl = "nats://me:secret@127.0.0.1:4222, tls://b:4223"
            .parse()
            .expect("fits");
        assert_eq!(
            format!("{url:?}"),
            r#"["nats://127.0.0.1:4222", "tls://b:4223"]"#
        );
        assert!(!format!("{:?}", url.addresses()).contains("secret"));
        assert!(url.credentials.is_some());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "http://a", "nats://u:p%20w@a:1", "nats://"] {
            assert!(text.parse::<NatsUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_without_credentials_is_one() {
        let url: NatsUrl = "localhost".parse().expect("fits");
        assert!(url.credentials.is_none());
        assert_eq!(url.addresses()[0].port(), 4222);
    }
}
