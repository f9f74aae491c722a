//! Persons.

use clap::{Args, ValueEnum};
use command::people::Belongings;
use domain::ids::{InviteeId, UserId};
use domain::org::{Command, InvitationCommand, KeyDisposition};
use gate::Erasure;

use super::{EraseError, begin, finish};
use crate::operator::connection::Operator;
use crate::operator::{OperatorError, decide};
use crate::terminal::say;

/// Which person.
#[derive(Debug, Args)]
pub struct EraseUser {
    /// Their e-mail address or id.
    #[arg(value_name = "EMAIL|ID")]
    person: String,
    /// What becomes of the keys that they own: revoked, or kept without an owner.
    #[arg(long)]
    keys: Option<Keys>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Keys {
    Revoke,
    Keep,
}

impl EraseUser {
    pub async fn run(self, operator: &Operator) -> Result<(), OperatorError> {
        let people = &operator.people;
        let person = people.find_either(&self.person).await;
        let person = person.map_err(EraseError::from)?;
        let person = person.ok_or(EraseError::Nobody)?;
        let has = people.belongings(person).await.map_err(EraseError::from)?;
        // Before anything is done: nobody is erased by halves because of what could be known.
        refuse_only_admin(person, &has)?;
        if self.keys.is_none() && !has.keys.is_empty() {
            let keys = has.keys;
            return Err(EraseError::OwnsKeys { person, keys }.into());
        }
        leave(operator, person, &has, self.keys.map(Keys::disposition)).await?;
        let erasure = Erasure::Person {
            user_id: person,
            keeps_keys: matches!(self.keys, Some(Keys::Keep)),
            invitees: has.invitees,
        };
        begin(operator, &erasure).await?;
        forget(operator, person, false).await?;
        finish(operator, &erasure).await?;
        people.vacuum().await;
        say(format_args!(
            "{person} is erased; what of them is in former backups ends with those"
        ));
        Ok(())
    }
}

impl Keys {
    const fn disposition(self) -> KeyDisposition {
        match self {
            Self::Revoke => KeyDisposition::Revoke,
            Self::Keep => KeyDisposition::Keep,
        }
    }
}

/// Erases somebody again whom a restored database knows. Keys that they own once more are revoked
/// unless they were to be kept: what is lost can be given again. Of an org whose only admin they are
/// once more they stay a member without a name, shut out: nobody can join it in their place while
/// services are closed.
pub async fn again(
    operator: &Operator,
    person: UserId,
    keeps_keys: bool,
    invitees: &[InviteeId],
) -> Result<(), OperatorError> {
    let has = operator.people.belongings(person).await;
    let mut has = has.map_err(EraseError::from)?;
    for org in &has.only_admin_of {
        let ban = Command::BanMember {
            user_id: person,
            reason: None,
        };
        decide(operator, *org, &ban).await?;
    }
    has.orgs.retain(|org| !has.only_admin_of.contains(org));
    let keys = if keeps_keys { Keys::Keep } else { Keys::Revoke };
    leave(operator, person, &has, Some(keys.disposition())).await?;
    forget(operator, person, !has.only_admin_of.is_empty()).await?;
    let forgotten = operator.people.erase_invitees(invitees).await;
    Ok(forgotten.map_err(EraseError::from)?)
}

fn refuse_only_admin(person: UserId, has: &Belongings) -> Result<(), EraseError> {
    if has.only_admin_of.is_empty() {
        return Ok(());
    }
    let orgs = has.only_admin_of.clone();
    Err(EraseError::OnlyAdmin { person, orgs })
}

/// Takes them out of every org, and withdraws what is offered to them.
async fn leave(
    operator: &Operator,
    person: UserId,
    has: &Belongings,
    keys: Option<KeyDisposition>,
) -> Result<(), OperatorError> {
    for org in &has.orgs {
        let leave = Command::RemoveMember {
            user_id: person,
            keys,
        };
        decide(operator, *org, &leave).await?;
    }
    for (org, invitation_id) in &has.invitations {
        let revoke = InvitationCommand::Revoke {
            invitation_id: *invitation_id,
        };
        decide(operator, *org, &Command::Invitation(revoke)).await?;
    }
    Ok(())
}

async fn forget(operator: &Operator, person: UserId, even_members: bool) -> Result<(), EraseError> {
    if operator.people.erase(person, even_members).await? {
        Ok(())
    } else {
        Err(EraseError::Joined(person))
    }
}
