//! The HTTP client of all requests that lead outside.

use std::sync::Arc;
use std::time::Duration;

use domain::webhook::{WebhookHost, WebhookUrl};
use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore};

use super::guard::{Authorities, Guard};
use super::resolve::{GuardedResolver, Lookup};

/// How long it may take until a connection stands.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Connections kept to one host, for the next request.
const IDLE_PER_HOST: usize = 2;
/// How long they are kept.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// One that connects to judged addresses alone, follows nothing and tries nothing again. Before a
/// request the guard is to be asked about its address as it is written ([`Guard::judge`]).
pub fn client(
    guard: &Guard,
    lookup: Arc<dyn Lookup>,
    authorities: Option<&Authorities>,
) -> Result<reqwest::Client, reqwest::Error> {
    let resolver = GuardedResolver::new(lookup, guard.clone());
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls(authorities))
        .dns_resolver(Arc::new(resolver))
        // Whatever the environment says of proxies: they would connect where they like.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(CONNECT_WITHIN)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(IDLE_FOR)
        .build()
}

/// The address as the HTTP client reads it, if that is the host that was judged.
pub fn same_host(url: &WebhookUrl) -> Option<reqwest::Url> {
    let target: reqwest::Url = url.as_str().parse().ok()?;
    let is_same = match url.host()? {
        WebhookHost::Name(name) => target.domain() == Some(name),
        WebhookHost::Address(address) => {
            let host = target.host_str()?;
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.parse() == Ok(address)
        }
    };
    (is_same && target.port_or_known_default() == Some(url.port())).then_some(target)
}

fn tls(authorities: Option<&Authorities>) -> ClientConfig {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let more = authorities.map_or(&[][..], Authorities::certificates);
    let (_, unfit) = roots.add_parsable_certificates(more.iter().cloned());
    if unfit > 0 {
        tracing::warn!(
            unfit,
            "certificates of authorities that cannot be used are left out"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
