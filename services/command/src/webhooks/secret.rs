//! What signs deliveries, as Standard Webhooks has it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use runtime::entropy::Entropy;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Random bytes of a secret.
const RANDOM_BYTES: usize = 32;

/// A webhook's secret: cannot be printed, serialised or compared, wiped on drop.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// From the operating system's source.
    pub fn generate(entropy: &Entropy) -> Self {
        let random = Zeroizing::new(entropy.bytes::<RANDOM_BYTES>());
        Self(Zeroizing::new(random.to_vec()))
    }

    /// As it is kept.
    pub(super) fn stored(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For the one place where it is kept.
    pub(super) fn as_stored(&self) -> &[u8] {
        &self.0
    }

    /// The clear text, for the one answer that tells it.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("whsec_{}", STANDARD.encode(&*self.0)))
    }

    /// The signature of a message: `v1,` and HMAC-SHA256 of id, seconds and body.
    pub fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standards_example_is() {
        let bytes = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = WebhookSecret::stored(bytes);
        assert_eq!(&**secret.reveal(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_32_random_bytes_and_is_not_printed() {
        let secret = WebhookSecret::generate(&Entropy::seeded(7));
        let told = secret.reveal();
        let encoded = told.strip_prefix("whsec_").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), secret.as_stored());
        assert_eq!(secret.as_stored().len(), RANDOM_BYTES);
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }
}
