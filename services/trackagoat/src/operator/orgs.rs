//! `trackagoat orgs`: what only the operator decides about an org.

use clap::Subcommand;
use domain::ids::OrgId;
use domain::limits::REASON_CHARS;
use domain::org::Command;
use domain::plan::{LimitKey, Plan};
use domain::platform::{Handle, Platform, PlatformError};
use domain::text::{Line, Name, TextError};

/// Why an org, a person or an account is shut out, for the trail.
pub type Reason = Line<REASON_CHARS>;

/// Orgs, their plans and limits.
#[derive(Debug, Subcommand)]
pub enum Orgs {
    /// Make an org; prints its id.
    Create {
        /// Its name.
        #[arg(long, value_parser = name)]
        name: Name,
        /// free, starter or ultra.
        #[arg(long, default_value = "free")]
        plan: Plan,
        /// IANA name of the zone in which its days begin.
        #[arg(long, default_value = "UTC")]
        timezone: String,
    },
    /// List all orgs.
    List,
    /// Change an org's plan; lowering it holds on every replica when this returns.
    SetPlan { org: OrgId, plan: Plan },
    /// Set a limit in place of the plan's, or take that back.
    SetLimit {
        org: OrgId,
        /// For example max_creators_per_org.
        limit_key: LimitKey,
        /// A number, or `plan` for what the plan grants.
        #[arg(value_parser = value)]
        value: LimitValue,
    },
    /// Refuse every request for an org, everywhere when this returns.
    Suspend {
        org: OrgId,
        /// Why, for the trail.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
    },
    /// End a suspension. Replicas hear of it a moment after this returns.
    Reinstate { org: OrgId },
    /// Forbid an org to follow an account.
    BanHandle {
        org: OrgId,
        platform: Platform,
        handle: String,
        /// Why, for the trail.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
    },
    /// Allow it again.
    UnbanHandle {
        org: OrgId,
        platform: Platform,
        handle: String,
    },
}

/// The operator's number, or none.
#[derive(Debug, Clone, Copy)]
pub struct LimitValue(Option<u64>);

/// What to do with which org.
pub enum OrgAction {
    /// Make one.
    Create(Command),
    /// Show all.
    List,
    /// Decide about one.
    Decide(OrgId, Command),
}

impl Orgs {
    /// The command for the domain.
    pub fn action(self) -> Result<OrgAction, PlatformError> {
        let text = |reason: Option<Reason>| reason.map(|reason| reason.as_str().to_owned());
        let (org, command) = match self {
            Self::Create {
                name,
                plan,
                timezone,
            } => {
                return Ok(OrgAction::Create(Command::CreateOrg {
                    name,
                    plan,
                    timezone,
                }));
            }
            Self::List => return Ok(OrgAction::List),
            Self::SetPlan { org, plan } => (org, Command::SetPlan { plan }),
            Self::SetLimit {
                org,
                limit_key,
                value,
            } => (
                org,
                Command::SetLimit {
                    limit_key,
                    value: value.0,
                },
            ),
            Self::Suspend { org, reason } => (
                org,
                Command::Suspend {
                    reason: text(reason),
                },
            ),
            Self::Reinstate { org } => (org, Command::Reinstate),
            Self::BanHandle {
                org,
                platform,
                handle,
                reason,
            } => {
                let handle = Handle::parse(platform, &handle)?;
                (
                    org,
                    Command::BanHandle {
                        platform,
                        handle,
                        reason: text(reason),
                    },
                )
            }
            Self::UnbanHandle {
                org,
                platform,
                handle,
            } => {
                let handle = Handle::parse(platform, &handle)?;
                (org, Command::UnbanHandle { platform, handle })
            }
        };
        Ok(OrgAction::Decide(org, command))
    }
}

pub fn name(text: &str) -> Result<Name, TextError> {
    Name::parse(text)
}

pub fn reason(text: &str) -> Result<Reason, TextError> {
    Reason::parse(text)
}

fn value(text: &str) -> Result<LimitValue, String> {
    match text {
        "plan" => Ok(LimitValue(None)),
        number => number
            .parse()
            .map(|number| LimitValue(Some(number)))
            .map_err(|_| "must be a whole number, or `plan` for what the plan grants".to_owned()),
    }
}
