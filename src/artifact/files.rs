//! Valid folder names, hidden names for work in progress, durable writes, and JSON files.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The link beside versions and runs that points to the newest one.
pub const LATEST: &str = "latest";

/// The rule that [`is_folder_name`] checks, worded as a remedy.
pub const FOLDER_NAME: &str = "use up to 100 letters, digits, `-`, `_` and inner dots; it must not begin \
                               with `-`, and `latest` is reserved for the link to the newest version";

/// Whether `name` is a single visible folder name that works on every system, and is not [`LATEST`].
pub fn is_folder_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=100).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with(['-', '.'])
        && !name.ends_with('.')
        // Some file systems ignore case.
        && !name.eq_ignore_ascii_case(LATEST)
}

/// The hidden name under which this process works on `name`; unique across machines.
pub fn temporary(name: &str) -> String {
    static BEGUN: LazyLock<u128> = LazyLock::new(|| {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        time.map_or(0, |time| time.as_nanos())
    });
    format!("{HIDDEN}{name}-{}-{:x}", std::process::id(), *BEGUN)
}

const HIDDEN: &str = ".tmp-";

/// Removes everything in `folder` that has a [`temporary`] name. No run may be active there.
pub fn remove_temporary(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(HIDDEN) {
            let path = entry.path();
            // Best effort: leftovers are hidden and never read.
            let _ = match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
        }
    }
}

/// Removes a folder that others may be looking for: hides it first, so that they find it complete or not at all.
///
/// # Errors
/// If it cannot be removed.
pub fn remove_at_once(folder: &Path) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let hidden = folder.with_file_name(temporary(&name));
    fs::rename(folder, &hidden).map_err(|e| Error::io(folder, e))?;
    fs::remove_dir_all(&hidden).map_err(|e| Error::io(&hidden, e))
}

/// Writes a text file and flushes it to disk.
///
/// # Errors
/// If the file cannot be written.
pub fn write_flushed(path: &Path, text: &str) -> Result<()> {
    let mut file = File::create(path).map_err(|e| Error::io(path, e))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::io(path, e))
}

/// Flushes a folder's entries to disk, if the system supports it.
pub fn flush_folder(path: &Path) {
    let _ = File::open(path).and_then(|folder| folder.sync_all());
}

/// Writes a value as indented JSON.
///
/// # Errors
/// If the file cannot be written, or the value has keys that are not text.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::failed(path.display(), e, "report this as a bug"))?;
    fs::write(path, text).map_err(|e| Error::io(path, e))
}

/// Reads what [`write_json`] wrote; `remedy` is what the error advises where the file holds something else.
///
/// # Errors
/// If the file cannot be read or holds something else.
pub fn read_json<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    serde_json::from_str(&text).map_err(|e| Error::failed(path.display(), e, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_written_and_an_error_names_file_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.json");
        write_json(&path, &[1, 2]).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&path, "").unwrap(), [1, 2]);
        fs::write(&path, "[1,").unwrap();
        let error = read_json::<Vec<u32>>(&path, "make it again")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("numbers.json") && error.contains("make it again"),
            "{error}"
        );
    }

    #[test]
    fn plain_names_pass_and_those_that_lead_elsewhere_do_not() {
        for name in ["dice", "1.2", "_a-b", "größe", "v.1"] {
            assert!(is_folder_name(name), "{name}");
        }
        let long = "x".repeat(101);
        for name in [
            "", ".", "..", ".tmp-x", "-x", "x.", "a/b", "a\\b", "a b", "a:b", "latest", "Latest",
            &long,
        ] {
            assert!(!is_folder_name(name), "{name}");
        }
    }
}
