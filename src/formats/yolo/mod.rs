//! The format of Ultralytics' YOLO: `data.yaml`, pictures in `images/SPLIT` and a text file of the same name
//! for each in `labels/SPLIT`: <https://docs.ultralytics.com/datasets/>.
//!
//! A line is an object: the number of its class and, in shares of the picture's width and height, a box (x
//! and y of its middle, width, height), a polygon, or a box followed by keypoints. Which of them it is follows
//! from `data.yaml` as a trainer reads it (`kpt_shape`), and from the key `task`, which trainers ignore.

mod read;
mod write;
mod yaml;

use std::path::{Path, PathBuf};

use super::{Format, Holds, entries};
use yaml::Yaml;

/// Boxes.
pub(super) const DETECT: Format = Format {
    name: "yolo",
    about: "data.yaml, images/ and labels/ of Ultralytics' YOLO: boxes",
    required: false,
    holds: Holds {
        objects: true,
        ..Holds::NOTHING
    },
    write: Some(|dataset| write::write(dataset, Task::Detect)),
    detect: |path| find(path).is_some(),
    read: read::read,
};

/// Outlines.
pub(super) const SEGMENT: Format = Format {
    name: "yolo-segment",
    about: "as yolo, with a polygon for each object",
    holds: Holds {
        objects: true,
        masks: true,
        unknown_masks: false,
        ..Holds::NOTHING
    },
    write: Some(|dataset| write::write(dataset, Task::Segment)),
    detect: |path| find(path).is_some_and(|data| data.task() == Some(Task::Segment)),
    ..DETECT
};

/// Boxes with keypoints.
pub(super) const POSE: Format = Format {
    name: "yolo-pose",
    about: "as yolo, with keypoints for each object",
    holds: Holds {
        objects: true,
        keypoints: true,
        ..Holds::NOTHING
    },
    write: Some(|dataset| write::write(dataset, Task::Pose)),
    detect: |path| find(path).is_some_and(|data| data.task() == Some(Task::Pose)),
    ..DETECT
};

/// Oriented boxes.
pub(super) const ORIENTED: Format = Format {
    name: "yolo-obb",
    about: "as yolo, with the smallest oriented box around each object",
    holds: Holds {
        objects: true,
        oriented: true,
        ..Holds::NOTHING
    },
    write: Some(|dataset| write::write(dataset, Task::Oriented)),
    detect: |path| find(path).is_some_and(|data| data.task() == Some(Task::Oriented)),
    ..DETECT
};

/// What a line of a label file holds after the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Detect,
    Segment,
    Pose,
    Oriented,
}

impl Task {
    /// As the command line of Ultralytics calls it.
    fn name(self) -> &'static str {
        match self {
            Task::Detect => "detect",
            Task::Segment => "segment",
            Task::Pose => "pose",
            Task::Oriented => "obb",
        }
    }
}

/// `data.yaml` of a dataset.
struct Data {
    file: PathBuf,
    yaml: Yaml,
}

impl Data {
    /// The task, if the file says so.
    fn task(&self) -> Option<Task> {
        let all = [Task::Detect, Task::Segment, Task::Pose, Task::Oriented];
        let named = self.yaml.get("task").and_then(Yaml::text);
        let named = all.into_iter().find(|task| named == Some(task.name()));
        let pose = self.yaml.get("kpt_shape").map(|_| Task::Pose);
        pose.or(named)
    }
}

/// The first YAML file in a folder, or the file itself, that names classes.
fn find(path: &Path) -> Option<Data> {
    let files = match path.is_dir() {
        true => entries(path).ok()?,
        false => vec![path.to_path_buf()],
    };
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|e| e == "yaml" || e == "yml");
    files.into_iter().filter(is_yaml).find_map(|file| {
        let yaml = yaml::read(&file).ok()?;
        yaml.get("names")?;
        Some(Data { file, yaml })
    })
}
