//! Pictures without renders.

use super::*;

/// What a gate without renders makes of shapes in `domain`, of which every fifth has the wrong class.
fn alone(given: Given, domain: Domain) -> Result<Vec<Verdict>> {
    let mut samples = renders();
    for sample in &mut samples {
        sample.provenance.domain = domain;
        if is_broken(sample) {
            let other = match sample.labels.class.as_deref() {
                Some("disc") => "square",
                _ => "disc",
            };
            sample.labels.class = Some(other.into());
        }
    }
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let other = match given {
        Given::Task => ("task", testing::publish(TASK.path(), &[], 1)),
        _ => {
            let photos = testing::shapes(200, 32, 9);
            ("photos", testing::publish(folders[1].path(), &photos, 64))
        }
    };
    let out = tempfile::tempdir().unwrap();
    let inputs = [
        ("samples", testing::publish(folders[0].path(), &samples, 16)),
        other,
    ];
    testing::run_with(&gate(), "gate", inputs, 16, out.path())?;
    verdicts::read(&out.path().join(verdicts::FILE))
}

#[test]
fn generated_pictures_are_judged_without_renders() {
    let mut caught = 0;
    for verdict in alone(Given::Task, Domain::Generated).unwrap() {
        let number: u64 = verdict.id.rsplit('-').next().unwrap().parse().unwrap();
        let is_caught = verdict.reasons.iter().any(|reason| reason == "label");
        assert!(number.is_multiple_of(5) || !is_caught, "{verdict:?}");
        assert!(!verdict.scores.contains_key("edges"), "{verdict:?}");
        caught += u64::from(is_caught);
    }
    // Of twelve; the network is unsure of some.
    assert!(caught >= 8, "{caught}");
    let near = alone(Given::Photos, Domain::Generated).unwrap();
    assert!(near.iter().all(|v| v.scores.contains_key("photo")));
    let error = alone(Given::Task, Domain::Translated).unwrap_err();
    assert!(error.to_string().contains("role `renders`"), "{error}");
}

#[test]
fn without_renders_there_must_be_something_to_judge_by() {
    let other = gate();
    let given = crate::stage::Given {
        id: "other",
        facts: Facts::default(),
        count: None,
        artifact: None,
        stage: &other,
    };
    let refused = |gate: &Gate, roles: &[&'static str]| {
        let givens = roles.iter().map(|role| (*role, given.clone()));
        let misfit = gate.foresee(&Givens(givens.collect())).err();
        misfit.map(|misfit| misfit.problem)
    };
    assert_eq!(refused(&gate(), &["samples", "photos"]), None);
    assert!(refused(&gate(), &["samples"]).unwrap().contains("nothing"));
    let objects = Gate {
        objects: Some(Spoiled::Mend),
        ..gate()
    };
    let problem = refused(&objects, &["samples", "photos"]).unwrap();
    assert!(problem.contains("its render"), "{problem}");
}
