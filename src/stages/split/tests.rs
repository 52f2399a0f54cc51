//! Splits follow the original render, whatever was made from it.

use std::collections::BTreeSet;

use super::*;
use crate::sample::Sample;
use crate::testing;

/// Three variants of each of 60 renders: 40 of `one`, 20 of `two`.
fn samples() -> Vec<Sample> {
    let base = crate::artifact::parts::tests::examples().remove(0);
    (0..180)
        .map(|index| {
            let mut sample = base.clone();
            sample.id = format!("augment-{index:06}");
            sample.index = index;
            sample.provenance.origin = format!("render-{:06}", index / 3);
            sample.provenance.split = None;
            let class = if index / 3 % 3 == 0 { "two" } else { "one" };
            sample.labels.class = Some(class.into());
            sample
        })
        .collect()
}

/// Origins on one side, of one class.
fn side<'a>(samples: &'a [Sample], split: &str, class: &str) -> BTreeSet<&'a str> {
    samples
        .iter()
        .filter(|s| s.provenance.split.as_deref() == Some(split))
        .filter(|s| s.labels.class.as_deref() == Some(class))
        .map(|s| s.provenance.origin.as_str())
        .collect()
}

#[test]
fn no_render_stands_on_both_sides_and_every_class_is_shared_out() {
    let samples = testing::run(&Split::default(), "split", &samples(), 64);
    for (class, val, train) in [("one", 6, 34), ("two", 3, 17)] {
        let (in_val, in_train) = (side(&samples, "val", class), side(&samples, "train", class));
        assert_eq!((in_val.len(), in_train.len()), (val, train));
        assert!(in_val.is_disjoint(&in_train));
    }
    let val = samples
        .iter()
        .filter(|s| s.provenance.split.as_deref() == Some("val"));
    assert_eq!(val.count(), 27);
}

#[test]
fn nothing_else_changes_for_any_part_size() {
    let before = samples();
    let after = testing::run(&Split::default(), "split", &before, 7);
    assert_eq!(
        after,
        testing::run(&Split::default(), "split", &before, 256)
    );
    for (before, mut after) in before.into_iter().zip(after) {
        after.provenance.split = None;
        assert_eq!(before, after);
    }
}

#[test]
fn samples_that_have_a_split_keep_it() {
    let mut samples = samples();
    for sample in &mut samples[..90] {
        sample.provenance.split = Some("test".into());
    }
    let out = tempfile::tempdir().unwrap();
    let summary = testing::run_into(&Split::default(), "split", &samples, 64, out.path()).unwrap();
    // 20 origins of `one` and 10 of `two` are left.
    assert_eq!(
        summary["origins"],
        serde_json::json!({ "train": 25, "val": 5 })
    );
    let after = testing::run(&Split::default(), "split", &samples, 64);
    let count = |samples: &[Sample], split: &str| {
        let of_split = |s: &&Sample| s.provenance.split.as_deref() == Some(split);
        samples.iter().filter(of_split).count()
    };
    assert_eq!(count(&after[..90], "test"), 90);
    assert_eq!(
        (count(&after[90..], "train"), count(&after[90..], "val")),
        (75, 15)
    );
}

#[test]
fn order_and_other_classes_do_not_matter() {
    let mut turned = samples();
    turned.reverse();
    let chosen = |samples: &[Sample], seed: u64| -> HashSet<u64> {
        let seed = Seed::new(seed, "split");
        let class = |s: &Sample| u32::from(s.labels.class.as_deref() == Some("two"));
        let ranked = samples
            .iter()
            .map(|s| (rank(&s.provenance.origin, &seed), class(s)));
        choose_val(&ranked.collect(), 0.15)
    };
    let of_all = chosen(&turned, 3);
    assert_eq!(of_all, chosen(&samples(), 3));
    turned.retain(|sample| sample.labels.class.as_deref() == Some("one"));
    assert!(chosen(&turned, 3).is_subset(&of_all));
    assert_ne!(of_all, chosen(&samples(), 4));
}

#[test]
fn small_classes_have_both_sides() {
    assert_eq!(val_count(2, 0.15), 1);
    assert_eq!(val_count(2, 0.9), 1);
    assert_eq!(val_count(1, 0.15), 0);
    assert_eq!((val_count(9, 0.0), val_count(9, 1.0)), (0, 9));
    assert!(Split { val: 1.5 }.check().is_err());
}
