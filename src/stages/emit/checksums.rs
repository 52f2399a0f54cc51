//! `SHA256SUMS`: one line for every other file, in the format of `sha256sum -c`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

pub use crate::artifact::CHECKSUMS as FILE;

use crate::formats::create;
use crate::stage::Context;
use crate::{Error, Result, artifact};

/// Hashes every file of the dataset, in order of name, and writes the list; `expected` is their rough number.
///
/// # Errors
/// If a file cannot be read, or the list cannot be written.
pub fn write(context: &Context, expected: u64) -> Result<()> {
    let list = context.out.join(FILE);
    let mut file = create(&list)?;
    let mut done = 0;
    artifact::visit(context.out, &mut |path| {
        if path == list {
            return Ok(());
        }
        let name = path.strip_prefix(context.out).unwrap_or(path);
        let name = name.to_string_lossy().replace('\\', "/");
        let digest = sha256(path).map_err(|e| Error::io(path, e))?;
        writeln!(file, "{digest}  {name}").map_err(|e| Error::io(&list, e))?;
        done += 1;
        context.progress(done, expected.max(done), "hashing")
    })?;
    file.flush().map_err(|e| Error::io(&list, e))
}

/// SHA-256 of a file's content, in hexadecimal.
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
