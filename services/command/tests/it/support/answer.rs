use api::input::body::collect;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use uuid::Uuid;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub body: Value,
}

impl Answer {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = collect(body).await.unwrap().to_vec();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
        }
    }

    /// The data of a success of this status.
    #[track_caller]
    pub fn data(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["error"], Value::Null);
        assert!(self.headers.contains_key("Tga-Position"));
        &self.body["data"]
    }

    /// The id of the object of a success of this status.
    #[track_caller]
    pub fn id(&self, status: u16) -> Uuid {
        self.data(status)["id"].as_str().unwrap().parse().unwrap()
    }

    /// A refusal's `meta`, checked to be of this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["data"], Value::Null);
        assert_eq!(self.body["meta"]["code"], code, "{}", self.body);
        &self.body["meta"]
    }

    /// A header's text.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .unwrap_or_else(|| panic!("no {name}"))
            .to_str()
            .unwrap()
    }

    /// `Tga-Position`.
    pub fn position(&self) -> u64 {
        self.header("Tga-Position").parse().unwrap()
    }
}
