//! Archives: which kind a file is, and links inside them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::left_out::LeftOut;
use super::{Data, Interrupt, Listing, names, tar, zip};
use crate::sample::content::{Content, HEAD};
use crate::sample::input;
use crate::{Error, Result};

/// What an archive may unpack to, as a multiple of its own size and a number of bytes beyond.
const MOST_TIMES: u64 = 200;
const MOST_BEYOND: u64 = 64 << 20;

/// What to do about an archive that cannot be read.
pub(super) const REMEDY: &str =
    "it is cut off or damaged; fetch it again, or unpack it and give the folder";

/// The files of an archive.
#[derive(Default)]
pub(super) struct Table {
    /// By name: the last of a name counts, as when the archive is unpacked.
    pub files: BTreeMap<Vec<u8>, Data>,
    pub links: BTreeMap<Vec<u8>, Link>,
    pub left_out: LeftOut,
    /// The last name that nobody means.
    hidden: Vec<u8>,
}

/// Where a link leads.
pub(super) struct Link {
    pub target: Vec<u8>,
    /// From the root of the archive, not from the link's folder.
    pub is_hard: bool,
}

/// The file at `path`, and what its first bytes say that it is.
///
/// # Errors
/// If it is neither a tar nor a zip.
pub(super) fn recognise(path: &Path) -> Result<(File, Content)> {
    input::check_regular(path)?;
    let unread = |e| Error::io(path, e);
    let mut file = File::open(path).map_err(unread)?;
    let mut head = Vec::new();
    (&mut file)
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .map_err(unread)?;
    file.rewind().map_err(unread)?;
    let is_called_tar = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tar"));
    match Content::of(&head) {
        Content::Empty => Err(Error::failed(path.display(), "is empty", "fetch it again")),
        content @ (Content::Zip | Content::Gzip | Content::Tar) => Ok((file, content)),
        content if is_called_tar && !matches!(content, Content::Other(_)) => {
            Ok((file, Content::Tar))
        }
        content => Err(Error::failed(
            path.display(),
            format!(
                "is neither a folder nor a tar or zip: it is {}",
                content.noun()
            ),
            "point at the folder that holds the files, or at a .tar, .tar.gz or .zip of it",
        )),
    }
}

/// Opens the tar or zip at `path`.
///
/// # Errors
/// If it is neither, or damaged.
pub(super) fn open(path: &Path, scratch: &Path, interrupt: Interrupt) -> Result<Listing> {
    let (mut file, content) = recognise(path)?;
    let (file, table) = match content {
        Content::Zip => {
            let table =
                input::guarded(path.display(), REMEDY, || zip::read(path, &file, interrupt))?;
            (file, table)
        }
        Content::Gzip => {
            let mut unpacked = unpack(path, file, scratch, interrupt)?;
            let table = tar::read(path, &mut unpacked, interrupt)?;
            (unpacked, table)
        }
        _ => {
            let table = tar::read(path, &mut file, interrupt)?;
            (file, table)
        }
    };
    let mut table = table;
    table.follow_links();
    let files = table.files.into_iter().collect();
    Ok(Listing::new(path, Some(file), files, table.left_out))
}

/// Unpacks a .tar.gz into a nameless file.
fn unpack(path: &Path, file: File, scratch: &Path, interrupt: Interrupt) -> Result<File> {
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut unpacked = tempfile::tempfile_in(scratch).map_err(|e| Error::io(scratch, e))?;
    let mut reader = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(file));
    let mut chunk = vec![0; 1 << 20];
    let mut written = 0;
    loop {
        interrupt()?;
        let read = reader.read(&mut chunk).map_err(|e| {
            Error::failed(path.display(), format!("cannot be unpacked: {e}"), REMEDY)
        })?;
        if read == 0 {
            break;
        }
        written += read as u64;
        check_growth(path, length, written)?;
        unpacked
            .write_all(&chunk[..read])
            .map_err(|e| Error::io(scratch, e))?;
    }
    unpacked.rewind().map_err(|e| Error::io(scratch, e))?;
    Ok(unpacked)
}

/// Refuses archives that are made to fill disks and memories.
pub(super) fn check_growth(path: &Path, packed: u64, unpacked: u64) -> Result<()> {
    if unpacked
        > packed
            .saturating_mul(MOST_TIMES)
            .saturating_add(MOST_BEYOND)
    {
        let problem = format!("unpacks to more than {MOST_TIMES} times its size");
        let remedy = "unpack it and give the folder, if you know that it is sound";
        return Err(Error::failed(path.display(), problem, remedy));
    }
    Ok(())
}

impl Table {
    /// The name of a file in the archive, or `None` if it is left out.
    pub(super) fn admit(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        let Some(name) = names::inside(raw) else {
            if raw.split(|&byte| byte == b'/').any(|part| part == b"..") {
                self.left_out.reject(names::as_text(raw), "leads outside");
            }
            return None;
        };
        if let Some(hidden) = names::hidden_part(&name) {
            // All files of a hidden folder count once.
            if hidden != self.hidden {
                self.left_out.hide(names::as_text(hidden));
                self.hidden = hidden.to_vec();
            }
            return None;
        }
        Some(name)
    }

    /// Gives every link the data of the file that it leads to.
    fn follow_links(&mut self) {
        let mut found = Vec::new();
        for name in self.links.keys() {
            match self.target(name) {
                Ok(data) => found.push((name.clone(), data)),
                Err(problem) => self.left_out.reject(names::as_text(name), problem),
            }
        }
        self.files.extend(found);
    }

    fn target(&self, link: &[u8]) -> Result<Data, &'static str> {
        let mut name = link.to_vec();
        // Links that lead to each other end somewhere.
        for _ in 0..40 {
            if let Some(data) = self.files.get(&name) {
                return Ok(data.clone());
            }
            let Some(link) = self.links.get(&name) else {
                let folder = [&name[..], b"/"].concat();
                let mut inside = self.files.range(folder.clone()..);
                let is_folder = inside
                    .next()
                    .is_some_and(|(file, _)| file.starts_with(&folder));
                return Err(match is_folder {
                    true => "is a link to a folder, which is not followed in an archive",
                    false => "is a link to a file that is not in the archive",
                });
            };
            let parent = name.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let next = match link.is_hard {
                true => names::inside(&link.target),
                false => names::linked(&name[..parent], &link.target),
            };
            name = next.ok_or("is a link that leads outside the archive")?;
        }
        Err("is a link that leads back to itself")
    }
}
