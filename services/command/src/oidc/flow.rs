//! A sign-in that was begun: what must come back with it. It is kept by the browser, sealed under a
//! key that every command service of the same client makes, so that it may end at another one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use chrono::TimeDelta;
use domain::ids::SessionId;
use domain::time::Timestamp;
use hmac::{Hmac, Mac};
use runtime::entropy::Entropy;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long a sign-in may take at the provider, in seconds.
pub const FLOW_SECONDS: i64 = 10 * 60;
/// Most characters of a sealed flow; ours have about 450.
pub const FLOW_CHARS: usize = 1_024;
/// Random bytes of what nobody may guess.
const RANDOM_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Separates this use of the client's secret from every other.
const PURPOSE: &[u8] = b"trackagoat sign-in flow 1";

/// A sign-in that was begun.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The session that it may open. There is one session of an id, so a flow opens one at most.
    pub session: SessionId,
    /// What the browser must bring back from the provider.
    pub state: String,
    /// What the provider must sign.
    pub nonce: String,
    /// What shows the provider who began it.
    pub verifier: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Seals flows, and opens them.
pub struct Seal(XChaCha20Poly1305);

impl Flow {
    /// A new one.
    pub fn begin(now: Timestamp, entropy: &Entropy) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(entropy.bytes::<RANDOM_BYTES>());
        Self {
            session: SessionId::generate(now, entropy.bytes()),
            state: random(),
            nonce: random(),
            verifier: random(),
            expires_at: now.plus(TimeDelta::seconds(FLOW_SECONDS)),
        }
    }
}

impl Seal {
    /// Of this client of this provider.
    pub fn new(issuer: &str, client_id: &str, client_secret: &str) -> Self {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(client_secret.as_bytes())
            .expect("HMAC takes keys of any length");
        for part in [PURPOSE, issuer.as_bytes(), client_id.as_bytes()] {
            // Lengths keep one part from running into the next.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let key: [u8; 32] = mac.finalize().into_bytes().into();
        Self(XChaCha20Poly1305::new(&Key::from(key)))
    }

    /// For the browser.
    pub fn seal(&self, flow: &Flow, entropy: &Entropy) -> String {
        let text = serde_json::to_vec(flow).map(Zeroizing::new);
        let text = text.expect("a flow is plain JSON");
        let nonce = entropy.bytes::<NONCE_BYTES>();
        let payload = Payload {
            msg: &text,
            aad: PURPOSE,
        };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a flow is far below the cipher's 256 GiB");
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// What the browser brought, if it is one of ours and not over.
    pub fn open(&self, sealed: &str, now: Timestamp) -> Option<Flow> {
        if sealed.len() > FLOW_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: sealed,
            aad: PURPOSE,
        };
        let text = self.0.decrypt(&XNonce::from(*nonce), payload).ok()?;
        let flow: Flow = serde_json::from_slice(&Zeroizing::new(text)).ok()?;
        (now < flow.expires_at).then_some(flow)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use runtime::clock::Clock;

    use super::*;

    fn seal() -> Seal {
        Seal::new("https://id.example.com", "trackagoat", "a secret")
    }

    fn begun() -> (Flow, Timestamp) {
        let now = Timestamp::from_datetime(Clock::system().now());
        (Flow::begin(now, &Entropy::seeded(7)), now)
    }

    #[test]
    fn a_flow_is_opened_by_every_service_of_its_client_until_it_is_over() {
        let (flow, now) = begun();
        let sealed = seal().seal(&flow, &Entropy::seeded(8));
        assert!(sealed.len() <= FLOW_CHARS / 2, "{}", sealed.len());
        assert_eq!(seal().open(&sealed, now).unwrap(), flow);
        let last = flow.expires_at.minus(TimeDelta::milliseconds(1));
        assert!(seal().open(&sealed, last).is_some());
        assert!(seal().open(&sealed, flow.expires_at).is_none());
        for other in [
            Seal::new("https://id.example.org", "trackagoat", "a secret"),
            Seal::new("https://id.example.com", "another", "a secret"),
            Seal::new("https://id.example.com", "trackagoat", "another secret"),
        ] {
            assert!(other.open(&sealed, now).is_none());
        }
    }

    #[test]
    fn what_was_altered_or_invented_is_not_opened() {
        let (flow, now) = begun();
        let sealed = seal().seal(&flow, &Entropy::seeded(8));
        assert!(!sealed.contains(&flow.verifier));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            altered.replace_range(at..=at, other);
            assert!(seal().open(&altered, now).is_none(), "{at}");
            assert!(seal().open(&sealed[..at], now).is_none(), "{at}");
        }
        for invented in ["", "x", "!", &"A".repeat(FLOW_CHARS), &"A".repeat(100_000)] {
            assert!(seal().open(invented, now).is_none());
        }
    }

    #[test]
    fn nothing_of_two_flows_is_alike() {
        let (now, entropy) = (begun().1, Entropy::seeded(7));
        let (one, other) = (Flow::begin(now, &entropy), Flow::begin(now, &entropy));
        assert_ne!(one.session, other.session);
        let all = [&one, &other].map(|it| [&it.state, &it.nonce, &it.verifier]);
        let mut all = all.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        // RFC 7636: 43 to 128 characters.
        assert_eq!(one.verifier.len(), 43);
    }
}
