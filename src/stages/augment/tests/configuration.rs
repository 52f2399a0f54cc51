//! The stage's table, with those of all transforms: what is read, resolved, described and refused.

use serde_json::json;

use super::*;
use crate::stage::Resolved;

#[test]
fn every_name_is_a_table_of_the_configuration() {
    let default = parse("");
    assert!(Stage::check(&default).is_ok());
    let resolved = default.resolved();
    for kind in TRANSFORMS {
        assert!(
            resolved[kind.name]["probability"].is_number(),
            "{}",
            kind.name
        );
    }
    let tables = resolved
        .as_object()
        .unwrap()
        .values()
        .filter(|v| v.is_object());
    assert_eq!(tables.count(), TRANSFORMS.len());
}

/// Results in users' caches are found by it. A new transform adds a table and leaves these as they are.
#[test]
fn the_resolved_configuration_is_that_of_earlier_versions() {
    let known = json!({
        "copies": 2,
        "keep_original": false,
        "flip": { "probability": 0.5, "classes": [], "swap": {} },
        "affine": { "probability": 0.8, "border": "replicate", "rotate": 15.0,
            "scale": [0.9, 1.1], "translate": 0.05 },
        "erase": { "probability": 0.0, "size": [0.1, 0.25] },
        "shadow": { "probability": 0.0, "edge": [0.01, 0.1], "left": [0.5, 0.9] },
        "brightness": { "probability": 0.5, "amount": 0.2 },
        "contrast": { "probability": 0.5, "amount": 0.2 },
        "gamma": { "probability": 0.0, "amount": 0.3 },
        "saturation": { "probability": 0.5, "amount": 0.2 },
        "hue": { "probability": 0.3, "degrees": 8.0 },
        "motion_blur": { "probability": 0.0, "length": [0.01, 0.08] },
        "blur": { "probability": 0.3, "sigma": [0.2, 0.8] },
        "downscale": { "probability": 0.0, "scale": [0.5, 0.9] },
        "noise": { "probability": 0.5, "sigma": [0.0, 6.0] },
        "jpeg": { "probability": 0.5, "quality": [70, 95] },
    });
    let resolved = parse("").resolved();
    for (key, value) in known.as_object().unwrap() {
        assert_eq!(&resolved[key], value, "{key}");
    }
    let resolved = parse("copies = 7\nblur.sigma = [1, 2]").resolved();
    assert_eq!(resolved["copies"], 7);
    assert_eq!(
        resolved["blur"],
        json!({ "probability": 0.3, "sigma": [1.0, 2.0] })
    );
    assert_eq!(resolved["noise"], known["noise"]);
}

#[test]
fn the_schema_describes_every_table() {
    let schema = (STAGE.schema)().to_value();
    assert_eq!(schema["properties"]["copies"]["type"], "integer");
    for kind in TRANSFORMS {
        let table = &schema["properties"][kind.name];
        assert_eq!(table["description"], kind.about);
        let name = table["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(schema["$defs"][name]["type"], "object", "{name}");
    }
}

#[test]
fn a_class_with_two_mirror_images_is_refused() {
    let config = parse("flip.swap = { a = 'b', b = 'c' }");
    assert!(Stage::check(&config).unwrap_err().contains("two partners"));
    assert!(Stage::check(&parse("flip.swap = { a = 'b', b = 'a' }")).is_ok());
}

#[test]
fn wrong_ranges_name_their_table() {
    for (text, named) in [
        ("affine.scale = [1.2, 0.8]", "affine: `scale`"),
        ("jpeg.quality = [0, 50]", "jpeg: `quality`"),
        ("noise.probability = 2", "noise: `probability`"),
        ("copies = 0", "copies"),
        ("copies = 1000000000000", "at most 10000"),
    ] {
        let problem = Stage::check(&parse(text)).unwrap_err();
        assert!(problem.contains(named), "{problem}");
    }
}

#[test]
fn a_wrong_key_is_reported_where_it_stands_with_the_known_ones() {
    let wrong = |text: &str| configured(text).err().unwrap();
    let error = wrong("copies = 1\nblur = { sgima = 1 }");
    assert_eq!(error.span(), Some(20..25));
    assert!(error.message().contains("`sgima`") && error.message().contains("`sigma`"));

    let error = wrong("copies = 1\n[blurr]\nsigma = [1, 2]");
    assert_eq!(error.span(), Some(12..17));
    let mut names = error.message().split('`').skip(1).step_by(2);
    assert_eq!(names.next(), Some("blurr"));
    let known: Vec<&str> = names.collect();
    let all = TRANSFORMS.iter().map(|kind| kind.name);
    let all: Vec<&str> = ["copies", "keep_original"].into_iter().chain(all).collect();
    assert_eq!(known, all);

    let error = wrong("jpeg = 3");
    assert_eq!(error.span(), Some(7..8), "{error}");
}
