//! The tokens by which a NATS server asks and is answered: JSON signed with Ed25519, under keys that
//! are written as NATS does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const ALGORITHM: &str = "ed25519-nkey";

/// What a token says, and who says it of whom to whom.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims<N> {
    /// The token's own name.
    pub jti: String,
    /// When it was made, in seconds.
    pub iat: i64,
    /// When it ends, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// The public key that signed it.
    pub iss: String,
    /// The public key of whom it is about.
    pub sub: String,
    /// Whom it is meant for.
    pub aud: String,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The rest, by the kind of token.
    pub nats: N,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
}

/// Writes the token of these claims, whose `iss` is the key's own.
pub fn sign<N: Serialize>(claims: &Claims<N>, key: &KeyPair) -> Option<String> {
    let header = Header {
        typ: "JWT",
        alg: ALGORITHM,
    };
    let encode = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let header = encode(serde_json::to_vec(&header).ok()?);
    let payload = encode(serde_json::to_vec(claims).ok()?);
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).ok()?);
    Some(format!("{signed}.{signature}"))
}

/// Reads a token that a server signed; none if it is not one, or is not signed by the one that it
/// names.
pub fn read_of_server<N: DeserializeOwned>(token: &[u8]) -> Option<Claims<N>> {
    let token = std::str::from_utf8(token).ok()?;
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header = decode(header)?;
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    if header.alg != ALGORITHM {
        return None;
    }
    let payload = Zeroizing::new(decode(payload)?);
    let claims: Claims<N> = serde_json::from_slice(&payload).ok()?;
    let server = KeyPair::from_public_key(&claims.iss).ok()?;
    if server.key_pair_type() != KeyPairType::Server {
        return None;
    }
    server.verify(signed.as_bytes(), &decode(signature)?).ok()?;
    Some(claims)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(key: &KeyPair, says: u8) -> Claims<u8> {
        Claims {
            jti: "one".to_owned(),
            iat: 1,
            exp: None,
            iss: key.public_key(),
            sub: "someone".to_owned(),
            aud: "somebody".to_owned(),
            name: None,
            nats: says,
        }
    }

    #[test]
    fn what_a_server_signed_is_read() {
        let server = KeyPair::new_server();
        let token = sign(&of(&server, 7), &server).unwrap();
        let read: Claims<u8> = read_of_server(token.as_bytes()).unwrap();
        assert_eq!((read.nats, read.iss), (7, server.public_key()));
    }

    #[test]
    fn what_another_signed_is_not() {
        let (server, other, user) = (
            KeyPair::new_server(),
            KeyPair::new_server(),
            KeyPair::new_user(),
        );
        let forged = sign(&of(&server, 7), &other).unwrap();
        assert!(read_of_server::<u8>(forged.as_bytes()).is_none());
        let of_user = sign(&of(&user, 7), &user).unwrap();
        assert!(read_of_server::<u8>(of_user.as_bytes()).is_none());
    }

    #[test]
    fn a_token_of_which_anything_was_changed_is_not_read() {
        let server = KeyPair::new_server();
        let token = sign(&of(&server, 7), &server).unwrap();
        for at in 0..token.len() - 1 {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(read_of_server::<u8>(&changed).is_none(), "{at}");
        }
        for junk in ["", ".", "..", "a.b.c", "é.é.é"] {
            assert!(read_of_server::<u8>(junk.as_bytes()).is_none(), "{junk}");
        }
    }
}
