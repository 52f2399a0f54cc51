//! What ingest makes of small generated photos, and what it says of broken ones.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use ::image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::*;
use crate::sample::image::mutations;
use crate::seed::Seed;
use crate::stage::{DeviceChoice, Share};

/// Runs `config` and returns its samples, summary and warnings.
fn run(config: &Ingest, part_size: usize) -> Result<(Vec<Sample>, serde_json::Value, Vec<String>)> {
    let out = tempfile::tempdir().unwrap();
    let warnings = Mutex::new(Vec::new());
    let events = |event| {
        if let Event::Warning { text } = event {
            warnings.lock().unwrap().push(text);
        }
    };
    let context = context(out.path(), part_size, &events);
    config.check().unwrap();
    let summary = config.run(&context)?;
    let mut samples = Vec::new();
    for path in artifact::walk(out.path())? {
        samples.extend(parts::read_part(&path)?);
    }
    Ok((samples, summary, warnings.into_inner().unwrap()))
}

fn context<'a>(out: &'a Path, part_size: usize, events: &'a (dyn Fn(Event) + Sync)) -> Context<'a> {
    Context {
        id: "photos",
        seed: Seed::new(1, "photos"),
        inputs: BTreeMap::new(),
        share: Share::All,
        out,
        resume: None,
        part_size,
        device: DeviceChoice::Cpu,
        events,
        interrupted: &UNINTERRUPTED,
    }
}

static UNINTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The message of the error that `config` ends with.
fn message(config: &Ingest) -> String {
    run(config, 8).unwrap_err().to_string()
}

/// A photo whose red tells the column and green the row.
fn ramp(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 0]))
}

/// A folder with photos `a.png`, `sub/b.png` and a CSV of four boxes.
fn example() -> (tempfile::TempDir, Ingest) {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    std::fs::create_dir_all(photos.join("sub")).unwrap();
    ramp(100, 80).save(photos.join("a.png")).unwrap();
    ramp(64, 64).save(photos.join("sub/b.png")).unwrap();
    std::fs::write(photos.join("notes.txt"), "no photo").unwrap();
    let boxes = folder.path().join("boxes.csv");
    let text = "file,class,xmin,ymin,xmax,ymax\n\
                a.png,six,10,20,30,40\n\
                sub/b.png,one,0,0,20,10\n\
                a.png,two,40,30,72,62\n\
                sub/b.png,six,40,40,64.0,64.0\n";
    std::fs::write(&boxes, text).unwrap();
    let config = Ingest {
        path: photos,
        boxes: Some(boxes),
        size: Extent::square(16),
        margin: 0.0,
        ..Ingest::default()
    };
    (folder, config)
}

fn csv(config: &Ingest) -> &Path {
    config.boxes.as_deref().unwrap()
}

#[test]
fn boxes_become_unlabelled_crops_that_tell_their_row() {
    let (_folder, config) = example();
    let (samples, summary, warnings) = run(&config, 3).unwrap();
    assert_eq!(
        summary,
        serde_json::json!({"photos": 2, "crops": 4, "skipped": 0})
    );
    assert!(warnings.is_empty());
    let ids: Vec<_> = samples.iter().map(|s| s.id.as_str()).collect();
    let rows = ["000000", "000002", "000001", "000003"];
    assert_eq!(ids, rows.map(|row| format!("photos-{row}")));
    let first = &samples[0];
    assert_eq!(first.labels, Labels::default());
    assert_eq!(first.provenance.source, "a.png#0");
    assert_eq!(first.provenance.origin, first.id);
    assert_eq!(first.provenance.domain, Domain::Photo);
    let Rgb([column, row, _]) = *first.pixels().unwrap().get_pixel(8, 8);
    assert!(
        (19..=22).contains(&column) && (29..=32).contains(&row),
        "{column} {row}"
    );
}

#[test]
fn parts_and_threads_do_not_change_the_samples() {
    let (_folder, config) = example();
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let expected = alone.install(|| run(&config, 256)).unwrap().0;
    for part_size in [1, 3, 7] {
        assert_eq!(run(&config, part_size).unwrap().0, expected);
    }
}

#[test]
fn whole_photos_give_their_centre_square() {
    let (_folder, mut config) = example();
    config.boxes = None;
    config.size = Extent::square(80);
    let (samples, summary, _) = run(&config, 8).unwrap();
    assert_eq!(
        summary,
        serde_json::json!({"photos": 2, "crops": 2, "skipped": 0})
    );
    assert_eq!(
        samples[0].pixels().unwrap().get_pixel(0, 0),
        &Rgb([10, 0, 0])
    );
    assert_eq!(samples[1].provenance.source, "sub/b.png");
}

#[test]
fn crops_of_any_shape_are_not_stretched() {
    let (_folder, mut config) = example();
    config.size = Extent::new(40, 20);
    let (boxed, ..) = run(&config, 8).unwrap();
    config.boxes = None;
    let (whole, ..) = run(&config, 8).unwrap();
    for sample in boxed.iter().chain(&whole) {
        assert_eq!(sample.extent, config.size);
        let pixels = sample.pixels().unwrap();
        assert_eq!(pixels.dimensions(), (40, 20));
    }
    // Red counts columns and green rows of the photo: both must grow alike in the crop.
    for (sample, step) in [(&boxed[0], 1.0), (&whole[0], 2.5)] {
        let pixels = sample.pixels().unwrap();
        let [near, far] = [(15, 5), (25, 15)].map(|(x, y)| pixels.get_pixel(x, y).0);
        let grown = [0, 1].map(|c| f64::from(far[c]) - f64::from(near[c]));
        assert!(
            grown.iter().all(|g| (g - 10.0 * step).abs() <= 1.5),
            "{grown:?}"
        );
    }
    assert!(
        whole[0].labels.objects.is_none(),
        "what photos show is not known"
    );
}

#[test]
fn sizes_are_checked() {
    let (_folder, mut config) = example();
    for size in [Extent::new(7, 64), Extent::new(64, 5000)] {
        config.size = size;
        assert!(config.check().unwrap_err().contains("`size`"));
    }
}

#[test]
fn a_tar_gives_the_same_crops_as_its_folder() {
    let (folder, mut config) = example();
    let expected = run(&config, 8).unwrap().0;
    let path = folder.path().join("photos.tar");
    let mut archive = tar::Builder::new(std::fs::File::create(&path).unwrap());
    archive.append_dir_all(".", &config.path).unwrap();
    archive.finish().unwrap();
    config.path = path;
    assert_eq!(run(&config, 8).unwrap().0, expected);
    config.boxes = None;
    assert_eq!(run(&config, 8).unwrap().0.len(), 2);
}

#[test]
fn a_limit_spreads_over_all_rows() {
    let row = |number| Row {
        first: number,
        file: String::new(),
        number,
        line: 0,
        corners: None,
    };
    let spread = |limit| -> Vec<u64> {
        let rows = evenly_spread((0..10).map(row).collect(), limit);
        rows.iter().map(|row| row.number).collect()
    };
    assert_eq!(spread(4), [0, 2, 5, 7]);
    assert_eq!(spread(1), [0]);
    assert_eq!(spread(0).len(), 10);
    assert_eq!(spread(11).len(), 10);
}

#[test]
fn useless_boxes_are_skipped_with_a_count() {
    let (_folder, config) = example();
    let text = "file;X1;Y1;X2;Y2\na.png;5;5;5;9\na.png;1;1;4;4\na.png;200;0;220;9\n\
                a.png;0;0;20;20\n";
    std::fs::write(csv(&config), text).unwrap();
    let (samples, summary, warnings) = run(&config, 8).unwrap();
    assert_eq!(
        summary,
        serde_json::json!({"photos": 1, "crops": 1, "skipped": 3})
    );
    assert_eq!(samples[0].id, "photos-000003");
    assert_eq!(warnings.len(), 3);
    std::fs::write(csv(&config), "file,x1,y1,x2,y2\na.png,5,5,5,9\n").unwrap();
    assert!(message(&config).contains("no box is left"));
}

#[test]
fn errors_name_file_row_and_remedy() {
    let (_folder, config) = example();
    for (text, wanted) in [
        (
            "file,xmin,ymin,xmax\na.png,1,2,3\n",
            "no column `y2` or `ymax`",
        ),
        (
            "file,x1,y1,x2,y2\na.png,1,2,3,4,5\n",
            "boxes.csv: is not a CSV",
        ),
        ("file,x1,y1,x2,y2\n", "holds no rows"),
        (
            "file,x1,y1,x2,y2\na.png,1,2,30,40\na.png,1,2,wide,4\n",
            "boxes.csv line 3 (row 1): `wide` in column `x2` is not a number",
        ),
        (
            "file,x1,y1,x2,y2\nc.png,1,2,30,40\n",
            "boxes.csv line 2 (row 0): names `c.png`, which is not in",
        ),
        (
            "file,x1,y1,x2,y2\n../photos/a.png,1,2,30,40\n",
            "names `../photos/a.png`",
        ),
    ] {
        std::fs::write(csv(&config), text).unwrap();
        let message = message(&config);
        assert!(message.contains(wanted), "{message}");
        assert!(message.contains("help: "), "{message}");
    }
    std::fs::remove_file(csv(&config)).unwrap();
    assert!(message(&config).contains("boxes.csv: "));
}

#[test]
fn boxes_of_one_track_share_their_origin() {
    let (_folder, mut config) = example();
    std::fs::write(
        csv(&config),
        "file,track,x1,y1,x2,y2\n\
         a.png,left,10,20,30,40\n\
         a.png,,40,30,72,62\n\
         sub/b.png,left,0,0,20,10\n\
         sub/b.png,,40,40,64,64\n",
    )
    .unwrap();
    config.track = "track".into();
    let (samples, ..) = run(&config, 8).unwrap();
    let origins = samples
        .iter()
        .map(|s| (s.id.as_str(), s.provenance.origin.as_str()));
    let [one, two, three, four] = [0, 1, 2, 3].map(|number| format!("photos-{number:06}"));
    let expected = [(&one, &one), (&two, &two), (&three, &one), (&four, &four)];
    assert!(origins.eq(expected.map(|(id, origin)| (id.as_str(), origin.as_str()))));

    config.track = "car".into();
    assert!(message(&config).contains("its columns are file, track, x1, y1, x2, y2"));
    config.boxes = None;
    assert!(
        config
            .check()
            .unwrap_err()
            .contains("`track` is of use with `boxes`")
    );
}

#[test]
fn columns_can_be_named() {
    let (_folder, mut config) = example();
    std::fs::write(csv(&config), "name,l,t,r,b\na.png,10,20,30,40\n").unwrap();
    assert!(message(&config).contains("its columns are name, l, t, r, b"));
    config.columns = Some(["name", "l", "t", "r", "b"].map(str::to_owned));
    assert_eq!(run(&config, 8).unwrap().0.len(), 1);
}

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
    assert!(message(&config).contains("empty.tar: holds no .png"));
    std::fs::write(&config.path, [7; 700]).unwrap();
    assert!(message(&config).contains("empty.tar: cannot be read as a tar"));
    config.path = folder.path().join("boxes.csv");
    assert!(message(&config).contains("boxes.csv: is neither a folder nor a .tar"));
}

/// A JPEG with an EXIF orientation of 6: to be turned right by 90 degrees.
fn turned_jpeg(pixels: &RgbImage) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    let exif =
        b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], &exif[..], &jpeg[2..]].concat()
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
    std::fs::write(folder.path().join("a.jpg"), include_bytes!("cmyk.jpg")).unwrap();
    let grey = ::image::ImageBuffer::from_pixel(16, 16, ::image::Luma([0x8080u16]));
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
        "left out 1 pictures of other formats",
        "1 of 4 crops were enlarged by more than half to 32×32 pixels",
        "1 of 4 crops show one colour only",
        "1 of 4 crops are almost black",
    ]) {
        assert!(warning.contains(wanted), "{warning}");
    }
    assert!(warnings[0].contains("e.HEIC") && warnings[1].contains("b-small.png"));
}

#[test]
fn shares_have_no_photo_in_common_and_together_all() {
    let (_folder, mut config) = example();
    let mut all = Vec::new();
    for wanted in 0..2 {
        config.share = [wanted, 2];
        let (samples, ..) = run(&config, 8).unwrap();
        let files = samples.iter().map(|s| s.provenance.source.clone());
        let files: Vec<String> = files.collect();
        let photo = ["a.png", "sub/b.png"][wanted];
        assert!(files.iter().all(|f| f.starts_with(photo)), "{files:?}");
        all.extend(files);
    }
    assert_eq!(all.len(), 4);
    config.share = [2, 2];
    assert!(config.check().unwrap_err().contains("share"));
}

/// Makes the sums of a tar's heads right again.
fn mend_tar(bytes: &mut [u8]) {
    for block in bytes.as_chunks_mut::<512>().0 {
        if block[257..262] == *b"ustar" {
            let mut header = tar::Header::from_byte_slice(block).clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
}

#[test]
fn mutated_boxes_and_tars_are_read_or_refused() {
    let (folder, config) = example();
    let sound = std::fs::read(csv(&config)).unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(csv(&config), bytes).unwrap();
        run(&config, 8)
    };
    mutations::assert_survived("boxes.csv", &sound, |_| (), read);
    let tarred = Ingest {
        path: folder.path().join("photos.tar"),
        boxes: None,
        ..config.clone()
    };
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", &config.path).unwrap();
    let sound = archive.into_inner().unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(&tarred.path, bytes).unwrap();
        run(&tarred, 8)
    };
    mutations::assert_survived("photos.tar", &sound, mend_tar, read);
}

#[test]
fn many_boxes_in_one_photo_are_cut_part_by_part() {
    let (_folder, mut config) = example();
    config.size = Extent::square(8);
    let boxes = |file: &str, count: usize| format!("{file},1,2,30,40\n").repeat(count);
    let text = [
        "file,x1,y1,x2,y2\n",
        &boxes("sub/b.png", 2),
        &boxes("a.png", 3000),
        &boxes("sub/b.png", 2),
    ];
    std::fs::write(csv(&config), text.concat()).unwrap();
    let (samples, summary, _) = run(&config, 256).unwrap();
    assert_eq!(
        summary,
        serde_json::json!({"photos": 2, "crops": 3004, "skipped": 0})
    );
    let sources = samples.iter().map(|s| s.provenance.source.as_str());
    let sources: Vec<&str> = sources.collect();
    assert_eq!(
        [sources[1], sources[3], sources[4], sources[3003]],
        ["sub/b.png#1", "sub/b.png#3003", "a.png#2", "a.png#3001"]
    );
}

#[test]
fn batches_hold_a_bounded_number_of_boxes() {
    let row = whole_row();
    let groups: Vec<Vec<&Row>> = [1, 2, 9, 1, 1, 2, 3].map(|boxes| vec![&row; boxes]).into();
    let sizes: Vec<Vec<usize>> = batches(&groups, 4)
        .map(|batch| batch.iter().map(Vec::len).collect())
        .collect();
    assert_eq!(sizes, [vec![1, 2], vec![9], vec![1, 1, 2], vec![3]]);
}

fn whole_row() -> Row {
    boxes::whole(vec!["a.png".to_owned()]).remove(0)
}

#[test]
fn a_crop_larger_than_memory_is_refused() {
    let (_folder, config) = example();
    let photo = config.path.join("a.png");
    RgbImage::new(60_000, 1).save(photo).unwrap();
    std::fs::write(csv(&config), "file,x1,y1,x2,y2\na.png,0,0,60000,1\n").unwrap();
    let message = message(&config);
    for part in [
        "a.png",
        "line 2 (row 0)",
        "60000×60000 pixels",
        "512 MiB",
        "help:",
    ] {
        assert!(message.contains(part), "`{part}` not in {message}");
    }
}

#[test]
fn an_interrupted_read_says_so() {
    let (_folder, config) = example();
    let out = tempfile::tempdir().unwrap();
    let context = Context {
        interrupted: &AtomicBool::new(true),
        ..context(out.path(), 8, &|_| ())
    };
    let error = config.run(&context).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
}

#[test]
fn names_of_gigabytes_in_a_tar_are_refused() {
    let (folder, mut config) = example();
    config.boxes = None;
    config.path = folder.path().join("photos.tar");
    let file = std::fs::File::create(&config.path).unwrap();
    for kind in [tar::EntryType::GNULongName, tar::EntryType::XHeader] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path("name").unwrap();
        header.set_size(4 << 30);
        header.set_cksum();
        std::fs::write(&config.path, header.as_bytes()).unwrap();
        // Holes, which take no space on the disk.
        file.set_len(5 << 30).unwrap();
        let message = message(&config);
        assert!(message.contains("a name has more than 1 MiB"), "{message}");
    }
}

#[test]
fn photos_of_gigabytes_in_a_tar_are_refused() {
    let (folder, mut config) = example();
    config.boxes = None;
    config.path = folder.path().join("photos.tar");
    let mut header = tar::Header::new_gnu();
    header.set_path("a.png").unwrap();
    header.set_size(4 << 30);
    header.set_cksum();
    std::fs::write(&config.path, header.as_bytes()).unwrap();
    let file = std::fs::File::options().append(true).open(&config.path);
    file.unwrap().set_len(5 << 30).unwrap();
    let message = message(&config);
    assert!(message.contains("a.png in "), "{message}");
    assert!(message.contains("more than 512 MiB"), "{message}");
}

#[cfg(unix)]
#[test]
fn devices_are_not_opened() {
    let (folder, mut config) = example();
    let link = |name: &str| {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        path
    };
    let assert_refused = |config: &Ingest, name: &str| {
        let message = message(config);
        assert!(
            message.contains(name) && message.contains("pipe or device"),
            "{message}"
        );
    };
    link("photos/c.png");
    std::fs::write(csv(&config), "file,x1,y1,x2,y2\nc.png,1,2,30,40\n").unwrap();
    assert_refused(&config, "c.png");
    config.boxes = Some(link("endless.csv"));
    assert_refused(&config, "endless.csv");
    config.boxes = None;
    assert_refused(&config, "c.png");
    config.path = link("endless.tar");
    assert_refused(&config, "endless.tar");
}
