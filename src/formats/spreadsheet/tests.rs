//! Tables as they come, and what is said of those that cannot be read.

use super::*;
use crate::testing::mutations::assert_survived;

fn with<T>(bytes: impl AsRef<[u8]>, look: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, bytes).unwrap();
    look(&path)
}

/// The rows of a table, each as the text of `file` and the number in `x1`.
fn read(bytes: impl AsRef<[u8]>) -> Result<Vec<(String, Option<f64>)>> {
    with(bytes, |path| {
        let sheet = Spreadsheet::read(path)?;
        let [file, x1] = [["file"], ["x1"]].map(|names| sheet.column(&names));
        let (file, x1) = file
            .zip(x1)
            .ok_or_else(|| sheet.no_column(&["file", "x1"], "add them"))?;
        sheet
            .records()
            .map(|record| record.and_then(|row| Ok((row.get(file).to_owned(), row.number(x1)?))))
            .collect()
    })
}

fn message(bytes: impl AsRef<[u8]>) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn tables_of_every_program_are_read() {
    let utf16: Vec<u8> = "\u{feff}file\tx1\na.jpg\t1,5\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [
        b"file,x1\na.jpg,1.5\n".as_slice(),
        b"\xef\xbb\xbffile,x1\r\na.jpg,1.5\r\n",
        b"file;x1\na.jpg;1,5\n",
        b"file\tx1\na.jpg\t1,5\n",
        b"file|x1\na.jpg|1.5\n",
        b"sep=;\nfile;x1\na.jpg;1,5\n",
        b"\"sep=,\"\r\nfile,x1\r\na.jpg,1.5\r\n",
        b"File , X 1\n a.jpg , 1.5 \n",
        b"\"FILE\", \"X_1\"\n\"a.jpg\", \"1.5\"\n",
        b"x1,file\n1.5,a.jpg",
        b"file,x1\ra.jpg,1.5\r",
        b"file,x1,,\na.jpg,1.5,,\n,,,\n\n",
        b"file,x1\na.jpg,1.5,,\n",
        b"file,x1\na.jpg,+15e-1\n",
        &utf16,
    ] {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(
            read(bytes).unwrap(),
            [("a.jpg".to_owned(), Some(1.5))],
            "{text}"
        );
    }
}

#[test]
fn lines_rows_and_nothing_are_told_apart() {
    let text = "sep=,\nfile,x1\na.jpg,\n\nb.jpg,NaN\n\"c,\nd.jpg\",3\n";
    let rows = [("a.jpg", None), ("b.jpg", None), ("c,\nd.jpg", Some(3.0))];
    let rows = rows.map(|(file, x1)| (file.to_owned(), x1));
    assert_eq!(read(text).unwrap(), rows);
    let text = message("sep=,\nfile,x1\na.jpg,1\n\n,,\nb.jpg,wide\n");
    assert!(
        text.contains("t.csv line 6 (row 1): `wide` in column `x1` is not a number"),
        "{text}"
    );
    let text = message("file,x1\na.jpg,1\nb.jpg\n");
    assert!(
        text.contains("t.csv line 3 (row 1): has 1 fields, but the head has 2"),
        "{text}"
    );
    let text = message("file,x1\na.jpg,1,5\n");
    assert!(text.contains("line 2 (row 0): has 3 fields"), "{text}");
}

#[test]
fn a_guessed_encoding_is_said() {
    let warning = |bytes: &[u8]| with(bytes, |path| Spreadsheet::read(path).unwrap().warning());
    assert_eq!(warning(b"file,x1\n"), None);
    let text = warning(b"file,x1\nStra\xdfe.jpg,1\n").unwrap();
    assert!(
        text.contains("t.csv: is not UTF-8, and was read as Windows-1252"),
        "{text}"
    );
    assert_eq!(
        read(b"file,x1\nStra\xdfe.jpg,1\n").unwrap()[0].0,
        "Straße.jpg"
    );
}

#[test]
fn messages_stay_short_whatever_the_file_is() {
    let coco = format!(
        r#"{{"images": [], "annotations": [{}]}}"#,
        "1,".repeat(10_000)
    );
    let text = message(coco);
    assert!(
        text.len() < 300 && text.contains("t.csv: is a COCO file (JSON)"),
        "{text}"
    );
    let text = message("a,".repeat(10_000));
    assert!(text.len() < 500 && text.contains("and 9980 more"), "{text}");
    let text = message("ä".repeat(10_000));
    assert!(
        text.len() < 500 && text.contains("has no column `file` or `x1`"),
        "{text}"
    );
    let text = message(format!("file,x1\na.jpg,{}\n", "z".repeat(10_000)));
    assert!(
        text.len() < 400 && text.contains("… in column") | text.contains("…` in column"),
        "{text}"
    );
    assert!(message("\n\n").contains("t.csv: is empty"));
}

#[test]
fn mutated_tables_of_every_encoding_are_read_or_refused() {
    let text = "sep=;\nfile;x1\nStraße.jpg;1,5\n\"b;c.jpg\";NaN\n;\n";
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let units = || std::iter::once(0xfeff).chain(text.encode_utf16());
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    for (name, sound) in [
        ("utf8.csv", text.as_bytes()),
        ("latin.csv", &latin),
        ("little.csv", &little),
        ("big.csv", &big),
    ] {
        assert_survived(name, sound, |_| (), |bytes| read(bytes));
    }
}
