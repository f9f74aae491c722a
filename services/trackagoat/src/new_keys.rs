//! `trackagoat nats new-keys`: what lets subscribers in on NATS, made once, in files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use runtime::entropy::Entropy;
use runtime::files::hex;
use runtime::nats_keys::SubscriberKeys;
use secrecy::{ExposeSecret, SecretString};

use crate::terminal::say;

/// NATS: what its configuration and query services need for subscribers.
#[derive(Debug, Subcommand)]
pub enum Nats {
    /// Make the keys and passwords by which subscribers are let in, in a new folder.
    NewKeys(NewKeys),
}

/// Makes keys and passwords for deploy/nats.conf, and the files that `serve query` reads. What is there
/// is never written over.
#[derive(Debug, Args)]
pub struct NewKeys {
    /// The folder; only its owner can read what is made there.
    folder: PathBuf,
    /// Where query services reach NATS.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4222")]
    address: String,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[error("the file {path} cannot be made")]
pub struct NewKeysError {
    path: PathBuf,
    source: std::io::Error,
}

impl NewKeys {
    /// Makes them, and says where each belongs.
    pub fn run(&self, entropy: &Entropy) -> Result<(), NewKeysError> {
        let keys = SubscriberKeys::generate(entropy);
        // The server takes what begins with a digit for a number.
        let password = || SecretString::from(format!("p{}", hex(&entropy.bytes::<24>())));
        let (durables, subscribers) = (password(), password());
        fs::create_dir_all(&self.folder).map_err(|source| NewKeysError {
            path: self.folder.clone(),
            source,
        })?;
        let url = |user: &str, password: &SecretString| {
            format!(
                "nats://{user}:{}@{}",
                password.expose_secret(),
                self.address
            )
        };
        let of_server = format!(
            "NATS_DURABLES_PASSWORD={}\nNATS_SUBSCRIBERS_PASSWORD={}\n\
             NATS_SUBSCRIBERS_ISSUER={}\nNATS_SUBSCRIBERS_XKEY={}\n",
            durables.expose_secret(),
            subscribers.expose_secret(),
            keys.issuer(),
            keys.xkey(),
        );
        self.write("nats.env", &of_server.into())?;
        let of_query = [
            (
                "TGA_NATS_SYSTEM_URL_FILE",
                "system.url",
                url("subscribers", &subscribers).into(),
            ),
            (
                "TGA_NATS_DURABLES_URL_FILE",
                "durables.url",
                url("durables", &durables).into(),
            ),
            (
                "TGA_NATS_ACCOUNT_KEY_FILE",
                "account.key",
                keys.account_seed(),
            ),
            (
                "TGA_NATS_CALLOUT_XKEY_FILE",
                "callout.xkey",
                keys.curve_seed(),
            ),
        ];
        say(format_args!(
            "# For the environment of each nats-server: {}",
            self.folder.join("nats.env").display()
        ));
        say("# For the query services that let subscribers in:");
        for (variable, name, secret) in of_query {
            self.write(name, &secret)?;
            say(format_args!(
                "{variable}={}",
                self.folder.join(name).display()
            ));
        }
        Ok(())
    }

    fn write(&self, name: &str, secret: &SecretString) -> Result<(), NewKeysError> {
        let path = self.folder.join(name);
        let written = write_new(&path, secret.expose_secret());
        written.map_err(|source| NewKeysError { path, source })
    }
}

/// For the owner alone, and only if nothing is there.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use runtime::nats::NatsUrl;

    use super::*;

    #[test]
    fn what_is_made_is_its_owners_and_is_never_made_over() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("keys");
        let make = || {
            let new_keys = NewKeys {
                folder: folder.clone(),
                address: "n1:4222".to_owned(),
            };
            new_keys.run(&Entropy::os())
        };
        make().unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        for name in ["nats.env", "account.key", "callout.xkey", "system.url"] {
            let mode = folder.join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        for name in ["system.url", "durables.url"] {
            read(name).parse::<NatsUrl>().unwrap();
        }
        let (account, curve) = (read("account.key").into(), read("callout.xkey").into());
        let keys = SubscriberKeys::from_seeds(&account, &curve).unwrap();
        assert!(read("nats.env").contains(&keys.issuer()));
        assert!(make().is_err());
        let again = SubscriberKeys::from_seeds(&read("account.key").into(), &curve).unwrap();
        assert_eq!(again.issuer(), keys.issuer());
    }
}
