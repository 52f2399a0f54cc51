//! Whether files on disk still have the content that was written.
//!
//! A cache is trusted only as far as it is checked: before an artifact is read or published, its files are
//! hashed again and compared with its description.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::files::{read_json, write_json};
use super::{Artifact, CHECKSUMS, FileEntry, Kind, check_regular, hash_file, list_files};
use crate::sample::input::stays_inside;
use crate::{Error, Result};

/// The list of a sealed folder's files.
pub const SEAL: &str = "seal.json";

/// Lines of [`CHECKSUMS`] that are checked at once.
const AT_ONCE: usize = 1024;

impl Artifact {
    /// The first file that is missing or has another content than when the artifact was made, with what
    /// happened to it; `None` if all are sound.
    pub fn damage(&self) -> Option<String> {
        let files = &self.manifest.files;
        let own = damage(&self.folder, files);
        own.or_else(|| match self.manifest.kind {
            Kind::Dataset => damage_of_listed(&self.folder),
            _ => None,
        })
    }
}

/// The first of `files` below `folder` that is missing or has changed.
fn damage(folder: &Path, files: &[FileEntry]) -> Option<String> {
    let problem = |entry: &FileEntry| {
        let found =
            stays_inside(Path::new(&entry.file)).then(|| hash_file(&folder.join(&entry.file)));
        compare(&entry.file, &entry.blake3, found)
    };
    files.par_iter().find_map_first(problem)
}

/// As [`damage`], for the files that [`CHECKSUMS`] lists, if there is one.
fn damage_of_listed(folder: &Path) -> Option<String> {
    let lines = BufReader::new(File::open(folder.join(CHECKSUMS)).ok()?).lines();
    let mut lines = lines.map_while(std::io::Result::ok).peekable();
    while lines.peek().is_some() {
        let some: Vec<String> = lines.by_ref().take(AT_ONCE).collect();
        let problem = |line: &String| {
            let (hash, name) = line.split_once("  ")?;
            let found = stays_inside(Path::new(name)).then(|| sha256_file(&folder.join(name)));
            compare(name, hash, found)
        };
        if let Some(problem) = some.par_iter().find_map_first(problem) {
            return Some(problem);
        }
    }
    None
}

fn compare(name: &str, expected: &str, found: Option<Result<String>>) -> Option<String> {
    match found {
        Some(Ok(hash)) if hash == expected => None,
        Some(Ok(_)) => Some(format!("{name} has changed since it was written")),
        Some(Err(_)) => Some(format!("{name} cannot be read")),
        None => Some(format!("{name} is not below the folder")),
    }
}

/// SHA-256 of a file's content, in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_file(path: &Path) -> Result<String> {
    check_regular(path)?;
    let unread = |e| Error::io(path, e);
    let file = File::open(path).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    let mut file = BufReader::with_capacity(length.clamp(512, 1 << 16) as usize, file);
    let mut hasher = Sha256::new();
    loop {
        let bytes = file.fill_buf().map_err(unread)?;
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
    Ok(hexadecimal(&hasher.finalize()))
}

/// The SHA-256 of bytes as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lists the files of a folder with their hashes in the folder itself, for [`check_seal`].
///
/// # Errors
/// If a file cannot be read or written.
pub fn seal(folder: &Path) -> Result<()> {
    write_json(&folder.join(SEAL), &list_files(folder)?)
}

/// Checks that the files that [`seal`] listed are unchanged.
///
/// # Errors
/// If one is missing or has changed, or there is no list.
pub fn check_seal(folder: &Path, remedy: &str) -> Result<()> {
    let files: Vec<FileEntry> = read_json(&folder.join(SEAL), remedy)?;
    match damage(folder, &files) {
        Some(problem) => Err(Error::failed(folder.display(), problem, remedy)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::artifact::list_own;
    use crate::testing;

    #[test]
    fn a_flipped_bit_in_any_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("train/one")).unwrap();
        let names = ["README.md", "train/one/0.png"];
        let mut sums = String::new();
        for name in names {
            fs::write(path(name), name).unwrap();
            sums += &format!("{}  {name}\n", sha256_file(&path(name)).unwrap());
        }
        fs::write(path(CHECKSUMS), sums).unwrap();
        let mut dataset = testing::describe(folder.path(), &[]);
        dataset.manifest.kind = Kind::Dataset;
        dataset.manifest.files = list_own(folder.path(), Kind::Dataset).unwrap();
        assert_eq!(dataset.damage(), None);
        for name in ["README.md", "train/one/0.png", CHECKSUMS] {
            let sound = fs::read(path(name)).unwrap();
            let mut flipped = sound.clone();
            flipped[3] ^= 4;
            fs::write(path(name), flipped).unwrap();
            let problem = dataset.damage().unwrap();
            assert!(problem.starts_with(name), "{problem}");
            fs::write(path(name), sound).unwrap();
        }
        fs::remove_file(path("train/one/0.png")).unwrap();
        assert!(dataset.damage().unwrap().contains("cannot be read"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_damage() {
        for name in ["../x", "a/../../x", "/etc/passwd"] {
            assert!(!stays_inside(Path::new(name)), "{name}");
        }
        assert!(stays_inside(Path::new("train/one/0.png")));
        let folder = tempfile::tempdir().unwrap();
        let mut artifact = testing::publish(folder.path(), &testing::shapes(1, 8, 1), 1);
        artifact.manifest.files[0].file = "../outside".into();
        assert!(artifact.damage().unwrap().contains("not below"));
    }

    #[test]
    fn a_seal_breaks_with_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("weights"), "1").unwrap();
        seal(folder.path()).unwrap();
        check_seal(folder.path(), "").unwrap();
        fs::write(folder.path().join("weights"), "2").unwrap();
        let problem = check_seal(folder.path(), "train again").unwrap_err();
        assert!(
            problem.to_string().contains("weights has changed"),
            "{problem}"
        );
    }
}
