//! Photos as people have them: what is read, skipped, counted and refused.

use image::ImageFormat;

use super::*;
use crate::testing::zip::{Packed, zip};

/// A folder of photos `00.png`, `01.png`, …, no two the same.
fn many(count: u32) -> (tempfile::TempDir, Ingest) {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let path = folder.path().join(format!("{number:02}.png"));
        ramp(40 + number, 40).save(path).unwrap();
    }
    let config = Ingest {
        path: folder.path().to_path_buf(),
        size: Extent::square(16),
        ..Ingest::default()
    };
    (folder, config)
}

#[test]
fn few_bad_photos_are_skipped_and_more_are_listed_all_at_once() {
    let (folder, mut config) = many(39);
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("x-empty.jpg", b"");
    let (samples, found, warnings) = run(&config, 8).unwrap();
    assert_eq!((samples.len(), found), (39, summary(40, 39, &[("bad", 1)])));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("skipped, since 1 of 40 photos cannot be read: "));
    assert!(
        warnings[0].contains("x-empty.jpg: is empty, not a picture"),
        "{warnings:?}"
    );

    config.strict = true;
    let text = message(&config);
    assert!(
        text.contains("x-empty.jpg: is empty") && text.contains("strict = true"),
        "{text}"
    );
    config.strict = false;
    write("y-page.png", b"<!DOCTYPE html><html>Not found</html>");
    write(
        "z-pointer.jpg",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n",
    );
    let text = message(&config);
    for part in [
        "3 of 42 photos cannot be read, and max_bad = 0.05 of them are allowed:\n",
        "x-empty.jpg: is empty, not a picture\n",
        "y-page.png: is an HTML page, not a picture\n",
        "z-pointer.jpg: is a Git LFS pointer",
        "help: replace or remove them, or raise `max_bad`",
    ] {
        assert!(text.contains(part), "`{part}` not in {text}");
    }
    config.max_bad = 0.1;
    assert_eq!(run(&config, 8).unwrap().1, summary(42, 39, &[("bad", 3)]));
    for number in 0..30 {
        write(&format!("bad-{number}.jpg"), b"");
    }
    let text = message(&config);
    assert!(
        text.contains("33 of 72 photos") && text.contains("and 13 more"),
        "{text}"
    );
}

#[test]
fn missing_photos_of_a_table_are_listed_all_at_once() {
    let (_folder, config) = example();
    let text = "file,x1,y1,x2,y2\na.png,1,2,30,40\nno.png,1,2,30,40\nnot.png,1,2,30,40\n";
    std::fs::write(csv(&config), text).unwrap();
    let text = message(&config);
    assert!(text.contains("2 of 3 photos cannot be read"), "{text}");
    assert!(
        text.contains("line 3 (row 1): names `no.png`, which is not in"),
        "{text}"
    );
    assert!(
        text.contains("line 4 (row 2): names `not.png`, which is not in"),
        "{text}"
    );
}

#[test]
fn the_content_of_a_file_counts_and_not_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let halves = RgbImage::from_fn(32, 32, |x, _| Rgb([if x < 16 { 250 } else { 5 }; 3]));
    for (name, format) in [
        ("a.jpg", ImageFormat::WebP),
        ("b.png", ImageFormat::Tiff),
        ("c", ImageFormat::Bmp),
        ("d.webp", ImageFormat::Png),
        ("e.jfif", ImageFormat::Jpeg),
        ("f.JPE", ImageFormat::Jpeg),
        ("g.tif", ImageFormat::Tiff),
        ("h.heic", ImageFormat::Jpeg),
    ] {
        let path = folder.path().join(name);
        halves.save_with_format(path, format).unwrap();
    }
    std::fs::write(folder.path().join("i.jpg"), b"\0\0\0\x18ftypheic\0\0\0\0").unwrap();
    std::fs::write(folder.path().join("j.gif"), b"GIF89a").unwrap();
    std::fs::write(folder.path().join("k.DNG"), b"II*\0\x08\0\0\0").unwrap();
    std::fs::write(folder.path().join("boxes.csv"), b"file,x1").unwrap();
    let mut config = Ingest {
        path: folder.path().to_path_buf(),
        size: Extent::square(16),
        ..Ingest::default()
    };
    let (samples, found, warnings) = run(&config, 8).unwrap();
    assert_eq!(found["photos"], 8);
    for sample in &samples {
        let pixels = sample.pixels().unwrap();
        let ends = [2, 13].map(|x| pixels.get_pixel(x, 8).0[1]);
        assert!(
            ends[0] > 240 && ends[1] < 15,
            "{}",
            sample.provenance.source
        );
    }
    let formats =
        "left out 3 pictures of formats that are not read (1 GIF, 1 HEIC, 1 camera raw; first: ";
    assert!(warnings[0].contains(formats), "{warnings:?}");
    assert!(
        warnings[0].contains("i.jpg); export them as JPEG or PNG"),
        "{warnings:?}"
    );
    config.strict = true;
    assert!(message(&config).contains("holds 3 pictures of formats that are not read"));
}

#[test]
fn exact_copies_are_kept_and_counted() {
    let (folder, config) = many(3);
    for name in ["a.png", "b.png"] {
        std::fs::copy(folder.path().join("00.png"), folder.path().join(name)).unwrap();
    }
    let (samples, found, warnings) = run(&config, 2).unwrap();
    assert_eq!((samples.len(), found), (5, summary(5, 5, &[("copies", 2)])));
    assert!(
        warnings[0].contains("2 of 5 photos are exact copies of others (first: a.png)"),
        "{warnings:?}"
    );
}

#[test]
fn photos_larger_than_the_setting_are_refused_before_they_are_decoded() {
    let (folder, mut config) = many(1);
    RgbImage::new(1100, 1000)
        .save(folder.path().join("large.png"))
        .unwrap();
    let deep = image::ImageBuffer::<Rgb<u16>, Vec<u16>>::new(600, 1000);
    deep.save(folder.path().join("deep.png")).unwrap();
    config.max_megapixels = 1.0;
    let text = message(&config);
    for part in [
        "2 of 3 photos",
        "deep.png: is a picture of 600×1000 pixels, more than max_megapixels = 1: it takes the memory of 1.2",
        "large.png: is a picture of 1100×1000 pixels, more than max_megapixels = 1",
    ] {
        assert!(text.contains(part), "`{part}` not in {text}");
    }
    config.max_megapixels = 1.2;
    assert_eq!(run(&config, 8).unwrap().1["photos"], 3);
}

#[test]
fn zips_and_compressed_tars_give_the_same_crops_as_their_folder() {
    use std::io::Write;
    let (folder, mut config) = example();
    let expected = run(&config, 8).unwrap().0;
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("photos", &config.path).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    std::fs::write(folder.path().join("photos.tar.gz"), gzip.finish().unwrap()).unwrap();
    let photo = |name: &str| std::fs::read(config.path.join(name)).unwrap();
    let (first, second) = (photo("a.png"), photo("sub/b.png"));
    let files = [
        Packed::new("photos/a.png", &first),
        Packed::new("photos/sub/b.png", &second),
        Packed::new("__MACOSX/photos/._a.png", b"shadow"),
    ];
    std::fs::write(folder.path().join("photos.zip"), zip(&files)).unwrap();
    for name in ["photos.tar.gz", "photos.zip"] {
        config.path = folder.path().join(name);
        let samples = run(&config, 8).unwrap().0;
        // Names are those in the archive.
        for (sample, expected) in samples.iter().zip(&expected) {
            let source = format!("photos/{}", expected.provenance.source);
            assert_eq!(
                (&sample.image, &sample.provenance.source),
                (&expected.image, &source)
            );
        }
        assert_eq!(samples.len(), expected.len());
    }
}
