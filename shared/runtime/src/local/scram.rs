//! What Postgres keeps of a password (RFC 5802, RFC 7677). A random password cannot be had again from
//! it, so a statement that holds it may stand in a log, ours or the server's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What some clients, among them those of Java, want at least.
pub(super) const USUAL_ROUNDS: u32 = 4_096;
/// For random passwords that only programs of ours log in with: rounds slow down guesses, of which none
/// would hit, and each login.
pub const FEWEST_ROUNDS: u32 = 1;

/// The text that Postgres takes, and keeps, in place of the password, which must be ASCII: others would
/// have to be prepared as the RFCs say.
pub fn verifier(password: &str, salt: &[u8; 16], rounds: u32) -> String {
    let mut last = sign(
        password.as_bytes(),
        &[salt.as_slice(), &1_u32.to_be_bytes()].concat(),
    );
    let mut salted = last;
    for _ in 1..rounds {
        last = sign(password.as_bytes(), &last);
        for (sum, byte) in salted.iter_mut().zip(last) {
            *sum ^= byte;
        }
    }
    let stored: [u8; 32] = Sha256::digest(sign(&salted, b"Client Key")).into();
    let server = sign(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${rounds}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

fn sign(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::{USUAL_ROUNDS, verifier};

    /// By the example of RFC 7677: salt and password are its, so are the keys that follow from them.
    #[test]
    fn the_verifier_is_that_of_the_standard() {
        let salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
        assert_eq!(
            verifier("pencil", salt, USUAL_ROUNDS),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
