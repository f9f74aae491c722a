//! What an operator says of the provider that people may sign in with.

use std::str::FromStr;

use clap::Args;
use domain::webhook::WebhookUrl;
use openidconnect::IssuerUrl;

use crate::outgoing::{Allowed, Authorities};

/// Signing in with an OpenID Connect provider; without an issuer there is none.
#[derive(Args, Clone, Debug)]
#[group(id = "oidc_config")]
#[command(next_help_heading = "Signing in with an OpenID Connect provider")]
pub struct OidcConfig {
    /// The provider, by its issuer: people whose address it has verified may sign in with it. The secret
    /// that it gave this service stands in TGA_OIDC_CLIENT_SECRET, or a file.
    #[arg(
        id = "oidc_issuer",
        long = "oidc-issuer",
        env = "TGA_OIDC_ISSUER",
        value_name = "URL",
        requires = "oidc_client_id"
    )]
    pub issuer: Option<Issuer>,

    /// As what the provider knows this service.
    #[arg(
        id = "oidc_client_id",
        long = "oidc-client-id",
        env = "TGA_OIDC_CLIENT_ID",
        value_name = "ID",
        requires = "oidc_issuer"
    )]
    pub client_id: Option<String>,

    /// Where the provider's endpoints may be beside public addresses, by plain HTTP too and on any port:
    /// ranges of addresses and names of hosts, separated by commas.
    #[arg(
        id = "oidc_allow",
        long = "oidc-allow",
        env = "TGA_OIDC_ALLOW",
        value_name = "RANGE_OR_HOST",
        value_delimiter = ','
    )]
    pub allow: Vec<Allowed>,

    /// A file with certificates of authorities, in PEM form, that the provider may prove itself by
    /// beside the public ones.
    #[arg(
        id = "oidc_ca_file",
        long = "oidc-ca-file",
        env = "TGA_OIDC_CA_FILE",
        value_name = "PATH"
    )]
    pub ca_file: Option<Authorities>,
}

/// An issuer, letter by letter as the provider says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

/// A text that is no issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must begin with https:// or http://, and have neither query nor fragment")]
pub struct InvalidIssuer;

impl Issuer {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the library has it.
    pub(super) fn url(&self) -> IssuerUrl {
        IssuerUrl::new(self.0.clone()).expect("an address by its own door is a URL")
    }
}

impl FromStr for Issuer {
    type Err = InvalidIssuer;

    fn from_str(text: &str) -> Result<Self, InvalidIssuer> {
        let is_address = WebhookUrl::parse(text).is_ok() && IssuerUrl::new(text.to_owned()).is_ok();
        if is_address && !text.contains('?') {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIssuer)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_issuer_stays_as_it_is_written() {
        for good in ["https://id.example.com", "https://id.example.com/realms/A/"] {
            assert_eq!(good.parse::<Issuer>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "id.example.com",
            "ftp://id.example.com",
            "https://id.example.com/?tenant=a",
            "https://id.example.com/#a",
            "https://ada@id.example.com/",
        ] {
            assert_eq!(bad.parse::<Issuer>(), Err(InvalidIssuer), "{bad}");
        }
    }
}
