//! What a file is, by its first bytes, and what it is called, which may be something else.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use image::ImageFormat;

use super::input::check_regular;
use crate::{Error, Result};

/// As many first bytes of a file as [`Content::of`] looks at.
pub const HEAD: usize = 512;

/// What pictures of the formats that are read are called.
const PICTURES: [&str; 9] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "bmp",
];

/// Whether a file is called a picture of a format that is read.
pub fn is_called_picture(name: &Path) -> bool {
    let extension = name.extension().unwrap_or_default();
    PICTURES
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Content {
    /// There is nothing in it.
    Empty,
    /// A picture of a format that is read.
    Picture(ImageFormat),
    /// A picture of a format that is not read, by the name of the format.
    OtherPicture(&'static str),
    /// A tar, not compressed.
    Tar,
    /// A zip, or what is one inside, such as a spreadsheet.
    Zip,
    /// Something compressed by gzip, such as a .tar.gz.
    Gzip,
    /// Something else, in words that follow `is`.
    Other(&'static str),
    /// Text without a mark that tells what it is.
    Text,
    /// Bytes without a mark that tells what they are.
    Unknown,
}

use Content::{Other, OtherPicture, Picture};

/// First bytes that only one kind of file has.
const SIGNATURES: &[(&[u8], Content)] = &[
    (b"\x89PNG\r\n\x1a\n", Picture(ImageFormat::Png)),
    (b"\xff\xd8\xff", Picture(ImageFormat::Jpeg)),
    (b"II*\0", Picture(ImageFormat::Tiff)),
    (b"MM\0*", Picture(ImageFormat::Tiff)),
    (b"II+\0", Picture(ImageFormat::Tiff)),
    (b"MM\0+", Picture(ImageFormat::Tiff)),
    (b"GIF8", OtherPicture("GIF")),
    (b"\xff\x0a", OtherPicture("JPEG XL")),
    (b"\0\0\0\x0cJXL ", OtherPicture("JPEG XL")),
    (b"\0\0\0\x0cjP  ", OtherPicture("JPEG 2000")),
    (b"8BPS", OtherPicture("Photoshop")),
    (b"v/1\x01", OtherPicture("OpenEXR")),
    (b"FUJIFILMCCD-RAW", OtherPicture("camera raw")),
    (b"IIU\0", OtherPicture("camera raw")),
    (b"IIRO", OtherPicture("camera raw")),
    (b"PK\x03\x04", Content::Zip),
    (b"PK\x05\x06", Content::Zip),
    (b"\x1f\x8b", Content::Gzip),
    (b"7z\xbc\xaf\x27\x1c", Other("a 7z archive")),
    (b"Rar!\x1a\x07", Other("a RAR archive")),
    (b"BZh", Other("compressed by bzip2")),
    (b"\xfd7zXZ\0", Other("compressed by xz")),
    (b"\x28\xb5\x2f\xfd", Other("compressed by zstd")),
    (b"%PDF-", Other("a PDF")),
    (b"PAR1", Other("a Parquet file")),
    (b"SQLite format 3\0", Other("an SQLite database")),
    (
        b"\0\x05\x16\x07",
        Other("the shadow file of another, made by macOS"),
    ),
    (b"\x1aE\xdf\xa3", VIDEO),
    (b"\0\0\x01\xba", VIDEO),
    (b"FLV\x01", VIDEO),
    (b"version https://git-lfs", LFS),
    (b"\xd0\xcf\x11\xe0", Other("an old Office file")),
];

/// What Git leaves where a large file belongs.
const LFS: Content = Other("a Git LFS pointer, not the file itself");

/// A video of any format that ffmpeg may know.
pub const VIDEO: Content = Other("a video");

impl Content {
    /// What the file at `path` is.
    ///
    /// # Errors
    /// If it cannot be read, or is not a regular file.
    pub fn of_file(path: &Path) -> Result<Content> {
        check_regular(path)?;
        let failed = |e| Error::io(path, e);
        let file = File::open(path).map_err(failed)?;
        let mut head = Vec::new();
        file.take(HEAD as u64)
            .read_to_end(&mut head)
            .map_err(failed)?;
        Ok(Content::of(&head))
    }

    /// What a file is that begins with `head`, its first [`HEAD`] bytes or all it has.
    pub fn of(head: &[u8]) -> Content {
        if head.is_empty() {
            return Content::Empty;
        }
        let at =
            |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(bytes));
        if at(0, b"RIFF") && at(8, b"WEBP") {
            return Picture(ImageFormat::WebP);
        }
        if at(0, b"RIFF") && at(8, b"AVI ") {
            return VIDEO;
        }
        // A transport stream has packets of 188 bytes; old QuickTime files have no brand.
        let is_stream = at(0, b"G") && at(188, b"G") && at(376, b"G");
        if is_stream
            || [&b"moov"[..], b"mdat", b"wide"]
                .iter()
                .any(|kind| at(4, kind))
        {
            return VIDEO;
        }
        if at(4, b"ftyp") {
            return of_brand(head.get(8..12).unwrap_or_default());
        }
        // Canon's raw pictures are TIFFs of a kind.
        if at(8, b"CR\x02") {
            return OtherPicture("camera raw");
        }
        // Two letters are not much: the size of the header that follows tells more.
        if at(0, b"BM")
            && matches!(
                head.get(14..18),
                Some(&[12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
            )
        {
            return Picture(ImageFormat::Bmp);
        }
        let known = SIGNATURES.iter().find(|(signature, _)| at(0, signature));
        if let Some((_, content)) = known {
            return *content;
        }
        match at(257, b"ustar") {
            true => Content::Tar,
            false => of_text(head),
        }
    }

    /// What it is, in words that follow `is`.
    pub fn noun(self) -> String {
        match self {
            Content::Empty => "empty".into(),
            Picture(format) => format!("a {} picture", name_of(format)),
            OtherPicture(name) => format!("a {name} picture"),
            Content::Tar => "a tar archive".into(),
            Content::Zip => "a zip archive".into(),
            Content::Gzip => "compressed by gzip".into(),
            Other(noun) => noun.into(),
            Content::Text => "a text".into(),
            Content::Unknown => "of no known kind".into(),
        }
    }

    /// What is wrong with a file that should be a photo and is this.
    pub fn problem(self) -> String {
        match self {
            OtherPicture(_) => format!("is {}, a format that is not read", self.noun()),
            _ => format!("is {}, not a picture", self.noun()),
        }
    }

    /// What to do about a file that should be a photo and is this.
    pub fn remedy(self) -> &'static str {
        match self {
            OtherPicture(_) => "export it as JPEG or PNG",
            LFS => "fetch it with `git lfs pull`",
            _ => "get the file again, or remove it",
        }
    }
}

fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        _ => "foreign",
    }
}

/// Files in boxes of ISO's base media format, by their first brand.
fn of_brand(brand: &[u8]) -> Content {
    match brand {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
            OtherPicture("HEIC")
        }
        b"avif" | b"avis" => OtherPicture("AVIF"),
        b"crx " => OtherPicture("camera raw"),
        _ => VIDEO,
    }
}

fn of_text(head: &[u8]) -> Content {
    let text = String::from_utf8_lossy(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    let begin = text.trim_start().get(..14).unwrap_or(text.trim_start());
    let begin = begin.to_ascii_lowercase();
    if begin.starts_with("<!doctype html") || begin.starts_with("<html") {
        return Other("an HTML page");
    }
    if begin.starts_with("<svg") {
        return Other("an SVG drawing");
    }
    if begin.starts_with("<?xml") {
        return Other(if text.contains("<svg") {
            "an SVG drawing"
        } else {
            "an XML file"
        });
    }
    // A letter of several bytes may be cut at the end.
    let cut = text
        .chars()
        .filter(|c| *c == char::REPLACEMENT_CHARACTER)
        .count();
    let is_text = !text.chars().any(|c| c.is_control() && !c.is_whitespace());
    match is_text && cut <= 1 {
        true => Content::Text,
        false => Content::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let mut tar = tar::Header::new_ustar();
        tar.set_cksum();
        let cases: [(&[u8], Content); 19] = [
            (b"", Content::Empty),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Picture(ImageFormat::WebP)),
            (b"RIFF\x10\0\0\0WAVEfmt ", Content::Unknown),
            (b"\0\0\0\x18ftypheic\0\0\0\0", OtherPicture("HEIC")),
            (b"\0\0\0\x18ftypavif\0\0\0\0", OtherPicture("AVIF")),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", VIDEO),
            (b"RIFF\x10\0\0\0AVI LIST", VIDEO),
            (b"\x1aE\xdf\xa3\x93B", VIDEO),
            (b"G, no stream", Content::Text),
            (b"GIF89a", OtherPicture("GIF")),
            (b"II*\0\x10\0\0\0CR\x02\0", OtherPicture("camera raw")),
            (b"II*\0\x08\0\0\0", Picture(ImageFormat::Tiff)),
            (b"BMW, Audi and others", Content::Text),
            (
                b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
                Picture(ImageFormat::Bmp),
            ),
            (b"\n<!DOCTYPE html>", Other("an HTML page")),
            (b"version https://git-lfs.github.com/spec/v1", LFS),
            ("Straße".as_bytes(), Content::Text),
            (b"\xff\xd8\xff\xe0", Picture(ImageFormat::Jpeg)),
            (tar.as_bytes(), Content::Tar),
        ];
        for (head, content) in cases {
            assert_eq!(Content::of(head), content, "{head:?}");
        }
    }
}
