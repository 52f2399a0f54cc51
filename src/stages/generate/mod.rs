//! generate: new pictures of each class, drawn by what `learn` trained.
//!
//! The class is the condition that a picture is drawn from. A task network, if there is one, reads every picture: one
//! that it does not read as its class is drawn again, a few times at most (rejection sampling), and one that it does has
//! an object with the mask that it sees. Boxes and masks that no network confirms are not known.

mod artist;
mod guides;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::resume::Resume;
use crate::artifact::{Kind, parts};
use crate::generators::{Trained, names_class, words};
use crate::models::task_network::TaskNetwork;
use crate::nn::device;
use crate::stage::finding::{self, Finding, Level};
use crate::stage::{
    Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, generated, parse,
};
use crate::{Error, Result};
use artist::{Artist, FOLLOW, Judge, Wish};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "generate",
    about: "new pictures of each class, drawn by a generator",
    version: 3,
    inputs: &[
        Input::required("model", Kind::Generator, "what `learn` learned"),
        Input::optional(
            "task",
            Kind::Task,
            "the task network, to confirm classes and to see masks",
        ),
        Input::optional(
            "guides",
            Kind::Samples,
            "renders with masks, whose objects pictures are to follow",
        ),
    ],
    output: Kind::Samples,
    parse: parse::<Generate>,
    schema: || schemars::schema_for!(Generate),
    exhibit: crate::stage::exhibit::nothing,
};

/// Configuration of `generate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Generate {
    /// Pictures of each class.
    pub per_class: u64,
    /// Below 1, pictures are drawn nearer to the mean of their class: more usual, less varied (the truncation trick,
    /// Karras et al. 2019). 0..1.
    pub truncation: f64,
    /// A picture that the task network reads as its class with a lower probability is drawn again.
    pub confidence: f32,
    /// How often a picture is drawn at most. The last one stays, without an object.
    pub tries: u64,
    /// What is to be seen, for a generator that reads captions; those of a class take turns. Each must name a class in
    /// its own words. None: captions that it learned from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub captions: Vec<String>,
    /// A folder of strokes that pictures are to follow, PNGs with a transparent ground in a folder for each class; then
    /// `per_class` pictures follow each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guide: Option<PathBuf>,
    /// Random draws, from the best of which the search for a picture that follows strokes starts.
    pub guide_draws: usize,
    /// Steps of this search.
    pub guide_steps: u64,
}

impl Default for Generate {
    fn default() -> Self {
        Generate {
            per_class: 300,
            truncation: 1.0,
            confidence: 0.5,
            tries: 4,
            captions: Vec::new(),
            guide: None,
            guide_draws: 32,
            guide_steps: 100,
        }
    }
}

/// More pictures of a class are a slip of the pen.
const MOST: u64 = 10_000_000;

impl Stage for Generate {
    fn files(&self) -> Vec<PathBuf> {
        self.guide.iter().cloned().collect()
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=MOST).contains(&self.per_class) {
            return Err(format!("`per_class` must lie in 1..{MOST}"));
        }
        if !(0.0..=1.0).contains(&self.truncation) || !(0.0..=1.0).contains(&self.confidence) {
            return Err("`truncation` and `confidence` must lie in 0..1".into());
        }
        if !(1..=10_000).contains(&self.guide_draws) || self.guide_steps > 10_000 {
            return Err("`guide_draws` must lie in 1..10000, `guide_steps` in 0..10000".into());
        }
        if self.guide.is_some() && !self.captions.is_empty() {
            return Err("`guide` and `captions` exclude each other".into());
        }
        if self.guide.is_some() && self.truncation < 1.0 {
            return Err(
                "`guide` and `truncation` exclude each other: the search finds its own place"
                    .into(),
            );
        }
        match self.tries {
            1..=100 => Ok(()),
            _ => Err("`tries` must lie in 1..100".into()),
        }
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let extent = inputs.facts("model").extent;
        let task = inputs.facts("task").extent;
        if let Some((extent, task)) = extent.zip(task)
            && extent != task
        {
            return Err(Misfit::new(
                format!(
                    "the task network reads pictures of {task}, and the generator draws {extent}"
                ),
                TASK_REMEDY,
            ));
        }
        if inputs.get("guides").is_some() {
            let other = [
                ("guide", self.guide.is_some()),
                ("captions", !self.captions.is_empty()),
                ("truncation", self.truncation < 1.0),
            ];
            if let Some((setting, _)) = other.into_iter().find(|(_, given)| *given) {
                return Err(Misfit::new(
                    format!("`{setting}` and the role `guides` exclude each other"),
                    format!("remove `{setting}`, or the role"),
                ));
            }
            inputs.need_classes("guides", "to follow")?;
        }
        Ok(Facts {
            extent,
            classes: Some(true),
            objects: inputs.get("task").is_none().then_some(false),
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let model = inputs.get("model").and_then(|given| given.artifact);
        let classes = model
            .and_then(|artifact| Some(artifact.manifest.summary["classes"].as_object()?.len()));
        // How many captions or guides there are of each class, only the run tells.
        let all_classes =
            self.captions.is_empty() && self.guide.is_none() && inputs.get("guides").is_none();
        let classes = classes.filter(|_| all_classes);
        let count = classes.map(|classes| classes as u64 * self.per_class);
        let extent = inputs.facts("model").extent;
        let pixels = count.zip(extent);
        let pixels =
            pixels.map(|(count, extent)| Effort::pixels(count as f64 * extent.area() as f64));
        Forecast::new(count, pixels)
    }

    fn left_over(&self, resume: &Resume, inputs: &Givens) -> f64 {
        match self.forecast(inputs).count {
            Some(count) => generated(resume, count, "per_class", true),
            None => 0.0,
        }
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let model = context.input("model")?;
        let chosen = device::choose(context.device)?;
        let (trained, generator) = Trained::load(&model.folder, &chosen)?;
        let task = match context.inputs.get("task") {
            Some(artifact) => Some(TaskNetwork::load(&artifact.folder, &chosen)?),
            None => None,
        };
        let judge = match &task {
            Some(task) => Some(Judge::new(context, &trained, task, &chosen)?),
            None => None,
        };
        let artist = Artist {
            wishes: self.wishes(context, &trained)?,
            config: self,
            context,
            model,
            trained: &trained,
            generator: generator.as_ref(),
            judge,
        };
        let count = artist.wishes.len() as u64 * self.per_class;
        context.generate_on_device(count, "per_class", |index| artist.draw(index))?;
        let mut summary = json!({
            "model": trained.model,
            "checkpoint": model.manifest.digest,
            "device": chosen.name,
        });
        let samples = Drawn::read(context, self.is_guided(context), task.is_some())?;
        let mut findings = Vec::new();
        if let Some(confirmed) = &samples.confirmed {
            summary["confirmed"] = json!(confirmed);
            findings.push(finding(confirmed, samples.followed.is_some()));
        }
        if let Some([error, best]) = samples.followed {
            summary["guides"] = json!({ "error": error, "best_draw": best });
            findings.push(follows(error, best));
        }
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

impl Generate {
    fn is_guided(&self, context: &Context) -> bool {
        self.guide.is_some() || context.inputs.contains_key("guides")
    }

    /// What is drawn: guides, or captions, or else all classes, with the captions that were learned from.
    fn wishes(&self, context: &Context, trained: &Trained) -> Result<Vec<Wish>> {
        let known = |class: usize| {
            let captions = trained.captions.get(&trained.classes[class]);
            captions.cloned().unwrap_or_default()
        };
        if self.is_guided(context) {
            let guides = guides::read(self, context, trained)?.into_iter();
            let wish = |guide: guides::Guide| Wish {
                class: guide.class,
                captions: known(guide.class),
                guide: Some(guide),
            };
            return Ok(guides.map(wish).collect());
        }
        let wish = |(class, captions)| Wish {
            class,
            captions,
            guide: None,
        };
        if self.captions.is_empty() {
            let classes = 0..trained.classes.len();
            return Ok(classes.map(|class| wish((class, known(class)))).collect());
        }
        Ok(self
            .by_class(context, trained)?
            .into_iter()
            .map(wish)
            .collect())
    }

    /// The captions that are asked for, by the class that they name.
    fn by_class(
        &self,
        context: &Context,
        trained: &Trained,
    ) -> Result<BTreeMap<usize, Vec<String>>> {
        if trained.words.is_empty() {
            return Err(Error::usage(
                context.id,
                format!(
                    "has `captions`, and the generator `{}` reads classes alone",
                    trained.model
                ),
                "leave `captions` out, or train a generator that reads them, such as `stackgan`",
            ));
        }
        let mut chosen: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for caption in &self.captions {
            // Of "limit" and "no limit", the one that says more.
            let classes = trained.classes.iter().enumerate();
            let classes = classes.filter(|(_, class)| names_class(caption, class));
            let Some((class, _)) = classes.max_by_key(|(_, class)| words(class).count()) else {
                return Err(Error::usage(
                    context.id,
                    format!("finds no class in `{caption}` of `captions`"),
                    format!(
                        "name one of the classes in it: {}",
                        trained.classes.join(", ")
                    ),
                ));
            };
            chosen.entry(class).or_default().push(caption.clone());
        }
        Ok(chosen)
    }
}

/// The error of a picture that follows strokes, and that of the best of as many draws, as its transforms tell.
fn followed(notes: &[String]) -> Option<[f64; 2]> {
    let inner = |note: &String| {
        let text = note.strip_prefix(FOLLOW)?.strip_suffix(')')?;
        let mut numbers = text.rsplit(", ").map(str::parse::<f64>);
        let (best, error) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some([error, best])
    };
    notes.iter().find_map(inner)
}

const TASK_REMEDY: &str = "train the task network and the generator on pictures of one `size`";

/// What was drawn.
struct Drawn {
    /// How many pictures of each class the task network reads as it, and how many there are.
    confirmed: Option<BTreeMap<String, [u64; 2]>>,
    followed: Option<[f64; 2]>,
}

impl Drawn {
    fn read(context: &Context, guided: bool, judged: bool) -> Result<Self> {
        let mut counts: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        let (mut sums, mut following) = ([0.0; 2], 0_u64);
        let files = parts::in_folder(context.out)?;
        for path in files.iter().filter(|_| guided || judged) {
            for sample in parts::read_part(path)? {
                let class = sample.labels.class.unwrap_or_default();
                let [read, all] = counts.entry(class).or_default();
                *read += u64::from(sample.labels.objects.is_some());
                *all += 1;
                if let Some([error, best]) = followed(&sample.provenance.transforms) {
                    sums = [sums[0] + error, sums[1] + best];
                    following += 1;
                }
            }
        }
        Ok(Drawn {
            confirmed: judged.then_some(counts),
            followed: (following > 0).then(|| sums.map(|sum| sum / following as f64)),
        })
    }
}

/// How near pictures come to strokes.
fn follows(error: f64, best: f64) -> Finding {
    let text = format!(
        "pictures that follow strokes differ from them by {error:.3}, the best of as many random draws by {best:.3}"
    );
    let level = match error < best {
        true => Level::Good,
        false => Level::Warning,
    };
    let finding = Finding::new(level, "guides", format!("{error:.3}"), text);
    match level {
        Level::Good => finding,
        _ => finding.with_advice("raise `guide_steps`"),
    }
}

fn finding(confirmed: &BTreeMap<String, [u64; 2]>, guided: bool) -> Finding {
    let sum = |place: usize| confirmed.values().map(|counts| counts[place]).sum::<u64>();
    let share = |[read, all]: [u64; 2]| read as f64 / all.max(1) as f64;
    let all = share([sum(0), sum(1)]);
    let worst = confirmed
        .iter()
        .min_by(|a, b| share(*a.1).total_cmp(&share(*b.1)));
    let worst = worst.map_or(String::new(), |(class, counts)| {
        format!(", of `{class}` {:.0} %", 100.0 * share(*counts))
    });
    let text = format!(
        "the task network reads {:.0} % of the generated pictures as the class that they were drawn for{worst}",
        100.0 * all
    );
    let level = match all {
        0.9.. => Level::Good,
        0.6.. => Level::Note,
        _ => Level::Warning,
    };
    let finding = Finding::new(level, "generator", format!("{:.0} %", 100.0 * all), text);
    match level {
        Level::Good => finding,
        _ => finding.with_advice(match guided {
            true => "raise `steps` of `learn` or `tries` of `generate`",
            false => "raise `steps` of `learn` or `tries` of `generate`, or lower `truncation` to draw more usual pictures",
        }),
    }
}
