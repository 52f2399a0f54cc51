//! The pictures that a training draws from, and the batches it draws.

use std::borrow::Cow;
use std::collections::BTreeSet;

use burn::tensor::Device;
use image::imageops::{
    FilterType, crop_imm, flip_horizontal, resize, rotate90, rotate180, rotate270,
};
use image::{GrayImage, ImageBuffer, Pixel, RgbImage};
use rand::RngExt;
use rayon::prelude::*;

use super::config::TrainConfig;
use crate::models::Batch;
use crate::models::album::{Album, ObjectBox, class_of, common_extent};
use crate::nn::batch;
use crate::nn::ruler::{self, Groups, Pictures};
use crate::sample::crop::Rectangle;
use crate::sample::maps::{Decoded, MapKind, flow, objects};
use crate::sample::{Extent, Mapping, Sample};
use crate::seed::Stream;
use crate::stage::Context;
use crate::{Error, Result};

/// Fewer pictures of a domain than this are learned by heart.
pub(super) const FEWEST: usize = 10;

/// What is wrong where the motion of renders is read and not known, and the remedy.
pub(super) const NO_MOTION: [&str; 2] = [
    "`temporal` of `label_safety` reads the map `flow` of clips",
    "write `clip = 8` and `maps = [\"flow\"]` into the stage that renders, or set `temporal` to 0",
];

/// The pictures of both domains.
pub(super) struct Data {
    /// With their masks; the class is its place in the task network's list, or 0 without one.
    pub renders: Album,
    pub photos: Album,
    /// Which renders show one scene, by their number.
    pub render_groups: Vec<u64>,
    /// Which photos are crops of one, or frames of one track.
    pub photo_groups: Vec<u64>,
    /// The photos that batches are drawn from.
    drawn: Vec<usize>,
    /// The others, to see how well a model enlarges what it has not learned from.
    pub held_out: Vec<usize>,
    /// See [`crate::models::Model::enlargement`].
    pub enlargement: u32,
    /// Whether every render has a class of the task network, if there is one.
    pub all_have_class: bool,
    /// Whether the objects in every render are known.
    pub all_have_objects: bool,
    /// What all renders measure, and all photos, unless these may differ.
    pub extent: Extent,
    /// The maps that some renders have and the model reads.
    pub maps: Vec<&'static MapKind>,
    /// Renders that the next frame of their clip follows; empty unless they are drawn in pairs.
    pairs: Vec<usize>,
}

/// What a training reads of its inputs besides pictures, masks and classes.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// The list that class numbers refer to.
    pub classes: &'a [String],
    /// The maps that the model reads.
    pub maps: &'static [MapKind],
    /// Whether it reads the map of objects, too.
    pub objects: bool,
    /// Whether renders are drawn in pairs of frames, with the motion between them.
    pub motion: bool,
    /// What is cut from all pictures; photos may then be of any sizes that hold it.
    pub cut: Option<Extent>,
}

impl Data {
    /// Reads both inputs.
    ///
    /// # Errors
    /// If there are too few pictures, they are not of one size, or no frame follows another where pairs are wanted.
    pub(super) fn read(context: &Context, wanted: &Wanted) -> Result<Data> {
        let classes = wanted.classes;
        let drawn = wanted.objects.then_some(&objects::MAP);
        let read: Vec<&'static MapKind> = wanted.maps.iter().chain(drawn).collect();
        let motion = wanted.motion.then_some(&flow::MAP);
        let stored: Vec<&'static MapKind> = read.iter().copied().chain(motion).collect();
        let mut pairs = Vec::new();
        let mut last: Option<Sample> = None;
        let mut brought: BTreeSet<&str> = drawn.iter().map(|kind| kind.name).collect();
        let mut renders = Album::new(context.out)?;
        let [mut render_groups, mut photo_groups] = [Groups::default(), Groups::default()];
        let (mut all_have_class, mut all_have_objects) = (true, true);
        for sample in context.input("renders")?.samples() {
            let mut sample = sample?;
            let class = class_of(&sample, classes);
            all_have_class &= classes.is_empty() || class.is_some();
            all_have_objects &= sample.labels.objects.is_some();
            if let Some(kind) = drawn {
                let values = objects::draw(&sample, classes)?;
                let size = sample.extent.dimensions();
                sample.labels.maps.draw(kind, &values, size)?;
            }
            render_groups.add(&sample);
            renders.push_labelled(&sample, class.unwrap_or_default(), &stored)?;
            let objects = sample.labels.objects().iter();
            let objects = objects.map(|object| ObjectBox::new(0, object.bbox_xywh));
            renders.note_objects(objects.collect());
            brought.extend(sample.labels.maps.iter().map(|(kind, _)| kind.name));
            if wanted.motion {
                let is_pair = |last: &Sample| {
                    last.labels.maps.get(&flow::MAP).is_some() && last.is_followed_by(&sample)
                };
                pairs.extend(last.filter(is_pair).map(|_| renders.len() - 2));
                last = Some(sample);
            }
        }
        let mut photos = Album::new(context.out)?;
        for sample in context.input("photos")?.samples() {
            let sample = sample?;
            photo_groups.add(&sample);
            photos.push(&sample.id, &sample.image, 0)?;
        }
        check_count(context, &renders, &photos)?;
        check_pairs(context, wanted.motion, &pairs)?;
        let albums = [("renders", &renders), ("photos", &photos)];
        let extent = match wanted.cut {
            None => common_extent(context.id, &albums)?,
            Some(cut) => {
                check_cut(context, &photos, cut)?;
                common_extent(context.id, &albums[..1])?
            }
        };
        Ok(Data {
            drawn: (0..photos.len()).collect(),
            held_out: Vec::new(),
            enlargement: 1,
            renders,
            photos,
            render_groups: render_groups.finish(),
            photo_groups: photo_groups.finish(),
            all_have_class,
            all_have_objects,
            extent,
            maps: read
                .into_iter()
                .filter(|kind| brought.contains(kind.name))
                .collect(),
            pairs,
        })
    }

    /// Holds every tenth photo out, with all others of its group, for a model that enlarges so many times; none where
    /// all are of one group.
    pub(super) fn hold_out(&mut self, enlargement: u32) {
        const EVERY: usize = 10;
        self.enlargement = enlargement;
        let mut groups = self.photo_groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let held: BTreeSet<u64> = groups.into_iter().skip(1).step_by(EVERY).collect();
        let is_held = |number: &usize| held.contains(&self.photo_groups[*number]);
        (self.held_out, self.drawn) = (0..self.photos.len()).partition(is_held);
    }

    /// Whether distances can be measured: half of the pictures is learned from. They say nothing of enlarged ones,
    /// which have what they should be to be compared with.
    pub(super) fn enough_to_measure(&self) -> bool {
        self.enlargement == 1
            && self.renders.len() >= ruler::FEWEST
            && self.photos.len() >= 2 * ruler::FEWEST
    }

    /// At most as many of an album's pictures as a ruler learns from and measures, evenly spread over `numbers`;
    /// `groups` are those of the whole album.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub(super) fn pictures(album: &Album, groups: &[u64], numbers: &[usize]) -> Result<Pictures> {
        let (all, count) = (numbers.len(), numbers.len().min(2 * ruler::MOST));
        Pictures::gather(count, |place| {
            let number = numbers[place * all / count];
            Ok((album.get(number)?.picture.clone(), groups[number]))
        })
    }

    /// A batch drawn with replacement; scaled, cut, mirrored and turned as the configuration says.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub(super) fn draw(
        &self,
        config: &TrainConfig,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Batch> {
        let mut draw = |album: &Album, from: Option<&[usize]>, count: usize| {
            let mut one = || {
                let place = stream.random_range(0..from.map_or(album.len(), <[usize]>::len));
                let number = from.map_or(place, |from| from[place]);
                (number, View::draw(config, album, number, stream))
            };
            (0..count).map(|_| one()).collect::<Vec<(usize, View)>>()
        };
        let renders = match self.pairs.is_empty() {
            true => draw(&self.renders, None, config.batch),
            false => {
                let firsts = draw(&self.renders, Some(&self.pairs), config.batch / 2);
                let pair =
                    |(number, view): (usize, View)| [(number, view.clone()), (number + 1, view)];
                firsts.into_iter().flat_map(pair).collect()
            }
        };
        let photos = draw(&self.photos, Some(&self.drawn), config.batch);
        let classes = renders
            .iter()
            .map(|(number, _)| self.renders.class(*number));
        let classes = classes.collect();
        let renders = renders.into_par_iter().map(|(number, view)| {
            let render = self.renders.get(number)?;
            let maps = view.maps(&render.maps, self.extent);
            Ok((view.picture(&render.picture), view.mask(&render.mask), maps))
        });
        let renders: Result<Vec<(RgbImage, GrayImage, Decoded)>> = renders.collect();
        let renders = renders?;
        let maps = (!self.maps.is_empty()).then(|| {
            let maps = renders.iter().map(|(.., maps)| maps);
            batch::maps_to_tensor(maps, &self.maps, config.seen(self.extent), device)
        });
        let motion = (!self.pairs.is_empty()).then(|| {
            let flows = renders.iter().enumerate().map(|(place, (.., maps))| {
                let flow = maps.iter().find(|(kind, _)| kind.name == flow::MAP.name);
                let is_first = place.is_multiple_of(2);
                flow.filter(|_| is_first).map(|(_, values)| &values[..])
            });
            batch::flows_to_tensor(flows, config.seen(self.extent), device)
        });
        let photos = photos.into_par_iter().map(|(number, view)| {
            let photo = self.photos.get(number)?;
            Ok(view.settled(&photo.picture).picture(&photo.picture))
        });
        let photos: Result<Vec<RgbImage>> = photos.collect();
        Ok(Batch {
            renders: batch::to_tensor(renders.iter().map(|(picture, ..)| picture), device),
            masks: batch::masks_to_tensor(renders.iter().map(|(_, mask, _)| mask), device),
            classes,
            photos: batch::to_tensor(photos?.iter(), device),
            maps,
            motion,
        })
    }
}

fn check_count(context: &Context, renders: &Album, photos: &Album) -> Result<()> {
    if photos.len() >= FEWEST && renders.len() >= FEWEST {
        return Ok(());
    }
    Err(Error::failed(
        context.id,
        format!(
            "has {} renders and {} photos, and needs at least {FEWEST} of each",
            renders.len(),
            photos.len()
        ),
        "add photos to the folder, or raise `count` of the render stage",
    ))
}

/// Where pairs of frames are wanted, there must be some.
fn check_pairs(context: &Context, wanted: bool, pairs: &[usize]) -> Result<()> {
    if !wanted || !pairs.is_empty() {
        return Ok(());
    }
    let [problem, remedy] = NO_MOTION;
    Err(Error::usage(
        context.id,
        format!("{problem}, and no render has it"),
        remedy,
    ))
}

/// No photo may be smaller than what is cut from it.
fn check_cut(context: &Context, photos: &Album, cut: Extent) -> Result<()> {
    let is_small = |extent: Extent| extent.width < cut.width || extent.height < cut.height;
    let small = (0..photos.len()).find(|&number| is_small(photos.extent(number)));
    small.map_or(Ok(()), |number| {
        Err(Error::usage(
            context.id,
            format!(
                "`crop` cannot cut {cut} pixels out of {}, which has {}",
                photos.name(number),
                photos.extent(number)
            ),
            "lower `crop`, or give `ingest` a larger `size`",
        ))
    })
}

/// Places among which the one with the most contrast is taken.
const PLACES: usize = 4;

/// Variance of green, which is nearly luminance.
fn spread(picture: &RgbImage) -> f64 {
    let values = picture.pixels().map(|pixel| f64::from(pixel.0[1]));
    let count = f64::from(picture.width() * picture.height()).max(1.0);
    let (sum, squares) = values.fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
    squares / count - (sum / count).powi(2)
}

/// A way to look at a picture: scaled, cut, mirrored and turned.
#[derive(Clone)]
struct View {
    /// What to scale to, if it is not that already.
    resize: Extent,
    /// Left and top of what is cut out, and what it measures, if it is not all.
    crop: Option<([u32; 2], Extent)>,
    /// Other corners, to take the cut with the most contrast instead.
    others: Vec<[u32; 2]>,
    flip: bool,
    quarter_turns: u32,
}

impl View {
    /// For one picture of an album.
    fn draw(config: &TrainConfig, album: &Album, number: usize, stream: &mut Stream) -> View {
        let extent = album.extent(number);
        let (resize, seen) = (config.resized(extent), config.seen(extent));
        let room = [resize.width - seen.width, resize.height - seen.height];
        let anywhere = |stream: &mut Stream| room.map(|room| stream.random_range(0..=room));
        let mut crop = (seen != resize).then(|| (anywhere(stream), seen));
        let mut others = Vec::new();
        // Nothing more is drawn where it is off, so that batches are as ever.
        if let Some((corner, _)) = &mut crop
            && config.crop_around > 0.0
            && stream.random_bool(config.crop_around)
        {
            match album.objects(number) {
                [] => others.extend((1..PLACES).map(|_| anywhere(stream))),
                objects => {
                    let object = objects[stream.random_range(0..objects.len())].bbox_xywh;
                    let scale = [
                        resize.width as f32 / extent.width as f32,
                        resize.height as f32 / extent.height as f32,
                    ];
                    for axis in 0..2 {
                        let [start, side] =
                            [object[axis], object[axis + 2]].map(|v| v * scale[axis]);
                        let cut = [seen.width, seen.height][axis] as f32;
                        // As far as it can, the cut holds all of the object.
                        let slack = (cut - side).max(0.0) * stream.random::<f32>();
                        corner[axis] = ((start - slack).max(0.0) as u32).min(room[axis]);
                    }
                }
            }
        }
        View {
            resize,
            crop,
            others,
            flip: config.flip && stream.random_bool(0.5),
            quarter_turns: match config.turn {
                true if seen.width == seen.height => stream.random_range(0..4),
                true => 2 * stream.random_range(0..2),
                false => 0,
            },
        }
    }

    /// The same, with the cut that has the most contrast in this picture.
    fn settled(mut self, picture: &RgbImage) -> View {
        if let Some((first, extent)) = self.crop {
            let [across, down] = [
                f64::from(picture.width()) / f64::from(self.resize.width),
                f64::from(picture.height()) / f64::from(self.resize.height),
            ];
            let contrast = |&[left, top]: &[u32; 2]| {
                let scaled = |value: u32, by: f64| (f64::from(value) * by) as u32;
                let cut = crop_imm(
                    picture,
                    scaled(left, across),
                    scaled(top, down),
                    scaled(extent.width, across).max(1),
                    scaled(extent.height, down).max(1),
                );
                spread(&cut.to_image())
            };
            let corners = std::iter::once(first).chain(std::mem::take(&mut self.others));
            let best = corners.max_by(|a, b| contrast(a).total_cmp(&contrast(b)));
            self.crop = Some((best.unwrap_or(first), extent));
        }
        self
    }

    fn picture(&self, picture: &RgbImage) -> RgbImage {
        self.of(picture, FilterType::Triangle)
    }

    /// Its edges stay hard.
    fn mask(&self, mask: &GrayImage) -> GrayImage {
        self.of(mask, FilterType::Nearest)
    }

    /// Maps of a picture of `extent`, with directions turned.
    fn maps(&self, maps: &Decoded, extent: Extent) -> Decoded {
        if maps.is_empty() {
            return Vec::new();
        }
        let mut mapping = Mapping::resize(extent, self.resize);
        if let Some((corner, cut)) = self.crop {
            let [left, top] = corner.map(i64::from);
            let rectangle = Rectangle {
                left,
                top,
                extent: cut,
            };
            mapping = mapping.then(&rectangle.mapping(mapping.to, cut));
        }
        if self.flip {
            mapping = mapping.then(&Mapping::mirror(mapping.to));
        }
        mapping = mapping.then(&Mapping::quarter_turns(mapping.to, self.quarter_turns));
        let turn = mapping.rotation();
        let maps = maps.iter();
        maps.map(|(kind, values)| (*kind, kind.mapped(values, &mapping, turn)))
            .collect()
    }

    fn of<P: Pixel + 'static>(
        &self,
        picture: &ImageBuffer<P, Vec<P::Subpixel>>,
        filter: FilterType,
    ) -> ImageBuffer<P, Vec<P::Subpixel>> {
        let mut picture = Cow::Borrowed(picture);
        if picture.dimensions() != self.resize.dimensions() {
            let (width, height) = self.resize.dimensions();
            picture = Cow::Owned(resize(&*picture, width, height, filter));
        }
        if let Some(([x, y], extent)) = self.crop {
            let cut = crop_imm(&*picture, x, y, extent.width, extent.height);
            picture = Cow::Owned(cut.to_image());
        }
        let flipped = if self.flip {
            flip_horizontal(&*picture)
        } else {
            picture.into_owned()
        };
        match self.quarter_turns {
            1 => rotate90(&flipped),
            2 => rotate180(&flipped),
            3 => rotate270(&flipped),
            _ => flipped,
        }
    }
}

#[cfg(test)]
mod tests;
