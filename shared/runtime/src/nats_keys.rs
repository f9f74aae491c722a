//! The two keys by which subscribers are let in on NATS: one signs what each of them may do, the
//! other opens what the server asks. The server's configuration holds their public halves.

use std::fmt;

use nkeys::{KeyPair, KeyPairType, XKey};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::entropy::Entropy;

/// Both keys of a service that answers for subscribers.
pub struct SubscriberKeys {
    account: KeyPair,
    curve: XKey,
}

/// A seed that is none, or one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidSeed {
    /// Of the key that signs.
    #[error("the account key is no seed of an account: it begins with SA")]
    Account,
    /// Of the key that opens.
    #[error("the callout key is no seed of a curve key: it begins with SX")]
    Curve,
}

impl SubscriberKeys {
    /// New ones.
    pub fn generate(entropy: &Entropy) -> Self {
        let account = KeyPair::new_from_raw(KeyPairType::Account, entropy.bytes())
            .expect("32 bytes are a seed");
        let curve = XKey::new_from_raw(entropy.bytes());
        Self { account, curve }
    }

    /// Those that were made before.
    ///
    /// # Errors
    /// If one of them is no seed of its kind; the error does not repeat it.
    pub fn from_seeds(account: &SecretString, curve: &SecretString) -> Result<Self, InvalidSeed> {
        let account = KeyPair::from_seed(account.expose_secret().trim())
            .ok()
            .filter(|pair| pair.key_pair_type() == KeyPairType::Account)
            .ok_or(InvalidSeed::Account)?;
        let curve =
            XKey::from_seed(curve.expose_secret().trim()).map_err(|_| InvalidSeed::Curve)?;
        Ok(Self { account, curve })
    }

    /// What signs.
    pub const fn account(&self) -> &KeyPair {
        &self.account
    }

    /// What opens and seals.
    pub const fn curve(&self) -> &XKey {
        &self.curve
    }

    /// The public half of what signs: `issuer` in the server's configuration.
    pub fn issuer(&self) -> String {
        self.account.public_key()
    }

    /// The public half of what opens: `xkey` in the server's configuration.
    pub fn xkey(&self) -> String {
        self.curve.public_key()
    }

    /// The seed of what signs.
    pub fn account_seed(&self) -> SecretString {
        self.account.seed().expect("it was made of one").into()
    }

    /// The seed of what opens.
    pub fn curve_seed(&self) -> SecretString {
        self.curve.seed().expect("it was made of one").into()
    }
}

impl fmt::Debug for SubscriberKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubscriberKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_made() {
        let made = SubscriberKeys::generate(&Entropy::seeded(1));
        let read = SubscriberKeys::from_seeds(&made.account_seed(), &made.curve_seed());
        let read = read.expect("both are seeds");
        assert_eq!(read.issuer(), made.issuer());
        assert_eq!(read.xkey(), made.xkey());
        assert!(made.issuer().starts_with('A') && made.xkey().starts_with('X'));
        assert_eq!(format!("{made:?}"), "SubscriberKeys(…)");
    }

    #[test]
    fn seeds_do_not_stand_in_for_each_other() {
        let made = SubscriberKeys::generate(&Entropy::seeded(1));
        let (account, curve) = (made.account_seed(), made.curve_seed());
        let wrong = SubscriberKeys::from_seeds(&curve, &curve).expect_err("is refused");
        assert_eq!(wrong, InvalidSeed::Account);
        let wrong = SubscriberKeys::from_seeds(&account, &account).expect_err("is refused");
        assert_eq!(wrong, InvalidSeed::Curve);
        let user = KeyPair::new_user().seed().expect("has one").into();
        let wrong = SubscriberKeys::from_seeds(&user, &curve).expect_err("is refused");
        assert_eq!(wrong, InvalidSeed::Account);
    }
}
