//! Datasets and photos in archives and behind patterns, and what is refused of them.

use super::*;
use crate::registry::Name;
use crate::testing::zip::{Packed, zip};

/// A dataset as CSV with two pictures of one class each, below `folder`.
fn dataset(folder: &Path) {
    std::fs::create_dir_all(folder.join("images/train")).unwrap();
    let mut rows = "file,w,h,class,xmin,ymin,xmax,ymax,split\n".to_owned();
    for (name, class) in [("a", "mug"), ("b", "nut")] {
        let file = format!("images/train/{name}.png");
        ramp(40, 20).save(folder.join(&file)).unwrap();
        rows += &format!("{file},40,20,{class},4,4,20,18,train\n");
    }
    std::fs::write(folder.join("annotations.csv"), rows).unwrap();
}

fn config(path: &Path) -> Ingest {
    Ingest {
        path: path.to_path_buf(),
        format: Name::find("csv"),
        size: Extent::new(40, 20),
        ..Ingest::default()
    }
}

fn checked(config: &Ingest) -> Result<(), Misfit> {
    config.check_files(&Givens::default())
}

/// A tar of the files below `folder`, as the folder `inside` of it.
fn tar(folder: &Path, inside: &str) -> Vec<u8> {
    let mut tar = ::tar::Builder::new(Vec::new());
    tar.append_dir_all(inside, folder).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn a_dataset_in_an_archive_gives_the_samples_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    dataset(&made);
    let expected = run(&config(&made), 8).unwrap().0;
    assert_eq!(expected.len(), 2);
    let table = std::fs::read(made.join("annotations.csv")).unwrap();
    let pictures = ["a", "b"].map(|name| {
        let name = format!("images/train/{name}.png");
        let bytes = std::fs::read(made.join(&name)).unwrap();
        (name, bytes)
    });
    let mut files = vec![Packed::new("annotations.csv", &table)];
    files.extend(
        pictures
            .iter()
            .map(|(name, bytes)| Packed::new(name, bytes)),
    );
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar(&made, "deep/made")).unwrap();
    for (name, bytes) in [
        ("made.tar", tar(&made, ".")),
        ("made.tar.gz", gzip.finish().unwrap()),
        ("made.zip", zip(&files)),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let config = config(&path);
        assert_eq!(checked(&config), Ok(()));
        let (samples, ..) = run(&config, 8).unwrap();
        assert_eq!(samples, expected, "{name}");
        // How many there are is only known when it is unpacked.
        assert_eq!(config.forecast(&Givens::default()).count, None);
    }
}

#[test]
fn archives_that_lead_outside_are_bombs_or_hold_something_else_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.zip");
    let mut config = config(&path);
    let outside = |name| {
        [
            Packed::new(name, b"x"),
            Packed::new("annotations.csv", b"file\nx.png\n"),
        ]
    };
    std::fs::write(&path, zip(&outside("../evil.png"))).unwrap();
    config.strict = true;
    let text = message(&config);
    assert!(text.contains("../evil.png leads outside"), "{text}");
    config.strict = false;
    let text = message(&config);
    assert!(
        text.contains("`csv`, but") && text.contains("made.zip"),
        "{text}"
    );
    assert!(!folder.path().join("evil.png").exists());

    let zeros = vec![0; 100 << 20];
    std::fs::write(&path, zip(&[Packed::new("zeros.png", &zeros)])).unwrap();
    let text = message(&config);
    assert!(text.contains("more than 200 times its size"), "{text}");

    // A tar with holes has few bytes, too.
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::GNUSparse);
    header.set_size(0);
    let mut tar = ::tar::Builder::new(Vec::new());
    for number in 0..3 {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.realsize = *b"00610000000\0";
        header.set_path(format!("{number}.png")).unwrap();
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
    }
    config.path = folder.path().join("holes.tar");
    std::fs::write(&config.path, tar.into_inner().unwrap()).unwrap();
    let text = message(&config);
    assert!(text.contains("holes.tar"), "{text}");

    std::fs::write(&path, "no zip").unwrap();
    config.path = path;
    let misfit = checked(&config).unwrap_err();
    assert!(
        misfit.problem.contains("does not look like"),
        "{}",
        misfit.problem
    );
}

#[test]
fn a_pattern_stands_for_several_datasets() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["made/one", "made/two"] {
        dataset(&folder.path().join(name));
    }
    let config = config(&folder.path().join("made/*"));
    assert_eq!(checked(&config), Ok(()));
    assert_eq!(config.files().len(), 2);
    assert_eq!(config.forecast(&Givens::default()).count, Some(4));
    let (samples, ..) = run(&config, 8).unwrap();
    let sources: Vec<&str> = samples.iter().map(|s| &*s.provenance.source).collect();
    let file = |folder, name| format!("{folder}/images/train/{name}.png");
    assert_eq!(
        sources,
        [
            file("one", "a"),
            file("one", "b"),
            file("two", "a"),
            file("two", "b")
        ]
    );
    assert_eq!(samples[3].id, "photos-000003");
    std::fs::write(folder.path().join("made/three"), "none").unwrap();
    let misfit = checked(&config).unwrap_err();
    assert!(misfit.problem.contains("three"), "{}", misfit.problem);
}

#[test]
fn a_pattern_stands_for_photos() {
    let (_folder, mut config) = example();
    config.boxes = None;
    let expected = run(&config, 8).unwrap().0;
    config.path = config.path.join("**/*.png");
    assert_eq!(checked(&config), Ok(()));
    let (samples, ..) = run(&config, 8).unwrap();
    assert_eq!(samples, expected);
    assert_eq!(config.forecast(&Givens::default()).count, Some(2));
    config.path = config.path.parent().unwrap().join("a[.png");
    assert!(
        config
            .check()
            .unwrap_err()
            .contains("`path` is not a pattern")
    );
}

#[test]
fn a_video_needs_frames_a_second_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    std::fs::write(&path, b"\0\0\0\x18ftypmp42\0\0\0\0").unwrap();
    let mut config = Ingest {
        path,
        ..Ingest::default()
    };
    let misfit = checked(&config).unwrap_err();
    assert!(misfit.problem.contains("is a video") && misfit.remedy.contains("fps = 2"));
    config.fps = Some(f64::NAN);
    assert!(config.check().unwrap_err().contains("`fps`"));
    ramp(20, 20).save(folder.path().join("a.png")).unwrap();
    config.fps = Some(2.0);
    config.path = folder.path().join("*");
    let misfit = checked(&config).unwrap_err();
    assert!(
        misfit.problem.contains("and other files"),
        "{}",
        misfit.problem
    );
    config.path = folder.path().to_path_buf();
    let misfit = checked(&config).unwrap_err();
    assert!(
        misfit.problem.contains("`fps` is for videos"),
        "{}",
        misfit.problem
    );
    // What is called a video and is a list of others is none.
    config.path = folder.path().join("clip.mp4");
    std::fs::write(&config.path, "#EXTM3U\n/etc/passwd\n").unwrap();
    assert!(checked(&config).is_err());
}

#[test]
fn an_empty_folder_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let config = Ingest {
        path: folder.path().to_path_buf(),
        ..Ingest::default()
    };
    let misfit = checked(&config).unwrap_err();
    assert!(misfit.problem.ends_with("holds no photo"), "{misfit:?}");
    std::fs::write(folder.path().join("labels.csv"), "file\n").unwrap();
    assert!(checked(&config).is_err());
    ramp(8, 8).save(folder.path().join("a.png")).unwrap();
    assert_eq!(checked(&config), Ok(()));
}
