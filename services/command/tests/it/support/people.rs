use std::net::{IpAddr, Ipv4Addr};

use command::people::{OneTimeToken, Password, Place};
use domain::email::Email;
use domain::event::Role;
use domain::ids::{OrgId, SessionId, UserId};
use domain::org::{Caller, Command};
use domain::text::Name;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, TestApp};

/// What everybody's password is.
pub const PASSWORD: &str = "correct horse battery";

/// A person who is signed in.
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub session_id: SessionId,
    /// The session's credential.
    pub secret: String,
}

impl TestApp {
    /// A new person of an org, signed in.
    pub async fn person(&self, org: OrgId, role: Role) -> Person {
        let id = self.service.commander().random_id_part();
        let email = format!("{}@example.com", runtime::files::hex(&id));
        let address = Email::parse(&email).unwrap();
        let name = Name::parse("Ada Lovelace").unwrap();
        let password = Password::chosen(PASSWORD).unwrap();
        let people = self.service.people();
        let id = people
            .add(&address, &name, password)
            .await
            .unwrap()
            .unwrap();
        self.operate(org, Command::JoinMember { user_id: id, role })
            .await;
        let (session_id, secret) = self.session(org, id).await;
        Person {
            id,
            email,
            session_id,
            secret,
        }
    }

    /// Another session of a member.
    pub async fn session(&self, org: OrgId, id: UserId) -> (SessionId, String) {
        let place = Place {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: Some("test".to_owned()),
        };
        let caller = Caller::Person { id, session: None };
        let people = self.service.people();
        let opened = people.open_session(org, id, caller, place, "test").await;
        let opened = opened.unwrap();
        (opened.session_id, opened.secret.reveal().to_owned())
    }

    /// Asks something of `/auth`.
    pub async fn auth(&self, path: &str, body: &Value) -> Answer {
        let ask = self.request_to(&Method::POST, &format!("/auth{path}"));
        ask.json(body).send().await
    }

    /// Signs in with the password that everybody has.
    pub async fn sign_in(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD});
        self.auth("/sessions", &body).await
    }

    /// Asks something with a credential, and perhaps a body.
    pub async fn ask(
        &self,
        person: &Person,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        self.call(&method, path, &person.secret, body.as_ref())
            .await
    }

    /// Invites an address; gives the invitation's id and the token of its link.
    pub async fn invite(&self, by: &Person, email: &str, role: &str) -> (String, OneTimeToken) {
        let body = json!({"email": email, "role": role});
        let made = self.ask(by, Method::POST, "/invitations", Some(body)).await;
        let made = made.data(201);
        let url = made["accept_url"].as_str().unwrap();
        let (_, token) = url.split_once("?token=").unwrap();
        let token = OneTimeToken::parse(token).unwrap();
        (made["id"].as_str().unwrap().to_owned(), token)
    }
}
