//! The pictures of a published dataset by the names in its manifest: files, or pictures in shards, as
//! `train-000000.tar/ID.png` or `data/train-00000/ID.png`.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{huggingface_parquet, inside};
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::listing::Listing;
use crate::{Error, Result};

/// A dataset's pictures. The shard that was read last stays open.
pub struct Shelf {
    root: PathBuf,
    open: Mutex<Option<(PathBuf, Shard)>>,
}

enum Shard {
    Tar(Listing),
    Parquet(Rows),
}

/// The pictures of a Parquet file.
struct Rows {
    file: PathBuf,
    /// Row numbers by the names of the pictures.
    by_name: HashMap<String, usize>,
    /// Pictures in a row that were read together, since they are mostly wanted one after the other, and the number of
    /// the first.
    read: (usize, Vec<Vec<u8>>),
}

impl Shelf {
    /// That of the dataset in the folder `root`.
    pub fn of(root: &Path) -> Self {
        Shelf {
            root: root.to_path_buf(),
            open: Mutex::new(None),
        }
    }

    /// Whether the manifest's `file` is a picture in a shard.
    pub fn is_in_shard(&self, file: &str) -> bool {
        inside(&self.root, file).is_ok_and(|path| {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let is_open = open
                .as_ref()
                .is_some_and(|(shard, _)| Some(&**shard) == path.parent());
            let is_shard =
                |path: &Path| path.is_file() || huggingface_parquet::numbered(path).is_some();
            is_open || !path.exists() && path.parent().is_some_and(is_shard)
        })
    }

    /// The encoded picture that the manifest calls `file`.
    ///
    /// # Errors
    /// If it is missing or lies outside the dataset, or its shard is damaged.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        let remedy = "the manifest is damaged; publish the dataset again";
        let path = inside(&self.root, file)
            .map_err(|problem| Error::failed(self.root.display(), problem, remedy))?;
        let missing = || Error::io(&path, ErrorKind::NotFound.into());
        if path.is_file() {
            return input::read(&path, MOST_BYTES);
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(missing());
        };
        let name = name.to_string_lossy().into_owned();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.take().filter(|(known, _)| known == above);
        let (_, shard) = open.insert(match known {
            Some(known) => known,
            None => (
                above.to_path_buf(),
                Shard::open(above)?.ok_or_else(missing)?,
            ),
        });
        match shard {
            Shard::Tar(listing) => {
                let place = listing.find(&name).ok_or_else(missing)?;
                listing.read(place, MOST_BYTES)
            }
            Shard::Parquet(rows) => rows.picture(&name)?.ok_or_else(missing),
        }
    }
}

impl Shard {
    /// The shard that the manifest calls `path`; `None` if there is none.
    fn open(path: &Path) -> Result<Option<Self>> {
        if path.is_file() {
            // Nothing of a tar is unpacked.
            let scratch = path.parent().unwrap_or(Path::new("."));
            return Ok(Some(Shard::Tar(Listing::open(path, scratch, &|| Ok(()))?)));
        }
        let Some(file) = huggingface_parquet::numbered(path) else {
            return Ok(None);
        };
        let names = huggingface_parquet::names(&file)?.into_iter();
        Ok(Some(Shard::Parquet(Rows {
            by_name: names.zip(0..).collect(),
            read: (0, Vec::new()),
            file,
        })))
    }
}

impl Rows {
    fn picture(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(&row) = self.by_name.get(name) else {
            return Ok(None);
        };
        let (first, pictures) = &self.read;
        let known = row
            .checked_sub(*first)
            .and_then(|place| pictures.get(place));
        if let Some(picture) = known {
            return Ok(Some(picture.clone()));
        }
        self.read = (row, huggingface_parquet::pictures(&self.file, row)?);
        Ok(self.read.1.first().cloned())
    }
}
