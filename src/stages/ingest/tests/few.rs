//! Photos whose labels are read because the settings say so.

use super::*;
use crate::sample::Domain;

fn few(config: &mut Ingest) {
    config.labelled = Some(Labelled::Few);
}

#[test]
fn classes_beside_boxes_become_labels() {
    let (_folder, mut config) = example();
    few(&mut config);
    config.margin = 0.5;
    let (samples, summary, _) = run(&config, 2).unwrap();
    let classes: Vec<_> = samples
        .iter()
        .map(|s| s.labels.class.as_deref().unwrap())
        .collect();
    assert_eq!(classes, ["six", "two", "one", "six"]);
    for sample in &samples {
        assert_eq!(sample.provenance.domain, Domain::Photo);
        assert_eq!(sample.provenance.transforms, ["labelled"]);
        assert!(sample.provenance.is_labelled_photo());
    }
    // A crop of 40 pixels around a box of 20, scaled to 16: its own box comes first.
    let own = &samples[0].labels.objects()[0];
    assert_eq!(
        (own.class.as_str(), own.bbox_xywh),
        ("six", [4.0, 4.0, 8.0, 8.0])
    );
    assert_eq!(own.mask, None);
    // The other box of the photo reaches into this one's crop.
    let seen: Vec<&str> = samples[1]
        .labels
        .objects()
        .iter()
        .map(|o| &*o.class)
        .collect();
    assert_eq!(seen, ["two", "six"]);
    let finding = &crate::stage::finding::of(&summary)[0];
    assert_eq!((&*finding.about, &*finding.number), ("real labels", "4"));
    // The pixels are those of crops without labels.
    config.labelled = None;
    let (plain, ..) = run(&config, 2).unwrap();
    for (sample, plain) in samples.iter().zip(&plain) {
        assert_eq!(sample.image, plain.image);
        assert_eq!(plain.labels, crate::sample::Labels::default());
        assert!(!plain.provenance.is_labelled_photo());
    }
}

#[test]
fn a_column_holds_captions() {
    let (_folder, mut config) = example();
    few(&mut config);
    let rows = "a.png,six,10,20,30,40,a white die\na.png,two,40,30,72,62,\n";
    let text = format!("file,class,xmin,ymin,xmax,ymax,Caption\n{rows}");
    std::fs::write(csv(&config), text).unwrap();
    let captions = |config: &Ingest| {
        let (samples, ..) = run(config, 2).unwrap();
        let captions = samples.into_iter().map(|sample| sample.labels.caption);
        captions.collect::<Vec<_>>()
    };
    assert_eq!(captions(&config), [Some("a white die".to_owned()), None]);
    // What is said of a box is not said of the photo.
    config.cut = Some(Cut::Frames);
    assert_eq!(captions(&config), [None]);
    config.cut = None;
    config.caption_column = Some("class".into());
    assert_eq!(captions(&config)[1].as_deref(), Some("two"));
    config.caption_column = Some("remark".into());
    assert!(config.check().unwrap_err().contains("remark"));
}

#[test]
fn whole_photos_have_the_classes_and_captions_of_a_csv_without_boxes() {
    let (_folder, mut config) = example();
    std::fs::write(csv(&config), "file,class,text\na.png,six,a white die\n").unwrap();
    assert!(config.check().unwrap_err().contains("has no column `x1`"));
    few(&mut config);
    for cut in [None, Some(Cut::Frames)] {
        config.cut = cut;
        let (samples, _, warnings) = run(&config, 2).unwrap();
        let labels = crate::sample::Labels {
            class: Some("six".into()),
            caption: Some("a white die".into()),
            ..crate::sample::Labels::default()
        };
        assert_eq!(samples[0].labels, labels);
        let facts = config.foresee(&Givens::default()).unwrap();
        assert_eq!((facts.classes, facts.objects), (Some(true), Some(false)));
        assert_eq!(samples[0].provenance.source, "a.png");
        assert!(
            warnings
                .iter()
                .any(|text| text.contains("each row stands for a whole photo")),
            "{warnings:?}"
        );
    }
    // Half of a box is none.
    std::fs::write(csv(&config), "file,class,xmin,ymin\na.png,six,1,2\n").unwrap();
    assert!(config.check().unwrap_err().contains("has no column `x2`"));
}

#[test]
fn columns_and_rows_without_a_class_are_named() {
    let (folder, mut config) = example();
    few(&mut config);
    config.class_column = Some("kind".into());
    assert!(config.check().unwrap_err().contains("kind"));
    config.class_column = None;
    let text = "file,class,xmin,ymin,xmax,ymax\na.png,six,10,20,30,40\na.png,,40,30,72,62\n";
    std::fs::write(csv(&config), text).unwrap();
    let problem = config.check().unwrap_err();
    assert!(
        problem.contains("line 3") && problem.contains("names no class"),
        "{problem}"
    );
    drop(folder);
}

#[test]
fn labels_are_read_only_where_there_are_some() {
    for (text, problem) in [
        ("path = 'a'\nlabelled = 'few'", "`labelled` needs labels"),
        (
            "path = 'a'\nformat = 'coco'\nlabelled = 'few'",
            "for photos",
        ),
        ("path = 'a'\nclass_column = 'c'", "`class_column` is of use"),
        (
            "path = 'a'\ncaption_column = 'c'",
            "`caption_column` is of use",
        ),
    ] {
        let config: Ingest = toml::from_str(text).unwrap();
        let refused = config.check().unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
    assert!(toml::from_str::<Ingest>("labelled = 'many'").is_err());
}
