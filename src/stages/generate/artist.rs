//! Drawing one sample: what it is to show, the picture, and what the task network sees in it.

use image::RgbImage;

use super::Generate;
use super::guides::Guide;
use crate::artifact::Artifact;
use crate::generators::guide::Search;
use crate::generators::{Generator, Trained, generate};
use crate::models::Setting;
use crate::models::condition::Seer;
use crate::models::task_network::TaskNetwork;
use crate::nn::batch::to_tensor;
use crate::nn::device::Chosen;
use crate::sample::image::encode_png;
use crate::sample::{Domain, Extent, Labels, Mask, Object, Provenance, Sample};
use crate::seed::Stream;
use crate::stage::Context;
use crate::{Error, Result};

/// What pictures are to show.
pub(super) struct Wish {
    pub class: usize,
    /// Those that take turns; none for a generator that reads classes alone.
    pub captions: Vec<String>,
    /// Strokes to follow.
    pub guide: Option<Guide>,
}

/// Reads what was drawn.
pub(super) struct Judge<'a> {
    seer: Seer,
    /// The place of each class of the generator among those of the task network.
    classes: Vec<usize>,
    chosen: &'a Chosen,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        context: &Context,
        trained: &Trained,
        task: &TaskNetwork,
        chosen: &'a Chosen,
    ) -> Result<Self> {
        let seer = Seer::new(
            context.id,
            &Setting {
                device: chosen,
                extent: trained.extent,
                seed: &context.seed,
                task: Some(task),
                maps: &[],
            },
        )?;
        let place = |class: &String| {
            task.classes
                .iter()
                .position(|other| other == class)
                .ok_or_else(|| {
                    let problem = format!(
                        "the task network does not know the class `{class}` of the generator"
                    );
                    let remedy = "train both on pictures of the same classes";
                    Error::usage(context.id, problem, remedy)
                })
        };
        Ok(Judge {
            seer,
            classes: trained.classes.iter().map(place).collect::<Result<_>>()?,
            chosen,
        })
    }

    /// The probability of its class, and the mask of what it shows, row by row.
    fn read(&self, picture: &RgbImage, class: usize) -> (f32, Vec<bool>) {
        let sight = self
            .seer
            .see(&to_tensor([picture].into_iter(), &self.chosen.device));
        let values = |data: burn::tensor::TensorData| data.try_to_vec::<f32>().unwrap_or_default();
        let classes = values(sight.classes.into_data());
        let mask = values(sight.mask.into_data());
        let probability = classes
            .get(self.classes[class])
            .copied()
            .unwrap_or_default();
        (
            probability,
            mask.into_iter().map(|value| value > 0.5).collect(),
        )
    }
}

/// Draws samples.
pub(super) struct Artist<'a> {
    /// They take turns.
    pub wishes: Vec<Wish>,
    pub config: &'a Generate,
    pub context: &'a Context<'a>,
    pub model: &'a Artifact,
    pub trained: &'a Trained,
    pub generator: &'a dyn Generator,
    pub judge: Option<Judge<'a>>,
}

/// How strokes were followed is noted among the transforms: the file, the error, and that of the best of as many draws.
pub(super) const FOLLOW: &str = "follow";

impl Artist<'_> {
    /// Sample `index`.
    pub(super) fn draw(&self, index: u64) -> Result<Sample> {
        let count = self.wishes.len() as u64;
        let wish = &self.wishes[(index % count) as usize];
        let name = &self.trained.classes[wish.class];
        let caption = match wish.captions.len() as u64 {
            0 => None,
            all => Some(&wish.captions[(index / count % all) as usize]),
        };
        let mut stream = self.context.seed.stream(index);
        let told = caption.unwrap_or(name);
        let mut transforms = vec![format!("{}({told})", self.trained.model)];
        let (picture, note, object) = self.picture(wish, caption, &mut stream)?;
        transforms.extend(note);
        let id = format!("{}-{index:06}", self.context.id);
        Ok(Sample {
            image: encode_png(&picture)?,
            extent: self.trained.extent,
            labels: Labels {
                class: Some(name.clone()),
                caption: caption.cloned(),
                objects: object.map(|object| vec![object]),
                ..Labels::default()
            },
            provenance: Provenance {
                domain: Domain::Generated,
                source: self.trained.model.clone(),
                origin: id.clone(),
                parent: None,
                seed: self.context.seed.hex(index),
                checkpoint: Some(self.model.manifest.digest.clone()),
                transforms,
                split: None,
                gate: None,
            },
            id,
            index,
        })
    }

    /// The first picture that is read as its class, with how it follows a guide, if there is one, and what is seen in it;
    /// else the last.
    fn picture(
        &self,
        wish: &Wish,
        caption: Option<&String>,
        stream: &mut Stream,
    ) -> Result<(RgbImage, Option<String>, Option<Object>)> {
        let condition = [self.condition(wish.class, caption)];
        let mut last = None;
        for _ in 0..self.config.tries {
            self.context.check_interrupt()?;
            let (picture, note) = match &wish.guide {
                Some(guide) => {
                    let (picture, note) = self.follow(guide, &condition, stream)?;
                    (picture, Some(note))
                }
                None => {
                    let streams = std::slice::from_mut(&mut *stream);
                    let truncation = self.config.truncation;
                    let mut drawn = generate(self.generator, &condition, truncation, streams);
                    (drawn.remove(0), None)
                }
            };
            let object = self.confirmed(&picture, wish.class);
            if object.is_some() || self.judge.is_none() {
                return Ok((picture, note, object));
            }
            last = Some((picture, note, None));
        }
        last.ok_or_else(|| Error::failed(self.context.id, "drew nothing", "raise `tries`"))
    }

    /// A picture that follows strokes, and how well it does so.
    fn follow(
        &self,
        guide: &Guide,
        condition: &[Vec<f32>; 1],
        stream: &mut Stream,
    ) -> Result<(RgbImage, String)> {
        let search = Search {
            draws: self.config.guide_draws,
            steps: self.config.guide_steps,
        };
        let found = self
            .generator
            .follow(&guide.strokes, &condition[0], search, stream);
        let found = found.ok_or_else(|| {
            Error::usage(
                self.context.id,
                format!("has a `guide`, and pictures of the generator `{}` cannot be searched", self.trained.model),
                "leave `guide` out, or train a generator that draws from a latent vector, such as `stylegan2`",
            )
        })?;
        let (name, error, best) = (&guide.name, found.error, found.best_draw);
        let note = format!("{FOLLOW}({name}, {error:.4}, {best:.4})");
        let streams = std::slice::from_mut(stream);
        let pictures = self
            .generator
            .draw(condition, &[found.numbers], 1.0, streams);
        let drawn = pictures.into_iter().next();
        let problem =
            || Error::failed(self.context.id, "drew nothing", "train the generator again");
        Ok((drawn.ok_or_else(problem)?, note))
    }

    fn condition(&self, class: usize, caption: Option<&String>) -> Vec<f32> {
        self.trained
            .condition(class, caption.map_or("", String::as_str))
    }

    /// What the task network sees in a picture that it reads as this class.
    fn confirmed(&self, picture: &RgbImage, class: usize) -> Option<Object> {
        let judge = self.judge.as_ref()?;
        let (probability, mask) = judge.read(picture, class);
        let name = &self.trained.classes[class];
        let sure = probability >= self.config.confidence;
        object(name, &mask, self.trained.extent).filter(|_| sure)
    }
}

/// What a mask shows, if it shows anything.
fn object(class: &str, mask: &[bool], extent: Extent) -> Option<Object> {
    let mask = Mask::from_bitmap(mask, extent.width, extent.height);
    let bbox = mask.bbox_xywh(extent.height)?;
    Some(Object::new(class, bbox).with_mask(mask))
}
