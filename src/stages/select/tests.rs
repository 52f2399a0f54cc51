//! What is taken is unchanged, and nothing but the conditions decides.

use image::{Rgb, RgbImage};

use crate::sample::{Domain, Sample};
use crate::stage::exhibit::{Content, Evidence};
use crate::stage::{Facts, Given, Givens};
use crate::testing;

/// Photos of a checkerboard, from dark to bright, the n-th of brightness n / `count`; three to a track.
fn photos(count: u64) -> Vec<Sample> {
    let photo = |index: u64| {
        let level = (255 * index / count) as u8;
        let pixels = RgbImage::from_fn(16, 16, |x, y| {
            let cell = (x / 4 + y / 4).is_multiple_of(2);
            Rgb([if cell { level } else { level / 2 }; 3])
        });
        let mut sample = testing::unlabelled(&pixels);
        sample.id = format!("photos-{index:06}");
        sample.index = index;
        sample.provenance.origin = format!("photos-{:06}", index / 3 * 3);
        let folder = if index.is_multiple_of(2) {
            "night"
        } else {
            "day"
        };
        sample.provenance.source = format!("{folder}/{index}.png#{index}");
        sample
    };
    (0..count).map(photo).collect()
}

fn select(settings: &str, samples: &[Sample]) -> Vec<Sample> {
    let stage = testing::stage("select", settings);
    assert_eq!(stage.check(), Ok(()));
    testing::run(stage.as_ref(), "select", samples, 7)
}

/// The problem of a run that takes nothing.
fn refused(settings: &str, samples: &[Sample]) -> String {
    let stage = testing::stage("select", settings);
    let out = tempfile::tempdir().unwrap();
    let taken = testing::run_into(stage.as_ref(), "select", samples, 7, out.path());
    taken.unwrap_err().to_string()
}

fn numbers(samples: &[Sample]) -> Vec<u64> {
    samples.iter().map(|sample| sample.index).collect()
}

#[test]
fn ranges_of_values_and_of_ranks_take_whole_tracks_unchanged() {
    let samples = photos(30);
    let dark = select("{ by = 'rank', brightness = [0.0, 0.2] }", &samples);
    assert_eq!(dark, samples[..6]);
    let bright = select("{ by = 'rank', brightness = [0.2, 1.0] }", &samples);
    assert_eq!(bright, samples[6..]);
    // The medians of the first three tracks are 0.03, 0.10 and 0.18.
    let dark = select("{ brightness = [0.0, 0.14] }", &samples);
    assert_eq!(dark, samples[..6]);
    let both = "{ by = 'rank', brightness = [0.0, 0.5], contrast = [0.4, 1.0] }";
    assert_eq!(select(both, &samples), samples[12..15]);
}

#[test]
fn ranges_that_meet_share_no_track_where_their_number_is_odd() {
    let samples = photos(27);
    let low = select("{ by = 'rank', brightness = [0.0, 0.5] }", &samples);
    let high = select("{ by = 'rank', brightness = [0.5, 1.0] }", &samples);
    assert_eq!([low, high].concat(), samples);
}

#[test]
fn classes_domains_and_sources_are_taken() {
    let mut samples = photos(12);
    for sample in &mut samples[..4] {
        sample.labels.class = Some("cup".into());
        sample.provenance.domain = Domain::Translated;
    }
    assert_eq!(
        numbers(&select("{ class = ['cup'] }", &samples)),
        [0, 1, 2, 3]
    );
    let photo = select("{ domain = ['photo'] }", &samples);
    assert_eq!(numbers(&photo), (4..12).collect::<Vec<_>>());
    let night = select("{ source = ['*night*'] }", &samples);
    assert_eq!(numbers(&night), [0, 2, 4, 6, 8, 10]);
    let named = select("{ source = ['day/1.png', 'night/?.png'] }", &samples);
    assert_eq!(numbers(&named), [0, 1, 2, 4, 6, 8]);
    // Ranks are among what meets the other conditions.
    let dark = "{ domain = ['photo'], by = 'rank', brightness = [0.0, 0.4] }";
    assert_eq!(numbers(&select(dark, &samples)), [4, 5]);
}

#[test]
fn a_class_of_a_photo_comes_from_no_name() {
    let problem = refused("{ class = ['night'] }", &photos(6));
    assert!(problem.contains("none is of class night"), "{problem}");
}

#[test]
fn nothing_taken_is_an_error_that_says_what_was_measured() {
    let problem = refused("{ brightness = [0.9, 1.0] }", &photos(30));
    for part in [
        "takes none of 30",
        "`brightness` is 0.0",
        "median",
        "[0.9, 1]",
        "by = \"rank\"",
    ] {
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn conditions_that_hold_nothing_are_refused() {
    for (settings, part) in [
        ("{ }", "takes every sample"),
        (
            "{ brightness = [0.5, 0.5] }",
            "`brightness` is [LEAST, MOST]",
        ),
        ("{ sharpness = [0.0, inf] }", "`sharpness` is [LEAST, MOST]"),
        (
            "{ by = 'rank', noise = [0.5, 2.0] }",
            "`noise` is a range of ranks",
        ),
        ("{ by = 'rank', class = ['cup'] }", "`by` says what ranges"),
    ] {
        let problem = testing::stage("select", settings).check().unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }
    let parse = |text: &str| {
        let value = toml::de::DeValue::parse(text).unwrap();
        super::config::parse(value).err().unwrap().to_string()
    };
    for (settings, part) in [
        ("{ brightnes = [0.0, 1.0] }", "brightnes"),
        ("{ brightness = [0.0] }", "array"),
        ("{ source = ['a**b'] }", "`a**b` is no pattern"),
        ("{ domain = ['foto'] }", "foto"),
    ] {
        let problem = parse(settings);
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn classes_that_cannot_be_are_refused_before_anything_runs() {
    let other = testing::stage("split", "{ }");
    let foresee = |facts: Facts| {
        let given = Given {
            id: "render",
            facts,
            count: None,
            artifact: None,
            stage: other.as_ref(),
        };
        let givens = Givens([("samples", given)].into());
        testing::stage("select", "{ class = ['cup'] }").foresee(&givens)
    };
    let named = |names: &[&str]| Facts {
        class_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Facts::labelled(crate::sample::Extent::square(16))
    };
    assert_eq!(foresee(named(&["cup", "mug"])), Ok(named(&["cup", "mug"])));
    assert_eq!(foresee(named(&[])), Ok(named(&[])));
    let problem = foresee(named(&["mug"])).unwrap_err();
    assert!(problem.problem.contains("`cup`") && problem.remedy.contains("mug"));
    let photos = Facts::unlabelled(crate::sample::Extent::square(16));
    assert!(foresee(photos).unwrap_err().problem.contains("no classes"));
}

#[test]
fn only_the_ranges_that_are_given_are_part_of_the_key() {
    let resolved = testing::stage("select", "{ noise = [-3.0, -2.0] }").resolved();
    assert_eq!(resolved["noise"], serde_json::json!([-3.0, -2.0]));
    assert!(resolved.get("brightness").is_none());
}

#[test]
fn the_report_shows_conditions_values_and_examples() {
    let (out, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let samples = photos(30);
    let input = testing::publish(from.path(), &samples, 7);
    let stage = testing::stage("select", "{ by = 'rank', brightness = [0.0, 0.2] }");
    let inputs = [("samples", input.clone())];
    let summary = testing::run_with(stage.as_ref(), "select", inputs, 7, out.path()).unwrap();
    let mut artifact = testing::describe(out.path(), &samples[..6]);
    artifact.manifest.summary = summary;
    let evidence = Evidence {
        artifact: &artifact,
        inputs: [("samples", &input)].into(),
    };
    let exhibits = super::exhibit::exhibit(&evidence).unwrap();
    let titles: Vec<&str> = exhibits
        .iter()
        .map(|exhibit| exhibit.title.as_str())
        .collect();
    assert_eq!(titles, ["", "Conditions", "Measured", "Examples"]);
    let Content::Histograms(histograms) = &exhibits[2].content else {
        panic!("no histogram");
    };
    // One value a track.
    let sides = [&histograms[0].passed, &histograms[0].failed];
    assert_eq!(sides.map(Vec::len), [2, 8]);
    let Content::Pictures(sheet) = &exhibits[3].content else {
        panic!("no pictures");
    };
    let [taken, left] = [0, 1].map(|column| {
        let column = sheet
            .rows
            .iter()
            .filter_map(|row| row.pictures[column].as_ref());
        column.map(|sample| sample.index).collect::<Vec<_>>()
    });
    assert_eq!(taken, [0, 3]);
    assert_eq!(left.len(), 8);
}
