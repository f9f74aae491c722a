//! What a credential may do (v1-contract.md 3.3).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::named::named;

named! {
    /// One permission.
    Scope {
        /// Every GET that names no other scope.
        Read = "read",
        /// Every POST, PATCH and DELETE that names no other scope.
        Write = "write",
        /// Administration of the org.
        Keys = "keys",
        /// Ingest of observations.
        Ingest = "ingest",
        /// The audit trail.
        Audit = "audit",
        /// The platform's own administration; only the operator gives it.
        Admin = "admin",
    }
}

impl Scope {
    const fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not one of read, write, keys, ingest, audit, admin")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or(UnknownScope)
    }
}

/// A set of scopes in one byte; written as a list in the contract's order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);
    /// What a key gets when its maker names nothing.
    pub const DEFAULT: Self = Self(Scope::Read.bit() | Scope::Write.bit());
    /// Every scope: what the operator holds.
    pub const ALL: Self = Self(0b11_1111);
    /// What an admin's session holds.
    pub const ORG_ADMIN: Self = Self(0b1_1111);

    /// Whether the scope is in the set.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The set with the scope added.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | scope.bit())
    }

    /// The first scope of this set, in the contract's order, that `holder` lacks.
    pub fn first_missing_in(self, holder: Self) -> Option<Scope> {
        self.iter().find(|scope| !holder.contains(*scope))
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes in the contract's order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }

    /// The set as bits, for a `smallint` column; stable.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From such bits; unknown ones are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(Scope::name))
            .finish()
    }
}

impl schemars::JsonSchema for Scopes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scopes".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Scope>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_agree() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert!(Scopes::NONE.with(scope).contains(scope));
        }
        assert_eq!(Scopes::ALL, Scope::ALL.into_iter().collect());
        assert_eq!(
            Scopes::ORG_ADMIN.first_missing_in(Scopes::DEFAULT),
            Some(Scope::Keys)
        );
        assert_eq!(
            Scopes::ALL.first_missing_in(Scopes::ORG_ADMIN),
            Some(Scope::Admin)
        );
        assert_eq!(Scopes::from_bits(Scopes::DEFAULT.bits()), Scopes::DEFAULT);
    }
}
