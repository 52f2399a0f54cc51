//! Prints the classes of an artifact of samples, then the boxes of its first samples.
//!
//! After a run, `outputs/cache` contains a folder for every stage; its name starts with the name of the
//! stage. Five samples are printed if no number is given. Only one part at a time is in memory.
//!
//! Run: `cargo run --release --example read_parts -- outputs/cache/render-… [SAMPLES]`

use std::path::Path;
use std::process::ExitCode;

use verismo::artifact::Artifact;
use verismo::{Error, Result};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let remedy = "name that of an artifact, below outputs/cache";
    let folder = arguments
        .next()
        .ok_or_else(|| Error::usage("read_parts", "got no folder", remedy))?;
    let shown = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5);

    let artifact = Artifact::open(Path::new(&folder))?;
    let manifest = &artifact.manifest;
    println!(
        "{}: {} samples of the stage `{}`",
        manifest.id, manifest.count, manifest.stage
    );
    for (class, count) in &manifest.classes {
        println!("  {class}: {count}");
    }

    for sample in artifact.samples().take(shown) {
        let sample = sample?;
        let class = sample.labels.class.as_deref().unwrap_or("no class");
        println!(
            "{} {}x{} {class}",
            sample.id, sample.extent.width, sample.extent.height
        );
        for object in sample.labels.objects() {
            let [x, y, width, height] = object.bbox_xywh;
            println!(
                "  {}: {width} x {height} pixels at ({x}, {y}), {:.0} % visible, {} keypoints",
                object.class,
                100.0 * object.visible_fraction,
                object.keypoints.len()
            );
        }
    }
    Ok(())
}
