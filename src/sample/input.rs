//! Files that a user gives: they are read whole up to a size, and a panic in what reads them is an error.

use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Once;

use crate::{Error, Result};

/// The most bytes of a file, and of a picture once it is decoded: 178 megapixels of 8 bits a channel.
pub const MOST_BYTES: u64 = 512 << 20;

/// The bytes of a file. Pipes and devices, which may never end, are not even opened.
///
/// # Errors
/// If it is missing, no regular file, or has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let unread = |e| Error::io(path, e);
    check_regular(path)?;
    let file = File::open(path).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    let mut bytes = Vec::new();
    // Some files, such as those in /proc, have more bytes than their metadata says.
    if length <= most {
        bytes.reserve_exact(length as usize + 1);
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
    }
    let remedy = "make it smaller, or give the path of another file";
    check_length(path.display(), length.max(bytes.len() as u64), most, remedy)?;
    Ok(bytes)
}

/// Checks that the file `name` has at most `most` bytes.
///
/// # Errors
/// If its `length` is greater, with `remedy`.
pub fn check_length(name: impl Display, length: u64, most: u64, remedy: &str) -> Result<()> {
    if length > most {
        let problem = format!("has more than {} MiB, the most that is read", most >> 20);
        return Err(Error::failed(name, problem, remedy));
    }
    Ok(())
}

/// Checks that `path` is a file with contents of its own.
///
/// # Errors
/// If it is missing, or a folder, pipe or device.
pub fn check_regular(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if metadata.is_file() {
        return Ok(());
    }
    let problem = match metadata.is_dir() {
        true => "is a folder, not a file",
        false => "is a pipe or device, not a regular file",
    };
    Err(Error::failed(
        path.display(),
        problem,
        "give the path of a file, or take it out of the folder",
    ))
}

/// The file that `uri` in the file `from` names. It must lie in the same folder or below, so that a file
/// from elsewhere cannot make its reader open other files of this machine.
///
/// # Errors
/// If it lies outside.
pub fn beside(from: &Path, uri: &str) -> Result<PathBuf, String> {
    let name = percent_decoded(uri);
    let name = Path::new(&name);
    let folder = from.parent().unwrap_or(Path::new(""));
    stays_inside(name)
        .then(|| folder.join(name))
        .ok_or_else(|| format!("names `{uri}`, which lies outside its folder"))
}

/// Whether a relative path leads nowhere but into the folder that it starts from.
pub fn stays_inside(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Replaces `%20` and the like by the bytes that they stand for; other percent signs stay.
pub fn percent_decoded(uri: &str) -> String {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text of a file in UTF-16 that begins with a byte order mark; `None` if there is no mark. What is not sound
/// becomes U+FFFD.
pub fn marked_utf16(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Some(utf16(rest, u16::from_be_bytes)),
        _ => None,
    }
}

/// The text in UTF-16 without a mark; `unit` puts two bytes together.
pub fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    let letters = char::decode_utf16(units);
    letters
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

thread_local! {
    /// Whether this thread is inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` on the file `name`, and turns a panic into an error, without printing it: readers of other
/// crates may panic on a file that breaks its format.
///
/// # Errors
/// Those of `work`, and one with `remedy` if it panics.
pub fn guarded<T>(name: impl Display, remedy: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                report(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let problem = format!("its reader stopped: {}", text.unwrap_or("no message"));
        Err(Error::failed(name, problem, remedy))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file() {
        let broken: Result<()> = guarded("part.stl", "mend it", || panic!("beyond {}", 7));
        let text = broken.unwrap_err().to_string();
        assert_eq!(
            text,
            "part.stl: its reader stopped: beyond 7\n  help: mend it"
        );
        assert!(!GUARDED.get());
        assert_eq!(guarded("part.stl", "mend it", || Ok(3)).unwrap(), 3);
    }

    #[test]
    fn a_file_with_too_many_bytes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.bin");
        std::fs::write(&path, [7; 9]).unwrap();
        assert_eq!(read(&path, 9).unwrap(), [7; 9]);
        let text = read(&path, 8).unwrap_err().to_string();
        assert!(text.contains("large.bin: has more than 0 MiB"), "{text}");
        // Takes no space on the disk.
        File::create(&path).unwrap().set_len(4 << 30).unwrap();
        let text = read(&path, 1 << 20).unwrap_err().to_string();
        assert!(text.contains("more than 1 MiB"), "{text}");
    }

    #[test]
    fn only_files_below_the_folder_are_beside() {
        let from = Path::new("models/die.gltf");
        for (uri, file) in [
            ("die.bin", "models/die.bin"),
            ("./parts/my%20die.bin", "models/parts/my die.bin"),
            ("geh%C3%A4use.bin", "models/gehäuse.bin"),
            ("10%.bin", "models/10%.bin"),
        ] {
            assert_eq!(beside(from, uri).unwrap(), Path::new(file));
        }
        for uri in [
            "../die.bin",
            "parts/../../die.bin",
            "%2e%2E/die.bin",
            "..%2Fdie.bin",
            "/etc/passwd",
            "%2Fetc%2Fpasswd",
        ] {
            let problem = beside(from, uri).unwrap_err();
            assert!(problem.contains("outside its folder"), "{uri}: {problem}");
        }
    }

    #[test]
    fn folders_pipes_and_devices_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let text = read(folder.path(), 9).unwrap_err().to_string();
        assert!(text.contains("is a folder"), "{text}");
        let missing = read(&folder.path().join("none"), 9)
            .unwrap_err()
            .to_string();
        assert!(missing.contains("help: check the path"), "{missing}");
        if cfg!(unix) {
            let text = read(Path::new("/dev/zero"), 9).unwrap_err().to_string();
            assert!(text.contains("/dev/zero: is a pipe or device"), "{text}");
            // Opening a pipe would wait for somebody to write into it.
            let pipe = folder.path().join("pipe.png");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            if made.is_ok_and(|status| status.success()) {
                let text = read(&pipe, 9).unwrap_err().to_string();
                assert!(text.contains("pipe.png: is a pipe or device"), "{text}");
            }
        }
    }
}
