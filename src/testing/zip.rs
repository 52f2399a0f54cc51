//! Zips for tests.

use std::io::Write;

/// A file of a zip.
pub(crate) struct Packed<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
    /// The bytes are compressed by deflate.
    pub(crate) is_deflated: bool,
    /// The bytes are where a link leads.
    pub(crate) is_link: bool,
    /// Sizes and place are written with 64 bits.
    pub(crate) is_large: bool,
}

impl<'a> Packed<'a> {
    pub(crate) fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Packed {
            name,
            bytes,
            is_deflated: true,
            is_link: false,
            is_large: false,
        }
    }
}

/// A zip of these files.
pub(crate) fn zip(files: &[Packed]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for file in files {
        let mut sum = flate2::Crc::new();
        sum.update(file.bytes);
        let mut packed = file.bytes.to_vec();
        if file.is_deflated {
            let level = flate2::Compression::best();
            let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), level);
            deflate.write_all(file.bytes).unwrap();
            packed = deflate.finish().unwrap();
        }
        let method = if file.is_deflated { 8 } else { 0 };
        let sizes = [packed.len(), file.bytes.len()]
            .map(|size| (size as u32).to_le_bytes())
            .concat();
        // Version, flags, method, time and date, sum.
        let head = [20, 0, 0, 0, method, 0, 0, 0, 0, 0];
        let head = [&head[..], &sum.sum().to_le_bytes()].concat();
        let name = (file.name.len() as u16).to_le_bytes();
        let place = zip.len() as u32;
        zip.extend(
            [
                b"PK\x03\x04",
                &head[..],
                &sizes,
                &name,
                &[0; 2],
                file.name.as_bytes(),
            ]
            .concat(),
        );
        zip.extend(&packed);

        let mut extra = Vec::new();
        if file.is_large {
            let numbers = [file.bytes.len() as u64, packed.len() as u64, place.into()];
            extra = [&[1, 0, 24, 0][..], &numbers.map(u64::to_le_bytes).concat()].concat();
        }
        let (sizes, place) = match file.is_large {
            true => (vec![0xff; 8], [0xff; 4]),
            false => (sizes, place.to_le_bytes()),
        };
        let mode: u32 = if file.is_link { 0o120_777 } else { 0o100_644 };
        let lengths = [name, (extra.len() as u16).to_le_bytes(), [0; 2]].concat();
        // Made by Unix; disk and inner attributes are zero.
        let entry = [
            b"PK\x01\x02",
            &[20, 3][..],
            &head,
            &sizes,
            &lengths,
            &[0; 4],
        ];
        directory.extend(entry.concat());
        directory.extend(
            [
                &(mode << 16).to_le_bytes(),
                &place[..],
                file.name.as_bytes(),
                &extra,
            ]
            .concat(),
        );
    }
    let count = (files.len() as u16).to_le_bytes();
    let place = [directory.len(), zip.len()]
        .map(|number| (number as u32).to_le_bytes())
        .concat();
    zip.extend(directory);
    zip.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &place, &[0; 2]].concat());
    zip
}
