//! The CSV of boxes: its columns, its tracks, and the rows that are skipped or wrong.

use super::*;

#[test]
fn useless_boxes_are_skipped_with_a_count() {
    let (_folder, config) = example();
    let text = "file;X1;Y1;X2;Y2\na.png;5;5;5;9\na.png;1;1;4;4\na.png;200;0;220;9\n\
                a.png;0;0;20;20\n";
    std::fs::write(csv(&config), text).unwrap();
    let (samples, found, warnings) = run(&config, 8).unwrap();
    assert_eq!(found, summary(1, 1, &[("skipped", 3)]));
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
            "no column `y2` or `ymax` or",
        ),
        (
            "file,x1,y1,x2,y2\na.png,1,2,3,4,5\n",
            "boxes.csv line 2 (row 0): has 6 fields, but the head has 5",
        ),
        ("file,x1,y1,x2,y2\n", "holds no rows"),
        (
            "file,x1,y1,x2,y2\na.png,1,2,,4\n",
            "boxes.csv line 2 (row 0): has no number in column `x2`",
        ),
        (
            "file,x1,y1,x2,y2\n,1,2,3,4\n",
            "names no file in column `file`",
        ),
        (
            "{\"images\": [], \"annotations\": []}",
            "boxes.csv: is a COCO file (JSON)",
        ),
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
fn a_row_without_a_box_is_nothing_here() {
    let (_folder, config) = example();
    let text =
        "file,x1,y1,x2,y2,class\na.png,5,5,50,50,cow\nsub/b.png,,,,,\na.png,NaN,NaN,NaN,NaN,\n";
    std::fs::write(csv(&config), text).unwrap();
    let (samples, found, warnings) = run(&config, 8).unwrap();
    assert_eq!(found, summary(1, 1, &[("empty", 2)]));
    assert_eq!((samples.len(), warnings.len()), (1, 0));
}

#[test]
fn tables_of_other_programs_name_the_same_crops() {
    let (_folder, config) = example();
    let expected = run(&config, 8).unwrap().0;
    let text = std::fs::read_to_string(csv(&config)).unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{}", text.replace(',', "\t"))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [
        text.replace("sub/b", ".\\sub\\b").into_bytes(),
        text.replace("a.png", "photos/a.png").into_bytes(),
        text.replace("a.png", "C:\\pictures\\photos\\A.PNG")
            .into_bytes(),
        text.replace("xmin", " X Min ")
            .replace("file", "\"File\"")
            .into_bytes(),
        format!(
            "sep=;\r\n{}",
            text.replace(',', ";").replace("64.0", "64,0")
        )
        .into_bytes(),
        utf16,
    ] {
        std::fs::write(csv(&config), &bytes).unwrap();
        let found = run(&config, 8).unwrap().0;
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_table_that_is_wrong_is_refused_before_anything_runs() {
    let (_folder, config) = example();
    for (text, problem) in [
        (
            "file,x1,y1,x2,y2\na.png,1,2,wide,4\n",
            "is not a number; write pixels",
        ),
        ("0 0.5 0.5 0.2 0.2\n", "(YOLO), not a CSV"),
        ("file,x1,y1,x2\n", "has no column `y2`"),
    ] {
        std::fs::write(csv(&config), text).unwrap();
        let found = config.check().unwrap_err();
        assert!(
            found.starts_with("`boxes`: ") && found.contains(problem),
            "{found}"
        );
    }
    std::fs::remove_file(csv(&config)).unwrap();
    assert_eq!(config.check(), Ok(()), "found when the files are hashed");
}
