//! Files against `SHA256SUMS`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::prelude::*;

use super::{Doubt, Report, reason};
use crate::artifact::soundness::sha256_file;
use crate::artifact::{CHECKSUMS, MANIFEST, visit};
use crate::sample::input::stays_inside;
use crate::{Error, Result};

/// Lines that are checked side by side.
const AT_ONCE: usize = 1024;

/// Doubts files that are missing, have another content, or are not listed.
///
/// # Errors
/// If the list cannot be read.
pub(super) fn check(root: &Path, report: &mut Report) -> Result<()> {
    let list = root.join(CHECKSUMS);
    let failed = |e| Error::io(&list, e);
    let mut lines = BufReader::new(File::open(&list).map_err(failed)?).lines();
    let mut listed = HashSet::new();
    loop {
        let some: Vec<String> = lines
            .by_ref()
            .take(AT_ONCE)
            .collect::<std::io::Result<_>>()
            .map_err(failed)?;
        if some.is_empty() {
            break;
        }
        let found: Vec<(String, Option<String>)> =
            some.par_iter().map(|line| problem(root, line)).collect();
        for (name, problem) in found {
            if let Some(problem) = problem {
                doubt(report, &name, problem);
            }
            listed.insert(name);
        }
    }
    visit(root, &mut |path| {
        let name = path.strip_prefix(root).unwrap_or(path);
        let name = name.to_string_lossy().replace('\\', "/");
        // The description of a cached result and its hash are made after the list.
        let is_own = name == CHECKSUMS || name.starts_with(MANIFEST);
        if !is_own && !listed.contains(&name) {
            doubt(report, &name, format!("is not listed in {CHECKSUMS}"));
        }
        Ok(())
    })
}

fn doubt(report: &mut Report, name: &str, problem: String) {
    report.doubt(Doubt {
        kind: "files",
        place: name.to_owned(),
        problem,
        picture: None,
    });
}

/// The name in a line, and what is wrong with its file.
fn problem(root: &Path, line: &str) -> (String, Option<String>) {
    let Some((hash, name)) = line.split_once("  ") else {
        return (
            line.to_owned(),
            Some("is not a line of a list of checksums".to_owned()),
        );
    };
    let problem = match stays_inside(Path::new(name)) {
        false => Some("lies outside the dataset".to_owned()),
        true => match sha256_file(&root.join(name)) {
            Ok(found) if found == hash => None,
            Ok(_) => Some("has changed since it was written".to_owned()),
            Err(error) => Some(reason(&error)),
        },
    };
    (name.to_owned(), problem)
}
