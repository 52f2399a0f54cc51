//! The files of a folder, tar or zip as people have them: without what systems leave behind, with links
//! followed, and with a name for each that is text and unique. Files are read from any thread.

mod archive;
mod folder;
mod left_out;
mod names;
mod pattern;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::content::{Content, HEAD};
use super::input::{self, MOST_BYTES};
use crate::{Error, Result};

pub use folder::{Tree, tree};
pub use left_out::LeftOut;
pub use names::{Index, as_table_has_it, is_hidden};
pub use pattern::{is_pattern, matching, root};

/// Stops a long listing with an error, after Ctrl-C.
pub type Interrupt<'a> = &'a dyn Fn() -> Result<()>;

/// The files of a folder or archive, sorted by name.
pub struct Listing {
    path: PathBuf,
    /// Of an archive: itself, or what was unpacked of it.
    archive: Option<Mutex<File>>,
    files: Vec<Entry>,
    left_out: LeftOut,
}

/// A file of a listing.
struct Entry {
    name: String,
    /// A second name that tables may know it by.
    alias: Option<String>,
    data: Data,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
enum Data {
    /// In a file of its own.
    File(PathBuf),
    /// In the archive as they are.
    Range { offset: u64, length: u64 },
    /// In a tar, with holes, behind the header at `header`.
    Sparse { header: u64, length: u64 },
    /// In a zip, perhaps compressed.
    Member(zip::Member),
    /// Nowhere: what is wrong with it.
    Unreadable(&'static str),
}

/// Checks that `path` is a folder, tar or zip, as far as its first bytes tell.
///
/// # Errors
/// If it is missing or something else.
pub fn check(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if metadata.is_dir() {
        return Ok(());
    }
    archive::recognise(path).map(drop)
}

/// Whether the folder or archive at `path` can be listed without unpacking it.
///
/// # Errors
/// As [`check`].
pub fn is_quick(path: &Path) -> Result<bool> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    Ok(metadata.is_dir() || archive::recognise(path)?.1 != Content::Gzip)
}

impl Listing {
    /// Lists the folder, tar or zip at `path`. A compressed tar is unpacked into a nameless file in the folder
    /// `scratch`.
    ///
    /// # Errors
    /// If `path` is missing, or is neither; if a folder cannot be read, or an archive is damaged.
    pub fn open(path: &Path, scratch: &Path, interrupt: Interrupt) -> Result<Self> {
        if std::fs::metadata(path)
            .map_err(|e| Error::io(path, e))?
            .is_dir()
        {
            let Tree { files, left_out } = tree(path, interrupt)?;
            return Ok(Listing {
                left_out,
                ..Listing::of_files(path, files)
            });
        }
        archive::open(path, scratch, interrupt)
    }

    /// Lists `files`, which lie below the folder `root`.
    pub fn of_files(root: &Path, files: Vec<PathBuf>) -> Self {
        let below = |file: &PathBuf| folder::raw_name(file.strip_prefix(root).unwrap_or(file));
        let files = files
            .into_iter()
            .map(|file| (below(&file), Data::File(file)));
        Listing::new(root, None, files.collect(), LeftOut::default())
    }

    fn new(
        path: &Path,
        archive: Option<File>,
        files: Vec<(Vec<u8>, Data)>,
        left_out: LeftOut,
    ) -> Self {
        let name = |raw: &[u8]| (names::as_text(raw), std::str::from_utf8(raw).is_ok());
        let mut texts: Vec<(String, bool)> = files.iter().map(|(raw, _)| name(raw)).collect();
        names::make_unique(&mut texts);
        let entry = |((name, _), (raw, data)): ((String, bool), (Vec<u8>, Data))| Entry {
            name,
            alias: names::as_latin1(&raw),
            data,
        };
        let mut files: Vec<Entry> = texts.into_iter().zip(files).map(entry).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Listing {
            path: path.to_path_buf(),
            archive: archive.map(Mutex::new),
            files,
            left_out,
        }
    }

    /// The folder or archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all files, relative to the folder or archive, in their order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// The name of the file at `place`.
    pub fn name(&self, place: usize) -> &str {
        &self.files[place].name
    }

    /// The place of the file with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let place = self
            .files
            .binary_search_by(|file| file.name.as_str().cmp(name));
        place.ok()
    }

    /// What was left out, and why.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Finds files by the names that tables give them.
    pub fn index(&self) -> Index {
        let own = self.path.file_name().unwrap_or_default().to_string_lossy();
        let own = match self.archive {
            Some(_) => own.split('.').next().unwrap_or_default(),
            None => &own,
        };
        let names = self.files.iter();
        Index::new(
            own,
            names.map(|file| (file.name.as_str(), file.alias.as_deref())),
        )
    }

    /// What messages call the file at `place`.
    pub fn describe(&self, place: usize) -> String {
        let Entry { name, alias, data } = &self.files[place];
        match (data, alias) {
            (Data::File(path), None) => path.display().to_string(),
            (Data::File(_), Some(_)) => self.path.join(name).display().to_string(),
            _ => format!("{name} in {}", self.path.display()),
        }
    }

    /// Writes all files into the folder `to`, one after the other.
    ///
    /// # Errors
    /// If one cannot be read or written, or they have far more bytes than their archive.
    pub fn unpack(&self, to: &Path, interrupt: Interrupt) -> Result<()> {
        let packed = std::fs::metadata(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let mut written = 0;
        for (place, name) in self.names().enumerate() {
            interrupt()?;
            if !input::stays_inside(Path::new(name)) {
                return Err(Error::failed(
                    self.describe(place),
                    "leads outside",
                    archive::REMEDY,
                ));
            }
            let bytes = self.read(place, MOST_BYTES)?;
            written += bytes.len() as u64;
            archive::check_growth(&self.path, packed.len(), written)?;
            let path = to.join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
            }
            std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }

    /// The bytes of the file at `place`.
    ///
    /// # Errors
    /// If it cannot be read, or has more than `most` bytes.
    pub fn read(&self, place: usize, most: u64) -> Result<Vec<u8>> {
        const REMEDY: &str = "make it smaller, or take it out of the archive";
        let name = || self.describe(place);
        let check = |length| input::check_length(name(), length, most, REMEDY);
        let broken = |problem: String| {
            Error::failed(name(), problem, "the archive is damaged; fetch it again")
        };
        match &self.files[place].data {
            Data::File(path) => input::read(path, most),
            Data::Range { offset, length } => {
                check(*length)?;
                self.range(*offset, *length)
                    .map_err(|e| broken(e.to_string()))
            }
            Data::Sparse { header, length } => {
                check(*length)?;
                let mut file = self.archive(*header).map_err(|e| broken(e.to_string()))?;
                tar::read_sparse(&mut file, *length).map_err(|e| broken(e.to_string()))
            }
            Data::Member(member) => {
                check(member.length.max(member.packed))?;
                let packed = self.range(member.offset, member.packed);
                let bytes = packed.and_then(|packed| member.unpack(&packed));
                bytes.map_err(|e| broken(e.to_string()))
            }
            Data::Unreadable(problem) => Err(Error::failed(
                name(),
                problem,
                "unpack the archive by other means and give the folder, or fetch it again",
            )),
        }
    }

    /// What the file at `place` is, by its first bytes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn content(&self, place: usize) -> Result<Content> {
        // Deflate adds little to what it cannot make smaller.
        const PACKED: u64 = 4 * HEAD as u64;
        let unread = |e| Error::io(&self.path, e);
        let head = match &self.files[place].data {
            Data::File(path) => return Content::of_file(path),
            Data::Range { offset, length } => self
                .range(*offset, (*length).min(HEAD as u64))
                .map_err(unread)?,
            Data::Member(member) => {
                let packed = self.range(member.offset, member.packed.min(PACKED));
                member.head(&packed.map_err(unread)?)
            }
            Data::Sparse { .. } => {
                let mut bytes = self.read(place, MOST_BYTES)?;
                bytes.truncate(HEAD);
                bytes
            }
            Data::Unreadable(_) => return Ok(Content::Unknown),
        };
        Ok(Content::of(&head))
    }

    fn range(&self, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
        let mut file = self.archive(offset)?;
        let mut bytes = Vec::new();
        (&mut *file).take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The archive, to be read from `offset` on.
    fn archive(&self, offset: u64) -> std::io::Result<MutexGuard<'_, File>> {
        let file = self.archive.as_ref().ok_or(std::io::ErrorKind::NotFound)?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }
}
