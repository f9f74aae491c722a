//! Every bound that a caller can meet, with its unit, in one place (v1-contract.md 1.2, 1.5, 7, 12, 15, 16).

/// Largest body of a request, in bytes; ingest has [`INGEST_BODY_BYTES`].
pub const BODY_BYTES: usize = 1024 * 1024;
/// Largest body of an ingest request, in bytes.
pub const INGEST_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Most lines of one ingest request.
pub const INGEST_LINES: usize = 5_000;
/// Longest line of an ingest request, in bytes.
pub const INGEST_LINE_BYTES: usize = 16 * 1024;
/// How far in the future an observation may lie, in seconds.
pub const OBSERVED_AHEAD_SECONDS: i64 = 5 * 60;
/// Earliest year of an observation or a post.
pub const EARLIEST_YEAR: i32 = 2005;
/// Seconds within which a body must have arrived.
pub const BODY_SECONDS: u64 = 30;
/// Longest request target, in bytes.
pub const TARGET_BYTES: usize = 8 * 1024;
/// All request headers together, in bytes.
pub const HEADER_BYTES: usize = 16 * 1024;
/// Deepest nesting of a JSON body.
pub const JSON_DEPTH: usize = 32;
/// Largest integer that JSON readers keep exactly: 2^53 - 1.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

/// Default number of items on a page.
pub const PAGE_DEFAULT: u16 = 50;
/// Most items on a page.
pub const PAGE_MAX: u16 = 100;
/// Longest cursor, in characters.
pub const CURSOR_CHARS: usize = 512;
/// Longest search text, in characters.
pub const SEARCH_CHARS: usize = 100;
/// Longest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY_CHARS: usize = 255;
/// How long the answer to an `Idempotency-Key` is kept, in hours.
pub const IDEMPOTENCY_HOURS: i64 = 24;
/// Longest inbound `X-Request-Id`, in characters.
pub const REQUEST_ID_CHARS: usize = 64;

/// Longest name, in characters.
pub const NAME_CHARS: usize = 100;
/// Longest name of a project, in characters.
pub const PROJECT_NAME_CHARS: usize = 200;
/// Longest name of a campaign, in characters.
pub const CAMPAIGN_NAME_CHARS: usize = 200;
/// Longest label of an annotation, in characters.
pub const LABEL_CHARS: usize = 200;
/// Longest body of an annotation, in characters.
pub const ANNOTATION_BODY_CHARS: usize = 2_000;
/// Largest target of a goal (10^12).
pub const GOAL_TARGET_MAX: u64 = 1_000_000_000_000;
/// Longest readme, in characters.
pub const README_CHARS: usize = 20_000;
/// Largest `metadata`, in bytes of its canonical form.
pub const METADATA_BYTES: usize = 16 * 1024;
/// Deepest nesting of `metadata`.
pub const METADATA_DEPTH: usize = 8;
/// Longest title of a video, in characters.
pub const TITLE_CHARS: usize = 4_000;
/// Longest display name of a creator, in characters.
pub const DISPLAY_NAME_CHARS: usize = 200;
/// Longest URL, in characters.
pub const URL_CHARS: usize = 2_048;
/// Longest description of a webhook, in characters.
pub const WEBHOOK_DESCRIPTION_CHARS: usize = 200;
/// Longest reason an operator may give, in characters.
pub const REASON_CHARS: usize = 500;

/// Most creators or videos added by one bulk request.
pub const BULK_ADD_ITEMS: usize = 50;
/// Most ids of one bulk request.
pub const BULK_ID_ITEMS: usize = 100;

/// Most CIDRs of one key's allow-list.
pub const IP_ALLOWLIST_ENTRIES: usize = 50;
/// Default of a key's `rate_limit_per_minute`.
pub const KEY_RATE_DEFAULT: u64 = 60;
/// A session's requests in any trailing 60 s.
pub const SESSION_RATE: u64 = 600;
/// How long a connection over NATS lasts before it must be made again, in seconds.
pub const SUBSCRIPTION_SECONDS: i64 = 10 * 60;
/// Most connections over NATS at a time with one key.
pub const SUBSCRIBER_CONNECTIONS_OF_KEY: usize = 10;
/// Most connections over NATS at a time with all keys of an org.
pub const SUBSCRIBER_CONNECTIONS_OF_ORG: usize = 100;
/// Most subscriptions of one connection over NATS.
pub const SUBSCRIPTIONS: i64 = 32;
/// Longest message that a subscriber may send over NATS, in bytes: it asks and acknowledges.
pub const SUBSCRIBER_MESSAGE_BYTES: i64 = 4 * 1024;
/// Most events that a subscriber's durable has under way without an acknowledgement.
pub const SUBSCRIBER_UNACKNOWLEDGED: i64 = 1_024;
/// Most questions for events that wait at a subscriber's durable.
pub const SUBSCRIBER_WAITING: i64 = 16;
/// Most events of one such question.
pub const SUBSCRIBER_BATCH: i64 = 512;
/// Seconds until an event that was not acknowledged is sent again.
pub const SUBSCRIBER_ACK_SECONDS: u64 = 10;
/// Hours after which a subscriber's durable that nobody asks is taken away.
pub const SUBSCRIBER_IDLE_HOURS: u64 = 3 * 24;
/// How long a session lasts, in days.
pub const SESSION_DAYS: i64 = 7;
/// Most live sessions of one person in one org; the oldest ends for the next.
pub const SESSIONS_PER_MEMBER: usize = 20;
/// How long after its own end a session is remembered, so that ending it may be repeated, in days.
pub const SESSION_REMEMBERED_DAYS: i64 = 1;
/// How long an invitation may be accepted, in days.
pub const INVITATION_DAYS: i64 = 7;
/// What is kept of a client's name, in characters.
pub const USER_AGENT_CHARS: usize = 256;
/// Longest e-mail address, in characters.
pub const EMAIL_CHARS: usize = 254;
/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// How long a setup token may be used, in minutes.
pub const SETUP_TOKEN_MINUTES: i64 = 60;
/// A key's shortest life when `expires_at` is given, in seconds.
pub const KEY_LIFE_MIN_SECONDS: i64 = 60;
/// A key's longest life when `expires_at` is given, in days (ten years, with as many leap days as
/// those can have).
pub const KEY_LIFE_MAX_DAYS: i64 = 3_653;
/// Longest overlap of a rotation, in seconds (30 days).
pub const ROTATION_OVERLAP_MAX_SECONDS: i64 = 2_592_000;
/// Default overlap of a rotation, in seconds (one day).
pub const ROTATION_OVERLAP_DEFAULT_SECONDS: i64 = 86_400;

/// Most webhooks of an org.
pub const WEBHOOKS_PER_ORG: usize = 20;
/// Most patterns of event types of one webhook.
pub const WEBHOOK_TYPES: usize = 50;
/// How long the former secret of a webhook signs beside the new one, in hours.
pub const WEBHOOK_OVERLAP_HOURS: i64 = 24;
/// Attempts at a delivery: the first at once, the last about three days later.
pub const DELIVERY_ATTEMPTS: usize = 10;
/// Most deliveries that wait for one webhook; one more, and it is switched off.
pub const DELIVERIES_WAITING: i64 = 100_000;
/// How long deliveries are kept, in days.
pub const DELIVERY_DAYS: i64 = 30;
/// Most deliveries kept of one webhook beside those that wait.
pub const DELIVERIES_KEPT: i64 = 100_000;
/// Seconds within which whoever takes a delivery must have answered.
pub const DELIVERY_SECONDS: u64 = 15;
/// What is read of the answer to a delivery, in bytes.
pub const DELIVERY_ANSWER_BYTES: usize = 16 * 1024;
/// What is shown of the answer to a delivery, in characters.
pub const DELIVERY_ANSWER_CHARS: usize = 1_000;

/// Most readings in one event.
pub const EVENT_READINGS: usize = 500;
/// Most items that leave a campaign in one event: so many fit into [`EVENT_DATA_BYTES`].
pub const EVENT_CAMPAIGN_ITEMS: usize = 1_000;
/// Largest `data` of one event, in bytes; kept far below NATS' `max_payload` of 1 MiB.
pub const EVENT_DATA_BYTES: usize = 256 * 1024;
/// Share of a count limit, in percent, at which a warning is recorded.
pub const LIMIT_WARNING_PERCENT: u64 = 80;
/// How often a command decides again after a conflict before it answers 409.
pub const DECIDE_ATTEMPTS: u32 = 5;

/// Most entities of one analytics request.
pub const ANALYTICS_ENTITIES: usize = 10;
/// Most buckets of one analytics request.
pub const ANALYTICS_BUCKETS: usize = 1_100;
/// Widest custom bucket, in days.
pub const BUCKET_DAYS_MAX: u16 = 90;
/// Videos of a breakdown that stand for themselves; all others stand together.
pub const BREAKDOWN_VIDEOS: usize = 10;
/// Farthest place at which a list of rows may begin.
pub const OFFSET_MAX: u64 = 10_000;
/// Rows of a scatter unless a limit is given.
pub const SCATTER_ROWS_DEFAULT: u64 = 100;
/// Most rows of a scatter.
pub const SCATTER_ROWS_MAX: u64 = 500;
/// Bins of a linear distribution unless a number is given.
pub const BINS_DEFAULT: u64 = 20;
/// Most bins of a linear distribution.
pub const BINS_MAX: u64 = 50;
/// Videos without which a group has no outliers.
pub const OUTLIER_GROUP_MIN: usize = 5;
/// Most campaigns whose members are compared at once.
pub const OVERLAP_CAMPAIGNS: usize = 10;
/// Most members of several campaigns that are named.
pub const OVERLAP_MEMBERS: usize = 500;
/// A scope of a key that was not needed for so many days is unused; of a younger key nothing is said.
pub const SCOPE_UNUSED_DAYS: i64 = 30;
/// How many days back the use of a key may be asked for.
pub const USAGE_DAYS: u64 = 90;
/// Most names in one `type` filter of the audit trail.
pub const AUDIT_TYPES: usize = 20;
/// Longest subject of an event, in characters.
pub const AUDIT_SUBJECT_CHARS: usize = 200;
/// Bytes of events after which a page of the audit trail ends, however few they are.
pub const AUDIT_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Open event streams of one org, on each replica.
pub const ORG_STREAMS: usize = 20;
/// Seconds between two comments on a stream on which nothing happens.
pub const STREAM_COMMENT_SECONDS: u64 = 15;
/// How far a reader of a stream may be behind, in bytes of events.
pub const STREAM_BEHIND_BYTES: usize = 4 * 1024 * 1024;
/// Exports of one org that are under way at once, on each replica.
pub const ORG_EXPORTS: usize = 4;
/// Seconds within which something must be taken of a stream or an export that has something to give.
pub const UNTAKEN_SECONDS: u64 = 60;
/// Bytes of an export that must be taken within [`EXPORT_PACE_SECONDS`] of waiting for its reader: 28
/// kbit/s, which the poorest line gives.
pub const EXPORT_PACE_BYTES: usize = 1024 * 1024;
/// Seconds of waiting for a reader within which [`EXPORT_PACE_BYTES`] of an export must be taken.
pub const EXPORT_PACE_SECONDS: u64 = 5 * 60;
/// Seconds for which the reader of one export is waited for in all; it goes on with another.
pub const EXPORT_WAITED_SECONDS: u64 = 60 * 60;
/// Days of a range when `from` is not given.
pub const RANGE_DEFAULT_DAYS: i64 = 30;
