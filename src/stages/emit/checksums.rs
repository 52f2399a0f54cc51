//! `SHA256SUMS`: one line for every other file, in the format of `sha256sum -c`.

use std::io::Write;

pub(super) use crate::artifact::CHECKSUMS as FILE;

use crate::artifact::soundness::sha256_file;
use crate::formats::create;
use crate::stage::Context;
use crate::{Error, Result, artifact};

/// Hashes every file of the dataset, in order of name, and writes the list; `expected` is their rough number.
///
/// # Errors
/// If a file cannot be read, or the list cannot be written.
pub(super) fn write(context: &Context, expected: u64) -> Result<()> {
    let list = context.out.join(FILE);
    let mut file = create(&list)?;
    let mut done = 0;
    artifact::visit(context.out, &mut |path| {
        if path == list {
            return Ok(());
        }
        let name = path.strip_prefix(context.out).unwrap_or(path);
        let name = name.to_string_lossy().replace('\\', "/");
        let digest = sha256_file(path)?;
        writeln!(file, "{digest}  {name}").map_err(|e| Error::io(&list, e))?;
        done += 1;
        context.progress(done, expected.max(done), "hashing")
    })?;
    file.flush().map_err(|e| Error::io(&list, e))
}
