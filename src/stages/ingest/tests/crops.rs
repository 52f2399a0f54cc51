//! What is cut from photos: where, in which shape and order, and how many.

use super::*;
use crate::sample::{Domain, Labels};

#[test]
fn boxes_become_unlabelled_crops_that_tell_their_row() {
    let (_folder, config) = example();
    let (samples, found, warnings) = run(&config, 3).unwrap();
    assert_eq!(found, summary(2, 4, &[]));
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
    let (samples, found, _) = run(&config, 8).unwrap();
    assert_eq!(found, summary(2, 2, &[]));
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
        photo: None,
        line: 0,
        area: Area::Whole,
        class: None,
        caption: None,
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
    config.share = [0, 2];
    config.others = true;
    let (samples, ..) = run(&config, 8).unwrap();
    let is_other = |s: &Sample| s.provenance.source.starts_with("sub/b.png");
    assert!(!samples.is_empty() && samples.iter().all(is_other));
    config.share = [0, 1];
    assert!(config.check().unwrap_err().contains("`others`"));
    config.share = [2, 2];
    assert!(config.check().unwrap_err().contains("share"));
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
    let (samples, found, _) = run(&config, 256).unwrap();
    assert_eq!(found, summary(2, 3004, &[]));
    let sources = samples.iter().map(|s| s.provenance.source.as_str());
    let sources: Vec<&str> = sources.collect();
    assert_eq!(
        [sources[1], sources[3], sources[4], sources[3003]],
        ["sub/b.png#1", "sub/b.png#3003", "a.png#2", "a.png#3001"]
    );
}
