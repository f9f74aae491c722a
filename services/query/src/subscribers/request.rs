//! What a NATS server asks: may this one connect?

use std::net::IpAddr;

use nkeys::XKey;
use runtime::nats_keys::SubscriberKeys;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::jwt;

const AUDIENCE: &str = "nats-authorization-request";
const KIND: &str = "authorization_request";
/// Kinds of connections that have subscriptions and nothing else.
const PROTOCOLS: [&str; 2] = ["nats", "websocket"];

/// Who wants to connect, and what they present.
pub struct AuthRequest {
    /// The server that asks.
    pub server: String,
    /// Under which it seals what it asks, and reads what is answered.
    pub curve: XKey,
    /// The name that the server gave the connection.
    pub user: String,
    /// From where they connect.
    pub peer: IpAddr,
    /// What they present.
    pub presented: Presented,
}

/// What a client presents; wiped when dropped, and never shown.
#[derive(Default, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Presented(String);

/// It is no question of a server of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAsked {
    /// It names no key of the server's.
    #[error("it is not sealed: xkey is missing in the configuration of NATS")]
    Open,
    /// It was sealed for somebody else, or changed.
    #[error("it cannot be opened: xkey in the configuration of NATS is of another key")]
    Sealed,
    /// No server signed it, or it asks something else.
    #[error("no server signed it")]
    Forged,
    /// It is no client that connects.
    #[error("what connects is no client")]
    NoClient,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "type")]
    kind: String,
    server_id: ServerId,
    user_nkey: String,
    client_info: ClientInfo,
    connect_opts: ConnectOptions,
}

#[derive(Deserialize)]
struct ServerId {
    id: String,
}

#[derive(Deserialize)]
struct ClientInfo {
    host: String,
    kind: String,
    #[serde(rename = "type", default)]
    protocol: String,
}

#[derive(Deserialize)]
struct ConnectOptions {
    #[serde(default)]
    auth_token: Presented,
    #[serde(default)]
    pass: Presented,
}

impl Presented {
    /// What it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl AuthRequest {
    /// Opens and reads what a server asks.
    ///
    /// # Errors
    /// If it is no such question.
    pub fn read(
        sealed: &[u8],
        curve: Option<&str>,
        keys: &SubscriberKeys,
    ) -> Result<Self, NotAsked> {
        let curve = XKey::from_public_key(curve.ok_or(NotAsked::Open)?);
        let curve = curve.map_err(|_| NotAsked::Sealed)?;
        let opened = keys.curve().open(sealed, &curve);
        let opened = Zeroizing::new(opened.map_err(|_| NotAsked::Sealed)?);
        let claims = jwt::read_of_server::<Asked>(&opened).ok_or(NotAsked::Forged)?;
        let asked = claims.nats;
        let is_asked = claims.aud == AUDIENCE && asked.kind == KIND;
        if !is_asked || claims.iss != asked.server_id.id {
            return Err(NotAsked::Forged);
        }
        let client = asked.client_info;
        if client.kind != "Client" || !PROTOCOLS.contains(&client.protocol.as_str()) {
            return Err(NotAsked::NoClient);
        }
        let peer = client.host.parse().map_err(|_| NotAsked::NoClient)?;
        // A client that cannot send a token sends it as a password.
        let ConnectOptions { auth_token, pass } = asked.connect_opts;
        let presented = if auth_token.0.is_empty() {
            pass
        } else {
            auth_token
        };
        Ok(Self {
            server: asked.server_id.id,
            curve,
            user: asked.user_nkey,
            peer,
            presented,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use nkeys::KeyPair;
    use runtime::entropy::Entropy;
    use serde_json::{Value, json};

    use super::*;

    struct Server {
        key: KeyPair,
        curve: XKey,
        ours: SubscriberKeys,
    }

    impl Server {
        fn new() -> Self {
            Self {
                key: KeyPair::new_server(),
                curve: XKey::new(),
                ours: SubscriberKeys::generate(&Entropy::seeded(1)),
            }
        }

        fn asks(&self) -> Value {
            json!({
                "type": "authorization_request", "version": 2,
                "server_id": {"id": self.key.public_key(), "name": "n1", "host": "0.0.0.0"},
                "user_nkey": "U", "connect_opts": {"auth_token": "tga_x", "protocol": 1},
                "client_info": {"host": "203.0.113.9", "id": 5, "kind": "Client", "type": "nats"}
            })
        }

        fn read(&self, asked: Value, audience: &str) -> Result<AuthRequest, NotAsked> {
            let claims = jwt::Claims {
                jti: "one".to_owned(),
                iat: 1,
                exp: Some(2),
                iss: self.key.public_key(),
                sub: "A".to_owned(),
                aud: audience.to_owned(),
                name: None,
                nats: asked,
            };
            let token = jwt::sign(&claims, &self.key).unwrap();
            let to = XKey::from_public_key(&self.ours.xkey()).unwrap();
            let sealed = self.curve.seal(token.as_bytes(), &to).unwrap();
            AuthRequest::read(&sealed, Some(&self.curve.public_key()), &self.ours)
        }
    }

    fn with(mut value: Value, path: &str, to: Value) -> Value {
        *value.pointer_mut(path).unwrap() = to;
        value
    }

    #[test]
    fn a_token_or_a_password_is_what_is_presented() {
        let server = Server::new();
        let request = server.read(server.asks(), AUDIENCE).unwrap();
        assert_eq!(request.presented.reveal(), "tga_x");
        assert_eq!(request.peer.to_string(), "203.0.113.9");
        let as_password = json!({"user": "anybody", "pass": "tga_y", "protocol": 1});
        let asked = with(server.asks(), "/connect_opts", as_password);
        let request = server.read(asked, AUDIENCE).unwrap();
        assert_eq!(request.presented.reveal(), "tga_y");
        let asked = with(server.asks(), "/connect_opts", json!({"protocol": 1}));
        let request = server.read(asked, AUDIENCE).unwrap();
        assert_eq!(request.presented.reveal(), "");
    }

    #[test]
    fn what_is_no_question_about_a_client_is_refused() {
        let server = Server::new();
        let refused = |asked, audience| server.read(asked, audience).err();
        assert_eq!(refused(server.asks(), "other"), Some(NotAsked::Forged));
        for (path, to, why) in [
            ("/type", json!("user"), NotAsked::Forged),
            ("/server_id/id", json!("NOTHER"), NotAsked::Forged),
            ("/client_info/kind", json!("Leafnode"), NotAsked::NoClient),
            ("/client_info/type", json!("mqtt"), NotAsked::NoClient),
            ("/client_info/host", json!("somewhere"), NotAsked::NoClient),
        ] {
            let asked = with(server.asks(), path, to);
            assert_eq!(refused(asked, AUDIENCE), Some(why), "{path}");
        }
    }

    #[test]
    fn what_is_not_sealed_for_us_is_refused() {
        let server = Server::new();
        let read = |sealed: &[u8], curve: Option<&str>| {
            AuthRequest::read(sealed, curve, &server.ours).err()
        };
        let curve = server.curve.public_key();
        assert_eq!(read(b"xkv1 anything", None), Some(NotAsked::Open));
        assert_eq!(read(b"xkv1 anything", Some(&curve)), Some(NotAsked::Sealed));
        assert_eq!(read(b"", Some("X")), Some(NotAsked::Sealed));
    }
}
