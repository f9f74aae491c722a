//! What an endpoint answers, in a form that can be kept and given again.

use api::envelope::Success;
use api::error::ApiError;
use api::header::IDEMPOTENCY_REPLAYED;
use domain::ids::GlobalPosition;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::CommandError;

/// An answer, secrets aside.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(skip)]
    status: StatusCode,
    created: Option<Created>,
    /// Whether it holds a receipt, whose barrier runs again for a replay.
    is_denial: bool,
    data: Box<RawValue>,
    /// The data with its secret, for the one answer that tells it.
    #[serde(skip)]
    told: Option<Zeroizing<String>>,
}

/// A new object.
#[derive(Debug, Serialize, Deserialize)]
struct Created {
    /// Where it is, under the base path.
    path: String,
}

impl Answer {
    /// 200.
    pub(super) fn ok<T: Serialize>(data: &T) -> Result<Self, CommandError> {
        Ok(Self {
            status: StatusCode::OK,
            created: None,
            is_denial: false,
            data: to_raw_value(data).map_err(unanswered)?,
            told: None,
        })
    }

    /// 201 with `Location`.
    pub(super) fn created<T: Serialize>(
        data: &T,
        collection: &str,
        id: Uuid,
    ) -> Result<Self, CommandError> {
        Self::created_at(data, format!("{collection}/{}", id.as_hyphenated()))
    }

    /// The same for what has no id of its own; `path` under the base path.
    pub(super) fn created_at<T: Serialize>(data: &T, path: String) -> Result<Self, CommandError> {
        Ok(Self {
            status: StatusCode::CREATED,
            created: Some(Created { path }),
            ..Self::ok(data)?
        })
    }

    /// 202: recorded, but not waited for.
    pub(super) fn accepted<T: Serialize>(data: &T) -> Result<Self, CommandError> {
        Ok(Self {
            status: StatusCode::ACCEPTED,
            ..Self::ok(data)?
        })
    }

    /// The same with a secret in it: `data` is told, what was there before is kept.
    pub(super) fn telling<T: Serialize>(mut self, data: &T) -> Result<Self, CommandError> {
        let told = serde_json::to_string(data).map_err(unanswered)?;
        self.told = Some(Zeroizing::new(told));
        Ok(self)
    }

    /// Says whether it holds a receipt.
    pub(super) const fn denying(mut self, is_denial: bool) -> Self {
        self.is_denial = is_denial;
        self
    }

    /// Whether it holds a receipt.
    pub(super) const fn is_denial(&self) -> bool {
        self.is_denial
    }

    /// The same with other data.
    pub(super) fn with_data<T: Serialize>(self, data: &T) -> Result<Self, CommandError> {
        let data = to_raw_value(data).map_err(unanswered)?;
        Ok(Self { data, ..self })
    }

    /// The same with another status.
    pub(super) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn data(&self) -> &RawValue {
        &self.data
    }

    /// As it leaves. The first answer tells its secret, a replay never has one.
    pub(super) fn into_success(
        self,
        position: GlobalPosition,
        is_replay: bool,
    ) -> Result<Success, ApiError> {
        let told = self.told.as_ref().map(|told| {
            // Just written by serde_json.
            serde_json::from_str::<&RawValue>(told).map_err(ApiError::internal)
        });
        let is_secret = told.is_some();
        let data = told.transpose()?.unwrap_or(&self.data);
        let success = match (&self.created, self.status) {
            (Some(created), _) => Success::created(data, &created.path)?,
            (None, StatusCode::ACCEPTED) => Success::accepted(data)?,
            (None, _) => Success::ok(data)?,
        };
        let success = success.at(position);
        let success = if is_secret { success.secret() } else { success };
        Ok(if is_replay {
            success.header(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"))
        } else {
            success
        })
    }
}

/// What went wrong after the command was recorded.
pub(super) fn unanswered(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CommandError {
    CommandError::Unanswered(error.into())
}
