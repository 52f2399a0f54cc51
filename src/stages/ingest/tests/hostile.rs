//! Files made to take all memory or never to end, and random faults in sound ones.

use super::*;
use crate::testing::mutations::assert_survived;

/// Makes the checksums of a tar's headers right again.
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
    assert_survived("boxes.csv", &sound, |_| (), read);
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
    assert_survived("photos.tar", &sound, mend_tar, read);
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
