//! Names that lead elsewhere, and whoever waits there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::ids::EventId;
use domain::webhook::{DeliveryError, WebhookUrl};
use reqwest::dns::{Name, Resolve};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::courier::{Courier, CourierConfig, Message, Outcome};
use super::secret::WebhookSecret;
use crate::outgoing::{
    Allowed, Guard, GuardedResolver, LeadsInside, LeadsNowhere, Looking, Lookup,
};

/// Says something else each time it is asked, and the last for ever.
struct Rebinding {
    answers: Vec<&'static [&'static str]>,
    asked: AtomicUsize,
}

impl Rebinding {
    fn new(answers: &[&'static [&'static str]]) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.to_vec(),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Rebinding {
    fn look_up(&self, _: &str) -> Looking {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[asked.min(self.answers.len() - 1)];
        let found = answer.iter().map(|text| text.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    }
}

struct Nowhere;

impl Lookup for Nowhere {
    fn look_up(&self, _: &str) -> Looking {
        Box::pin(async { Err(io::Error::from(io::ErrorKind::NotFound)) })
    }
}

fn sent(lookup: Arc<dyn Lookup>, allowed: &[&str]) -> impl FnMut() -> Sending {
    let allowed: Vec<Allowed> = allowed.iter().map(|it| it.parse().unwrap()).collect();
    let config = CourierConfig {
        guard: Guard::new(&allowed),
        authorities: None,
    };
    let courier = Courier::with_lookup(&config, Clock::system(), lookup).unwrap();
    move || {
        let courier = courier.clone();
        Box::pin(async move {
            let secret = WebhookSecret::generate(&Entropy::seeded(1));
            let message = Message {
                id: EventId::from_uuid(uuid::Uuid::nil()),
                body: "{}".to_owned(),
                secrets: std::slice::from_ref(&secret),
            };
            let url = WebhookUrl::parse("https://hooks.example.com/in").unwrap();
            courier.send(&url, &message).await.outcome
        })
    }
}

type Sending = std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

#[tokio::test]
async fn a_name_that_leads_inside_the_second_time_is_not_followed_there() {
    // Nobody listens at the first address, which stands for a public one here.
    let lookup = Rebinding::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let mut send = sent(Arc::clone(&lookup) as Arc<dyn Lookup>, &["127.0.0.2"]);
    assert_eq!(send().await, Outcome::Failed(DeliveryError::Connection));
    assert_eq!(
        lookup.asked.load(Ordering::SeqCst),
        1,
        "what was judged is connected to"
    );
    let refused = Outcome::Failed(DeliveryError::AddressRefused);
    assert_eq!(send().await, refused);
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_address_inside_among_others_is_enough_to_refuse() {
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let answers: &[&'static [&'static str]] = &[&["127.0.0.2", "127.0.0.1"]];
    let mut send = sent(Rebinding::new(answers), &["127.0.0.2"]);
    let refused = Outcome::Failed(DeliveryError::AddressRefused);
    assert_eq!(send().await, refused);
    assert_eq!(
        inside.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told() {
    let nowhere = Outcome::Failed(DeliveryError::NameNotResolved);
    let mut send = sent(Arc::new(Nowhere), &[]);
    assert_eq!(send().await, nowhere);
    let mut send = sent(Rebinding::new(&[&[]]), &[]);
    assert_eq!(send().await, nowhere);
}

#[tokio::test]
async fn the_resolver_gives_out_what_it_judged_and_nothing_else() {
    let lookup = Rebinding::new(&[&["8.8.8.8", "2606:4700::1111"], &["10.0.0.1"], &[]]);
    let resolver = GuardedResolver::new(lookup, Guard::default());
    let name = || Name::from_str("hooks.example.com").unwrap();
    let found = resolver.resolve(name()).await.unwrap();
    let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    let expected = ["8.8.8.8", "2606:4700::1111"].map(|it| it.parse::<IpAddr>().unwrap());
    assert_eq!(found, expected);
    let Err(inside) = resolver.resolve(name()).await else {
        panic!("an address inside is given out")
    };
    assert!(inside.is::<LeadsInside>());
    let Err(nowhere) = resolver.resolve(name()).await else {
        panic!("nothing is given out")
    };
    assert!(nowhere.is::<LeadsNowhere>());
}

/// Answers one request with 204, in TLS under a certificate that nobody public signed; gives its
/// address and its certificate as PEM.
fn private_server() -> (WebhookUrl, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
    let key = made.signing_key.serialize_pem();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        // One who does not trust it, and one who does.
        for stream in listener.incoming().take(2) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(connection, stream.unwrap());
            let mut read = [0; 4_096];
            if tls.read(&mut read).is_ok_and(|count| count > 0) {
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                tls.write_all(answer).unwrap();
                tls.flush().unwrap();
            }
        }
    });
    let url = WebhookUrl::parse(&format!("https://127.0.0.1:{port}/in")).unwrap();
    (url, made.cert.pem())
}

#[tokio::test]
async fn who_cannot_prove_who_they_are_gets_nothing() {
    let (url, certificate) = private_server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, certificate).unwrap();
    let secret = WebhookSecret::generate(&Entropy::seeded(1));
    let message = Message {
        id: EventId::from_uuid(uuid::Uuid::nil()),
        body: "{}".to_owned(),
        secrets: std::slice::from_ref(&secret),
    };
    for (authorities, expected) in [
        (None, Outcome::Failed(DeliveryError::Tls)),
        (path.to_str().map(|it| it.parse().unwrap()), Outcome::Taken),
    ] {
        let config = CourierConfig {
            guard: Guard::new(&["127.0.0.0/8".parse().unwrap()]),
            authorities,
        };
        let courier = Courier::try_new(&config, Clock::system()).unwrap();
        assert_eq!(courier.send(&url, &message).await.outcome, expected);
    }
}
