//! The table of a zip, and its files: as they are, or compressed by deflate. Names and places are read from the
//! central directory at the end, as PKWARE's APPNOTE describes it, with its extension to 64 bits.

use std::fs::File;
use std::io::{Error as IoError, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::archive::{Link, REMEDY, Table, check_growth};
use super::{Data, Interrupt};
use crate::sample::content::HEAD;
use crate::{Error, Result};

/// The most bytes of where a link leads.
const LONGEST_LINK: u64 = 4096;
/// The most bytes of the central directory.
const MOST_DIRECTORY: u64 = 1 << 30;

/// Marks and lengths of the records.
const END: &[u8; 4] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_LENGTH: u64 = 20;
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const CENTRAL_LENGTH: usize = 46;
const LOCAL: &[u8; 4] = b"PK\x03\x04";
const LOCAL_LENGTH: u64 = 30;
/// Stands where a number has more than 32 bits and follows in an extra field.
const LARGE: u64 = 0xffff_ffff;

/// How a file is compressed.
const STORED: u64 = 0;
const DEFLATED: u64 = 8;

/// A file in a zip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub offset: u64,
    /// Bytes in the zip.
    pub packed: u64,
    /// Bytes of the file.
    pub length: u64,
    /// CRC-32 of the file.
    pub sum: u32,
    pub is_deflated: bool,
}

impl Member {
    /// The bytes of the file.
    pub(super) fn unpack(&self, packed: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.is_deflated {
            true => DeflateDecoder::new(packed)
                .take(self.length.saturating_add(1))
                .read_to_end(&mut bytes)?,
            false => packed.take(u64::MAX).read_to_end(&mut bytes)?,
        };
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        if bytes.len() as u64 != self.length || sum.sum() != self.sum {
            return Err(IoError::other("its checksum is wrong"));
        }
        Ok(bytes)
    }

    /// The first bytes of the file, as far as they can be unpacked from `packed`.
    pub(super) fn head(&self, packed: &[u8]) -> Vec<u8> {
        if !self.is_deflated {
            return packed[..packed.len().min(HEAD)].to_vec();
        }
        let mut head = vec![0; HEAD];
        let mut length = 0;
        let mut reader = DeflateDecoder::new(packed);
        while let Ok(read @ 1..) = reader.read(&mut head[length..]) {
            length += read;
        }
        head.truncate(length);
        head
    }
}

/// Reads the table of the zip at `path`, which is open as `file`.
///
/// # Errors
/// If it is damaged, or made to fill disks.
pub(super) fn read(path: &Path, file: &File, interrupt: Interrupt) -> Result<Table> {
    let broken = |problem: &dyn std::fmt::Display| {
        let problem = format!("cannot be read as a zip: {problem}");
        Error::failed(path.display(), problem, REMEDY)
    };
    let mut zip = Zip {
        file,
        length: file.metadata().map_err(|e| Error::io(path, e))?.len(),
    };
    let directory = zip.directory().map_err(|e| broken(&e))?;
    let mut rest = &directory[..];
    let mut table = Table::default();
    let mut unpacked = 0_u64;
    while rest.starts_with(CENTRAL) {
        interrupt()?;
        let (entry, after) =
            Entry::read(rest).ok_or_else(|| broken(&"its directory is cut off"))?;
        rest = after;
        // Only programs for Windows write backslashes, for slashes.
        let name: Vec<u8> = match std::str::from_utf8(entry.name) {
            Ok(name) => name.replace('\\', "/").into(),
            Err(_) => entry.name.to_vec(),
        };
        if name.last() == Some(&b'/') {
            continue;
        }
        let Some(name) = table.admit(&name) else {
            continue;
        };
        unpacked = unpacked.saturating_add(entry.length);
        check_growth(path, zip.length, unpacked)?;
        let data = zip.data(&entry).map_err(|e| broken(&e))?;
        match data {
            Data::Member(member)
                if entry.is_link && member.packed.max(member.length) <= LONGEST_LINK =>
            {
                let target = zip.range(member.offset, member.packed);
                let target = target.and_then(|packed| member.unpack(&packed));
                let target = target.map_err(|e| broken(&e))?;
                let is_hard = false;
                table.links.insert(name, Link { target, is_hard });
            }
            data => drop(table.files.insert(name, data)),
        }
    }
    Ok(table)
}

/// What the central directory says about a file.
struct Entry<'a> {
    name: &'a [u8],
    is_encrypted: bool,
    is_link: bool,
    method: u64,
    sum: u32,
    packed: u64,
    length: u64,
    /// Of its local header.
    header: u64,
}

impl<'a> Entry<'a> {
    /// The entry at the beginning of `directory`, and what follows it; `None` if it is cut off.
    fn read(directory: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const UNIX: u64 = 3;
        let [name, extra, comment] = [28, 30, 32].map(|at| number(directory, at, 2));
        let rest = directory.get(CENTRAL_LENGTH..)?;
        let (name, rest) = rest.split_at_checked(name? as usize)?;
        let (extra, rest) = rest.split_at_checked(extra? as usize)?;
        let rest = rest.get(comment? as usize..)?;
        let mut large = large_numbers(extra);
        let mut field = |at| match number(directory, at, 4)? {
            LARGE => large.next(),
            number => Some(number),
        };
        // In the order in which the extra field has them.
        let (length, packed, header) = (field(24)?, field(20)?, field(42)?);
        let mode = number(directory, 40, 2)?;
        let entry = Entry {
            name,
            is_encrypted: number(directory, 8, 2)? & 1 == 1,
            is_link: number(directory, 5, 1)? == UNIX && mode & 0o170_000 == 0o120_000,
            method: number(directory, 10, 2)?,
            sum: number(directory, 16, 4)? as u32,
            packed,
            length,
            header,
        };
        Some((entry, rest))
    }
}

/// The numbers of 64 bits in an entry's extra fields.
fn large_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut numbers: &[u8] = &[];
    while let (Some(kind), Some(length)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let end = (4 + length as usize).min(extra.len());
        if kind == 1 {
            numbers = &extra[4..end];
        }
        extra = &extra[end..];
    }
    numbers
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
}

/// The number of `width` bytes at a place.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)),
    )
}

struct Zip<'a> {
    file: &'a File,
    length: u64,
}

impl Zip<'_> {
    /// The central directory.
    fn directory(&mut self) -> std::io::Result<Vec<u8>> {
        let cut = || IoError::other("its directory is missing");
        // A comment of up to 64 KiB may follow.
        let start = self.length.saturating_sub(END_LENGTH as u64 + 0xffff);
        let tail = self.range(start, self.length - start)?;
        let mut places = tail.windows(END.len()).enumerate().rev();
        let end = places.find(|(at, mark)| mark == END && tail.len() - at >= END_LENGTH);
        let (end, _) = end.ok_or_else(cut)?;
        let field = |at| number(&tail[end..], at, 4).ok_or_else(cut);
        let (mut size, mut offset) = (field(12)?, field(16)?);
        let end = start + end as u64;
        if size == LARGE || offset == LARGE {
            let locator = self.range(end.saturating_sub(LOCATOR_LENGTH), LOCATOR_LENGTH)?;
            let place = number(&locator, 8, 8).filter(|_| locator.starts_with(LOCATOR_64));
            let record = self.range(place.ok_or_else(cut)?, 56)?;
            let is_record = record.starts_with(END_64);
            let fields = number(&record, 40, 8).zip(number(&record, 48, 8));
            (size, offset) = fields.filter(|_| is_record).ok_or_else(cut)?;
        }
        if size > MOST_DIRECTORY || offset.saturating_add(size) > self.length {
            return Err(cut());
        }
        self.range(offset, size)
    }

    /// Where the bytes of a file are.
    fn data(&mut self, entry: &Entry) -> std::io::Result<Data> {
        if entry.is_encrypted {
            return Ok(Data::Unreadable("is encrypted"));
        }
        if ![STORED, DEFLATED].contains(&entry.method) {
            return Ok(Data::Unreadable("is compressed in a way that is not read"));
        }
        let local = self.range(entry.header, LOCAL_LENGTH)?;
        let lengths = number(&local, 26, 2).zip(number(&local, 28, 2));
        let lengths = lengths.filter(|_| local.starts_with(LOCAL));
        let Some((name, extra)) = lengths else {
            return Ok(Data::Unreadable(
                "is not where the directory of the zip says",
            ));
        };
        let offset = entry.header + LOCAL_LENGTH + name + extra;
        if offset.saturating_add(entry.packed) > self.length {
            return Ok(Data::Unreadable("is cut off where the zip ends"));
        }
        Ok(Data::Member(Member {
            offset,
            packed: entry.packed,
            length: entry.length,
            sum: entry.sum,
            is_deflated: entry.method == DEFLATED,
        }))
    }

    /// Bytes of the file, fewer where it ends.
    fn range(&mut self, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
