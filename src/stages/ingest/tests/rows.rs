//! The CSV of boxes: its columns, its tracks, and the rows that are skipped or wrong.

use super::*;

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
