//! What a form carries to show that it is ours: a secret, masked anew each time it is written.

use runtime::entropy::Entropy;
use runtime::files;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Separates this use of what the browser keeps from every other.
const PURPOSE: &[u8] = b"trackagoat console form\n";
/// Bytes of the secret, and of what masks it.
const BYTES: usize = 32;

/// The secret of one session, or of one browser.
pub(super) struct Token([u8; BYTES]);

impl Token {
    /// Of what the browser keeps.
    pub(super) fn of(kept: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(PURPOSE);
        hash.update(kept);
        Self(hash.finalize().into())
    }

    /// As it is written: random bytes, and the secret under them, in hex. No two are alike.
    pub(super) fn masked(&self, entropy: &Entropy) -> String {
        let pad = entropy.bytes::<BYTES>();
        let mut written = pad.to_vec();
        written.extend(xor(&pad, &self.0));
        files::hex(&written)
    }

    /// Whether what was sent is this secret under some mask; how long that takes says nothing of where they
    /// differ.
    pub(super) fn is(&self, sent: &str) -> bool {
        let Some(sent) = bytes(sent) else {
            return false;
        };
        let (pad, masked) = sent.split_at(BYTES);
        let secret: Vec<u8> = xor(pad, masked).collect();
        secret.ct_eq(&self.0).into()
    }
}

fn xor(one: &[u8], other: &[u8]) -> impl Iterator<Item = u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other)
}

/// What hex stands for, if it is as long as a masked secret.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Vec<_> = hex
        .bytes()
        .map(|byte| digit(&byte))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    let bytes = pairs.map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok());
    let bytes = bytes.collect::<Option<Vec<_>>>()?;
    (hex.len() == 4 * BYTES).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use runtime::entropy::Entropy;

    use super::Token;

    #[test]
    fn a_token_is_of_one_session_alone() {
        let entropy = Entropy::seeded(1);
        let written = Token::of("a").masked(&entropy);
        assert!(Token::of("a").is(&written));
        assert!(!Token::of("b").is(&written));
    }

    #[test]
    fn a_token_is_written_anew_each_time_and_shows_nothing_of_what_is_kept() {
        let entropy = Entropy::seeded(1);
        let token = Token::of("a");
        let [one, other] = [token.masked(&entropy), token.masked(&entropy)];
        assert_ne!(one[..64], other[..64]);
        assert_ne!(one[64..], other[64..]);
        assert!(token.is(&one) && token.is(&other));
        // Neither half is the secret, and the secret is not the stored form of the credential.
        let stored = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        assert!(!token.is(&format!("{}{stored}", "0".repeat(64))));
        let [pad, masked] = [&one[..64], &one[64..]];
        for half in [pad, masked] {
            assert!(!token.is(&format!("{}{half}", "0".repeat(64))));
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        let written = Token::of("a").masked(&Entropy::seeded(1));
        let short = &written[..126];
        let long = format!("{written}00");
        let odd = written.replace(|digit: char| digit.is_ascii_digit(), "g");
        for sent in ["", "é", short, &long, &odd, &"0".repeat(128)] {
            assert!(!Token::of("a").is(sent), "{sent}");
        }
    }
}
