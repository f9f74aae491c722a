//! Passwords: argon2id, beside the executor, a few at once.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use domain::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::files::hex;
use thiserror::Error;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::PeopleError;

/// Bytes of salt, as RFC 9106 recommends.
const SALT_BYTES: usize = 16;
/// Random bytes of a password that is made here; its text has two hexadecimal digits for each.
const RANDOM_BYTES: usize = 12;
const _: () =
    assert!(2 * RANDOM_BYTES >= PASSWORD_CHARS_MIN && 2 * RANDOM_BYTES <= PASSWORD_CHARS_MAX);
/// Passwords that may wait until one of the processors is free.
const WAITING: usize = 64;
/// How long one may wait.
const WAIT_AT_MOST: Duration = Duration::from_secs(5);
/// What nobody's password hashes to, for who is not there: their sign-in takes the same time.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password in clear text: cannot be printed, serialised or compared, wiped on drop.
pub struct Password(Zeroizing<String>);

/// Why a text is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Too short or too long to be a new one.
    #[error("must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")]
    Length,
    /// Too long to be any.
    #[error("must have 1 to {PASSWORD_CHARS_MAX} characters")]
    Presented,
}

impl Password {
    /// One that somebody chooses.
    ///
    /// # Errors
    /// [`PasswordError::Length`]
    pub fn chosen(text: &str) -> Result<Self, PasswordError> {
        let count = text.chars().count();
        if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&count) {
            Ok(Self::of(text))
        } else {
            Err(PasswordError::Length)
        }
    }

    /// One that nobody chose, and its text for who is told it, this once.
    pub fn random(entropy: &Entropy) -> (Self, Zeroizing<String>) {
        let text = Zeroizing::new(hex(&entropy.bytes::<RANDOM_BYTES>()));
        (Self::of(&text), text)
    }

    /// One that somebody presents, which may have been chosen under other rules.
    ///
    /// # Errors
    /// [`PasswordError::Presented`]
    pub fn presented(text: &str) -> Result<Self, PasswordError> {
        if (1..=PASSWORD_CHARS_MAX).contains(&text.chars().count()) {
            Ok(Self::of(text))
        } else {
            Err(PasswordError::Presented)
        }
    }

    fn of(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What is stored of a password, in PHC form; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// As it is stored.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// That of nobody.
    pub fn of_nobody() -> Self {
        Self(NOBODY.to_owned())
    }

    /// For its column.
    pub fn as_stored(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Hashes as many passwords at once as there are processors: each takes 19 MiB and tens of
/// milliseconds, and others need the processors too.
pub struct Hasher {
    places: Arc<Semaphore>,
    /// For who is at work and who waits.
    room: Arc<Semaphore>,
    clock: Clock,
}

impl Hasher {
    pub fn new(clock: Clock) -> Self {
        let places = available_parallelism().map_or(1, usize::from);
        Self {
            places: Arc::new(Semaphore::new(places)),
            room: Arc::new(Semaphore::new(places + WAITING)),
            clock,
        }
    }

    /// What to store of a password.
    pub async fn hash(
        &self,
        password: Password,
        entropy: &Entropy,
    ) -> Result<PasswordHash, PeopleError> {
        let salt = entropy.bytes::<SALT_BYTES>();
        self.run(move || hash(&password, &salt)).await?
    }

    /// Whether a password is the one of which `hash` is stored.
    pub async fn verify(
        &self,
        password: Password,
        hash: PasswordHash,
    ) -> Result<bool, PeopleError> {
        self.run(move || verify(&password, &hash)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PeopleError> {
        let busy = || PeopleError::Busy;
        let _room = self.room.try_acquire().map_err(|_| busy())?;
        let place = Arc::clone(&self.places).acquire_owned();
        let place = self.clock.timeout(WAIT_AT_MOST, place).await;
        let place = place.ok().and_then(Result::ok).ok_or_else(busy)?;
        let done = tokio::task::spawn_blocking(move || {
            // A caller who hangs up does not make room for another before this is done.
            let _place = place;
            work()
        });
        done.await.map_err(|_| PeopleError::Hash)
    }
}

fn hash(password: &Password, salt: &[u8]) -> Result<PasswordHash, PeopleError> {
    let hash = Argon2::default().hash_password_with_salt(password.0.as_bytes(), salt);
    hash.map(|hash: Phc| PasswordHash(hash.to_string()))
        .map_err(|_| PeopleError::Hash)
}

/// With the parameters that it was stored with, whatever those of today are.
fn verify(password: &Password, hash: &PasswordHash) -> bool {
    let Ok(stored) = Phc::new(&hash.0) else {
        return false;
    };
    let verified = Argon2::default().verify_password(password.0.as_bytes(), &stored);
    verified.is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn chosen(text: &str) -> Password {
        Password::chosen(text).unwrap()
    }

    #[test]
    fn a_password_has_12_to_128_characters() {
        for good in [
            "a".repeat(12),
            "🐐".repeat(12),
            "b".repeat(128),
            " ".repeat(12),
        ] {
            assert!(Password::chosen(&good).is_ok(), "{good}");
        }
        for bad in ["", "eleven char", &"a".repeat(129)] {
            assert_eq!(Password::chosen(bad).unwrap_err(), PasswordError::Length);
        }
        assert!(Password::presented("short").is_ok());
        for bad in ["", &"a".repeat(129)] {
            assert_eq!(
                Password::presented(bad).unwrap_err(),
                PasswordError::Presented
            );
        }
    }

    #[test]
    fn a_random_password_can_be_chosen_again_and_is_another_each_time() {
        let entropy = Entropy::os();
        let (password, text) = Password::random(&entropy);
        assert!(Password::chosen(&text).is_ok(), "{}", *text);
        let hashed = hash(&password, &[7; SALT_BYTES]).unwrap();
        assert!(verify(&chosen(&text), &hashed));
        let (_, other) = Password::random(&entropy);
        assert_ne!(*other, *text);
    }

    #[test]
    fn a_hash_is_argon2id_and_fits_its_password_alone() {
        let hashed = hash(&chosen("correct horse battery"), &[7; SALT_BYTES]).unwrap();
        let prefix = "$argon2id$v=19$m=19456,t=2,p=1$";
        assert!(
            hashed.as_stored().starts_with(prefix),
            "{}",
            hashed.as_stored()
        );
        assert!(verify(&chosen("correct horse battery"), &hashed));
        assert!(!verify(&chosen("correct horse batterx"), &hashed));
        let other_salt = hash(&chosen("correct horse battery"), &[8; SALT_BYTES]).unwrap();
        assert_ne!(other_salt, hashed);
    }

    /// The same work as for somebody: the same parameters, to the end.
    #[test]
    fn nobody_has_a_hash_that_no_password_fits() {
        let nobody = Phc::new(NOBODY).unwrap();
        let somebody = hash(&chosen("correct horse battery"), &[7; SALT_BYTES]).unwrap();
        let somebody = Phc::new(somebody.as_stored()).unwrap();
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(nobody.algorithm, somebody.algorithm);
        assert_eq!(
            nobody.hash.as_ref().unwrap().len(),
            somebody.hash.as_ref().unwrap().len()
        );
        assert!(!verify(
            &chosen("correct horse battery"),
            &PasswordHash::of_nobody()
        ));
        assert!(!verify(
            &chosen("correct horse battery"),
            &PasswordHash::stored("x".to_owned())
        ));
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so_at_once() {
        let (hasher, entropy) = (Hasher::new(Clock::system()), Entropy::os());
        let rooms = u32::try_from(hasher.room.available_permits()).unwrap();
        let taken = hasher.room.acquire_many(rooms).await.unwrap();
        let refused = hasher.hash(chosen("correct horse battery"), &entropy);
        assert!(matches!(refused.await, Err(PeopleError::Busy)));
        drop(taken);
        let again = hasher.hash(chosen("correct horse battery"), &entropy);
        assert!(again.await.is_ok());
    }

    #[test]
    fn nothing_of_a_password_is_printed() {
        let password = chosen("correct horse battery");
        let hash = hash(&password, &[7; SALT_BYTES]).unwrap();
        assert_eq!(
            format!("{password:?} {hash:?}"),
            "Password(…) PasswordHash(…)"
        );
    }
}
