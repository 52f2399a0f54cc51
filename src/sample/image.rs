//! Converts pictures from and to bytes: decodes common photo formats, encodes PNG, resizes.
//!
//! The content of a file decides how it is decoded, not its name.

use std::fmt::Display;
use std::io::Cursor;
use std::path::Path;

use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, RgbImage, RgbaImage,
};

use image::metadata::Orientation;

use super::Extent;
use super::content::{Content, HEAD};
use super::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// How large a picture may be that is decoded.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// This many bytes.
    Bytes(u64),
    /// This many megapixels, or the memory that they take with 8 bits a channel: a setting.
    Megapixels(f64),
}

/// Decodes PNG, JPEG, WebP, TIFF or BMP to 8-bit RGB. Applies the EXIF orientation, and puts transparent
/// pictures on white.
///
/// # Errors
/// If the bytes are truncated, of an unknown format or too large a picture; the message calls them `name`.
pub fn decode_rgb(bytes: &[u8], name: &str) -> Result<RgbImage> {
    decode_limited(bytes, name, Limit::Bytes(MOST_BYTES))
}

/// As [`decode_rgb`], for pictures of at most `max_megapixels`, which the message calls by this name.
///
/// # Errors
/// As [`decode_rgb`].
pub fn decode_photo(bytes: &[u8], name: &str, max_megapixels: f64) -> Result<RgbImage> {
    decode_limited(bytes, name, Limit::Megapixels(max_megapixels))
}

fn decode_limited(bytes: &[u8], name: &str, limit: Limit) -> Result<RgbImage> {
    if is_cut_off_jpeg(bytes) {
        return Err(Error::failed(
            name,
            "is a truncated JPEG without an end marker",
            "get the file again, or remove it from the folder",
        ));
    }
    let remedy = "the file is truncated or damaged; replace it or remove it from the folder";
    let picture = decode_within(bytes, None, name, remedy, limit)?;
    Ok(if picture.color().has_alpha() {
        over_white(&picture.into_rgba8())
    } else {
        picture.into_rgb8()
    })
}

/// Decodes a picture of the given `format`, or of the format that its first bytes show, and turns it upright.
///
/// # Errors
/// If it cannot be decoded, with `remedy`, or has more than [`MOST_BYTES`]; the message calls it `name`.
pub fn decode(
    bytes: &[u8],
    format: Option<ImageFormat>,
    name: &str,
    remedy: &str,
) -> Result<DynamicImage> {
    decode_within(bytes, format, name, remedy, Limit::Bytes(MOST_BYTES))
}

fn decode_within(
    bytes: &[u8],
    format: Option<ImageFormat>,
    name: &str,
    remedy: &str,
    limit: Limit,
) -> Result<DynamicImage> {
    let content = Content::of(&bytes[..bytes.len().min(HEAD)]);
    let ((Some(format), _) | (None, Content::Picture(format))) = (format, content) else {
        return Err(Error::failed(name, content.problem(), content.remedy()));
    };
    input::guarded(name, remedy, || {
        let unreadable = |e: image::ImageError| {
            let problem = format!("cannot be read as a picture: {e}");
            Error::failed(name, problem.trim_end(), remedy)
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.limits(limit.of_decoder());
        let mut decoder = reader.into_decoder().map_err(unreadable)?;
        limit.check(name, decoder.dimensions(), decoder.total_bytes())?;
        let orientation = decoder.orientation().map_err(unreadable)?;
        let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    })
}

impl Limit {
    /// Refuses a picture of these dimensions that takes so many bytes.
    fn check(self, name: &str, (width, height): (u32, u32), bytes: u64) -> Result<()> {
        let pixels = u64::from(width) * u64::from(height);
        let megapixels = (pixels.max(bytes / 3) as f64 / 1e5).round() / 10.0;
        let (most, remedy) = match self {
            Limit::Bytes(most) if bytes <= most => return Ok(()),
            Limit::Megapixels(most) if megapixels <= most => return Ok(()),
            Limit::Bytes(most) => (
                format!("the {} MiB that are decoded", most >> 20),
                "make it smaller, or remove it from the folder",
            ),
            Limit::Megapixels(most) => (
                format!("max_megapixels = {most}: it takes the memory of {megapixels}"),
                "make it smaller, remove it from the folder, or raise `max_megapixels`",
            ),
        };
        let problem = format!("is a picture of {width}×{height} pixels, more than {most}");
        Err(Error::failed(name, problem, remedy))
    }

    /// What the decoder may take for itself.
    fn of_decoder(self) -> image::Limits {
        let most = match self {
            Limit::Bytes(most) => most,
            Limit::Megapixels(most) => (6e6 * most) as u64,
        };
        let mut limits = image::Limits::default();
        limits.max_alloc = limits.max_alloc.max(Some(most));
        limits
    }
}

/// Width and height of a picture file that is turned upright, from its header alone.
///
/// # Errors
/// If the file is missing, or its header is not that of a picture; the message names it.
pub fn extent_of(path: &Path) -> Result<Extent> {
    input::check_regular(path)?;
    let file = std::fs::File::open(path).map_err(|e| crate::Error::io(path, e))?;
    extent_in(std::io::BufReader::new(file), &path.display().to_string())
}

/// Width and height of an encoded picture that is turned upright, from its header alone.
///
/// # Errors
/// If the header is not that of a picture; the message calls it `name`.
pub fn extent_in(encoded: impl std::io::BufRead + std::io::Seek, name: &str) -> Result<Extent> {
    let remedy = "the file is truncated, or is not a picture; replace it or remove it";
    input::guarded(name, remedy, || {
        let unreadable = |e: image::ImageError| {
            Error::failed(name, format!("cannot be read as a picture: {e}"), remedy)
        };
        let reader = ImageReader::new(encoded).with_guessed_format();
        let mut decoder = reader
            .map_err(|e| unreadable(e.into()))?
            .into_decoder()
            .map_err(unreadable)?;
        let (width, height) = decoder.dimensions();
        Ok(match decoder.orientation().map_err(unreadable)? {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => Extent::new(height, width),
            _ => Extent::new(width, height),
        })
    })
}

/// Whether a JPEG lacks its end marker. The decoder would fill the missing part with grey.
fn is_cut_off_jpeg(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    // Header segments are skipped, since a thumbnail in them has its own end marker.
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            break;
        }
        at += match marker {
            // Fill bytes before a marker.
            0xff => 1,
            _ => 2 + usize::from(u16::from_be_bytes([high, low])),
        };
    }
    let rest = bytes.get(at..).unwrap_or_default();
    !rest.windows(2).any(|pair| pair == [0xff, 0xd9])
}

/// Flattens transparency; the colours of transparent pixels are meaningless.
fn over_white(picture: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        let blend = |c: u16| ((c * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([blend(r), blend(g), blend(b)])
    })
}

/// Reads and decodes a picture file to 8-bit RGB.
///
/// # Errors
/// If the file is missing or unreadable; the message names it.
pub fn read_rgb(path: &Path) -> Result<RgbImage> {
    let bytes = input::read(path, MOST_BYTES)?;
    decode_rgb(&bytes, &path.display().to_string())
}

/// Encodes as PNG, favouring speed over size.
///
/// # Errors
/// If a side is zero.
pub fn encode_png(pixels: &RgbImage) -> Result<Vec<u8>> {
    encode(
        pixels.as_raw(),
        pixels.dimensions(),
        image::ExtendedColorType::Rgb8,
    )
}

/// Encodes rows of pixels of any colour type as PNG, favouring speed over size.
///
/// # Errors
/// If a side is zero.
///
/// # Panics
/// If the length of `bytes` does not match the size and colour type.
pub fn encode(
    bytes: &[u8],
    (width, height): (u32, u32),
    colour: image::ExtendedColorType,
) -> Result<Vec<u8>> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(bytes, width, height, colour)
        .map_err(|e| unencoded((width, height), "PNG", e))?;
    Ok(png)
}

/// Encodes as JPEG of `quality` 1..100, with colours at full resolution (4:4:4).
///
/// # Errors
/// If a side is zero, or longer than JPEG can hold (65,535 pixels).
pub fn encode_jpeg(pixels: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let (width, height) = pixels.dimensions();
    // Longer sides than the format holds become zero, which the encoder refuses.
    let [wide, high] = [width, height].map(|side| u16::try_from(side).unwrap_or(0));
    let mut jpeg = Vec::with_capacity(pixels.as_raw().len() / 2);
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
    encoder
        .encode(pixels.as_raw(), wide, high, jpeg_encoder::ColorType::Rgb)
        .map_err(|problem| unencoded((width, height), "JPEG", problem))?;
    Ok(jpeg)
}

/// Encodes as WebP without loss.
///
/// # Errors
/// If a side is zero, or longer than WebP can hold (16,384 pixels).
pub fn encode_webp(pixels: &RgbImage) -> Result<Vec<u8>> {
    let ((width, height), mut webp) = (pixels.dimensions(), Vec::new());
    image::codecs::webp::WebPEncoder::new_lossless(&mut webp)
        .write_image(pixels, width, height, image::ExtendedColorType::Rgb8)
        .map_err(|e| unencoded((width, height), "WebP", e))?;
    Ok(webp)
}

fn unencoded((width, height): (u32, u32), format: &str, problem: impl Display) -> Error {
    Error::failed(
        format!("a picture of {width}×{height} pixels"),
        format!("cannot be encoded as {format}: {problem}"),
        "choose a size of at least one pixel, which the format can hold",
    )
}

/// Resizes with a filter that averages when shrinking, so that small pictures do not alias.
pub fn resize(pixels: &RgbImage, width: u32, height: u32) -> RgbImage {
    image::imageops::resize(
        pixels,
        width,
        height,
        image::imageops::FilterType::CatmullRom,
    )
}

/// A sheet of equal cells, row by row, separated by two grey pixels.
///
/// A cell is `cell` pixels square; pictures of other sizes are fitted into it, the rest stays grey.
/// `columns` of them stand side by side.
pub fn contact_sheet(cells: &[RgbImage], columns: u32, cell: u32) -> RgbImage {
    const GAP: u32 = 2;
    let rows = (cells.len() as u32).div_ceil(columns).max(1);
    let mut sheet = RgbImage::from_pixel(
        columns * (cell + GAP) + GAP,
        rows * (cell + GAP) + GAP,
        image::Rgb([128; 3]),
    );
    for (i, picture) in cells.iter().enumerate() {
        let (column, row) = (i as u32 % columns, i as u32 / columns);
        let (x, y) = (GAP + column * (cell + GAP), GAP + row * (cell + GAP));
        let (width, height) = picture.dimensions();
        let longer = width.max(height);
        let fitted;
        let picture = if longer == cell {
            picture
        } else {
            let fit = |side: u32| (side * cell / longer.max(1)).max(1);
            fitted = resize(picture, fit(width), fit(height));
            &fitted
        };
        let middle = |side: u32| i64::from((cell - side) / 2);
        let (left, top) = (middle(picture.width()), middle(picture.height()));
        image::imageops::replace(&mut sheet, picture, i64::from(x) + left, i64::from(y) + top);
    }
    sheet
}

#[cfg(test)]
mod tests;
