//! The log: append and read it (Postgres), mirror it (JetStream), follow it.
//!
//! May depend on `domain` and `runtime`.
//!
//! Architecture invariant: this crate knows no rule of the business and no HTTP. It does not know
//! what an event means, with one exception: `inline` names the events that change who may
//! call, because their rows must be as fresh as the log itself. NATS is never asked what is true.
//!
//! Where to look: `append` is the one way in (group commit under the lock of `log.head`),
//! [`EventLog`] reads, [`Replay`] reads again, [`Feed`] follows from any position without gaps,
//! [`Mirror`] publishes, [`Signer`] grows the Merkle tree over it and signs its head.
#![warn(missing_docs)]

mod append;
pub mod archive;
mod epoch;
mod error;
mod examine;
mod feed;
mod fold;
mod idempotency;
mod inline;
mod log;
pub mod metrics;
mod migrate;
mod mirror;
mod org_events;
mod provision;
mod read;
mod readings;
mod recent;
mod replay;
mod restorations;
mod signer;
mod snapshots;
mod stored;
mod subject_keys;
mod sweep;
mod times;
mod tree;
mod walk;

pub use self::append::{
    AppendError, AppendRequest, Appended, Appender, Config, Guard, IdempotencyRecord, NotCommitted,
    StoredAnswer,
};
pub use self::epoch::begin_epoch_in_tx;
pub use self::error::{CorruptRow, ReadError};
pub use self::examine::{Credential, Extent, Standing};
pub use self::feed::{Feed, FeedConfig, FeedError};
pub use self::log::{EventLog, Head, PreparedAppend};
pub use self::migrate::{MigrateError, migrate, pending_migrations};
pub use self::mirror::{
    EPOCH_KEY, LARGEST_MESSAGE, Mirror, MirrorConfig, MirrorError, STREAM_NAME, subject_of_org,
};
pub use self::org_events::Located;
pub use self::provision::{create_database, create_login};
pub use self::readings::{KnownReading, ReadingKey};
pub use self::replay::{Replay, ReplayedPage, Selection};
pub use self::restorations::{LogRestoration, note_restoration_in_tx, unsigned_restorations};
pub use self::signer::{
    CHECKPOINT_STREAM, CHECKPOINT_SUBJECT, CheckpointCopy, CheckpointFolder, FolderError,
    InvalidCopy, Signer, SignerConfig, SignerError, StreamCopyError, checkpoints_of_stream,
};
pub use self::snapshots::Snapshot;
pub use self::stored::StoredEvent;
pub use self::subject_keys::{Erased, FoundKeys};
pub use self::sweep::Sweeper;
pub use self::times::Moment;
pub use self::tree::{
    InclusionProof, LogCheckpoints, SealError, SealedEnds, SignedCheckpoint, WrongSubtree,
};
pub use self::walk::OrgWalk;
