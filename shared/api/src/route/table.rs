//! The table itself, in the order of v1-contract.md 2. A path without ids stands before one with
//! ids that it would fit.

use domain::scope::Scope;

use super::Access::{Any, Public, Session};
use super::Verb::{Delete, Get, Patch, Post};
use super::{Access, Route};
use crate::error::ErrorCode::{
    AlreadyMember, CampaignCycle, CreatorBanned, CrossProject, Duplicate, Forbidden, Gone,
    HandleTaken, InsufficientScope, InvalidHandle, InvitationClosed, KeyNotActive, LastAdmin,
    LimitReached, MemberHasKeys, NoChange, NotFound, RetentionExceeded, StateConflict,
};

const READ: Access = Access::Scope(Scope::Read);
const WRITE: Access = Access::Scope(Scope::Write);
const KEYS: Access = Access::Scope(Scope::Keys);
const INGEST: Access = Access::Scope(Scope::Ingest);
const AUDIT: Access = Access::Scope(Scope::Audit);

const ANALYTICS: &str = "/api/v1/analytics";
const OPENAPI: &str = "/api/v1/openapi.json";

/// Every route that is served. Each has one address, by which it may be told from the others.
pub static ROUTES: &[Route] = &[
    // 18, 6
    Route::new(Get, "/openapi.json", Public),
    Route::new(Get, "/asyncapi.json", Public),
    Route::new(Get, "/schema", READ),
    Route::new(Get, "/limits", READ),
    // 7
    Route::new(Get, "/api-keys", KEYS),
    Route::new(Post, "/api-keys", KEYS).own(&[LimitReached, InsufficientScope]),
    Route::new(Get, "/api-keys/self", Any).own(&[Forbidden]),
    Route::new(Delete, "/api-keys/self", Any).own(&[Forbidden]),
    Route::new(Get, "/api-keys/{id}", KEYS),
    Route::new(Patch, "/api-keys/{id}", KEYS).own(&[KeyNotActive, LimitReached]),
    Route::new(Delete, "/api-keys/{id}", KEYS),
    Route::new(Get, "/api-keys/{id}/usage", KEYS),
    Route::new(Post, "/api-keys/{id}/rotate", KEYS).own(&[KeyNotActive, LimitReached]),
    // 8
    Route::new(Get, "/orgs", Any),
    Route::new(Get, "/orgs/self", Any),
    Route::new(Patch, "/orgs/self", KEYS),
    Route::new(Get, "/members", READ),
    Route::new(Delete, "/members/self", Session).own(&[LastAdmin, MemberHasKeys, NotFound]),
    Route::new(Patch, "/members/{user_id}", KEYS).own(&[LastAdmin]),
    Route::new(Delete, "/members/{user_id}", KEYS).own(&[LastAdmin, MemberHasKeys]),
    Route::new(Get, "/invitations", KEYS),
    Route::new(Post, "/invitations", KEYS).own(&[AlreadyMember, Duplicate, LimitReached]),
    Route::new(Get, "/invitations/received", Session),
    Route::new(Delete, "/invitations/{id}", KEYS).own(&[InvitationClosed]),
    Route::new(Post, "/invitations/{id}/accept", Session).own(&[AlreadyMember, InvitationClosed]),
    Route::new(Post, "/invitations/{id}/decline", Session).own(&[InvitationClosed]),
    Route::new(Get, "/sessions", Session),
    Route::new(Post, "/sessions", Session).own(&[NotFound]),
    Route::new(Get, "/sessions/self", Session),
    Route::new(Delete, "/sessions/self", Session),
    Route::new(Delete, "/sessions/{id}", Session),
    // 9
    Route::new(Get, "/projects", READ),
    Route::new(Post, "/projects", WRITE).own(&[LimitReached]),
    Route::new(Get, "/projects/{id}", READ),
    Route::new(Patch, "/projects/{id}", WRITE),
    Route::new(Delete, "/projects/{id}", WRITE),
    // 10
    Route::new(Get, "/creators", READ).own(&[NotFound]),
    Route::new(Get, "/creators/{id}", READ),
    Route::new(Patch, "/creators/{id}", WRITE).own(&[
        HandleTaken,
        CreatorBanned,
        InvalidHandle,
        NoChange,
    ]),
    Route::new(Delete, "/creators/{id}", WRITE),
    Route::new(Post, "/projects/{id}/creators", WRITE).own(&[
        CreatorBanned,
        Duplicate,
        LimitReached,
    ]),
    Route::new(Post, "/projects/{id}/creators/bulk-reenable", WRITE),
    Route::new(Post, "/projects/{id}/creators/bulk-remove", WRITE),
    // 11
    Route::new(Get, "/videos", READ).own(&[NotFound]),
    Route::new(Get, "/videos/{id}", READ),
    Route::new(Patch, "/videos/{id}", WRITE).own(&[LimitReached, StateConflict]),
    Route::new(Delete, "/videos/{id}", WRITE),
    Route::new(Post, "/videos/{id}/review", WRITE).own(&[StateConflict]),
    Route::new(Post, "/videos/{id}/tracking-disable", WRITE),
    Route::new(Post, "/projects/{id}/videos", WRITE).own(&[Duplicate, LimitReached]),
    Route::new(Post, "/projects/{id}/videos/bulk-tracking-disable", WRITE),
    Route::new(Get, "/projects/{id}/inbox", READ),
    Route::new(Post, "/projects/{id}/inbox/review", WRITE),
    // 12
    Route::new(Post, "/ingest/observations", INGEST)
        .ndjson()
        .own(&[NotFound]),
    // 13
    Route::new(Get, "/campaigns", READ).own(&[NotFound]),
    Route::new(Post, "/projects/{id}/campaigns", WRITE).own(&[LimitReached]),
    Route::new(Get, "/campaigns/{id}", READ),
    Route::new(Patch, "/campaigns/{id}", WRITE),
    Route::new(Delete, "/campaigns/{id}", WRITE),
    Route::new(Get, "/campaigns/{id}/items", READ),
    Route::new(Post, "/campaigns/{id}/items", WRITE).own(&[
        CampaignCycle,
        CrossProject,
        Duplicate,
        LimitReached,
    ]),
    Route::new(Delete, "/campaigns/{id}/items", WRITE),
    // 14
    Route::new(Get, "/analytics/annotations", READ).own(&[NotFound]),
    Route::new(Post, "/analytics/annotations", WRITE).own(&[LimitReached, NotFound]),
    Route::new(Patch, "/analytics/annotations/{id}", WRITE).own(&[StateConflict]),
    Route::new(Delete, "/analytics/annotations/{id}", WRITE).own(&[StateConflict]),
    // 15
    Route::new(Get, "/analytics", READ).own(&[NotFound, RetentionExceeded]),
    // 17
    Route::new(Get, "/projects/{id}/goals", READ),
    Route::new(Post, "/projects/{id}/goals", WRITE).own(&[Duplicate, LimitReached]),
    Route::new(Patch, "/goals/{id}", WRITE).own(&[Duplicate]),
    Route::new(Delete, "/goals/{id}", WRITE),
    Route::new(Get, "/projects/{id}/goal-compliance", READ).own(&[RetentionExceeded]),
    // 16
    Route::new(Get, "/analytics/aggregate/video-leaderboard", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/creator-leaderboard", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/campaign-leaderboard", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/goal-compliance", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/member-overlap", READ).own(&[NotFound]),
    Route::new(Get, "/analytics/aggregate/posting-heatmap", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/posting-consistency", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/view-distribution", READ)
        .own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/outliers", READ).own(&[NotFound, RetentionExceeded]),
    Route::new(Get, "/analytics/aggregate/creator-scatter", READ)
        .own(&[NotFound, RetentionExceeded]),
    // 19
    Route::new(Get, "/audit/events", AUDIT).own(&[Gone]),
    Route::new(Get, "/audit/stream", AUDIT).own(&[Gone]),
    Route::new(Get, "/audit/export", AUDIT).own(&[Gone]),
    Route::new(Get, "/audit/as-of", AUDIT).own(&[Gone, NotFound]),
    Route::new(Get, "/audit/checkpoint", AUDIT),
    Route::new(Get, "/audit/proof", AUDIT).own(&[Gone, NotFound]),
    // Webhooks
    Route::new(Get, "/webhooks", KEYS),
    Route::new(Post, "/webhooks", KEYS).own(&[StateConflict]),
    Route::new(Get, "/webhooks/{id}", KEYS),
    Route::new(Patch, "/webhooks/{id}", KEYS),
    Route::new(Delete, "/webhooks/{id}", KEYS),
    Route::new(Post, "/webhooks/{id}/rotate-secret", KEYS),
    Route::new(Post, "/webhooks/{id}/test", KEYS),
    Route::new(Get, "/webhooks/{id}/deliveries", KEYS),
    Route::new(Post, "/webhooks/{id}/deliveries/{delivery_id}/resend", KEYS).own(&[StateConflict]),
    // 18.3
    Route::new(Get, "/analytics/schema", READ).removed(OPENAPI),
    Route::new(Get, "/campaigns/{id}/stats", READ).removed(ANALYTICS),
    Route::new(Get, "/creators/{id}/stats", READ).removed(ANALYTICS),
    Route::new(Get, "/videos/{id}/stats", READ).removed(ANALYTICS),
];
