//! A temporary folder with pipelines and photos, in which tests run the program.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A user's folder.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Project {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One with `tiny.toml`, the dice pipeline with all its stages, as small as possible.
    pub(crate) fn every_stage() -> Self {
        let stages = "\
[stages.photos]
use = \"ingest\"
path = \"ROOT/photos/dice/train\"
boxes = \"ROOT/photos/dice/train.csv\"
limit = 44
size = 32
[stages.augment_source]
use = \"augment\"
like = \"augment\"
from = { samples = \"render\" }
[stages.task]
from = { samples = \"augment_source\" }
steps = 10
channels = 4
[stages.train]
from = { renders = \"render\", photos = \"photos\", task = \"task\" }
steps = 24
batch = 2
watch_every = 10
watch_pictures = 22
checkpoint_minutes = 0.0
schedule = \"constant\"
[stages.train.generator]
channels = 4
blocks = 1
[stages.train.discriminator]
channels = 4
[stages.translate]
from = { renders = \"render\", model = \"train\" }
[stages.gate]
from = { samples = \"translate\", renders = \"render\", photos = \"photos\", task = \"task\" }
max_lost = 1.0
label = 0.0
[stages.augment]
from = { samples = \"gate\" }
copies = 2
[stages.pseudo_label]
from = { samples = \"augment\", photos = \"photos\" }
networks = 1
steps = 10
rounds = 1
round_steps = 5
channels = 4
[stages.learn]
from = { samples = \"augment\" }
model = \"vae\"
steps = 12
batch = 4
held_out = 0.0
watch_every = 5
checkpoint_minutes = 0.0
[stages.learn.vae]
channels = 8
latent = 4
[stages.generate]
from = { model = \"learn\", task = \"task\" }
per_class = 4
[stages.sculpt]
models = [{ path = \"ROOT/renders/lego\", class = \"part\" }]
resolution = 16
per_class = 2
held_out = 0.0
steps = 12
batch = 2
watch_every = 5
checkpoint_minutes = 0.0
[stages.sculpt.gan3d]
channels = 4
[stages.clips]
use = \"render\"
count = 12
clip = 4
size = 32
[stages.clips.mesh]
models = [\"ROOT/renders/dice/die.gltf\"]
[stages.motion]
from = { clips = \"clips\" }
steps = 12
batch = 4
channels = 4
held_out = 0.0
watch_every = 5
checkpoint_minutes = 0.0
[stages.animate]
from = { model = \"motion\", sources = \"clips\", clips = \"clips\" }";
        let pipeline = Tiny::new("part_size = 8")
            .dice(48, 32)
            .stages(&stages.replace("ROOT", env!("CARGO_MANIFEST_DIR")))
            .publish("pseudo_label");
        Project::new().file("tiny.toml", pipeline)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and creates the folders above it.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Writes `count` small PNG photos below `folder`.
    pub(crate) fn photos(mut self, folder: &str, count: u8) -> Self {
        for i in 0..count {
            let pixels = image::RgbImage::from_fn(24, 20, |x, y| {
                image::Rgb([i.wrapping_mul(40), 60 + 4 * x as u8, 200 - 5 * y as u8])
            });
            let png = verismo::sample::image::encode_png(&pixels).unwrap();
            self = self.file(&format!("{folder}/{i:03}.png"), png);
        }
        self
    }

    /// `verismo` with these arguments, started in the folder.
    pub(crate) fn verismo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("verismo").unwrap();
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// A file as JSON.
    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// A small pipeline named `tiny`, stage by stage.
pub(crate) struct Tiny(String);

impl Tiny {
    /// One with no stages yet; `settings` are its own.
    pub(crate) fn new(settings: &str) -> Self {
        Tiny(format!("name = \"tiny\"\n{settings}\n"))
    }

    /// `render`: the die of the repository.
    pub(crate) fn dice(self, count: u32, size: u32) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        self.stages(&format!(
            "[stages.render]\ncount = {count}\nsize = {size}\n[stages.render.mesh]\n\
             models = [\"{root}/renders/dice/die.gltf\"]\n\
             environments = [\"{root}/renders/hdri/studio.exr\"]"
        ))
    }

    /// `photos`: what [`Project::photos`] wrote into the folder `photos`.
    pub(crate) fn photos(self, size: u32) -> Self {
        self.stages(&format!(
            "[stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = {size}"
        ))
    }

    /// More stages, as TOML.
    pub(crate) fn stages(self, text: &str) -> Self {
        Tiny(self.0 + text + "\n")
    }

    /// The pipeline as it is.
    pub(crate) fn text(self) -> String {
        self.0
    }

    /// The pipeline that splits the samples of the stage `last` and publishes them.
    pub(crate) fn publish(self, last: &str) -> String {
        let gate = match self.0.contains("[stages.gate]") {
            true => ", gate = \"gate\"",
            false => "",
        };
        let tiny = self.stages(&format!(
            "[stages.split]\nfrom = {{ samples = \"{last}\" }}\n[stages.emit]\nname = \"tiny\"\n\
             from = {{ samples = \"split\"{gate} }}"
        ));
        tiny.0
    }
}

/// Names in a folder, sorted, without the cache's lock file; empty if there is no folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".lock")
        .collect();
    names.sort();
    names
}
