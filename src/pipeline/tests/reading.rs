//! Mistakes in a pipeline file or a `--set` are reported with their position and a remedy.

use std::path::Path;

use super::TEST_STAGES;
use crate::pipeline::spec::Spec;
use crate::stages::STAGES;
use crate::testing::mutations::assert_survived;
use crate::{Error, Result};

fn read(text: &str, sets: &[&str]) -> Result<Spec> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    Spec::parse(Path::new("test.toml"), text, &sets, TEST_STAGES)
}

/// The message of the error that reading must give.
#[track_caller]
fn refused(text: &str, sets: &[&str]) -> String {
    match read(text, sets) {
        Ok(_) => panic!("was accepted"),
        Err(error) => {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        }
    }
}

#[track_caller]
fn says(message: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(message.contains(piece), "no `{piece}` in:\n{message}");
    }
}

const GOOD: &str = "\
name = 'good'

[stages.second]
use = 'copy'
from = { samples = 'first' }
tag = 'a'

[stages.first]
use = 'solid'
colour = { red = 7 }
";

#[test]
fn a_pipeline_is_read_in_an_order_of_execution() {
    let spec = read(GOOD, &[]).unwrap();
    let ids: Vec<&str> = spec.stages.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["first", "second"]);
    assert_eq!((spec.seed, spec.part_size), (1, 256));
    assert_eq!(spec.stages[0].stage.resolved()["colour"]["red"], 7);
    assert_eq!(spec.stages[0].stage.resolved()["count"], 5);
}

#[test]
fn the_resolved_file_is_a_pipeline_with_the_same_settings() {
    let spec = read(GOOD, &["seed=9"]).unwrap();
    let again = read(&spec.resolved_toml().unwrap(), &[]).unwrap();
    assert_eq!(again.seed, 9);
    for (a, b) in spec.stages.iter().zip(&again.stages) {
        assert_eq!((&a.id, &a.from), (&b.id, &b.from));
        assert_eq!(a.stage.resolved(), b.stage.resolved());
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
    let message = refused("[stages.solid]\ncount = 3\nclour = 'x'\n", &[]);
    says(
        &message,
        &[
            "test.toml:3:1",
            "`clour`",
            "stage `solid`",
            "did you mean `colour`?",
        ],
    );
    let inner = refused("[stages.solid.colour]\nred = 3\n  gren = 4\n", &[]);
    says(
        &inner,
        &["test.toml:3:3", "`gren`", "did you mean `green`?"],
    );
    let wiring = refused("[stages.copy]\nform = { samples = 'x' }\n", &[]);
    says(
        &wiring,
        &["test.toml:2:1", "`form`", "did you mean `from`?"],
    );
    let top = refused("sed = 3\n[stages.solid]\n", &[]);
    says(&top, &["test.toml:1:1", "`sed`", "did you mean `seed`?"]);
}

#[test]
fn a_wrong_type_and_broken_toml_have_a_place() {
    let message = refused("[stages.solid]\ncount = 'many'\n", &[]);
    says(
        &message,
        &["test.toml:2:9", "many", "not a whole number of at least 0"],
    );
    says(&refused("[stages.solid\n", &[]), &["test.toml:1:"]);
    let twice = refused("[stages.solid]\n[stages.solid]\n", &[]);
    says(&twice, &["test.toml:2:", "duplicate key"]);
}

#[test]
fn an_unknown_stage_id_or_role_is_named_with_the_nearest() {
    let message = refused("[stages.solids]\n", &[]);
    says(
        &message,
        &[
            "test.toml:1:9",
            "no stage `solids`",
            "did you mean `solid`?",
        ],
    );
    let id = refused(
        "[stages.solid]\n[stages.copy]\nfrom = { samples = 'solit' }\n",
        &[],
    );
    says(&id, &["test.toml:3:20", "`solit`", "did you mean `solid`?"]);
    let role = refused(
        "[stages.solid]\n[stages.copy]\nfrom = { sample = 'solid' }\n",
        &[],
    );
    says(
        &role,
        &["test.toml:3:10", "`sample`", "did you mean `samples`?"],
    );
}

#[test]
fn a_missing_input_or_one_of_the_wrong_kind_is_refused() {
    let missing = refused("[stages.solid]\n[stages.copy]\n", &[]);
    says(
        &missing,
        &["test.toml:2:9", "needs an input `samples`", "solid"],
    );
    let wrong = refused(
        "[stages.solid]\n[stages.count]\nfrom = { samples = 'solid' }\n[stages.copy]\nfrom = { samples = 'count' }\n",
        &[],
    );
    says(
        &wrong,
        &[
            "test.toml:5:8",
            "reads samples",
            "`count` gives measurements",
        ],
    );
}

#[test]
fn one_of_the_inputs_of_which_one_is_needed_is_enough() {
    let missing = refused("[stages.count_either]\n", &[]);
    says(
        &missing,
        &["test.toml:1:9", "`samples` or `dataset`", "from"],
    );
    let stages = "[stages.solid]\n[stages.count_either]\nfrom = { samples = 'solid' }\n";
    read(stages, &[]).unwrap();
}

#[test]
fn a_circle_is_named() {
    let text = "\
[stages.count]
from = { samples = 'c' }
[stages.a]
use = 'copy'
from = { samples = 'b' }
[stages.b]
use = 'copy'
from = { samples = 'c' }
[stages.c]
use = 'copy'
from = { samples = 'a' }
";
    says(&refused(text, &[]), &["test.toml:", "c <- a <- b <- c"]);
    let own = "[stages.copy]\nfrom = { samples = 'copy' }\n";
    says(&refused(own, &[]), &["test.toml:2:8", "copy <- copy"]);
}

#[test]
fn settings_of_another_stage_are_defaults() {
    let text = "\
[stages.solid]
count = 3
colour = { red = 1, green = 2 }
[stages.other]
use = 'solid'
like = 'solid'
[stages.other.colour]
red = 9
";
    let spec = read(text, &["solid.count=4"]).unwrap();
    let other = spec.stage("other").unwrap().stage.resolved();
    assert_eq!(other["count"], 4);
    assert_eq!(
        (&other["colour"]["red"], &other["colour"]["green"]),
        (&9.into(), &2.into())
    );

    let round = "[stages.a]\nuse = 'solid'\nlike = 'b'\n[stages.b]\nuse = 'solid'\nlike = 'a'\n";
    says(&refused(round, &[]), &["forms a cycle", "a -> b -> a"]);
    let stranger = "[stages.solid]\n[stages.copy]\nlike = 'solid'\nfrom = { samples = 'solid' }\n";
    says(
        &refused(stranger, &[]),
        &["test.toml:3:8", "different kind"],
    );
}

#[test]
fn set_changes_settings_and_tables() {
    let sets = [
        "first.count=12",
        "first.colour.green=3",
        "second.tag=plain text",
        "part_size=7",
    ];
    let spec = read(GOOD, &sets).unwrap();
    let first = spec.stage("first").unwrap().stage.resolved();
    assert_eq!(
        (&first["count"], &first["colour"]["green"]),
        (&12.into(), &3.into())
    );
    assert_eq!(first["colour"]["red"], 7);
    assert_eq!(
        spec.stage("second").unwrap().stage.resolved()["tag"],
        "plain text"
    );
    assert_eq!(spec.part_size, 7);
}

#[test]
fn a_wrong_set_says_that_it_is_the_set() {
    says(
        &refused(GOOD, &["first.cont=3"]),
        &["--set first.cont=3", "did you mean `count`?"],
    );
    says(
        &refused(GOOD, &["first.count=x"]),
        &[
            "--set first.count=x",
            "`count` is \"x\", not a whole number of at least 0",
        ],
    );
    says(
        &refused(GOOD, &["first.count"]),
        &["--set first.count", "no `=`"],
    );
    says(
        &refused(GOOD, &["first.use.deep=3"]),
        &["--set first.use.deep=3", "`stages.first.use` is a string"],
    );
    says(
        &refused(GOOD, &["firs.count=3"]),
        &["--set firs.count=3", "id `firs`", "did you mean `first`?"],
    );
    says(
        &refused(GOOD, &["first.count=3", "second.tga=1"]),
        &["--set second.tga=1", "did you mean `tag`?"],
    );
}

#[test]
fn a_failed_check_stands_at_the_setting_that_it_names() {
    let text = "[stages.copy]\nfrom = { samples = 's' }\n[stages.s]\nuse = 'solid'\n";
    let message = refused(&format!("{text}count = 0\n"), &[]);
    says(&message, &["test.toml:5:9", "stage `s`", "at least 1"]);
    let set = refused(text, &["s.count=0"]);
    says(&set, &["--set s.count=0", "stage `s`", "at least 1"]);
}

#[test]
fn a_dataset_is_published_by_one_stage() {
    let text = "\
[stages.solid]
[stages.shelve]
from = { samples = 'solid' }
[stages.again]
use = 'shelve'
from = { samples = 'solid' }
";
    let message = refused(text, &[]);
    says(
        &message,
        &[
            "test.toml:4:9",
            "`shelve` and `again`",
            "`texts`",
            "another `name`",
        ],
    );
}

#[test]
fn a_missing_file_is_a_usage_error() {
    let error = Spec::read(Path::new("no/such.toml"), &[], TEST_STAGES)
        .err()
        .unwrap();
    assert_eq!(error.exit_code(), 2);
    says(
        &error.to_string(),
        &["no/such.toml", "there is no such pipeline file"],
    );
    assert!(matches!(error, Error::Usage { .. }));
}

#[test]
fn mutated_pipeline_files_are_read_or_refused() {
    let text = include_str!("../../../pipelines/dice.toml");
    let read = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        Spec::parse(Path::new("dice.toml"), &text, &[], STAGES)
    };
    assert_survived("dice.toml", text.as_bytes(), |_| {}, read);
}
