//! From a scene to a sample: drawn until its object is seen well, its labels proved, its light traced.
//!
//! A clip is settled as a whole, before its first frame is drawn: its object must be seen in every frame, and the
//! labels of every frame be proved, else the clip is drawn again. What is kept of it is where its random stream
//! stood, from which each frame draws the same scene again, wherever and in whatever order frames are made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::RngExt;

use super::super::{ATTEMPTS, Drawn, Wanted, proved, too_little, unseen};
use super::backdrop::Behind;
use super::compose::Stock;
use super::composition::Composition;
use super::labels::Buffer;
use super::model::Model;
use super::motion::{Motion, Path};
use super::scene::Scene;
use super::{Mesh, Studio, proof, shade};
use crate::sample::image::encode_png;
use crate::sample::maps::flow;
use crate::sample::{Domain, Labels, Provenance, Sample};
use crate::seed::Stream;
use crate::stage::Context;
use crate::{Error, Result};

/// Where a scene begins: what was drawn before it, and the stream that draws it and all that follows.
#[derive(Clone)]
pub(super) struct Start {
    environment: usize,
    stream: Stream,
}

/// A scene that shows its object, in all frames of its clip; a still has one.
struct Take<'a> {
    start: Start,
    /// Of a clip, also that after the last frame.
    frames: Vec<Scene<'a>>,
    /// Of the first frame; those of all would not fit into memory.
    buffer: Buffer,
}

/// The clips that were settled, by number.
#[derive(Default)]
pub(super) struct Clips(Mutex<HashMap<u64, Arc<Mutex<Option<Start>>>>>);

impl Clips {
    /// Where the scene of a clip begins; `settle` finds it for the first of its frames, and the others wait.
    ///
    /// # Errors
    /// Those of `settle`.
    fn start(&self, clip: u64, settle: impl FnOnce() -> Result<Start>) -> Result<Start> {
        let place = Arc::clone(lock(&self.0).entry(clip).or_default());
        let mut place = lock(&place);
        if let Some(start) = &*place {
            return Ok(start.clone());
        }
        Ok(place.insert(settle()?).clone())
    }
}

/// What is behind the lock; a thread that failed leaves it as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One picture to draw: its number, and that of its clip.
#[derive(Clone, Copy)]
struct Place {
    index: u64,
    clip: u64,
    frame: usize,
}

impl Place {
    fn of(index: u64, wanted: Wanted) -> Self {
        Place {
            index,
            clip: index / wanted.clip,
            frame: (index % wanted.clip) as usize,
        }
    }

    /// The number of the clip's first picture.
    fn first(self) -> u64 {
        self.index - self.frame as u64
    }
}

impl Mesh {
    pub(super) fn sample(
        &self,
        context: &Context,
        studio: &Studio,
        index: u64,
        wanted: Wanted,
    ) -> Result<Sample> {
        let place = Place::of(index, wanted);
        if wanted.clip == 1 {
            let stream = context.seed.stream(index);
            return proved(context, index, stream, |stream| {
                self.still(context, studio, place, wanted, stream)
            });
        }
        let settle = || self.settle(context, studio, place, wanted);
        let Start {
            environment,
            mut stream,
        } = studio.clips.start(place.clip, settle)?;
        let object = studio.cast.at(place.clip);
        let frames = self.frames(studio, object, environment, wanted, &mut stream);
        let behind = self
            .backdrop
            .draw(&studio.photos, wanted.size, &mut stream)?;
        let (scene, next) = (&frames[place.frame], &frames[place.frame + 1]);
        let buffer = Buffer::trace(scene, wanted.size);
        let mut labels = buffer.labels(scene, wanted, &studio.cast.classes(), behind.is_some())?;
        if wanted.has_map(&flow::MAP) {
            let values = buffer.flow(scene, next, behind.is_some());
            labels
                .maps
                .draw(&flow::MAP, &values, wanted.size.dimensions())?;
        }
        let origin = id(context, place.first());
        for (object, number) in labels.objects_mut().iter_mut().zip(buffer.visible(scene)) {
            object.track = Some(format!("{origin}/{number}"));
        }
        self.develop(
            (context, studio),
            place,
            (scene, &buffer, labels),
            behind.as_ref(),
            &mut stream,
        )
    }

    fn still(
        &self,
        context: &Context,
        studio: &Studio,
        place: Place,
        wanted: Wanted,
        stream: &mut Stream,
    ) -> Result<Drawn<Sample>> {
        let object = studio.cast.at(place.clip);
        let take = match &self.scene {
            Some(ranges) => self.take_scene(context, studio, object, (ranges, wanted), stream)?,
            None => self.take(context, studio, object, wanted, stream)?,
        };
        let (scene, buffer) = (&take.frames[0], &take.buffer);
        let behind = self.backdrop.draw(&studio.photos, wanted.size, stream)?;
        let labels = buffer.labels(scene, wanted, &studio.cast.classes(), behind.is_some())?;
        if let Some(fault) = proof::Shown::new(scene, &buffer.ids).fault(&labels, wanted.size) {
            let model = object.0.path.clone();
            return Ok(Drawn::Doubted { model, fault });
        }
        let sample = self.develop(
            (context, studio),
            place,
            (scene, buffer, labels),
            behind.as_ref(),
            stream,
        )?;
        Ok(Drawn::Proved(Box::new(sample)))
    }

    /// Where the scene of a clip begins whose frames all show the object, with labels that are proved.
    fn settle(
        &self,
        context: &Context,
        studio: &Studio,
        place: Place,
        wanted: Wanted,
    ) -> Result<Start> {
        let object = studio.cast.at(place.clip);
        // Other maps than that of depths are not proved.
        let proof_alone = Wanted {
            maps: &[],
            ..wanted
        };
        let stream = context.seed.stream(place.clip);
        proved(context, place.first(), stream, |stream| {
            let take = self.take(context, studio, object, wanted, stream)?;
            for scene in &take.frames[..wanted.clip as usize] {
                context.check_interrupt()?;
                let buffer = Buffer::trace(scene, wanted.size);
                let labels = buffer.labels(scene, proof_alone, &studio.cast.classes(), false)?;
                let shown = proof::Shown::new(scene, &buffer.ids);
                if let Some(fault) = shown.fault(&labels, wanted.size) {
                    let model = object.0.path.clone();
                    return Ok(Drawn::Doubted { model, fault });
                }
            }
            Ok(Drawn::Proved(Box::new(take.start)))
        })
    }

    /// The light of a scene as a picture, and its labels.
    fn develop(
        &self,
        (context, studio): (&Context, &Studio),
        place: Place,
        (scene, buffer, labels): (&Scene, &Buffer, Labels),
        behind: Option<&Behind>,
        stream: &mut Stream,
    ) -> Result<Sample> {
        let pixels = shade::picture(scene, &self.lens, behind, buffer.size, &buffer.ids, stream);
        let pixels = self.lens.store(pixels, stream)?;
        Ok(Sample {
            id: id(context, place.index),
            index: place.index,
            image: encode_png(&pixels)?,
            extent: buffer.size,
            labels,
            provenance: Provenance {
                domain: Domain::Render,
                source: self.source_of(scene, studio),
                origin: id(context, place.first()),
                parent: None,
                seed: context.seed.hex(place.clip),
                checkpoint: None,
                transforms: Vec::new(),
                split: None,
                gate: None,
            },
        })
    }

    /// The scene of a still, or those of all frames of a clip and of the one after.
    fn frames<'a>(
        &self,
        studio: &'a Studio,
        object: (&'a Model, usize),
        environment: usize,
        wanted: Wanted,
        stream: &mut Stream,
    ) -> Vec<Scene<'a>> {
        let environment = &studio.environments[environment];
        if let Some(ranges) = &self.scene {
            let stock = Stock {
                cast: &studio.cast,
                props: &studio.props,
            };
            let ranges = (self, ranges);
            let size = wanted.size;
            let mut scene = Scene::compose(ranges, object, stock, environment, size, stream);
            self.cover_table(&mut scene, studio, stream);
            return vec![scene];
        }
        let cast = &studio.cast;
        let mut scene = Scene::draw(self, object, cast, environment, wanted.size, stream);
        self.cover_table(&mut scene, studio, stream);
        if wanted.clip == 1 {
            return vec![scene];
        }
        let usual = Motion::default();
        let motion = self.motion.as_ref().unwrap_or(&usual);
        let path = Path::draw(motion, &scene, wanted.clip, stream);
        (0..=wanted.clip)
            .map(|frame| path.at(&scene, frame))
            .collect()
    }

    fn cover_table(&self, scene: &mut Scene, studio: &Studio, stream: &mut Stream) {
        let floors = self.table.photos.as_ref();
        if let Some(floor) = floors.and_then(|floors| floors.draw(&studio.floors, stream)) {
            scene.table.cover(floor);
        }
    }

    /// A scene of many objects of which at least one is seen well, if there is any; what is seen less loses its label.
    fn take_scene<'a>(
        &self,
        context: &Context,
        studio: &'a Studio,
        object: (&'a Model, usize),
        (ranges, wanted): (&Composition, Wanted),
        stream: &mut Stream,
    ) -> Result<Take<'a>> {
        let environment = stream.random_range(0..studio.environments.len());
        for _ in 0..ATTEMPTS {
            context.check_interrupt()?;
            let start = Start {
                environment,
                stream: stream.clone(),
            };
            let mut frames = self.frames(studio, object, environment, wanted, stream);
            let scene = &mut frames[0];
            let buffer = Buffer::trace(scene, wanted.size);
            let had_any = scene.instances.iter().any(|instance| instance.labelled);
            for number in 0..scene.instances.len() {
                if !scene.instances[number].labelled {
                    continue;
                }
                let is_seen = buffer.pixels(number) >= ranges.min_pixels.max(1) as usize
                    && buffer.shown(scene, number).enough(wanted.min_visible);
                scene.instances[number].labelled = is_seen;
            }
            if !had_any || scene.instances.iter().any(|instance| instance.labelled) {
                return Ok(Take {
                    start,
                    frames,
                    buffer,
                });
            }
        }
        let problem =
            format!("shows no object in any of the {ATTEMPTS} scenes drawn for a picture");
        let remedy = "raise `size`, or lower `mesh.camera.off_centre`, `mesh.scene.min_pixels` or `min_visible`";
        Err(Error::failed(context.id, problem, remedy))
    }

    /// The model of the first object that has a label, or else the first that may come up.
    fn source_of(&self, scene: &Scene, studio: &Studio) -> String {
        let first = scene.instances.iter().find(|instance| instance.labelled);
        let model = first.map_or(&studio.cast.models[0], |instance| instance.model);
        model.path.clone()
    }

    /// Scenes that show the object well in every frame, drawn again until they do; else the last that show enough of
    /// it.
    fn take<'a>(
        &self,
        context: &Context,
        studio: &'a Studio,
        object: (&'a Model, usize),
        wanted: Wanted,
        stream: &mut Stream,
    ) -> Result<Take<'a>> {
        let (size, least) = (wanted.size, wanted.min_visible);
        let environment = stream.random_range(0..studio.environments.len());
        let (mut chosen, mut most, mut thin) = (None, 0.0_f32, 0);
        for _ in 0..ATTEMPTS {
            let start = Start {
                environment,
                stream: stream.clone(),
            };
            let frames = self.frames(studio, object, environment, wanted, stream);
            let buffer = Buffer::trace(&frames[0], size);
            let mut shown = buffer.shown(&frames[0], 0);
            for scene in &frames[1..wanted.clip as usize] {
                shown = shown.least(Buffer::trace(scene, size).shown(scene, 0));
            }
            let take = Take {
                start,
                frames,
                buffer,
            };
            if shown.well(least) {
                return Ok(take);
            }
            match shown.thin() {
                true => thin += 1,
                false => most = most.max(shown.share()),
            }
            if shown.enough(least) {
                chosen = Some(take);
            }
        }
        chosen.ok_or_else(|| {
            let path = &object.0.path;
            if most == 0.0 && thin > 0 {
                let problem = format!(
                    "is thinner than a quarter of a pixel where it can be seen at all, in {thin} of {ATTEMPTS} \
                     scenes drawn for a picture"
                );
                let remedy = "raise `size` or `mesh.camera.object_scale`, or make the model thicker";
                return Error::failed(format!("{}: {path}", context.id), problem, remedy);
            }
            let remedy = match wanted.clip {
                1 => "lower `mesh.camera.off_centre` or `mesh.neighbours.count`, or `min_visible`",
                _ => "lower `clip` or the ranges of `mesh.motion`, or `min_visible`",
            };
            match most > 0.0 {
                false => unseen(context, path, remedy),
                true => too_little(context, path, most, least, remedy),
            }
        })
    }
}

/// The id of a picture.
fn id(context: &Context, index: u64) -> String {
    format!("{}-{index:06}", context.id)
}
