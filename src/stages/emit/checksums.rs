//! `SHA256SUMS`: a line for every other file, as `sha256sum -c` reads it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Result, artifact};

/// The file's name.
pub const FILE: &str = "SHA256SUMS";

/// Hashes every file below `folder`, sorted by name, and writes the list into it.
///
/// # Errors
/// Where a file cannot be read or the list not be written.
pub fn write(folder: &Path) -> Result<()> {
    let mut lines = String::new();
    for path in artifact::walk(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let name = name.to_string_lossy().replace('\\', "/");
        let digest = sha256(&path).map_err(|e| Error::io(&path, e))?;
        lines += &format!("{digest}  {name}\n");
    }
    let path = folder.join(FILE);
    std::fs::write(&path, lines).map_err(|e| Error::io(&path, e))
}

/// Of a file's content, in hexadecimal.
fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = BufReader::new(File::open(path)?);
    let mut hasher = Sha256::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
    let hex = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(hex)
}
