//! Pictures of every format, sound, broken and hostile.

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

fn encoded(pixels: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn headers_of_huge_pictures_are_refused_before_decoding() {
    let grey = RgbImage::from_pixel(16, 16, image::Rgb([9, 90, 200]));
    let mut jpeg = encoded(&grey, ImageFormat::Jpeg);
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
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
    ] {
        assert_survived(
            &format!("{format:?}"),
            &encoded(&pixels, format),
            |_| (),
            read,
        );
    }
}

#[test]
fn pictures_of_every_format_are_read_and_cut_ones_refused() {
    let pixels = RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 3, y as u8 * 5, 77]));
    for format in [ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp] {
        let bytes = encoded(&pixels, format);
        assert_eq!(decode_rgb(&bytes, "x").unwrap(), pixels, "{format:?}");
        let cut = decode_rgb(&bytes[..bytes.len() * 2 / 3], "cut")
            .unwrap_err()
            .to_string();
        assert!(
            cut.contains("cut: ") && cut.contains("help: "),
            "{format:?}: {cut}"
        );
    }
    for (bytes, problem) in [
        (
            &b"GIF89a"[..],
            "x: is a GIF picture, a format that is not read",
        ),
        (b"", "x: is empty, not a picture"),
        (b"<html>", "x: is an HTML page, not a picture"),
    ] {
        let error = decode_rgb(bytes, "x").unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn headers_of_pictures_beyond_the_setting_are_refused() {
    let huge = png(30_000, 30_000, 2, &[(b"IDAT", b"x"), (b"IEND", b"")]);
    let error = decode_photo(&huge, "huge", 180.0).unwrap_err().to_string();
    for part in [
        "30000×30000 pixels",
        "max_megapixels = 180",
        "the memory of 900",
    ] {
        assert!(error.contains(part), "`{part}` not in {error}");
    }
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
