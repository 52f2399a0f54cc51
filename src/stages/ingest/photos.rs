//! Where photos lie: a folder or a tar, read file by file from any thread.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::sample::input::{self, MOST_BYTES};
use crate::stage::{Context, Misfit};
use crate::{Error, Result, artifact};

/// The most bytes of a name in a tar.
const LONGEST_NAME: u64 = 1 << 20;

/// What is wrong with a path that is no collection of photos, and what to do.
const NOT_PHOTOS: &str = "is neither a folder nor a .tar";
const PHOTOS_REMEDY: &str =
    "point `path` at the folder that holds the photos, or at an uncompressed .tar";

/// A collection of photo files, by their names relative to it.
pub(super) enum Photos {
    Folder(PathBuf),
    Tar {
        path: PathBuf,
        /// Offset and length of every file, in bytes.
        files: BTreeMap<String, (u64, u64)>,
    },
}

impl Photos {
    /// Opens a folder, or reads the table of a tar.
    ///
    /// # Errors
    /// If `path` is missing, or is neither.
    pub(super) fn open(path: &Path, context: &Context) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if metadata.is_dir() {
            return Ok(Photos::Folder(path.to_path_buf()));
        }
        if !has_extension(path, &["tar"]) {
            return Err(Error::failed(path.display(), NOT_PHOTOS, PHOTOS_REMEDY));
        }
        input::check_regular(path)?;
        Ok(Photos::Tar {
            path: path.to_path_buf(),
            files: read_table(path, context)?,
        })
    }

    /// Whether `path` can be opened, as far as its name and kind tell.
    ///
    /// # Errors
    /// If it is neither a folder nor a tar.
    pub(super) fn check_kind(path: &Path) -> std::result::Result<(), Misfit> {
        if path.is_dir() || has_extension(path, &["tar"]) {
            return Ok(());
        }
        Err(Misfit::new(
            format!("`path` names {}, which {NOT_PHOTOS}", path.display()),
            PHOTOS_REMEDY,
        ))
    }

    /// All pictures, sorted by name.
    ///
    /// # Errors
    /// If there is none, or a folder cannot be listed.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let mut names = self.all()?;
        names.retain(|name| has_extension(Path::new(name), &["png", "jpg", "jpeg"]));
        if names.is_empty() {
            return Err(Error::failed(
                self.path().display(),
                "holds no .png, .jpg or .jpeg",
                "point `path` at the folder or .tar that holds the photos",
            ));
        }
        Ok(names)
    }

    /// Pictures that cannot be read here, by their extension, sorted by name.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub(super) fn others(&self) -> Result<Vec<String>> {
        const OTHERS: [&str; 9] = [
            "heic", "heif", "webp", "avif", "tif", "tiff", "bmp", "gif", "dng",
        ];
        let mut names = self.all()?;
        names.retain(|name| has_extension(Path::new(name), &OTHERS));
        Ok(names)
    }

    /// All files, sorted by name.
    fn all(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = match self {
            Photos::Folder(folder) => artifact::walk(folder)?
                .iter()
                .map(|path| path.strip_prefix(folder).unwrap_or(path))
                .map(|path| path.to_string_lossy().replace('\\', "/"))
                .collect(),
            Photos::Tar { files, .. } => files.keys().cloned().collect(),
        };
        names.sort();
        Ok(names)
    }

    /// Checks that `name` is here; `place` is what the message calls the row that names it.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn find(&self, name: &str, place: &str) -> Result<()> {
        let found = input::stays_inside(Path::new(name))
            && match self {
                // What is no file is refused when it is read.
                Photos::Folder(folder) => folder.join(name).exists(),
                Photos::Tar { files, .. } => files.contains_key(plain(name)),
            };
        if found {
            return Ok(());
        }
        Err(Error::failed(
            place,
            format!("names `{name}`, which is not in {}", self.path().display()),
            "file names are relative to `path`; correct the row or `path`, or add the photo",
        ))
    }

    /// The bytes of file `name`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Photos::Folder(folder) => input::read(&folder.join(name), MOST_BYTES),
            Photos::Tar { path, files } => {
                let (offset, length) = files.get(plain(name)).copied().unwrap_or_default();
                let remedy = "make it smaller, or take it out of the tar";
                input::check_length(self.describe(name), length, MOST_BYTES, remedy)?;
                read_range(path, offset, length).map_err(|e| Error::io(path, e))
            }
        }
    }

    /// What messages call file `name`.
    pub(super) fn describe(&self, name: &str) -> String {
        match self {
            Photos::Folder(folder) => folder.join(name).display().to_string(),
            Photos::Tar { path, .. } => format!("{name} in {}", path.display()),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Photos::Folder(path) | Photos::Tar { path, .. } => path,
        }
    }
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default();
    wanted.iter().any(|w| extension.eq_ignore_ascii_case(w))
}

/// Without the leading `./` that tar likes to add.
fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

fn read_range(path: &Path, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_table(path: &Path, context: &Context) -> Result<BTreeMap<String, (u64, u64)>> {
    const REMEDY: &str =
        "the file is cut off, compressed or not a tar; unpack it, or fetch it again";
    let broken = |e: std::io::Error| {
        Error::failed(
            path.display(),
            format!("cannot be read as a tar: {e}"),
            REMEDY,
        )
    };
    let open = || {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Ok(tar::Archive::new(file))
    };
    input::guarded(path.display(), REMEDY, || {
        // The second pass reads long names whole, and in a sparse file they can be of any length.
        for entry in open()?.entries_with_seek().map_err(broken)?.raw(true) {
            context.check_interrupt()?;
            let entry = entry.map_err(broken)?;
            let kind = entry.header().entry_type();
            let is_name = kind.is_gnu_longname() || kind.is_gnu_longlink();
            let is_extension = kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
            if (is_name || is_extension) && entry.size() > LONGEST_NAME {
                return Err(broken(std::io::Error::other("a name has more than 1 MiB")));
            }
        }
        let mut files = BTreeMap::new();
        for entry in open()?.entries_with_seek().map_err(broken)? {
            context.check_interrupt()?;
            let entry = entry.map_err(broken)?;
            if entry.header().entry_type().is_file() {
                let name = entry.path().map_err(broken)?;
                let name = name.to_string_lossy().replace('\\', "/");
                let range = (entry.raw_file_position(), entry.size());
                files.insert(plain(&name).to_owned(), range);
            }
        }
        Ok(files)
    })
}
