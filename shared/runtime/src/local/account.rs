use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::LocalError;

/// The uid and gid that `nobody` has by convention.
const NOBODY: u32 = 65_534;
const EXECUTE: u32 = 0o1;

/// Who a server runs as: ourselves, or an unprivileged account if we are root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account(Option<Identity>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account for a server in `folder`: the folder's owner if it exists and is not root's,
    /// else `postgres`, else `nobody`.
    pub fn for_folder(folder: &Path) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        let owner = fs::metadata(folder).ok().filter(|owner| owner.uid() != 0);
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self(Some(match owner {
            Some(owner) => Identity {
                name: format!("with uid {}", owner.uid()),
                uid: owner.uid(),
                gid: owner.gid(),
            },
            None => unprivileged(&passwd),
        }))
    }

    /// Makes `command` run as this account.
    pub fn apply_to(&self, command: &mut Command) {
        if let Some(identity) = &self.0 {
            command.uid(identity.uid).gid(identity.gid);
        }
    }

    /// Makes `path` the account's own.
    pub fn own(&self, path: &Path) -> Result<(), LocalError> {
        match &self.0 {
            Some(identity) => chown(path, Some(identity.uid), Some(identity.gid))
                .map_err(LocalError::io("change the owner of", path)),
            None => Ok(()),
        }
    }

    /// Makes `folder` if it is missing, closed to all but the account.
    pub fn make_folder(&self, folder: &Path) -> Result<(), LocalError> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(LocalError::io("make the folder", parent))?;
        }
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.map_err(LocalError::io("make the folder", folder))?,
        }
        self.own(folder)
    }

    /// Fails if the account may not enter one of the folders above `path`, an absolute path.
    pub fn check_reach(&self, program: &'static str, path: &Path) -> Result<(), LocalError> {
        let Some(identity) = &self.0 else {
            return Ok(());
        };
        for folder in path.ancestors().skip(1) {
            let metadata =
                fs::metadata(folder).map_err(LocalError::io("read the mode of", folder))?;
            let class = if metadata.uid() == identity.uid {
                6
            } else if metadata.gid() == identity.gid {
                3
            } else {
                0
            };
            if (metadata.permissions().mode() >> class) & EXECUTE == 0 {
                return Err(LocalError::Unreachable {
                    program,
                    user: identity.name.clone(),
                    folder: folder.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn unprivileged(passwd: &str) -> Identity {
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| lookup(passwd, name))
        .unwrap_or(Identity {
            name: "nobody".to_owned(),
            uid: NOBODY,
            gid: NOBODY,
        })
}

/// Finds an account in the text of /etc/passwd; root under another name is not taken.
fn lookup(passwd: &str, name: &str) -> Option<Identity> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok().filter(|uid| *uid != 0)?;
    let gid = fields.next()?.parse().ok()?;
    Some(Identity {
        name: name.to_owned(),
        uid,
        gid,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{Account, Identity, LocalError, unprivileged};

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        postgresql:x:7:7::/:/bin/sh\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n\
        nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn postgres_comes_before_nobody_and_root_never() {
        let account = unprivileged(PASSWD);
        assert_eq!((account.uid, account.gid), (101, 104));
        let account = unprivileged("postgres:x:0:0::/:\nnobody:x:65534:65533::/:\n");
        assert_eq!((account.uid, account.gid), (65_534, 65_533));
        assert_eq!(unprivileged("").uid, 65_534);
    }

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().canonicalize().unwrap().join("server");
        let account = Account(Some(Identity {
            name: "someone".to_owned(),
            uid: 4_000_000,
            gid: 4_000_000,
        }));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o750)).unwrap();
        let Err(LocalError::Unreachable {
            user, folder: shut, ..
        }) = account.check_reach("postgres", &target)
        else {
            panic!("mode 750 shuts others out");
        };
        assert_eq!(
            (user.as_str(), shut.as_path()),
            ("someone", target.parent().unwrap())
        );
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        account.check_reach("postgres", &target).unwrap();
    }
}
