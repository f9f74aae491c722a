//! Old partitions of the log in files: written, verified, read again.
//!
//! A file holds one partition whole: a line for each event, the public form with one member more,
//! `authprev`, by which the event comes back as it stood. Lines are compressed in frames that can be
//! read alone; a manifest beside the file says where they begin and what their hashes are, and
//! `log.archived` has the hash of the manifest. So nothing that is read is trusted because it is there.
//!
//! What leaves the database is observations only, and of those not all (`keep` says which stay):
//! decisions stay for ever, since every org must be foldable from them.

mod archiver;
mod check;
mod due;
mod error;
mod keep;
mod line;
mod manifest;
mod rows;
mod scan;
mod shelf;
mod survey;
mod through;
mod volume;
mod write;
mod written;

pub use self::archiver::Archiver;
pub use self::check::{BadEvent, Checker, Flaw, Start};
pub use self::due::{Before, Next};
pub use self::error::{ArchiveError, Behind};
pub(crate) use self::keep::Subjects;
pub use self::keep::is_fixed;
pub use self::manifest::{Frame, Manifest, Stretch};
pub use self::rows::ArchiveEdge;
pub(crate) use self::rows::{Archived, holding, upto};
pub(crate) use self::scan::Scanned;
pub(crate) use self::shelf::{Purpose, Shelf};
pub use self::survey::{Survey, survey};
pub use self::volume::Volume;
pub use self::written::{Step, Written};
