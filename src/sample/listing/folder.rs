//! The files of a folder and its subfolders.

use std::path::{Path, PathBuf};

use super::Interrupt;
use super::left_out::LeftOut;
use super::names;
use crate::{Error, Result};

/// The most files of a folder: links to folders can lead to the same files in very many ways.
const MOST_FILES: usize = 10_000_000;
/// The most folders inside each other.
const DEEPEST: usize = 100;

/// The files of a folder.
#[derive(Debug, Default)]
pub struct Tree {
    /// Sorted; the path of the folder comes first in each.
    pub files: Vec<PathBuf>,
    /// What was left out, and why.
    pub left_out: LeftOut,
}

/// All files in `folder` and its subfolders, or `folder` itself if it is a file. Leaves out hidden names and
/// what systems leave behind, links that lead nowhere, and links that lead back to a folder above them.
///
/// # Errors
/// If a folder cannot be listed, or holds too many files.
pub fn tree(folder: &Path, interrupt: Interrupt) -> Result<Tree> {
    let start = folder.canonicalize().map_err(|e| Error::io(folder, e))?;
    let mut walk = Walk {
        root: folder,
        above: vec![start],
        tree: Tree::default(),
        interrupt,
    };
    walk.visit(folder, 0)?;
    Ok(walk.tree)
}

/// The bytes of a path relative to a folder, with `/` between its parts.
pub(super) fn raw_name(path: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = path.iter().map(std::ffi::OsStr::as_encoded_bytes).collect();
    parts.join(&b'/')
}

struct Walk<'a> {
    root: &'a Path,
    /// Where the walk began, and where the links on its way lead.
    above: Vec<PathBuf>,
    tree: Tree,
    interrupt: Interrupt<'a>,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path, depth: usize) -> Result<()> {
        let unread = |e| Error::io(path, e);
        if !std::fs::metadata(path).map_err(unread)?.is_dir() {
            self.tree.files.push(path.to_path_buf());
            return self.check(path, depth);
        }
        self.check(path, depth)?;
        let entries = std::fs::read_dir(path).map_err(unread)?;
        let names: std::io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names.map_err(unread)?;
        names.sort();
        for name in names {
            let path = path.join(&name);
            if names::is_hidden(&name.to_string_lossy()) {
                self.tree.left_out.hide(self.inside(&path));
                continue;
            }
            let is_link = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
            match is_link {
                true => self.follow(&path, depth)?,
                false => self.visit(&path, depth + 1)?,
            }
        }
        Ok(())
    }

    fn follow(&mut self, link: &Path, depth: usize) -> Result<()> {
        use std::io::ErrorKind::PermissionDenied;
        let target = match link.canonicalize() {
            Ok(target) => target,
            Err(e) if e.kind() == PermissionDenied => return Err(Error::io(link, e)),
            Err(_) => {
                let name = self.inside(link);
                let problem = "is a link that leads nowhere";
                self.tree.left_out.reject(name, problem);
                return Ok(());
            }
        };
        if self.above.iter().any(|folder| folder.starts_with(&target)) {
            let name = self.inside(link);
            self.tree
                .left_out
                .reject(name, "is a link to a folder above it");
            return Ok(());
        }
        self.above.push(target);
        self.visit(link, depth + 1)?;
        self.above.pop();
        Ok(())
    }

    /// The path as messages name it.
    fn inside(&self, path: &Path) -> String {
        names::as_text(&raw_name(path.strip_prefix(self.root).unwrap_or(path)))
    }

    fn check(&self, path: &Path, depth: usize) -> Result<()> {
        let remedy = "give a folder inside it, or remove the links that lead there";
        if depth > DEEPEST {
            let problem = format!("lies in more than {DEEPEST} folders");
            return Err(Error::failed(path.display(), problem, remedy));
        }
        if self.tree.files.len() > MOST_FILES {
            let problem = format!("holds more than {MOST_FILES} files");
            return Err(Error::failed(self.root.display(), problem, remedy));
        }
        (self.interrupt)()
    }
}
