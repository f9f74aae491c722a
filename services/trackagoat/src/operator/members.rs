//! `trackagoat members`: persons shut out of an org, and let in again.

use clap::Subcommand;
use domain::ids::{OrgId, UserId};
use domain::org::Command;

use super::orgs::{Reason, reason};

/// Persons of an org.
#[derive(Debug, Subcommand)]
pub enum Members {
    /// Shut a person out of an org, and every key they own, everywhere when this returns.
    Ban {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// The person's id.
        user: UserId,
        /// Why, for the trail.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
    },
    /// Let them in again.
    Unban {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// The person's id.
        user: UserId,
    },
}

impl Members {
    /// The command for the domain.
    pub fn command(self) -> (OrgId, Command) {
        match self {
            Self::Ban { org, user, reason } => {
                let reason = reason.map(|reason| reason.as_str().to_owned());
                (
                    org,
                    Command::BanMember {
                        user_id: user,
                        reason,
                    },
                )
            }
            Self::Unban { org, user } => (org, Command::UnbanMember { user_id: user }),
        }
    }
}
