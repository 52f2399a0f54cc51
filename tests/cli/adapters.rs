//! Adapters that need no training, from renders to a dataset.

use crate::project::{Project, names};

fn project(model: &str, part_size: u32) -> Project {
    let root = env!("CARGO_MANIFEST_DIR");
    let pipeline = format!(
        "\
name = \"tiny\"
part_size = {part_size}
[stages.render]
count = 12
size = 24
[stages.render.mesh]
models = [\"{root}/renders/dice/die.gltf\"]
environments = [\"{root}/renders/hdri/studio.exr\"]
[stages.photos]
use = \"ingest\"
path = \"photos\"
size = 24
[stages.train]
from = {{ renders = \"render\", photos = \"photos\" }}
model = \"{model}\"
[stages.translate]
from = {{ renders = \"render\", model = \"train\" }}
[stages.split]
from = {{ samples = \"translate\" }}
[stages.emit]
name = \"tiny\"
from = {{ samples = \"split\" }}
"
    );
    Project::new()
        .photos("photos", 12)
        .file("tiny.toml", pipeline)
}

/// The published version, which is a hash of the dataset's content.
fn version(model: &str, part_size: u32, threads: &str) -> String {
    let project = project(model, part_size);
    let run = ["run", "tiny.toml", "--device", "cpu", "--threads", threads];
    project.verismo(&run).assert().success();
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let train = &record["stages"][2];
    assert_eq!(train["id"], "train");
    let versions = names(&project.path("outputs/datasets/tiny"));
    versions.into_iter().find(|name| name != "latest").unwrap()
}

#[test]
fn photos_are_drawn_alike_for_any_number_of_threads_and_part_size() {
    let histogram = version("histogram", 5, "1");
    assert_eq!(histogram, version("histogram", 12, "3"));
    let fda = version("fda", 5, "3");
    assert_eq!(fda, version("fda", 4, "1"));
    assert_ne!(histogram, fda);
}
