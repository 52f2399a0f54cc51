//! `README.md`: the data card, with front matter for the Hugging Face Hub:
//! <https://huggingface.co/docs/hub/datasets-cards>.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::proof::Proof;
use super::{Emit, SPLITS, Survey};
use crate::formats::DatasetInfo;
use crate::sample::Domain;
use crate::stage::finding::{self, Finding, Level};
use crate::{Error, Result};

/// Writes the card, with what the stages before found at its top.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn write(
    dataset: &DatasetInfo,
    config: &Emit,
    (survey, proof): (&Survey, &Proof),
    findings: &[Finding],
) -> Result<()> {
    let mut text = front_matter(dataset, config, survey);
    text += &contents(dataset, config, survey, findings);
    text += &making(config, survey, proof);
    text += &loading(config, survey);
    if let Some(citation) = dataset.about.citation {
        text += &format!("\n## Citation\n\n```\n{}\n```\n", citation.trim());
    }
    let path = dataset.out.join("README.md");
    std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
}

/// A string as a YAML scalar; JSON strings are valid YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn front_matter(dataset: &DatasetInfo, config: &Emit, survey: &Survey) -> String {
    let mut yaml = String::from("---\n");
    if let Some(license) = dataset.about.license {
        yaml += &format!("license: {}\n", quoted(&license.to_lowercase()));
    }
    yaml += &format!("pretty_name: {}\n", quoted(dataset.name));
    let tasks = tasks(dataset, config, survey);
    if !tasks.is_empty() {
        yaml += &format!("task_categories:\n- {}\n", tasks.join("\n- "));
    }
    yaml += &format!("size_categories:\n- {}\n", size_category(survey.total()));
    yaml += "tags:\n- synthetic\n- verismo\n";
    yaml += "configs:\n- config_name: default\n  data_files:\n";
    for split in survey.splits() {
        let (name, files) = (hub_split(split), hub_files(config, split));
        yaml += &format!("  - split: {name}\n    path: {files}\n");
    }
    yaml + "---\n\n"
}

/// The Hub's names of the tasks that the labels are for.
fn tasks(dataset: &DatasetInfo, config: &Emit, survey: &Survey) -> Vec<&'static str> {
    let has_map = |name: &str| {
        let mut chosen = config.maps.iter();
        survey.maps.contains(name) && chosen.any(|map| map.entry().name == name)
    };
    let tasks = [
        (!dataset.classes().is_empty(), "image-classification"),
        (!survey.objects.is_empty(), "object-detection"),
        (survey.masks > 0, "image-segmentation"),
        (dataset.has_keypoints(), "keypoint-detection"),
        (has_map("depth"), "depth-estimation"),
    ];
    let known = tasks.into_iter().filter(|(is_known, _)| *is_known);
    known.map(|(_, task)| task).collect()
}

/// The files from which the Hub and `load_dataset` load a split: those of the format that tells them most.
fn hub_files(config: &Emit, split: &str) -> String {
    let folders = config.writes("huggingface") || config.writes("folders");
    if config.writes("parquet") {
        format!("data/{split}-*.parquet")
    } else if config.writes("webdataset") && !folders {
        format!("{split}-*.tar")
    } else {
        format!("{split}/**")
    }
}

/// The Hub's name of a split, as YAML: only letters, digits and `_`.
fn hub_split(split: &str) -> String {
    match split {
        "val" => "validation".to_owned(),
        _ if SPLITS.contains(&split) => split.to_owned(),
        _ => quoted(&split.replace(|c: char| !c.is_alphanumeric(), "_")),
    }
}

/// The Hub's size category.
fn size_category(images: u64) -> &'static str {
    match images {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "n>10M",
    }
}

fn contents(dataset: &DatasetInfo, config: &Emit, survey: &Survey, findings: &[Finding]) -> String {
    let version = dataset.version;
    let version = version.map_or(String::new(), |version| format!(" {version}"));
    let mut text = format!("# {}{version}\n\n", dataset.name);
    if let Some(description) = dataset.about.description {
        text += &format!("{description}\n\n");
    }
    text += &verdict(findings);
    text += &format!("![Some of the images]({})\n\n", super::sheet::FILE);
    text += &format!(
        "{} labelled images of {} classes, made of {} renders and {} photos.\n\n## Images\n\n",
        survey.total(),
        dataset.classes().len(),
        survey.renders.len(),
        survey.photos.len(),
    );
    let splits: Vec<&str> = survey.splits().collect();
    text += &format!(
        "| class | {} |\n|---|{}\n",
        splits.join(" | "),
        "---:|".repeat(splits.len())
    );
    let mut row = |name: &str, count: &dyn Fn(&BTreeMap<String, u64>) -> u64| {
        let counts = splits
            .iter()
            .map(|split| count(&survey.images[*split]).to_string());
        text += &format!(
            "| {} | {} |\n",
            escaped(name),
            counts.collect::<Vec<_>>().join(" | ")
        );
    };
    for class in dataset.classes() {
        row(class, &|classes| classes.get(class).copied().unwrap_or(0));
    }
    row("all", &|classes| classes.values().sum());
    text += "\nImages that began as the same render or photo stand in the same split.\n\n";
    text + &files(config, survey)
}

/// What the stages before found, with their numbers, and what would make the dataset better.
fn verdict(findings: &[Finding]) -> String {
    let Some(headline) = finding::headline(findings) else {
        return String::new();
    };
    let mut text = format!("**Verdict: {headline}.**\n\n");
    for Finding {
        level,
        about,
        number,
        text: found,
        ..
    } in findings
    {
        let warning = if *level == Level::Warning {
            " (warning)"
        } else {
            ""
        };
        text += &format!("- {about}: **{number}**{warning}: {found}\n");
    }
    for step in finding::next_steps(findings) {
        text += &format!("- to make it better: {step}\n");
    }
    text + "\n"
}

/// The formats that the list of files tells in words of its own.
const TOLD: [&str; 5] = ["manifest", "coco", "huggingface", "croissant", "folders"];

fn files(config: &Emit, survey: &Survey) -> String {
    let ending = config.image.ending();
    let mut text = String::from("## Files\n\n");
    text += &match (config.home(), config.writes("folders")) {
        (Some(home), _) => format!(
            "- the images lie in the files of the format `{}`\n",
            home.name
        ),
        (None, true) => format!(
            "- `SPLIT/CLASS/ID.{ending}`: the images; `classes.txt` lists the classes in order\n"
        ),
        (None, false) => format!("- `SPLIT/ID.{ending}`: the images\n"),
    };
    if config.writes("coco") {
        text +=
            "- `annotations/instances_SPLIT.json`: boxes, masks and keypoints as COCO has them\n";
    }
    if config.writes("huggingface") {
        text += "- `SPLIT/metadata.jsonl`: labels for the imagefolder loader of Hugging Face\n";
    }
    if config.writes("croissant") {
        text += "- `croissant.json`: Croissant 1.1, with tables of images and objects\n";
    }
    let others = config
        .formats()
        .filter(|format| !TOLD.contains(&format.name));
    for format in others {
        text += &format!("- the format `{}`: {}\n", format.name, format.about);
    }
    let maps = config.maps.iter().map(|name| name.entry());
    for map in maps.filter(|map| survey.maps.contains(map.name)) {
        text += &format!("- `maps/{}/SPLIT/ID.png`: {}\n", map.name, map.about);
    }
    if let Some(rejected) = survey.rejected {
        text += &format!(
            "- `{}`: the samples that the gate rejected ({rejected}), with reasons and scores; they \
             are not among the images\n",
            super::rejected::FILE
        );
    }
    text + "- `manifest.parquet`: one row per image, with its provenance and blake3\n\
            - `SHA256SUMS`: for `sha256sum -c SHA256SUMS`\n\n\
            Boxes are x, y, width, height in pixels; pixel (0, 0) covers 0 to 1.\n\n"
}

fn making(config: &Emit, survey: &Survey, proof: &Proof) -> String {
    let mut text = format!(
        "## How it was made\n\nBy verismo. The labels of renders and of their translations come from the \
         renderer: class, and {} objects with box and mask. ",
        survey.masks
    );
    if survey.foreign > 0 {
        text += &format!(
            "{} images are made of renders from elsewhere, with the labels that came with them. ",
            survey.foreign
        );
    }
    text += &config.tell_left_out(survey.left_out);
    text += &proof.tell();
    let photos = survey.domains.get(Domain::Photo.name()).copied();
    let photos = photos.unwrap_or_default();
    let guessed = photos - survey.labelled;
    if photos == 0 {
        text += "There are no photos among the images. ";
    }
    if guessed > 0 {
        text += &format!(
            "{guessed} images are photos, and their class is a guess, not a person's word: networks trained \
             on the labelled images read it (`pseudo_label` among the transforms, with its confidence). They have \
             no boxes or masks. "
        );
    }
    if photos > 0 {
        text += "Say under which licence the photos may be used. ";
    }
    text += &match survey.real_labels.len() {
        0 => "Labels of real photos were not used.\n\n".to_owned(),
        count => format!(
            "**{count} labels of real photos were used**: {} images are made of these photos, with the labels that \
             people gave them (`labelled` among the transforms).\n\n",
            survey.labelled
        ),
    };
    // The card must stay short even if every image has its own source.
    const LISTED: usize = 20;
    let mut list = |title: &str, counts: Vec<(String, u64)>| {
        if counts.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}:\n");
        for (name, count) in counts.iter().take(LISTED) {
            let _ = writeln!(text, "- {name}: {count} images");
        }
        if counts.len() > LISTED {
            let _ = writeln!(text, "- and {} more", counts.len() - LISTED);
        }
        text.push('\n');
    };
    list("Kind of pixels", entries(&survey.domains));
    list("Models they show", entries(&survey.sources));
    list("Translated by the checkpoint", entries(&survey.checkpoints));
    list("Transforms applied", entries(&survey.transforms));
    list("Sizes", entries(&survey.sizes));
    text
}

fn entries<N: Display>(counts: &BTreeMap<N, u64>) -> Vec<(String, u64)> {
    let entry = |(name, count): (&N, &u64)| (escaped(&name.to_string()), *count);
    counts.iter().map(entry).collect()
}

/// A name as plain text: no HTML, no cells of a table, no marks of Markdown.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

fn loading(config: &Emit, survey: &Survey) -> String {
    let split = survey.splits().next().unwrap_or(SPLITS[0]);
    let variable = if SPLITS.contains(&split) {
        split
    } else {
        "images"
    };
    let mut ways = Vec::new();
    let of_the_hub = ["huggingface", "folders", "parquet", "webdataset"];
    if of_the_hub.iter().any(|name| config.writes(name)) {
        ways.push(
            "from datasets import load_dataset\n\
             dataset = load_dataset(\"path/to/this/folder\")\n"
                .to_owned(),
        );
    }
    if config.writes("folders") {
        ways.push(format!(
            "from torchvision.datasets import ImageFolder\n{variable} = ImageFolder(\"{split}\")\n"
        ));
    }
    if config.writes("coco") {
        ways.push(format!(
            "from pycocotools.coco import COCO\n\
             coco = COCO(\"annotations/instances_{split}.json\")\n\
             mask = coco.annToMask(next(iter(coco.anns.values())))\n"
        ));
    }
    if config.writes("croissant") {
        ways.push(
            "import mlcroissant\n\
             images = mlcroissant.Dataset(\"croissant.json\").records(\"images\")\n"
                .to_owned(),
        );
    }
    match ways.is_empty() {
        true => String::new(),
        false => format!("## Loading\n\n```python\n{}```\n", ways.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_has_the_numbers_and_what_to_do() {
        assert_eq!(verdict(&[]), "");
        let findings = [
            Finding::new(
                Level::Warning,
                "adapter",
                "3 %",
                "the adapter closed 3 % of the way",
            )
            .with_advice("raise `steps` of `train`"),
            Finding::new(Level::Good, "gate", "2 %", "the gate rejected 2 of 100"),
        ];
        assert_eq!(
            verdict(&findings),
            "**Verdict: not good enough yet: adapter.**\n\n\
             - adapter: **3 %** (warning): the adapter closed 3 % of the way\n\
             - gate: **2 %**: the gate rejected 2 of 100\n\
             - to make it better: raise `steps` of `train`\n\n"
        );
    }

    #[test]
    fn names_are_plain_text_in_the_card() {
        let name = "<img src=x>|`a`\n_b_.svg";
        let expected = "&lt;img src=x&gt;\\|\\`a\\` \\_b\\_.svg";
        assert_eq!(escaped(name), expected);
    }
}
