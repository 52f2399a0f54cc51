//! Scenes of many objects from a pipeline file to a dataset.

use predicates::str::contains;

use crate::project::Project;

/// Dropped dice among distractors, published with their boxes.
const PIPELINE: &str = "\
name = \"scenes\"
seed = 1
[stages.render]
count = 6
size = [64, 48]
[stages.render.mesh]
models = [\"ROOT/renders/dice/die.gltf\", \"ROOT/renders/dice/die_round.gltf\"]
environments = [\"ROOT/renders/hdri/studio.exr\"]
[stages.render.mesh.scene]
count = [2, 5]
[stages.render.mesh.scene.distractors]
count = [1, 2]
[stages.emit]
from = { samples = \"render\" }
name = \"scenes\"
formats = [\"coco\", \"yolo\"]
";

fn project(pipeline: &str) -> Project {
    let pipeline = pipeline.replace("ROOT", env!("CARGO_MANIFEST_DIR"));
    Project::new().file("scenes.toml", pipeline)
}

#[test]
fn a_dataset_of_scenes_has_several_objects_an_image() {
    let project = project(PIPELINE);
    let run = project.verismo(&["run", "scenes.toml"]).assert().success();
    run.stdout(contains("objects per class:"));
    let coco = project.json("outputs/datasets/scenes/latest/annotations/instances_train.json");
    let objects = coco["annotations"].as_array().unwrap().len();
    let images = coco["images"].as_array().unwrap().len();
    assert_eq!(images, 6);
    assert!(objects > 8, "{objects}");
    let verify = ["verify", "outputs/datasets/scenes/latest"];
    project.verismo(&verify).assert().success();
}

#[test]
fn a_wrong_range_is_refused_with_its_bounds() {
    let wrong = PIPELINE.replace("count = [2, 5]", "count = [5, 2]");
    project(&wrong)
        .verismo(&["plan", "scenes.toml"])
        .assert()
        .code(2)
        .stderr(contains("`mesh.scene.count` must be two numbers in order"));
}
