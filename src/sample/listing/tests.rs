//! Folders and archives as they come: what is listed, what is left out, and what is said of it.

use std::io::Write;

use ::tar::{Builder, EntryType, Header};

use super::*;
use crate::testing::mutations::assert_survived;
use crate::testing::zip::{Packed, zip};

fn open(path: &Path) -> Result<Listing> {
    Listing::open(path, path.parent().unwrap(), &|| Ok(()))
}

/// The names of a listing.
fn listed(listing: &Listing) -> Vec<&str> {
    listing.names().collect()
}

/// What is said of what was left out.
fn said(listing: &Listing) -> String {
    let left_out = listing.left_out();
    let note = left_out.note(Path::new("x"));
    let all: Vec<String> = note
        .into_iter()
        .chain(left_out.warnings(Path::new("x")))
        .collect();
    all.join("\n")
}

/// Writes `bytes` into a file of this name.
fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Adds a file to a tar.
fn add(tar: &mut Builder<Vec<u8>>, name: &[u8], kind: EntryType, link: &str, bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    if !link.is_empty() {
        header.set_link_name_literal(link).unwrap();
    }
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// A tar of files, each with its own name as data.
fn tar_of(names: &[&str]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for name in names {
        add(
            &mut tar,
            name.as_bytes(),
            EntryType::Regular,
            "",
            name.as_bytes(),
        );
    }
    tar.into_inner().unwrap()
}

/// A zip of files, each with its own name a hundred times as data.
fn zip_of(names: &[&str], is_deflated: bool) -> Vec<u8> {
    let data: Vec<String> = names.iter().map(|name| name.repeat(100)).collect();
    let files = names.iter().zip(&data).map(|(name, data)| Packed {
        is_deflated,
        ..Packed::new(name, data.as_bytes())
    });
    zip(&files.collect::<Vec<_>>())
}

#[test]
fn what_systems_leave_behind_is_left_out_and_counted() {
    let names = [
        "a.jpg",
        "._a.jpg",
        "__MACOSX/._a.jpg",
        "__MACOSX/b/._b.jpg",
        "b/c.jpg",
        "b/@eaDir/c.jpg",
        "Thumbs.db",
        ".ipynb_checkpoints/a.jpg",
    ];
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        file(folder.path(), &format!("photos/{name}"), name);
    }
    let tar = file(folder.path(), "photos.tar", tar_of(&names));
    let zip = file(folder.path(), "photos.zip", zip_of(&names, true));
    for path in [folder.path().join("photos"), tar, zip] {
        let listing = open(&path).unwrap();
        assert_eq!(listed(&listing), ["a.jpg", "b/c.jpg"], "{}", path.display());
        let said = said(&listing);
        assert!(
            said.contains("x: left out 5 hidden or system names: "),
            "{said}"
        );
        assert!(said.ends_with("and 2 more"), "{said}");
        let bytes = listing.read(1, 1000).unwrap();
        assert!(bytes.starts_with(b"b/c.jpg"));
        let error = listing.read(1, 3).unwrap_err().to_string();
        assert!(
            error.contains("c.jpg") && error.contains("help: "),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_those_that_lead_nowhere_are_named() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "store/x", "x");
    let photos = folder.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    symlink("../store/x", photos.join("a.jpg")).unwrap();
    symlink("../store", photos.join("more")).unwrap();
    symlink("../photos", photos.join("loop")).unwrap();
    symlink("self", photos.join("self")).unwrap();
    symlink("nothing", photos.join("gone.jpg")).unwrap();
    let listing = open(&photos).unwrap();
    assert_eq!(listed(&listing), ["a.jpg", "more/x"]);
    assert_eq!(listing.read(1, 9).unwrap(), b"x");
    let said = said(&listing);
    for part in [
        "left out 3 names",
        "gone.jpg is a link that leads nowhere",
        "loop is a link to a folder above it",
        "self is a link that leads nowhere",
    ] {
        assert!(said.contains(part), "`{part}` not in {said}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_read_and_stay_apart() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for name in [
        &b"Stra\xdfe.jpg"[..],
        b"Stra\xdee.jpg",
        b"left\\right.jpg",
        b"new\nline.jpg",
    ] {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        // Not every file system has such names.
        if std::fs::write(path, name).is_err() {
            return;
        }
    }
    let listing = open(folder.path()).unwrap();
    let names = [
        "Stra%DEe.jpg",
        "Stra%DFe.jpg",
        "left\\right.jpg",
        "new\nline.jpg",
    ];
    assert_eq!(listed(&listing), names);
    assert_eq!(listing.read(1, 99).unwrap(), b"Stra\xdfe.jpg");
    assert!(listing.describe(1).ends_with("/Stra%DFe.jpg"));
    assert_eq!(listing.index().find("Straße.jpg"), Some(1));
    assert_eq!(listing.index().find("left\\right.jpg"), Some(2));
}

#[test]
fn links_in_a_tar_give_the_file_that_they_lead_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, b"store/x", EntryType::Regular, "", b"photo");
    for (name, kind, target) in [
        (&b"hard.jpg"[..], EntryType::Link, "store/x"),
        (b"soft.jpg", EntryType::Symlink, "store/x"),
        (b"sub/soft.jpg", EntryType::Symlink, "../soft.jpg"),
        (b"circle.jpg", EntryType::Symlink, "circle.jpg"),
        (b"gone.jpg", EntryType::Link, "none.jpg"),
        (b"outside.jpg", EntryType::Symlink, "/etc/passwd"),
        (b"folder", EntryType::Symlink, "store"),
    ] {
        add(&mut tar, name, kind, target, b"");
    }
    add(&mut tar, b"../up.jpg", EntryType::Regular, "", b"up");
    let path = file(folder.path(), "a.tar", tar.into_inner().unwrap());
    let listing = open(&path).unwrap();
    assert_eq!(
        listed(&listing),
        ["hard.jpg", "soft.jpg", "store/x", "sub/soft.jpg"]
    );
    for place in 0..4 {
        assert_eq!(listing.read(place, 9).unwrap(), b"photo");
    }
    let said = said(&listing);
    assert!(
        said.contains("left out 5 names: ../up.jpg leads outside"),
        "{said}"
    );
    assert!(
        said.contains("circle.jpg is a link that leads back to itself"),
        "{said}"
    );
}

#[test]
fn long_and_foreign_names_in_a_tar_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}.jpg", "d".repeat(120), "Ünï".repeat(30));
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_cksum();
    let mut gnu = Builder::new(Vec::new());
    gnu.append_data(&mut header.clone(), &long, &b"g"[..])
        .unwrap();
    let mut pax = Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes())])
        .unwrap();
    add(&mut pax, b"short.jpg", EntryType::Regular, "", b"p");
    for tar in [gnu, pax] {
        let path = file(folder.path(), "a.tar", tar.into_inner().unwrap());
        let listing = open(&path).unwrap();
        assert_eq!(listed(&listing), [&long]);
        assert_eq!(listing.read(0, 9).unwrap().len(), 1);
    }
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, b"Stra\xdfe.jpg", EntryType::Regular, "", b"s");
    let path = file(folder.path(), "a.tar", tar.into_inner().unwrap());
    assert_eq!(listed(&open(&path).unwrap()), ["Stra%DFe.jpg"]);
}

#[test]
fn a_file_with_holes_in_a_tar_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = Header::new_gnu();
    header.set_path("hole.jpg").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(512);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].set_offset(1000);
    gnu.sparse[0].set_length(512);
    gnu.set_real_size(1512);
    header.set_cksum();
    let mut tar = Builder::new(Vec::new());
    tar.append(&header, &[7; 512][..]).unwrap();
    add(&mut tar, b"z.jpg", EntryType::Regular, "", b"z");
    let path = file(folder.path(), "a.tar", tar.into_inner().unwrap());
    let listing = open(&path).unwrap();
    assert_eq!(listed(&listing), ["hole.jpg", "z.jpg"]);
    assert_eq!(
        listing.read(0, 9999).unwrap(),
        [vec![0; 1000], vec![7; 512]].concat()
    );
    assert_eq!(listing.content(0).unwrap(), Content::Unknown);
    assert_eq!(listing.read(1, 9).unwrap(), b"z");
}

#[test]
fn a_tar_that_is_cut_off_or_joined_is_read_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let whole = tar_of(&["a.jpg", "b.jpg"]);
    let read = |bytes: &[u8]| open(&file(folder.path(), "a.tar", bytes));
    assert_eq!(said(&read(&whole).unwrap()), "");
    let cut = |bytes: usize| read(&whole[..bytes]).unwrap();
    // Each file is a header and a block of data.
    assert_eq!(listed(&cut(2048)), ["a.jpg", "b.jpg"]);
    assert_eq!(said(&cut(2048)), "x: has no end mark and may be cut off");
    assert_eq!(listed(&cut(1024)), ["a.jpg"]);
    assert_eq!(said(&cut(1100)), "x: is cut off");
    let inside = cut(1538);
    assert_eq!(said(&inside), "x: is cut off inside a file");
    let error = inside.read(1, 9).unwrap_err().to_string();
    assert!(error.contains("b.jpg in ") && error.contains("is cut off where the tar ends"));

    let joined = read(&[whole, tar_of(&["c.jpg"])].concat()).unwrap();
    assert_eq!(listed(&joined), ["a.jpg", "b.jpg", "c.jpg"]);
    assert_eq!(said(&joined), "");
    let error = read(b"").err().unwrap().to_string();
    assert!(error.contains("a.tar: is empty"), "{error}");
    let error = read(&[9; 2000]).err().unwrap().to_string();
    assert!(error.contains("a.tar: cannot be read as a tar"), "{error}");
}

#[test]
fn compressed_tars_are_read_whatever_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    for name in ["a.tar.gz", "a.tgz", "a.tar"] {
        let path = file(folder.path(), name, gzip(&tar_of(&["a.jpg"])));
        let listing = open(&path).unwrap();
        assert_eq!(listed(&listing), ["a.jpg"]);
        assert_eq!(listing.read(0, 9).unwrap(), b"a.jpg");
    }
    let bomb = file(folder.path(), "bomb.tar.gz", gzip(&vec![0; 128 << 20]));
    let error = open(&bomb).err().unwrap().to_string();
    assert!(
        error.contains("unpacks to more than 200 times its size"),
        "{error}"
    );
    let other = file(folder.path(), "a.tar.xz", b"\xfd7zXZ\0...");
    let error = open(&other).err().unwrap().to_string();
    assert!(error.contains("it is compressed by xz"), "{error}");
    assert!(open(&folder.path().join("none")).is_err());
}

#[test]
fn zips_of_every_system_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["sub\\z.jpg", "写真.jpg", "/abs.jpg"];
    let path = file(folder.path(), "a.zip", zip_of(&names, false));
    let listing = open(&path).unwrap();
    assert_eq!(listed(&listing), ["abs.jpg", "sub/z.jpg", "写真.jpg"]);
    assert_eq!(listing.index().find("sub\\z.jpg"), Some(1));
    assert_eq!(
        listing.read(1, 9999).unwrap(),
        "sub\\z.jpg".repeat(100).as_bytes()
    );

    let picture = Packed {
        is_large: true,
        ..Packed::new("a.png", b"\x89PNG\r\n\x1a\n")
    };
    let link = Packed {
        is_link: true,
        ..Packed::new("link.png", b"a.png")
    };
    let commented = [
        &zip(&[picture, link, Packed::new("folder/", b"")])[..],
        b"a comment",
    ]
    .concat();
    let path = file(folder.path(), "b.zip", commented);
    let listing = open(&path).unwrap();
    assert_eq!(listed(&listing), ["a.png", "link.png"]);
    for place in 0..2 {
        let content = listing.content(place).unwrap();
        assert_eq!(content, Content::Picture(image::ImageFormat::Png));
    }
}

#[test]
fn a_zip_that_is_damaged_or_a_bomb_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for is_deflated in [false, true] {
        let mut bytes = zip_of(&["a.jpg"], is_deflated);
        // Behind the header with its name of five bytes.
        bytes[40] ^= 1;
        let listing = open(&file(folder.path(), "a.zip", &bytes)).unwrap();
        let error = listing.read(0, 9999).unwrap_err().to_string();
        assert!(
            error.contains("a.jpg in ") && error.contains("help: "),
            "{error}"
        );
    }
    let bytes = zip_of(&["a.jpg"], false);
    let error = open(&file(folder.path(), "a.zip", &bytes[..60]))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("a.zip: cannot be read as a zip"), "{error}");

    let zeros = vec![0; 128 << 20];
    let path = file(
        folder.path(),
        "bomb.zip",
        zip(&[Packed::new("bomb.png", &zeros)]),
    );
    let error = open(&path).err().unwrap().to_string();
    assert!(
        error.contains("unpacks to more than 200 times its size"),
        "{error}"
    );
}

#[test]
fn a_listing_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let tar = file(folder.path(), "a.tar", tar_of(&["a.jpg"]));
    let zip = file(folder.path(), "a.zip", zip_of(&["a.jpg"], false));
    for path in [folder.path(), &tar, &zip] {
        let listing = Listing::open(path, folder.path(), &|| Err(Error::Interrupted));
        assert!(matches!(listing, Err(Error::Interrupted)));
    }
}

#[test]
fn mutated_archives_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let read = |bytes: &[u8]| {
        let listing = open(&file(folder.path(), "a.zip", bytes))?;
        for place in 0..listing.files.len() {
            listing.content(place)?;
            listing.read(place, 1 << 20)?;
        }
        Ok(())
    };
    let names = ["a.jpg", "sub/b.jpg"];
    for is_deflated in [false, true] {
        assert_survived("photos.zip", &zip_of(&names, is_deflated), |_| (), read);
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&tar_of(&names)).unwrap();
    assert_survived("photos.tar.gz", &gzip.finish().unwrap(), |_| (), read);
}
