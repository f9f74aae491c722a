//! Whoever has the key that signs, and lets in what it likes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use nkeys::XKey;
use runtime::nats_keys::SubscriberKeys;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::subscriber::Scene;

/// Answers the server until it is dropped: everybody is let in under one name.
pub struct Stranger {
    _answering: JoinSet<()>,
}

impl Stranger {
    pub async fn start(scene: &Scene, name: &str) -> Self {
        let keys = scene.nats.subscriber_keys();
        let keys = SubscriberKeys::from_seeds(&keys.account_seed(), &keys.curve_seed()).unwrap();
        let system = scene.nats.system_client().await;
        let asked = system.subscribe("$SYS.REQ.USER.AUTH").await.unwrap();
        system.flush().await.unwrap();
        let name = name.to_owned();
        let mut answering = JoinSet::new();
        answering.spawn(async move {
            let mut asked = asked;
            while let Some(message) = asked.next().await {
                let curve = message
                    .headers
                    .unwrap()
                    .get("Nats-Server-Xkey")
                    .unwrap()
                    .clone();
                let curve = XKey::from_public_key(curve.as_str()).unwrap();
                let token = keys.curve().open(&message.payload, &curve).unwrap();
                let token = String::from_utf8(token).unwrap();
                let claims = URL_SAFE_NO_PAD
                    .decode(token.split('.').nth(1).unwrap())
                    .unwrap();
                let claims: Value = serde_json::from_slice(&claims).unwrap();
                let answer = answer(&claims["nats"], &name, &keys);
                let answer = keys.curve().seal(answer.as_bytes(), &curve).unwrap();
                let reply = message.reply.unwrap();
                system.publish(reply, answer.into()).await.unwrap();
            }
        });
        Self {
            _answering: answering,
        }
    }
}

fn answer(asked: &Value, name: &str, keys: &SubscriberKeys) -> String {
    let user = json!({
        "jti": "user", "iat": 1, "iss": keys.issuer(), "sub": asked["user_nkey"],
        "aud": "SUBSCRIBERS", "name": name,
        "nats": {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
    });
    let answer = json!({
        "jti": "answer", "iat": 1, "iss": keys.issuer(), "sub": asked["user_nkey"],
        "aud": asked["server_id"]["id"],
        "nats": {"type": "authorization_response", "version": 2, "jwt": sign(&user, keys)}
    });
    sign(&answer, keys)
}

fn sign(claims: &Value, keys: &SubscriberKeys) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let signed = format!("{}.{}", encode(&header), encode(claims));
    let signature = keys.account().sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
