//! The JSON-LD of `croissant.json`: what the dataset is, its files, what their records hold, what it was made
//! from (PROV-O), and what its users should know about it (Croissant RAI 1.0).
//!
//! `mlcroissant` 1.1 follows the first reference of a set of records that leads to another source, and wants the
//! files on its left: therefore `images/file` is a property of the files, and comes first.

use std::path::Path;

use serde_json::{Value, json};

use super::{Class, FILE, IMAGES, Lineage, OBJECTS, rai};
use crate::artifact::soundness::sha256_file;
use crate::formats::{Category, DatasetInfo};
use crate::{Error, Result};

/// The most models that are listed one by one; the table of pictures has all.
const LISTED: usize = 1000;

/// The set of files.
const PICTURES: &str = "pictures";

/// Writes the description of a dataset whose tables are finished.
///
/// # Errors
/// If a table cannot be read, or the file cannot be written.
pub(super) fn write(dataset: &DatasetInfo, lineage: &Lineage) -> Result<()> {
    let mut document = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": dataset.name,
        "description": description(dataset),
        "keywords": keywords(dataset),
        "distribution": [
            table(dataset.out, IMAGES, "One row for each picture.")?,
            table(dataset.out, OBJECTS, "One row for each object, in the order of the pictures.")?,
            pictures(dataset, lineage),
        ],
        "recordSet": record_sets(dataset),
        "prov:wasDerivedFrom": ancestors(lineage),
        "prov:wasGeneratedBy": activities(lineage),
        "rai:dataCollection": rai::collection(lineage),
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataPreprocessingProtocol": lineage.transforms,
        "rai:dataAnnotationProtocol": rai::annotation(lineage),
        "rai:machineAnnotationTools": ["verismo"],
        "rai:dataLimitations": [
            "Rendered and translated pictures resemble photos; how far is measured in the card, README.md.",
        ],
        "rai:dataBiases": [rai::biases(dataset)],
        "rai:personalSensitiveInformation": [rai::personal(lineage)],
    });
    let about = dataset.about;
    let creator = about
        .creator
        .map(|name| json!({ "@type": "Organization", "name": name }));
    let optional = [
        ("license", about.license.map(license)),
        ("creator", creator),
        ("url", about.url.map(Value::from)),
        ("citeAs", about.citation.map(Value::from)),
        ("datePublished", about.date.map(Value::from)),
        ("version", dataset.version.map(Value::from)),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            document[key] = value;
        }
    }
    let path = dataset.out.join(FILE);
    let text = serde_json::to_string_pretty(&document);
    text.map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(&path, text + "\n"))
        .map_err(|e| Error::io(&path, e))
}

/// The recommended context of Croissant 1.1, with PROV.
fn context() -> Value {
    let mut context = json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "prov": "http://www.w3.org/ns/prov#",
        "conformsTo": "dct:conformsTo",
        "data": { "@id": "cr:data", "@type": "@json" },
        "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        "description": { "@container": "@language" },
        "examples": { "@id": "cr:examples", "@type": "@json" },
        "name": { "@container": "@language" },
    });
    let terms = [
        "annotation",
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "excludes",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
        "format",
        "includes",
        "isArray",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "readLines",
        "recordSet",
        "references",
        "regex",
        "repeated",
        "replace",
        "samplingRate",
        "sdVersion",
        "separator",
        "source",
        "subField",
        "transform",
        "unArchive",
        "value",
    ];
    for term in terms {
        context[term] = format!("cr:{term}").into();
    }
    context
}

fn description(dataset: &DatasetInfo) -> String {
    let count: u64 = dataset.images.values().flat_map(|c| c.values()).sum();
    let classes = dataset.categories.len();
    let plain = || format!("{count} labelled pictures of {classes} classes.");
    dataset.about.description.map_or_else(plain, str::to_owned)
}

fn keywords(dataset: &DatasetInfo) -> Vec<&'static str> {
    let mut keywords = vec!["computer vision", "synthetic", "object detection"];
    if dataset.has_keypoints() {
        keywords.push("keypoints");
    }
    keywords
}

/// A licence as an address, or a work of that name.
fn license(name: &str) -> Value {
    match name.contains("://") {
        true => name.into(),
        false => json!({ "@type": "CreativeWork", "name": name }),
    }
}

fn table(out: &Path, name: &str, description: &str) -> Result<Value> {
    let path = out.join(name);
    let bytes = std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
    Ok(json!({
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": description,
        "contentUrl": name,
        "contentSize": format!("{} B", bytes.len()),
        "encodingFormat": "application/x-parquet",
        "sha256": sha256_file(&path)?,
    }))
}

fn pictures(dataset: &DatasetInfo, lineage: &Lineage) -> Value {
    let mut includes = Vec::new();
    for split in dataset.images.keys() {
        for ending in &lineage.endings {
            includes.extend([
                format!("{split}/*.{ending}"),
                format!("{split}/**/*.{ending}"),
            ]);
        }
    }
    let media = |ending: &String| match ending.to_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        _ => "image/png",
    };
    let mut kinds: Vec<&str> = lineage.endings.iter().map(media).collect();
    kinds.sort_unstable();
    kinds.dedup();
    json!({
        "@type": "cr:FileSet",
        "@id": PICTURES,
        "name": PICTURES,
        "description": format!("The pictures. {IMAGES} has the SHA-256 of each."),
        "encodingFormat": kinds,
        "includes": includes,
    })
}

/// A field of the records in `table`, with what is special about it.
fn field(table: &str, name: &str, types: Value, description: &str, special: Value) -> Value {
    let set = if table == IMAGES { "images" } else { "objects" };
    let mut field = json!({
        "@type": "cr:Field",
        "@id": format!("{set}/{name}"),
        "name": name,
        "description": description,
        "dataType": types,
        "source": { "fileObject": { "@id": table }, "extract": { "column": name } },
    });
    if let Value::Object(special) = special {
        for (key, value) in special {
            field[key] = value;
        }
    }
    field
}

/// A field of records that stand in the description itself.
fn inline(set: &str, name: &str, types: Value, special: Value) -> Value {
    let mut field = field(IMAGES, name, types, "", special);
    field["@id"] = format!("{set}/{name}").into();
    if let Value::Object(field) = &mut field {
        field.remove("source");
        field.remove("description");
    }
    field
}

fn array(shape: &str) -> Value {
    json!({ "isArray": true, "arrayShape": shape })
}

fn record_sets(dataset: &DatasetInfo) -> Vec<Value> {
    let mut sets = vec![splits(dataset)];
    if !dataset.categories.is_empty() {
        sets.push(listed_classes(dataset));
    }
    sets.push(images(dataset));
    sets.push(objects(dataset));
    sets
}

fn splits(dataset: &DatasetInfo) -> Value {
    let row = |split: &String| {
        let kind = match split.as_str() {
            "val" | "valid" | "validation" => "cr:ValidationSplit",
            "test" | "testing" => "cr:TestSplit",
            _ => "cr:TrainingSplit",
        };
        json!({ "splits/name": split, "splits/url": kind })
    };
    json!({
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": { "@id": "splits/name" },
        "field": [
            inline("splits", "name", json!("sc:Text"), Value::Null),
            inline("splits", "url", json!(["sc:URL", "cr:Split"]), Value::Null),
        ],
        "data": dataset.images.keys().map(row).collect::<Vec<_>>(),
    })
}

fn listed_classes(dataset: &DatasetInfo) -> Value {
    json!({
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The classes in order, with the names of their keypoints, and the pairs of these, from 0, that a line joins.",
        "dataType": "sc:Enumeration",
        "key": { "@id": "classes/name" },
        "field": [
            inline("classes", "name", json!("sc:Text"), Value::Null),
            inline("classes", "keypoints", json!("sc:Text"), array("-1")),
            inline("classes", "skeleton", json!("sc:Integer"), array("-1,2")),
        ],
        "data": dataset.categories.iter().map(Class::from).collect::<Vec<_>>(),
    })
}

/// The reference to the list of classes, if there is one.
fn of_class(dataset: &DatasetInfo) -> Value {
    match dataset.categories.is_empty() {
        true => Value::Null,
        false => json!({ "references": { "field": { "@id": "classes/name" } } }),
    }
}

fn images(dataset: &DatasetInfo) -> Value {
    let text = || json!("sc:Text");
    let plain = |name, types, about| field(IMAGES, name, types, about, Value::Null);
    json!({
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "key": { "@id": "images/file" },
        "field": [
            field(IMAGES, "file", text(), "Path in the dataset.", json!({
                "source": {
                    "fileSet": { "@id": PICTURES },
                    "extract": { "fileProperty": "fullpath" },
                    "transform": { "regex": "^(.*)$" },
                },
                "references": { "fileObject": { "@id": IMAGES }, "extract": { "column": "file" } },
            })),
            field(IMAGES, "image", json!("sc:ImageObject"), "The picture.", json!({
                "source": { "fileSet": { "@id": PICTURES }, "extract": { "fileProperty": "content" } },
            })),
            field(IMAGES, "split", text(), "Split.", json!({
                "references": { "field": { "@id": "splits/name" } },
            })),
            field(IMAGES, "class", json!(["sc:Text", "cr:Label"]), "Class of the picture; null: none.", of_class(dataset)),
            plain("width", json!("sc:Integer"), "In pixels."),
            plain("height", json!("sc:Integer"), "In pixels."),
            plain("objects", json!("sc:Integer"), "Number of objects; null: not known."),
            field(IMAGES, "camera", json!("cr:Float32"), "fx, fy, cx, cy in pixels.", array("4")),
            plain("domain", text(), "render, translated or photo."),
            plain("source", text(), "The model, template or photo that it shows."),
            plain("origin", text(), "The render or photo that it began as."),
            plain("seed", text(), "The random stream that drew it."),
            plain("checkpoint", text(), "Hash of the checkpoint that translated it."),
            field(IMAGES, "transforms", text(), "Transforms with their parameters, in order.", array("-1")),
            plain("sha256", text(), "Hash of the file."),
        ],
    })
}

fn objects(dataset: &DatasetInfo) -> Value {
    let extract = |name: &str, format: &str| {
        let source = json!({
            "fileObject": { "@id": OBJECTS },
            "extract": { "column": name },
            "format": format,
        });
        json!({ "source": source })
    };
    json!({
        "@type": "cr:RecordSet",
        "@id": "objects",
        "name": "objects",
        "field": [
            field(OBJECTS, "file", json!("sc:Text"), "The picture.", json!({
                "references": { "fileObject": { "@id": IMAGES }, "extract": { "column": "file" } },
            })),
            field(OBJECTS, "class", json!(["sc:Text", "cr:Label"]), "Class.", of_class(dataset)),
            field(OBJECTS, "bbox", json!("cr:BoundingBox"), "x, y, width, height in pixels.", extract("bbox", "XYWH")),
            field(
                OBJECTS,
                "mask",
                json!(["cr:SegmentationMask", "sc:GeoShape", "sc:Text"]),
                "Corners of one polygon along the edges of pixels; holes and parts are joined by bridges without width. A pixel is inside if its middle is, by the even-odd rule.",
                extract("mask", "X Y"),
            ),
            field(OBJECTS, "keypoints", json!("cr:Float32"), "x, y in pixels and COCO's visibility of each.", array("-1")),
            field(OBJECTS, "keypoint_names", json!("sc:Text"), "Names of the keypoints.", array("-1")),
            field(OBJECTS, "pose", json!("cr:Float32"), "Object to camera, row-major 3×4, in metres.", array("12")),
            field(OBJECTS, "box_3d", json!("cr:Float32"), "3D box in the object's own coordinates, which the pose places: least x, y, z, then greatest, in metres.", array("6")),
            field(OBJECTS, "visible_fraction", json!("cr:Float32"), "Share that is neither hidden nor cut off, 0..1.", Value::Null),
        ],
    })
}

fn entity(label: String) -> Value {
    json!({ "@type": "prov:Entity", "prov:label": label })
}

fn models(lineage: &Lineage) -> impl Iterator<Item = Value> {
    let listed = lineage.sources.iter().take(LISTED);
    let listed = listed.map(|(name, count)| entity(format!("{name} ({count} pictures)")));
    let more = lineage.sources.len().saturating_sub(LISTED);
    listed.chain((more > 0).then(|| entity(format!("{more} more models"))))
}

fn photos(lineage: &Lineage) -> Option<Value> {
    let count = lineage.photos;
    (count > 0).then(|| entity(format!("{count} photos, named in `source` of {IMAGES}")))
}

fn ancestors(lineage: &Lineage) -> Vec<Value> {
    let foreign = lineage.foreign;
    let foreign = (foreign > 0).then(|| entity(format!("{foreign} pictures of another dataset")));
    models(lineage)
        .chain(photos(lineage))
        .chain(foreign)
        .collect()
}

fn activities(lineage: &Lineage) -> Vec<Value> {
    let agent = json!({ "@type": "prov:SoftwareAgent", "prov:label": "verismo" });
    let activity = |label: &str, used: Vec<Value>| {
        json!({
            "@type": "prov:Activity",
            "prov:label": label,
            "prov:used": used,
            "prov:wasAssociatedWith": agent,
        })
    };
    let mut activities = Vec::new();
    if !lineage.sources.is_empty() {
        activities.push(activity("render", models(lineage).collect()));
    }
    if !lineage.checkpoints.is_empty() {
        let entry = |(hash, count): (&String, &u64)| {
            entity(format!("checkpoint {hash} ({count} pictures)"))
        };
        let used = lineage.checkpoints.iter().map(entry).collect();
        activities.push(activity("translate", used));
    }
    if lineage.gated {
        activities.push(activity("gate", Vec::new()));
    }
    if let Some(photos) = photos(lineage).filter(|_| lineage.photos > lineage.labelled) {
        activities.push(activity("pseudo_label", vec![photos]));
    }
    if lineage.foreign > 0 {
        activities.push(activity("read another dataset", Vec::new()));
    }
    activities.push(activity("write the dataset", Vec::new()));
    activities
}

/// The classes that a description lists, in order.
///
/// # Errors
/// If it is not JSON, or its list of classes cannot be read.
pub(super) fn classes(text: &[u8]) -> Result<Vec<Category>, String> {
    let document: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let sets = document["recordSet"].as_array().into_iter().flatten();
    let mut lists = sets.filter(|set| set["@id"] == "classes");
    let Some(list) = lists.next() else {
        return Ok(Vec::new());
    };
    let classes: Result<Vec<Class>, _> = serde::Deserialize::deserialize(&list["data"]);
    let classes = classes.map_err(|e| format!("lists classes that cannot be read: {e}"))?;
    Ok(classes.into_iter().map(Category::from).collect())
}
