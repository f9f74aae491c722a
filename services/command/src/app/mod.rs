//! Commands without HTTP: load, decide, append, fold; and the barrier of what takes access away.

mod commander;
mod context;
mod denial;
mod error;
mod ingest;
mod inspect;
mod load;
mod memory;
mod mint;
mod orgs;
mod recall;
mod snapshots;

pub use self::commander::{Commander, Executed, Parts, State};
pub use self::context::{CommandContext, Remember, Render};
pub use self::denial::Denial;
pub use self::error::CommandError;
pub use self::ingest::{Ingested, Unreadable};
pub use self::mint::Minted;
pub use self::snapshots::Snapshotter;
