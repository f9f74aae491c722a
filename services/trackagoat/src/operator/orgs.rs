//! `trackagoat orgs`: what only the operator decides about an org.

use std::error::Error;
use std::str::FromStr;

use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
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
        /// What it may. On free its keys may make no requests.
        #[arg(long, default_value = "free", value_parser = plan())]
        plan: Plan,
        /// IANA name of the zone in which its days begin.
        #[arg(long, default_value = "UTC")]
        timezone: String,
    },
    /// List all orgs.
    List,
    /// Change an org's plan; lowering it holds on every replica when this returns.
    SetPlan {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// What it may from now on.
        #[arg(value_parser = plan())]
        plan: Plan,
    },
    /// Set a limit in place of the plan's, or take that back.
    SetLimit {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// For example max_creators_per_org.
        #[arg(value_parser = one_of::<LimitKey>(LimitKey::ALL.iter().map(|key| key.name())))]
        limit_key: LimitKey,
        /// A number, or `plan` for what the plan grants.
        #[arg(value_parser = value)]
        value: LimitValue,
    },
    /// Refuse every request for an org, everywhere when this returns.
    Suspend {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// Why, for the trail.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
    },
    /// End a suspension. Replicas hear of it a moment after this returns.
    Reinstate {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
    },
    /// Forbid an org to follow an account.
    BanHandle {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// Where the account is.
        #[arg(value_parser = one_of::<Platform>(Platform::ALL.map(Platform::name)))]
        platform: Platform,
        /// The account's handle there; on YouTube the channel's id.
        handle: String,
        /// Why, for the trail.
        #[arg(long, value_parser = reason)]
        reason: Option<Reason>,
    },
    /// Allow it again.
    UnbanHandle {
        /// The org's id, as `orgs list` shows it.
        org: OrgId,
        /// Where the account is.
        #[arg(value_parser = one_of::<Platform>(Platform::ALL.map(Platform::name)))]
        platform: Platform,
        /// The account's handle there; on YouTube the channel's id.
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

/// Plans, with what they allow keys.
fn plan() -> impl TypedValueParser<Value = Plan> {
    one_of(Plan::ALL.map(|plan| {
        let requests = LimitKey::MaxApiRequestsPerDay.of_plan(plan);
        let requests = requests.map_or("any number of".to_owned(), |most| most.to_string());
        PossibleValue::new(plan.name()).help(format!("{requests} requests a day with keys"))
    }))
}

/// A value with so few names that help and errors list them.
pub fn one_of<T>(
    names: impl IntoIterator<Item = impl Into<PossibleValue>>,
) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
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
