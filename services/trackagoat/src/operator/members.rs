//! `trackagoat members`: persons invited to an org, shut out of it, and let in again.

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use command::app::CommandError;
use command::people::{Password, PeopleError};
use command::{PUBLIC_URL, public_url};
use domain::email::Email;
use domain::event::Role;
use domain::ids::{InvitationId, OrgId, UserId};
use domain::org::{Command, InvitationCommand, Rejection};
use runtime::entropy::Entropy;

use super::connection::Operator;
use super::orgs::{Reason, one_of, reason};
use super::{OperatorError, decide, show};
use crate::terminal::{remark, say};

/// Persons of an org.
#[derive(Debug, Subcommand)]
pub enum Members {
    /// List an org's members.
    List {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
    },
    /// Invite a person; prints the link by which they make an account and join, this once.
    Invite(Invite),
    /// Take back an invitation that is pending: its link is worth nothing when this returns.
    Withdraw {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// The invitation's id, as `invite` names it while it is pending.
        invitation: InvitationId,
    },
    /// Give a person a new password, which is printed this once; all their sessions end.
    ResetPassword {
        /// The person's e-mail address.
        #[arg(value_parser = Email::parse)]
        email: Email,
    },
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

/// Whom to invite.
#[derive(Debug, Args)]
pub struct Invite {
    /// The org's id, as `orgs list` shows it.
    org: OrgId,
    /// The person's e-mail address.
    #[arg(value_parser = Email::parse)]
    email: Email,
    /// The role they will have: admin or member.
    #[arg(long, default_value = "member", value_parser = role())]
    role: Role,
    /// Where people reach the service; unless it is told, where the `trackagoat dev` of the data
    /// folder listens, else where `trackagoat serve` does by default.
    #[arg(long, env = "TGA_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// What is kept of people could not be reached.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// Nobody has the address.
    #[error("nobody has this address")]
    Nobody,
}

impl Invite {
    /// Makes the invitation and prints its link.
    pub async fn run(self, operator: &Operator) -> Result<(), OperatorError> {
        let invited = operator
            .people
            .invite(self.org, &self.email, self.role)
            .await;
        let invited = invited.map_err(MembersError::from)?;
        let id = invited.new.invitation_id;
        let create = Command::Invitation(InvitationCommand::Create(invited.new));
        if let Err(error) = decide(operator, self.org, &create).await {
            let may_be_there = matches!(&error, OperatorError::Command(it) if !it.is_certain());
            if !may_be_there {
                operator.people.forget_invitation(id).await;
            }
            return Err(error);
        }
        let public_url = self.public_url.as_deref();
        let public_url = public_url.or(operator.public_url.as_deref());
        if public_url.is_none() {
            remark(
                "warning: the link leads to this machine: give --public-url (TGA_PUBLIC_URL), where people reach the console",
            );
        }
        say(invited.token.accept_url(public_url.unwrap_or(PUBLIC_URL)));
        Ok(())
    }
}

/// Gives a person a new password and prints it.
pub async fn reset_password(
    operator: &Operator,
    email: &Email,
    entropy: &Entropy,
) -> Result<(), MembersError> {
    let person = operator.people.find(email).await?;
    let person = person.ok_or(MembersError::Nobody)?;
    let (password, text) = Password::random(entropy);
    operator
        .people
        .reset_password(person, password, "cli")
        .await?;
    say(&*text);
    Ok(())
}

/// Lists an org's members.
pub async fn list(operator: &Operator, org: OrgId) -> Result<(), OperatorError> {
    let members = operator.commander.inspect(org, |state| {
        let members = || state.members.clone();
        state.profile.as_ref().map(|_| members())
    });
    let members = members.await?;
    let members = members.ok_or(CommandError::Rejected(Rejection::NoSuchOrg))?;
    let mut rows = Vec::with_capacity(members.len());
    for (id, member) in members {
        let person = operator
            .people
            .person(id)
            .await
            .map_err(MembersError::from)?;
        rows.push((id, member, person));
    }
    show::members(&rows);
    Ok(())
}

fn role() -> impl TypedValueParser<Value = Role> {
    one_of::<Role>(Role::ALL.map(Role::name))
}

impl Members {
    /// Carries it out.
    pub async fn run(self, operator: &Operator, entropy: &Entropy) -> Result<(), OperatorError> {
        match self {
            Self::List { org } => list(operator, org).await,
            Self::Invite(invite) => invite.run(operator).await,
            Self::Withdraw { org, invitation } => {
                let invitation_id = invitation;
                let revoke = InvitationCommand::Revoke { invitation_id };
                let revoked = decide(operator, org, &Command::Invitation(revoke)).await;
                revoked.map(drop)
            }
            Self::ResetPassword { email } => Ok(reset_password(operator, &email, entropy).await?),
            Self::Ban { org, user, reason } => {
                let reason = reason.map(|reason| reason.as_str().to_owned());
                let user_id = user;
                let ban = Command::BanMember { user_id, reason };
                decide(operator, org, &ban).await.map(drop)
            }
            Self::Unban { org, user } => {
                let unban = Command::UnbanMember { user_id: user };
                decide(operator, org, &unban).await.map(drop)
            }
        }
    }
}
