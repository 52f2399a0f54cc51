//! Labels with faults as people meet them: what is wrong is left out and told, the rest is read.

use super::*;

/// A folder with these files, and a picture of 10×8 pixels for each name that ends like one.
pub(super) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match is_called_picture(&path) {
            true => std::fs::write(path, encode_png(&RgbImage::new(10, 8)).unwrap()),
            false => std::fs::write(path, text),
        }
        .unwrap();
    }
    folder
}

/// The format of a folder, its pictures, and what was wrong.
fn read(folder: &Path) -> (&'static str, Vec<Picture>, Vec<String>) {
    let format = detect(folder).unwrap();
    let mut pictures = Vec::new();
    let findings = format.visit(folder, false, &mut |picture| {
        pictures.push(picture);
        Ok(())
    });
    let flaws = findings.unwrap().flaws.into_iter();
    let flaws = flaws.map(|flaw| format!("{} {}", flaw.place, flaw.problem));
    let strict = format.visit(folder, true, &mut |_| Ok(()));
    let flaws: Vec<String> = flaws.collect();
    assert_eq!(strict.is_err(), !flaws.is_empty(), "{flaws:?}");
    (format.name, pictures, flaws)
}

/// Asserts that there is a flaw for each of `words`, and no other.
#[track_caller]
pub(super) fn assert_flaws(flaws: &[String], words: &[&str]) {
    assert_eq!(flaws.len(), words.len(), "{flaws:#?}");
    for (flaw, words) in flaws.iter().zip(words) {
        for word in words.split('|') {
            assert!(flaw.contains(word), "`{word}` not in {flaw}");
        }
    }
}

#[test]
fn coco_with_faults_keeps_what_is_sound() {
    let annotation = |id: u32, rest: serde_json::Value| {
        let mut annotation = serde_json::json!({ "id": id, "image_id": 1, "category_id": 1 });
        annotation
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        annotation
    };
    let coco = serde_json::json!({
        "images": [
            { "id": 1, "file_name": "a.png", "width": 10, "height": 8 },
            { "id": 1, "file_name": "a.png", "width": 10, "height": 8 },
            { "id": 2, "file_name": "../../etc/passwd.png", "width": 10, "height": 8 },
            { "id": 3, "file_name": "b.png", "width": 4_000_000_000_u32, "height": 8 },
            { "id": 4, "file_name": "c.png", "width": "ten", "height": 8 },
            { "id": 5, "file_name": "/home/someone/data/d.png", "width": 10, "height": 8 },
        ],
        "categories": [{ "id": 0, "name": "zero" }, { "id": 1, "name": "one" }],
        "annotations": [
            annotation(1, serde_json::json!({ "bbox": [1, 1, 2, 2], "category_id": 0 })),
            annotation(2, serde_json::json!({ "bbox": [1, 1, 0, 2] })),
            annotation(3, serde_json::json!({ "bbox": [5, 5, -2, 2] })),
            annotation(4, serde_json::json!({ "bbox": [50, 5, 2, 2] })),
            annotation(5, serde_json::json!({ "bbox": [1, 1, 2, 2], "category_id": 9 })),
            annotation(6, serde_json::json!({ "bbox": [null, 1, 2, 2] })),
            annotation(1, serde_json::json!({ "bbox": [3, 3, 2, 2] })),
            annotation(7, serde_json::json!({ "bbox": [0, 0, 2, 2], "image_id": 77 })),
            annotation(8, serde_json::json!({ "bbox": [0, 0, 10, 8], "iscrowd": 1,
                "segmentation": { "counts": [0, 80], "size": [8, 10] } })),
            annotation(9, serde_json::json!({ "bbox": [0, 0, 1, 1],
                "segmentation": { "counts": [80], "size": [10, 8] } })),
        ],
    });
    let folder = folder(&[
        ("annotations/instances_val.json", &coco.to_string()),
        ("a.png", ""),
        ("d.png", ""),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("coco", 2));
    let classes: Vec<&str> = pictures[0]
        .labels
        .objects()
        .iter()
        .map(|o| &*o.class)
        .collect();
    assert_eq!(classes, ["zero", "one"]);
    assert_eq!(pictures[1].file, folder.path().join("d.png"));
    assert_flaws(
        &flaws,
        &[
            "annotation 5|null",
            "annotation 1|id of another",
            "1 crowds",
            "annotation 5|category 9",
            "annotation 9|8×10",
            "image 1|`one` whose box is 0 wide",
            "image 1|`one` whose box is -2 wide",
            "image 1|outside the picture",
            "image 1|listed twice",
            "image 2|outside its folder",
            "image 3|4000000000×8",
            "image 4|ten",
            "1 annotations of images that it does not list",
        ],
    );
}

#[test]
fn a_coco_file_that_is_cut_off_is_an_error_with_its_line() {
    let folder = folder(&[("instances_train.json", "{\"images\": [\n{\"id\": 1, \"wid")]);
    let format = detect(folder.path()).unwrap();
    let error = format.pictures(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("instances_train.json") && error.contains("line 2"),
        "{error}"
    );
}

#[test]
fn yolo_as_trainers_and_exports_write_it_is_read() {
    let folder = folder(&[
        (
            "data.yaml",
            "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['a', 'b c']\n",
        ),
        ("train/images/one.png", ""),
        (
            "train/labels/one.txt",
            "0 0.5 0.5 0.2 0.25\n1 0.1 0.125 0.5 0.125 0.5 0.5 0.1 0.5\n",
        ),
        ("train/images/two.png", ""),
        (
            "train/labels/two.txt",
            "0 0.5 0.5 nan 0.1\n7 0.5 0.5 0.1 0.1\n-1 0.5 0.5 0.1 0.1\n0 0.5\nx 1 2 3 4\n0 0.5 0.5 0 0\n",
        ),
        ("valid/images/three.png", ""),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("yolo", 3));
    let [first, second] = pictures[0].labels.objects() else {
        panic!("two objects")
    };
    assert_eq!(
        (&*first.class, first.bbox_xywh),
        ("a", [4.0, 3.0, 2.0, 2.0])
    );
    assert_eq!(
        (&*second.class, second.bbox_xywh),
        ("b c", [1.0, 1.0, 4.0, 3.0])
    );
    assert_eq!(second.mask.as_ref().unwrap().area(), 12);
    let splits: Vec<&str> = pictures
        .iter()
        .map(|p| p.split.as_deref().unwrap())
        .collect();
    assert_eq!(splits, ["train", "train", "val"]);
    assert_eq!(pictures[2].labels.objects, Some(Vec::new()));
    assert_flaws(
        &flaws,
        &[
            "two.txt:1|nan",
            "two.txt:2|class 7",
            "two.txt:3|class -1",
            "two.txt:4|1 numbers",
            "two.txt:5|`x`",
            "two.png|0 wide",
        ],
    );
}

#[test]
fn one_broken_file_among_many_is_left_out_and_told() {
    let xml = |boxes: &str| {
        format!(
            "<annotation><filename>x</filename><size><width>10</width><height>8</height></size>\
             {boxes}</annotation>"
        )
    };
    let object = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>4</xmax>\
                  <ymax>8</ymax></bndbox></object>";
    let sound = xml(object);
    let no_number = xml(&object.replace(">4<", ">four<"));
    let entity = format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{sound}");
    let folder = folder(&[
        ("Annotations/a.xml", &sound),
        ("Annotations/b.xml", "<annotation><size>"),
        ("Annotations/c.xml", &no_number),
        ("Annotations/d.xml", &entity),
        (
            "Annotations/e.xml",
            &sound.replace("<filename>x<", "<filename>../x.png<"),
        ),
        ("JPEGImages/a.png", ""),
        ("JPEGImages/c.png", ""),
        ("ImageSets/Main/train.txt", "a\nc\n"),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("voc", 2));
    assert_eq!(
        pictures[0].labels.objects()[0].bbox_xywh,
        [0.0, 1.0, 4.0, 7.0]
    );
    assert_eq!(pictures[0].split.as_deref(), Some("train"));
    let expected = [
        "b.xml|never closed",
        "c.xml:1|four",
        "d.xml|DTD",
        "e.xml|outside its folder",
    ];
    assert_flaws(&flaws, &expected);
    // A coordinate of 0 says that pixels are counted from 0.
    let path = folder.path().join("Annotations/b.xml");
    std::fs::write(path, sound.replace("<xmin>1<", "<xmin>0<")).unwrap();
    let (_, pictures, _) = read(folder.path());
    assert_eq!(
        pictures[0].labels.objects()[0].bbox_xywh,
        [1.0, 2.0, 3.0, 6.0]
    );
}

#[test]
fn csv_rows_say_what_is_wrong_with_them() {
    let folder = folder(&[
        (
            "boxes.csv",
            "Filename;Width;Height;Label;x1;y1;x2;y2\na.png;10;8;cat;1;1;3;4\nb.png;10;8;;;;;\n\
             a.png;10;8;dog;5;5;2;7\na.png;10;8;dog;1;1;inf;7\n../c.png;10;8;cat;1;1;2;2\na.png;10;8\n\
             a.png;10;8;cat;1;x;2;2\n",
        ),
        ("a.png", ""),
        ("b.png", ""),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("csv", 2));
    assert_eq!(pictures[0].labels.objects().len(), 1);
    assert_eq!(pictures[1].labels.objects, Some(Vec::new()));
    let expected = [
        "boxes.csv:6|outside its folder",
        "boxes.csv:8|`x` as ymin",
        "boxes.csv:2|-3 wide",
        "boxes.csv:2|no numbers",
    ];
    assert_flaws(&flaws, &expected);
}

#[test]
fn labelme_and_cvat_from_their_programs_are_read() {
    let labelme = serde_json::json!({
        "version": "5.5.0", "flags": {}, "imagePath": "a.png", "imageData": "aGVsbG8=",
        "imageHeight": 8, "imageWidth": 10,
        "shapes": [
            { "label": "cat", "points": [[6.0, 5.0], [2.0, 1.0]], "group_id": null, "shape_type": "rectangle" },
            { "label": "dog", "points": [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]], "group_id": null,
              "shape_type": "polygon", "description": "", "mask": null },
            { "label": "ray", "points": [[0.0, 0.0], [4.0, 0.0]], "group_id": null, "shape_type": "line" },
            { "label": "nose", "points": [[1.0, 1.0]], "group_id": 5, "shape_type": "point" },
        ],
    });
    let labelled = folder(&[("a.json", &labelme.to_string()), ("a.png", "")]);
    let (format, pictures, flaws) = read(labelled.path());
    assert_eq!((format, pictures.len()), ("labelme", 1));
    let boxes: Vec<[f32; 4]> = pictures[0]
        .labels
        .objects()
        .iter()
        .map(|o| o.bbox_xywh)
        .collect();
    assert_eq!(boxes[0], [2.0, 1.0, 4.0, 4.0]);
    assert_eq!(
        pictures[0].labels.objects()[1]
            .mask
            .as_ref()
            .unwrap()
            .area(),
        6
    );
    assert_flaws(&flaws, &["a.json|`line`", "a.json|point without"]);

    let cvat = "<?xml version=\"1.0\"?>\n<annotations>\n<meta><task><labels><label><name>cat</name>\
        </label></labels></task></meta>\n\
        <image id=\"0\" name=\"a.png\" width=\"10\" height=\"8\">\n\
        <box label=\"cat\" xtl=\"1.5\" ytl=\"1\" xbr=\"4\" ybr=\"3\"/>\n\
        <polygon label=\"cat\" points=\"1,1;5,1;5,5;1,5\"/>\n\
        <mask label=\"cat\" rle=\"1, 2, 1\" left=\"8\" top=\"0\" width=\"4\" height=\"1\"/>\n\
        <mask label=\"cat\" rle=\"1, 2, 9\" left=\"0\" top=\"0\" width=\"4\" height=\"1\"/>\n\
        <polyline label=\"cat\" points=\"1,1;5,1\"/>\n\
        </image>\n<image id=\"1\" name=\"../b.png\" width=\"10\" height=\"8\"/>\n</annotations>";
    let reviewed = folder(&[("annotations.xml", cvat), ("images/a.png", "")]);
    let (format, pictures, flaws) = read(reviewed.path());
    assert_eq!((format, pictures.len()), ("cvat", 1));
    assert!(pictures[0].file.is_file());
    assert_eq!(pictures[0].labels.objects().len(), 2);
    let expected = [
        "annotations.xml:7|beyond the picture",
        "annotations.xml:8|more pixels",
        "annotations.xml:9|polyline",
        "annotations.xml:11|outside its folder",
    ];
    assert_flaws(&flaws, &expected);
}

#[test]
fn kitti_ignores_what_it_says_to_ignore() {
    let folder = folder(&[
        ("training/image_2/000000.png", ""),
        (
            "training/label_2/000000.txt",
            "Car 0.00 0 -1.58 1.00 2.00 5.00 6.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n\
             DontCare -1 -1 -10 5.0 1.0 9.0 2.0 -1 -1 -1 -1000 -1000 -1000 -10\nVan 0.0 0\n",
        ),
        ("training/image_2/000001.png", ""),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("kitti", 2));
    assert_eq!(
        pictures[0].labels.objects()[0].bbox_xywh,
        [1.0, 2.0, 4.0, 4.0]
    );
    assert_eq!(pictures[1].labels.objects, None);
    assert_flaws(&flaws, &["000000.txt:3|3 fields"]);
}

#[test]
fn bop_as_blenderproc_writes_it_is_read() {
    let gt = r#"{"0": [
        {"cam_R_m2c": [1,0,0,0,1,0,0,0,1], "cam_t_m2c": [0.0, 10.0, 500.0], "obj_id": 3},
        {"cam_R_m2c": [1,0,0,0,1,0,0,0,1], "cam_t_m2c": [0.0, 0.0, 900.0], "obj_id": 4}],
        "1": []}"#;
    let info = r#"{"0": [
        {"bbox_obj": [1,1,4,4], "bbox_visib": [1,1,4,3], "px_count_all": 16, "px_count_valid": 16,
         "px_count_visib": 12, "visib_fract": 0.75},
        {"bbox_obj": [-1,-1,-1,-1], "bbox_visib": [-1,-1,-1,-1], "px_count_all": 0,
         "px_count_valid": 0, "px_count_visib": 0, "visib_fract": 0.0}], "1": []}"#;
    let camera = r#"{"0": {"cam_K": [30,0,5,0,31,4,0,0,1], "depth_scale": 1.0}}"#;
    let folder = folder(&[
        ("train_pbr/000000/scene_gt.json", gt),
        ("train_pbr/000000/scene_gt_info.json", info),
        ("train_pbr/000000/scene_camera.json", camera),
        ("train_pbr/000000/rgb/000000.png", ""),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("bop", 1));
    let [object] = pictures[0].labels.objects() else {
        panic!("what cannot be seen is no object of the picture")
    };
    assert_eq!(
        (&*object.class, object.bbox_xywh),
        ("obj_000003", [1.0, 1.0, 4.0, 3.0])
    );
    assert_eq!(object.visible_fraction, 0.75);
    let pose = object.pose.unwrap();
    assert_eq!([pose[3], pose[7], pose[11]], [0.0, 0.01, 0.5]);
    assert_eq!(
        pictures[0].labels.camera.unwrap().to_array(),
        [30.0, 31.0, 5.0, 4.0]
    );
    assert_eq!(pictures[0].split.as_deref(), Some("train_pbr"));
    assert_flaws(&flaws, &["has no picture 1"]);
}

#[test]
fn lines_of_metadata_that_are_wrong_are_named() {
    let folder = folder(&[
        (
            "train/metadata.jsonl",
            "{\"file_name\": \"a.png\", \"label\": \"cat\"}\n{\"file_name\": \"b.png\", \"label\": \n\n\
             {\"file_name\": \"/etc/b.png\", \"label\": \"cat\"}\n",
        ),
        ("train/a.png", ""),
    ]);
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("huggingface", 1));
    assert_flaws(
        &flaws,
        &[
            "metadata.jsonl:2|EOF",
            "metadata.jsonl:4|outside its folder",
        ],
    );
}

#[test]
fn shards_of_others_and_broken_shards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-000000.tar");
    let mut tar = tar::Builder::new(Vec::new());
    let png = encode_png(&RgbImage::new(10, 8)).unwrap();
    let files: [(&str, &[u8]); 6] = [
        ("x/a.1.png", &png),
        ("x/a.cls", b"3"),
        ("x/a.json", b"{}"),
        ("b.cls", b"3"),
        ("c.png", &png),
        ("c.json", b"{\"objects\": ["),
    ];
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    let whole = tar.into_inner().unwrap();
    std::fs::write(&path, &whole).unwrap();
    let (format, pictures, flaws) = read(folder.path());
    assert_eq!((format, pictures.len()), ("webdataset", 2));
    assert_eq!(pictures[0].labels.class.as_deref(), Some("3"));
    assert_eq!(pictures[0].split.as_deref(), Some("train"));
    assert_flaws(&flaws, &["b in |has no picture", "c in |EOF"]);
    std::fs::write(&path, &whole[..700]).unwrap();
    let error = detect(folder.path()).unwrap().pictures(folder.path());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("train-000000.tar"), "{error}");
}

#[test]
fn numbers_that_python_writes_and_json_does_not_have_are_null() {
    let text = r#"{"images": [{ "id": 1, "file_name": "a.png", "width": 10, "height": 8 },
        { "id": 2, "file_name": "a.png", "width": 10, "height": 8 }],
        "categories": [{ "id": 1, "name": "NaN \" Infinity" }],
        "annotations": [{ "id": 1, "image_id": 1, "category_id": 1, "bbox": [NaN, 1, 2, 2] },
            { "id": 2, "image_id": 1, "category_id": 1, "bbox": [1, -Infinity, 2, Infinity] },
            { "id": 3, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2] }]}"#;
    let folder = folder(&[("instances_train.json", text), ("a.png", "")]);
    let (_, pictures, flaws) = read(folder.path());
    let [object] = pictures[0].labels.objects() else {
        panic!("one object is sound")
    };
    assert_eq!(object.class, "NaN \" Infinity");
    assert_flaws(
        &flaws,
        &[
            "annotation 0|null",
            "annotation 1|null",
            "image 2|listed twice",
        ],
    );
    let cut = folder.path().join("instances_train.json");
    std::fs::write(&cut, &text[..text.len() - 1]).unwrap();
    let format = detect(folder.path()).unwrap();
    assert!(format.pictures(folder.path()).is_err());
}
