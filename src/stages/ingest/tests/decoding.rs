//! Photos of many kinds become RGB; broken and poor ones are named.

use image::DynamicImage;

use super::*;
use crate::testing::turned_jpeg;

#[test]
fn missing_empty_and_broken_photos_are_named() {
    let (folder, mut config) = example();
    let photo = config.path.join("a.png");
    let bytes = std::fs::read(&photo).unwrap();
    std::fs::write(&photo, &bytes[..bytes.len() / 2]).unwrap();
    let text = message(&config);
    assert!(
        text.contains("a.png") && text.contains("line 2 (row 0)"),
        "{text}"
    );

    config.boxes = None;
    config.path = folder.path().join("nowhere");
    assert!(message(&config).contains("nowhere: "));
    config.path = folder.path().join("empty.tar");
    tar::Builder::new(std::fs::File::create(&config.path).unwrap())
        .finish()
        .unwrap();
    assert!(message(&config).contains("empty.tar: holds no photo"));
    std::fs::write(&config.path, [7; 700]).unwrap();
    assert!(message(&config).contains("empty.tar: cannot be read as a tar"));
    config.path = folder.path().join("boxes.csv");
    assert!(
        message(&config).contains("boxes.csv: is neither a folder nor a tar or zip: it is a text")
    );
}

#[test]
fn grey_16_bit_transparent_and_turned_photos_come_out_right() {
    let folder = tempfile::tempdir().unwrap();
    let colour = DynamicImage::ImageRgb8(RgbImage::from_pixel(16, 16, Rgb([100; 3])));
    let save = |name: &str, picture: DynamicImage| picture.save(folder.path().join(name)).unwrap();
    save("a-grey.png", colour.to_luma8().into());
    save("b-16bit.png", colour.to_rgb16().into());
    let mut clear = colour.to_rgba8();
    clear.pixels_mut().for_each(|p| p.0[3] = 0);
    save("c-clear.png", clear.into());
    let halves = RgbImage::from_fn(16, 16, |_, y| Rgb([if y < 8 { 255 } else { 0 }; 3]));
    std::fs::write(folder.path().join("d-turned.JPG"), turned_jpeg(&halves)).unwrap();
    let config = Ingest {
        path: folder.path().to_path_buf(),
        size: Extent::square(16),
        ..Ingest::default()
    };
    let (samples, _, _) = run(&config, 8).unwrap();
    let pixels: Vec<_> = samples.iter().map(|s| s.pixels().unwrap()).collect();
    assert_eq!(pixels[0].get_pixel(8, 8), &Rgb([100; 3]));
    assert_eq!(pixels[1].get_pixel(8, 8), &Rgb([100; 3]));
    assert_eq!(pixels[2].get_pixel(8, 8), &Rgb([255; 3]));
    assert!(pixels[3].get_pixel(14, 8).0[0] > 200 && pixels[3].get_pixel(1, 8).0[0] < 50);
}

#[test]
fn cmyk_palettes_and_16_bit_greys_become_rgb() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), include_bytes!("../cmyk.jpg")).unwrap();
    let grey = image::ImageBuffer::from_pixel(16, 16, image::Luma([0x8080u16]));
    DynamicImage::ImageLuma16(grey)
        .save(folder.path().join("b.png"))
        .unwrap();
    let config = Ingest {
        path: folder.path().to_path_buf(),
        size: Extent::square(16),
        ..Ingest::default()
    };
    let (samples, _, _) = run(&config, 8).unwrap();
    let pixels: Vec<_> = samples.iter().map(|s| s.pixels().unwrap()).collect();
    let near = |a: &Rgb<u8>, b: [u8; 3]| a.0.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 8);
    let cmyk = [3, 12].map(|x| *pixels[0].get_pixel(x, 8));
    assert!(
        near(&cmyk[0], [200, 60, 40]) && near(&cmyk[1], [30, 160, 220]),
        "{cmyk:?}"
    );
    assert_eq!(pixels[1].get_pixel(8, 8), &Rgb([128; 3]));
}

#[test]
fn a_jpeg_that_is_cut_off_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = turned_jpeg(&ramp(64, 64));
    std::fs::write(folder.path().join("cut.jpg"), &jpeg[..jpeg.len() * 2 / 3]).unwrap();
    let config = Ingest {
        path: folder.path().to_path_buf(),
        ..Ingest::default()
    };
    let text = message(&config);
    assert!(
        text.contains("cut.jpg") && text.contains("truncated"),
        "{text}"
    );
}

#[test]
fn small_plain_and_black_photos_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, pixels: RgbImage| pixels.save(folder.path().join(name)).unwrap();
    save("a.png", ramp(64, 64));
    save("b-small.png", ramp(20, 20));
    save(
        "c-plain.png",
        RgbImage::from_pixel(32, 40, Rgb([80, 90, 100])),
    );
    let dark = RgbImage::from_fn(32, 32, |x, _| Rgb([x as u8 / 4, 0, 0]));
    save("d-dark.png", dark);
    std::fs::write(folder.path().join("e.HEIC"), "not read").unwrap();
    let config = Ingest {
        path: folder.path().to_path_buf(),
        size: Extent::square(32),
        ..Ingest::default()
    };
    let (samples, _, warnings) = run(&config, 8).unwrap();
    assert_eq!((samples.len(), warnings.len()), (4, 4), "{warnings:?}");
    for (warning, wanted) in warnings.iter().zip([
        "left out 1 pictures of formats that are not read (1 HEIC; first: ",
        "1 of 4 crops were enlarged by more than half to 32×32 pixels",
        "1 of 4 crops show one colour only",
        "1 of 4 crops are almost black",
    ]) {
        assert!(warning.contains(wanted), "{warning}");
    }
    assert!(warnings[0].contains("e.HEIC") && warnings[1].contains("b-small.png"));
}
