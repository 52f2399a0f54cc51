//! Converts pictures from and to bytes: decodes common photo formats, encodes PNG, resizes.

use std::io::Cursor;
use std::path::Path;

use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, RgbImage, RgbaImage,
};

use image::metadata::Orientation;

use super::Extent;
use super::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// Decodes PNG, JPEG or another supported format to 8-bit RGB. Applies the EXIF orientation, and puts
/// transparent pictures on white.
///
/// # Errors
/// If the bytes are truncated, of an unknown format or too large a picture; the message calls them `name`.
pub fn decode_rgb(bytes: &[u8], name: &str) -> Result<RgbImage> {
    if is_cut_off_jpeg(bytes) {
        return Err(Error::failed(
            name,
            "is a truncated JPEG without an end marker",
            "get the file again, or remove it from the folder",
        ));
    }
    let remedy =
        "the file is truncated, or is not a PNG or JPEG; replace it or remove it from the folder";
    let picture = decode(bytes, None, name, remedy)?;
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
    input::guarded(name, remedy, || {
        let unreadable = |e: image::ImageError| {
            Error::failed(name, format!("cannot be read as a picture: {e}"), remedy)
        };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|e| unreadable(e.into()))?;
        if let Some(format) = format {
            reader.set_format(format);
        }
        let mut decoder = reader.into_decoder().map_err(unreadable)?;
        if decoder.total_bytes() > MOST_BYTES {
            let (width, height) = decoder.dimensions();
            return Err(Error::failed(
                name,
                format!(
                    "is a picture of {width}×{height} pixels, more than the {} MiB that are decoded",
                    MOST_BYTES >> 20
                ),
                "make it smaller, or remove it from the folder",
            ));
        }
        let orientation = decoder.orientation().map_err(unreadable)?;
        let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    })
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
    let remedy = "the file is truncated, or is no picture; replace it or remove it";
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
        .map_err(|e| {
            Error::failed(
                format!("a picture of {width}×{height} pixels"),
                format!("cannot be encoded as PNG: {e}"),
                "choose a size of at least one pixel",
            )
        })?;
    Ok(png)
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
mod tests {
    use super::*;
    use crate::testing::mutations::assert_survived;

    #[test]
    fn a_truncated_png_is_an_error_that_names_it() {
        let png = encode_png(&RgbImage::from_pixel(32, 32, image::Rgb([9, 90, 200]))).unwrap();
        let error = decode_rgb(&png[..png.len() / 2], "cut.png").unwrap_err();
        assert!(error.to_string().contains("cut.png"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    /// A PNG with these chunks; `colour` is its colour type.
    fn png(width: u32, height: u32, colour: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let [w, h] = [width, height].map(u32::to_be_bytes);
        let head = [&w[..], &h[..], &[8, colour, 0, 0, 0]].concat();
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in [(b"IHDR", &head[..])].iter().chain(chunks) {
            let body = [&kind[..], data].concat();
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend(&body);
            bytes.extend(crc32(&body).to_be_bytes());
        }
        bytes
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc: u32, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        })
    }

    /// A PNG of one pixel, which has the first colour of its palette; `chunks` come before the pixel.
    fn palette_png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        // Zlib's shortest stream of a row with filter 0 and one pixel of index 0.
        let row = b"\x78\x01\x01\x02\x00\xfd\xff\x00\x00\x00\x02\x00\x01";
        let pixel: [(&[u8; 4], &[u8]); 2] = [(b"IDAT", row), (b"IEND", b"")];
        png(1, 1, 3, &[chunks, &pixel].concat())
    }

    fn jpeg(pixels: &RgbImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        pixels.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn headers_of_huge_pictures_are_refused_before_decoding() {
        let mut jpeg = jpeg(&RgbImage::from_pixel(16, 16, image::Rgb([9, 90, 200])));
        let frame = jpeg
            .windows(2)
            .position(|pair| pair == [0xff, 0xc0])
            .unwrap();
        jpeg[frame + 5..frame + 9].fill(0xff);
        let huge = png(100_000, 100_000, 2, &[(b"IDAT", b"x"), (b"IEND", b"")]);
        for (bytes, size) in [(huge, "100000×100000"), (jpeg, "65535×65535")] {
            let error = decode_rgb(&bytes, "huge").unwrap_err().to_string();
            for part in ["huge: is a picture of", size, "512 MiB", "help:"] {
                assert!(error.contains(part), "`{part}` not in {error}");
            }
        }
    }

    #[test]
    fn a_palette_of_four_bytes_is_an_error_that_names_the_file() {
        let broken = palette_png(&[(b"PLTE", &[1, 2, 3, 4])]);
        let error = decode_rgb(&broken, "palette.png").unwrap_err();
        assert!(error.to_string().contains("palette.png: "), "{error}");
        assert_eq!(error.exit_code(), 1);
        let sound = palette_png(&[(b"PLTE", &[1, 2, 3])]);
        let sound = decode_rgb(&sound, "palette.png").unwrap();
        assert_eq!(sound.get_pixel(0, 0), &image::Rgb([1, 2, 3]));
    }

    /// Makes the checksums of a PNG's chunks right again.
    fn mend_png(bytes: &mut [u8]) {
        let mut at = 8;
        while let Some(length) = bytes.get(at..at + 4) {
            let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
            let end = at + 8 + length;
            if end + 4 > bytes.len() {
                break;
            }
            let sum = crc32(&bytes[at + 4..end]).to_be_bytes();
            bytes[end..end + 4].copy_from_slice(&sum);
            at = end + 4;
        }
    }

    #[test]
    fn mutated_pictures_are_read_or_refused() {
        let pixels = RgbImage::from_fn(24, 16, |x, y| image::Rgb([x as u8 * 9, y as u8, 77]));
        let read = |bytes: &[u8]| decode_rgb(bytes, "picture");
        assert_survived("picture.png", &encode_png(&pixels).unwrap(), mend_png, read);
        let palette = palette_png(&[(b"PLTE", &[1, 2, 3]), (b"tRNS", &[9])]);
        assert_survived("palette.png", &palette, mend_png, read);
        assert_survived("picture.jpg", &jpeg(&pixels), |_| (), read);
    }

    #[test]
    fn a_sheet_keeps_the_proportions_of_its_pictures() {
        let wide = RgbImage::from_pixel(16, 8, image::Rgb([255; 3]));
        let sheet = contact_sheet(&[wide], 1, 8);
        assert_eq!(sheet.dimensions(), (12, 12));
        let column: Vec<u8> = (2..10).map(|y| sheet.get_pixel(6, y).0[0]).collect();
        assert_eq!(column, [128, 128, 255, 255, 255, 255, 128, 128]);
    }

    #[test]
    fn png_round_trips() {
        let pixels = RgbImage::from_fn(7, 5, |x, y| image::Rgb([x as u8 * 30, y as u8 * 40, 77]));
        let png = encode_png(&pixels).unwrap();
        assert_eq!(decode_rgb(&png, "x").unwrap(), pixels);
    }
}
