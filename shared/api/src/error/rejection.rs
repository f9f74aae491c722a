//! What a decision refuses, as v1 says it.

use domain::ids::CampaignId;
use domain::org::{Existing, Rejection};

use super::{ApiError, Caller, HandleRefusal, Presented};
use crate::input::issue::Issues;

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let said = rejection.to_string();
        match rejection {
            Rejection::CallerInvalid => Self::invalid_api_key(Presented::BearerToken),
            Rejection::OrgSuspended => Self::org_suspended(),
            Rejection::UserSuspended => Self::user_suspended(),
            Rejection::InsufficientScope { required, granted } => {
                Self::insufficient_scope(required, granted)
            }
            Rejection::LimitReached {
                limit_key,
                current,
                max,
            } => Self::limit_reached(limit_key, current, max),
            Rejection::NotFound => Self::not_found(),
            Rejection::Duplicate { what, id } => Self::duplicate(existing(what), id),
            Rejection::HandleTaken { .. } => Self::handle_refused(HandleRefusal::Taken, said),
            Rejection::CreatorBanned => Self::handle_refused(HandleRefusal::Banned, said),
            Rejection::InvalidHandle(rule) => {
                Self::handle_refused(HandleRefusal::Invalid, rule.to_string())
            }
            Rejection::NoChange => Self::handle_refused(HandleRefusal::NoChange, said),
            Rejection::KeyNotActive => Self::key_not_active(),
            Rejection::LastAdmin => Self::last_admin(),
            Rejection::AlreadyMember => Self::already_member(),
            Rejection::InvitationClosed => Self::invitation_closed(),
            Rejection::NotOrgAdmin => Self::forbidden(Caller::OrgAdmin),
            Rejection::MemberHasKeys { active_keys } => Self::member_has_keys(active_keys),
            Rejection::CampaignCycle { path } => {
                let path: Vec<_> = path.into_iter().map(CampaignId::as_uuid).collect();
                Self::campaign_cycle(&path)
            }
            Rejection::CrossProject => Self::cross_project(),
            Rejection::StateConflict(why) => Self::state_conflict(why),
            Rejection::Invalid { field, message } => {
                Self::invalid_body(&Issues::one(field, message))
            }
            // Not for callers: the service loads the org, makes it, or finds keys, before it asks.
            Rejection::NoSuchOrg | Rejection::OrgExists | Rejection::SubjectKeysNeeded(_) => {
                Self::internal(rejection)
            }
        }
    }
}

const fn existing(what: Existing) -> &'static str {
    match what {
        Existing::Annotation => "An annotation with this id",
        Existing::Campaign => "A campaign with this id",
        Existing::CampaignItem => "This item of the campaign",
        Existing::Goal => "An active goal of this creator, metric and period",
        Existing::Creator => "A creator with this handle",
        Existing::Invitation => "An open invitation to this address",
        Existing::Key => "A key with this id",
        Existing::Project => "A project with this id",
        Existing::Session => "A session with this id",
        Existing::Video => "This video",
        Existing::Webhook => "A webhook with this id",
    }
}

#[cfg(test)]
mod tests {
    use domain::platform::{Platform, PlatformError};
    use uuid::Uuid;

    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn refused_handles_say_the_code_and_why() {
        let rule = PlatformError::Handle(Platform::Tiktok);
        let error = ApiError::from(Rejection::InvalidHandle(rule));
        assert_eq!(error.code(), ErrorCode::InvalidHandle);
        assert_eq!(error.message(), "invalid_handle");
        let detail = error.meta("detail").and_then(serde_json::Value::as_str);
        assert!(detail.is_some_and(|text| text.contains("1 to 30 letters")));
        let taken = ApiError::from(Rejection::HandleTaken { id: Uuid::nil() });
        assert_eq!(taken.code(), ErrorCode::HandleTaken);
        assert!(taken.meta("id").is_none());
    }

    #[test]
    fn what_exists_is_named() {
        let id = Uuid::nil();
        let what = Existing::Creator;
        let error = ApiError::from(Rejection::Duplicate { what, id });
        assert_eq!(error.message(), "A creator with this handle already exists");
    }

    #[test]
    fn what_no_caller_may_see_is_an_internal_error() {
        let error = ApiError::from(Rejection::SubjectKeysNeeded(vec![Uuid::nil()]));
        assert_eq!(error.code(), ErrorCode::InternalError);
        assert_eq!(error.message(), "Internal error");
    }
}
