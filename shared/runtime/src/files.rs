//! Files for their owner's eyes: readable by nobody else from their first byte, replaced as a whole; and
//! names that outlast a loss of power.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Writes a file of mode 0600 beside the path and renames it, so that no reader sees half of it.
///
/// # Errors
/// If the folder cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(".new");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Makes a folder of mode 0700, and what it stands in. Each is on the disk before the next is made in it,
/// and the one that was there too, as far as this process may see to it: another attempt may have made it.
///
/// # Errors
/// If one cannot be made, or is no folder.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    make_folder_of_mode(folder, 0o700)
}

/// Makes a folder as [`make_folder`] does, for whoever the umask does not keep out.
///
/// # Errors
/// If one cannot be made, or is no folder.
pub fn make_shared_folder(folder: &Path) -> io::Result<()> {
    make_folder_of_mode(folder, 0o777)
}

fn make_folder_of_mode(folder: &Path, mode: u32) -> io::Result<()> {
    let named = |path: &&Path| !path.as_os_str().is_empty();
    let mut due: Vec<_> = folder.ancestors().take_while(named).collect();
    let there = due.iter().position(|path| path.exists());
    due.truncate(there.map_or(due.len(), |there| there + 1));
    for path in due.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(path) {
            Ok(()) => sync_folder(path)?,
            Err(error) if !path.is_dir() => return Err(error),
            // What it stands in may be of another user, or of a file system that has no such thing.
            Err(_) => drop(sync_folder(path)),
        }
    }
    Ok(())
}

/// Returns once the name of a file or a folder is on the disk: that stands in the folder around it.
///
/// # Errors
/// If that cannot be opened or written.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Removes a file; that it is gone already is no error.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_its_owners_only_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(folder.path().join("secret.new"), "left by a crash").unwrap();
        for content in ["first", "second"] {
            write_private(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn folders_are_made_for_their_owner_and_left_as_they_are() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("one/two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        make_folder(&folder).unwrap();
        assert_eq!(
            (mode(&home.path().join("one")), mode(&folder)),
            (0o700, 0o700)
        );
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        make_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o750);
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        sync_folder(&file).unwrap();
        sync_folder(Path::new("file")).unwrap();
        // A mount point, in what cannot be written to the disk.
        sync_folder(Path::new("/proc/self")).unwrap_err();
        make_folder(Path::new("/proc/self")).unwrap();
        make_folder(&file).unwrap_err();
        make_folder(&file.join("three")).unwrap_err();
    }

    #[test]
    fn a_shared_folder_is_as_the_umask_has_it() {
        let home = tempfile::tempdir().unwrap();
        let (usual, shared) = (home.path().join("usual"), home.path().join("one/two"));
        fs::create_dir(&usual).unwrap();
        make_shared_folder(&shared).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&shared), mode(&usual));
        assert_eq!(mode(&home.path().join("one")), mode(&usual));
    }

    #[test]
    fn every_byte_becomes_two_digits() {
        assert_eq!(hex(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }
}
