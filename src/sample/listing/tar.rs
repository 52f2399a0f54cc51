//! The table of a tar: names as GNU and pax write them, links, and files with holes. Tars that were joined are
//! read to the end of the last; one without an end mark is read as far as it goes.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use tar::{EntryType, GnuExtSparseHeader, Header, PaxExtensions};

use super::archive::{Link, REMEDY, Table};
use super::{Data, Interrupt};
use crate::sample::input;
use crate::{Error, Result};

const BLOCK: u64 = 512;
/// The most bytes of a name, and of what pax says about a file.
const LONGEST_NAME: u64 = 1 << 20;
/// The most empty blocks between tars that were joined.
const MOST_EMPTY: usize = 4096;

/// What stands before a file's own header.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    /// A file with holes, as pax describes it.
    is_sparse: bool,
}

/// What stands at a place in the tar.
enum Block {
    Header(Box<Header>),
    Empty,
    End,
    Cut,
}

struct TarReader<'a> {
    path: &'a Path,
    file: &'a mut File,
    length: u64,
    at: u64,
    table: Table,
}

/// Reads the table of the tar at `path`, which is open as `file`.
///
/// # Errors
/// If it is not a tar.
pub(super) fn read(path: &Path, file: &mut File, interrupt: Interrupt) -> Result<Table> {
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut reader = TarReader {
        path,
        file,
        length,
        at: 0,
        table: Table::default(),
    };
    input::guarded(path.display(), REMEDY, || {
        let mut extension = Extension::default();
        let mut empty = 0;
        loop {
            interrupt()?;
            match reader.block()? {
                Block::Empty if empty < MOST_EMPTY => empty += 1,
                Block::Empty => break,
                Block::End | Block::Cut if empty > 0 => break,
                Block::End => {
                    reader
                        .table
                        .left_out
                        .damage("has no end mark and may be cut off");
                    break;
                }
                Block::Cut => {
                    reader.table.left_out.damage("is cut off");
                    break;
                }
                // Whatever follows the end mark and is not a tar is none of ours.
                Block::Header(header) if empty > 0 && !has_sum(&header) => break,
                Block::Header(header) => {
                    empty = 0;
                    reader.entry(&header, &mut extension)?;
                }
            }
        }
        Ok(())
    })?;
    Ok(reader.table)
}

impl TarReader<'_> {
    /// Reads the block at the current place and moves behind it.
    fn block(&mut self) -> Result<Block> {
        let left = self.length.saturating_sub(self.at);
        if left < BLOCK {
            return Ok(if left == 0 { Block::End } else { Block::Cut });
        }
        let mut header = Box::new(Header::new_old());
        let sought = self.file.seek(SeekFrom::Start(self.at));
        let read = sought.and_then(|_| self.file.read_exact(header.as_mut_bytes()));
        read.map_err(|e| Error::io(self.path, e))?;
        self.at += BLOCK;
        let is_empty = header.as_bytes().iter().all(|&byte| byte == 0);
        Ok(if is_empty {
            Block::Empty
        } else {
            Block::Header(header)
        })
    }

    /// Takes the entry whose header was read into the table, and moves behind its data.
    fn entry(&mut self, header: &Header, before: &mut Extension) -> Result<()> {
        if !has_sum(header) {
            return Err(self.broken("the checksum of a header is wrong"));
        }
        let kind = header.entry_type();
        let size = header.entry_size().map_err(|e| self.broken(e))?;
        match kind {
            EntryType::GNULongName => before.name = Some(self.text(size)?),
            EntryType::GNULongLink => before.target = Some(self.text(size)?),
            EntryType::XHeader => {
                let text = self.text(size)?;
                before.read(&text).map_err(|e| self.broken(e))?;
            }
            EntryType::XGlobalHeader => drop(self.text(size)?),
            _ => {
                let extension = std::mem::take(before);
                self.member(header, kind, size, extension)?;
            }
        }
        Ok(())
    }

    /// A file, link or folder.
    fn member(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        before: Extension,
    ) -> Result<()> {
        let start = self.at - BLOCK;
        let raw = before
            .name
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let size = before.size.unwrap_or(size);
        let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
        let has_data = matches!(
            kind,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
        );
        let mut data = Data::Range {
            offset: self.at,
            length: size,
        };
        if kind.is_gnu_sparse() {
            data = Data::Sparse {
                header: start,
                length: self.holes(header)?,
            };
        } else if before.is_sparse {
            data = Data::Unreadable("is stored with holes in a way that is not read");
        }
        if has_data || !is_link && !is_without_data(kind) {
            let whole = size
                .checked_next_multiple_of(BLOCK)
                .and_then(|s| self.at.checked_add(s));
            let end = self.at.saturating_add(size);
            if end > self.length {
                self.table.left_out.damage("is cut off inside a file");
                data = Data::Unreadable("is cut off where the tar ends");
            }
            self.at = whole
                .ok_or_else(|| self.broken("a size is too large"))?
                .min(self.length);
        }
        // Old tars mark a folder by a slash alone.
        let is_file = has_data && raw.last() != Some(&b'/');
        if !is_file && !is_link {
            return Ok(());
        }
        let Some(name) = self.table.admit(&raw) else {
            return Ok(());
        };
        if is_link {
            let target = before
                .target
                .or_else(|| header.link_name_bytes().map(Into::into));
            let link = Link {
                target: target.unwrap_or_default(),
                is_hard: kind == EntryType::Link,
            };
            self.table.files.remove(&name);
            self.table.links.insert(name, link);
        } else {
            self.table.links.remove(&name);
            self.table.files.insert(name, data);
        }
        Ok(())
    }

    /// The length of a file with holes. Moves behind the blocks that tell where they are.
    fn holes(&mut self, header: &Header) -> Result<u64> {
        let gnu = header.as_gnu();
        let gnu = gnu.ok_or_else(|| self.broken("a file with holes has no GNU header"))?;
        let length = gnu.real_size().map_err(|e| self.broken(e))?;
        let mut is_extended = gnu.is_extended();
        while is_extended {
            let Block::Header(block) = self.block()? else {
                return Err(self.broken("the holes of a file are missing"));
            };
            let mut holes = GnuExtSparseHeader::new();
            holes.as_mut_bytes().copy_from_slice(block.as_bytes());
            is_extended = holes.is_extended();
        }
        Ok(length)
    }

    /// The text that is the data of an entry, without the zero at its end.
    fn text(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > LONGEST_NAME {
            return Err(self.broken("a name has more than 1 MiB"));
        }
        let mut text = Vec::new();
        let sought = self.file.seek(SeekFrom::Start(self.at));
        let read = sought.and_then(|_| (&mut *self.file).take(size).read_to_end(&mut text));
        read.map_err(|e| Error::io(self.path, e))?;
        self.at = (self.at + size.next_multiple_of(BLOCK)).min(self.length);
        if text.last() == Some(&0) {
            text.pop();
        }
        Ok(text)
    }

    fn broken(&self, problem: impl std::fmt::Display) -> Error {
        let problem = format!("cannot be read as a tar: {problem}");
        Error::failed(self.path.display(), problem, REMEDY)
    }
}

impl Extension {
    /// Takes over what a pax header says.
    fn read(&mut self, text: &[u8]) -> std::io::Result<()> {
        for line in PaxExtensions::new(text) {
            let line = line?;
            let value = line.value_bytes();
            match line.key_bytes() {
                b"path" if !self.is_sparse => self.name = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => {
                    let size = line.value().ok().and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or(ErrorKind::InvalidData)?);
                }
                b"GNU.sparse.name" => {
                    self.name = Some(value.to_vec());
                    self.is_sparse = true;
                }
                key if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether the header's checksum is right.
fn has_sum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum = bytes[..148].iter().chain(&bytes[156..]);
    let sum = sum.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * 32;
    header.cksum().is_ok_and(|own| own == sum)
}

/// Whether no data follows, whatever size the header names.
fn is_without_data(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::Directory | EntryType::Char | EntryType::Block | EntryType::Fifo
    )
}

/// The bytes of a file with holes; `tar` stands at its header.
pub(super) fn read_sparse(tar: &mut File, length: u64) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(tar);
    let mut bytes = Vec::new();
    if let Some(entry) = archive.entries()?.next() {
        entry?.take(length).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
