//! The pictures that a ruler is laid on: small views of each, and which of them belong together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::Result;
use crate::artifact::Artifact;
use crate::sample::image::decode_rgb;
use crate::sample::{Domain, Extent, Sample};
use crate::seed::{Seed, Stream, number};

/// Sides of what the networks see, in pixels.
pub(super) const SIDE: u32 = 64;

/// A picture this many times as large as what the networks see is also seen in cuts of its own scale: what is
/// fine in it would be averaged away.
const LARGE: u32 = 2;

/// Cuts of a large picture.
const CUTS: u64 = 4;

/// A set of pictures, each as views of one size, and the group it belongs to.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    members: Vec<Member>,
}

/// A picture.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// The whole, and cuts in its own scale where it is large.
    views: Vec<RgbImage>,
    /// Pictures of one group are not independent: they are crops of one photo, or show one scene.
    pub group: u64,
}

impl Member {
    /// Of a picture; `number` draws the places of cuts.
    fn new(picture: &RgbImage, group: u64, number: usize) -> Self {
        Member {
            views: views(picture, number as u64),
            group,
        }
    }

    /// The whole, or as often any of the cuts.
    pub(super) fn draw(&self, stream: &mut Stream) -> &RgbImage {
        match &self.views[..] {
            [whole] => whole,
            [whole, ..] if stream.random_bool(0.5) => whole,
            [_, cuts @ ..] => &cuts[stream.random_range(0..cuts.len())],
            [] => unreachable!("every picture has a view"),
        }
    }

    /// All views, each with its weight; the weights add up to 1.
    pub(super) fn views(&self) -> impl Iterator<Item = (&RgbImage, f32)> {
        let count = self.views.len();
        self.views.iter().enumerate().map(move |(place, view)| {
            let weight = match (count, place) {
                (1, _) => 1.0,
                (_, 0) => 0.5,
                _ => 0.5 / (count - 1) as f32,
            };
            (view, weight)
        })
    }
}

impl Pictures {
    /// At most `most` pictures of an artifact, evenly spread, with the groups of their samples.
    ///
    /// # Errors
    /// If a part or a picture cannot be read.
    pub fn of_artifact(artifact: &Artifact, most: usize) -> Result<Self> {
        let (count, most) = (artifact.manifest.count as usize, most.max(1));
        let wanted =
            |place: usize| count <= most || (place + 1) * most / count > place * most / count;
        let (mut groups, mut chosen) = (Groups::default(), Vec::new());
        for (place, sample) in artifact.samples().enumerate() {
            let sample = sample?;
            groups.add(&sample);
            if wanted(place) {
                chosen.push((place, sample.id, sample.image));
            }
        }
        let groups = groups.finish();
        Pictures::gather(chosen.len(), |number| {
            let (place, name, picture) = &chosen[number];
            Ok((decode_rgb(picture, name)?, groups[*place]))
        })
    }

    /// `count` pictures, each with its group, by their number. Few of them are in memory at once; their views stay.
    ///
    /// # Errors
    /// Those of `picture`.
    pub fn gather(
        count: usize,
        picture: impl Fn(usize) -> Result<(RgbImage, u64)> + Sync,
    ) -> Result<Self> {
        let member = |number| {
            let (picture, group) = picture(number)?;
            Ok(Member::new(&picture, group, number))
        };
        let members: Result<_> = (0..count).into_par_iter().map(member).collect();
        Ok(Pictures { members: members? })
    }

    /// Pictures, each with its group.
    pub fn new(pictures: &[(RgbImage, u64)]) -> Self {
        let members = pictures.par_iter().enumerate();
        let members =
            members.map(|(number, (picture, group))| Member::new(picture, *group, number));
        Pictures {
            members: members.collect(),
        }
    }

    /// Pictures that have nothing to do with each other.
    pub fn independent<'p>(pictures: impl IntoIterator<Item = &'p RgbImage>) -> Self {
        let numbered = pictures.into_iter().enumerate();
        let member = |(number, picture)| Member::new(picture, number as u64, number);
        Pictures {
            members: numbered.map(member).collect(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The group of each.
    pub(super) fn group_of_each(&self) -> impl Iterator<Item = u64> {
        self.members.iter().map(|member| member.group)
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> usize {
        self.group_of_each().collect::<BTreeSet<u64>>().len()
    }

    /// What a view measures; `None` without pictures.
    pub(super) fn extent(&self) -> Option<Extent> {
        Some(self.members.first()?.views[0].dimensions().into())
    }

    /// The same, their views scaled to `extent` where they measure something else.
    pub(super) fn fitted(mut self, extent: Extent) -> Self {
        let (width, height) = extent.dimensions();
        let views = self
            .members
            .par_iter_mut()
            .flat_map(|member| &mut member.views);
        views
            .filter(|view| view.dimensions() != (width, height))
            .for_each(|view| {
                *view = resize(view, width, height, FilterType::Triangle);
            });
        self
    }

    /// At most `most` of them, evenly spread.
    pub fn thinned(&self, most: usize) -> Self {
        let (all, count) = (self.len(), most.min(self.len()));
        let chosen = (0..count).map(|place| self.members[place * all / count].clone());
        Pictures {
            members: chosen.collect(),
        }
    }

    /// Two halves, about equally large, no group in both.
    pub fn halves(&self, seed: &Seed) -> [Self; 2] {
        let sides = Sides::of(&[self], seed);
        [0, 1].map(|side| self.on(&sides, side))
    }

    /// Those that lie on one side.
    pub(super) fn on(&self, sides: &Sides, side: usize) -> Self {
        let members = self.members.iter();
        let chosen = members.filter(|member| sides.side(member.group) == Some(side));
        Pictures {
            members: chosen.cloned().collect(),
        }
    }

    /// All of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.members.extend(other.members);
        self
    }
}

/// On which of two sides each group lies.
pub(super) struct Sides(BTreeMap<u64, usize>);

impl Sides {
    /// The side of a group, if it was divided.
    pub(super) fn side(&self, group: u64) -> Option<usize> {
        self.0.get(&group).copied()
    }

    /// Divides the groups of all `sets`, so that about half of the pictures lie on either side.
    pub(super) fn of(sets: &[&Pictures], seed: &Seed) -> Self {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for member in sets.iter().flat_map(|set| &set.members) {
            *counts.entry(member.group).or_default() += 1;
        }
        let mut order: Vec<(u64, usize)> = counts.into_iter().collect();
        order.shuffle(&mut seed.stream(0));
        // The largest first, so that the small ones even them out.
        order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut filled = [0, 0];
        let sides = order.into_iter().map(|(group, count)| {
            let side = usize::from(filled[1] < filled[0]);
            filled[side] += count;
            (group, side)
        });
        Sides(sides.collect())
    }
}

/// Which samples belong together: crops of one photo, frames of one track, what was made from one render.
#[derive(Default)]
pub struct Groups {
    /// Names known so far, and the group in which each lies.
    names: BTreeMap<String, usize>,
    /// The group that each has been joined to, itself if to none.
    joined: Vec<usize>,
    /// The origin that names a group.
    titles: Vec<String>,
    samples: Vec<usize>,
}

impl Groups {
    /// Takes in the next sample.
    pub fn add(&mut self, sample: &Sample) {
        let provenance = &sample.provenance;
        let mut group = self.named(format!("origin {}", provenance.origin), &provenance.origin);
        if provenance.domain == Domain::Photo {
            // Crops are called PHOTO#NUMBER.
            let file = provenance.source.rsplit_once('#');
            let file = file.map_or(provenance.source.as_str(), |(file, _)| file);
            let other = self.named(format!("file {file}"), &provenance.origin);
            let (first, second) = (group.min(other), group.max(other));
            self.joined[second] = first;
            group = first;
        }
        self.samples.push(group);
    }

    fn named(&mut self, name: String, origin: &str) -> usize {
        if let Some(&group) = self.names.get(&name) {
            return self.root(group);
        }
        let group = self.joined.len();
        self.joined.push(group);
        self.titles.push(origin.to_owned());
        self.names.insert(name, group);
        group
    }

    fn root(&self, mut group: usize) -> usize {
        while self.joined[group] != group {
            group = self.joined[group];
        }
        group
    }

    /// The group of every sample, in the order in which they came. What was made from one render has the same
    /// group in every set.
    pub fn finish(self) -> Vec<u64> {
        let group = |group: &usize| number(&self.titles[self.root(*group)]);
        self.samples.iter().map(group).collect()
    }
}

/// What the networks see of a picture; `number` draws the places of cuts.
fn views(picture: &RgbImage, number: u64) -> Vec<RgbImage> {
    let (width, height) = picture.dimensions();
    let [wide, high] = [width, height].map(|side| side.clamp(1, SIDE));
    let whole = match (wide, high) == (width, height) {
        true => Cow::Borrowed(picture),
        false => Cow::Owned(resize(picture, wide, high, FilterType::Triangle)),
    };
    let mut views = vec![whole.into_owned()];
    if width.min(height) >= LARGE * SIDE {
        let seed = Seed::new(number, "cuts of a picture");
        views.extend((0..CUTS).map(|cut| {
            let mut stream = seed.stream(cut);
            let x = stream.random_range(0..=width - SIDE);
            let y = stream.random_range(0..=height - SIDE);
            crop_imm(picture, x, y, SIDE, SIDE).to_image()
        }));
    }
    views
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn grey(count: u64, of_group: u64) -> Vec<(RgbImage, u64)> {
        let picture = |i: u64| {
            (
                RgbImage::from_pixel(8, 8, image::Rgb([i as u8; 3])),
                i / of_group,
            )
        };
        (0..count).map(picture).collect()
    }

    #[test]
    fn halves_are_equal_and_share_no_group() {
        let pictures = Pictures::new(&grey(100, 7));
        let [a, b] = pictures.halves(&Seed::new(1, "halves"));
        assert_eq!(a.len() + b.len(), 100);
        assert!(a.len().abs_diff(b.len()) <= 7);
        assert!(
            a.members
                .iter()
                .all(|m| b.members.iter().all(|n| m.group != n.group))
        );
    }

    #[test]
    fn crops_of_a_photo_and_frames_of_a_track_are_one_group() {
        let mut groups = Groups::default();
        let base = testing::picture_of(4, 4);
        // a.jpg and b.jpg are frames of one track, c.jpg is not.
        for (source, origin) in [
            ("a.jpg#0", "p0"),
            ("a.jpg#1", "p1"),
            ("c.jpg", "p3"),
            ("b.jpg#0", "p1"),
            ("b.jpg#1", "p4"),
        ] {
            let mut sample = base.clone();
            sample.provenance.source = source.into();
            sample.provenance.origin = origin.into();
            groups.add(&sample);
        }
        let groups = groups.finish();
        assert_eq!(groups[0], groups[1]);
        assert_eq!(groups[0], groups[3]);
        assert_eq!(groups[0], groups[4]);
        assert_ne!(groups[0], groups[2]);
    }

    #[test]
    fn a_large_picture_is_seen_whole_and_in_cuts() {
        let picture = RgbImage::from_fn(200, 150, |x, y| image::Rgb([x as u8, y as u8, 0]));
        let pictures = Pictures::independent([&picture]);
        let views: Vec<_> = pictures.members[0].views().collect();
        assert_eq!(views.len(), 5);
        assert!(views.iter().all(|(view, _)| view.dimensions() == (64, 64)));
        assert!((views.iter().map(|(_, weight)| weight).sum::<f32>() - 1.0).abs() < 1e-6);
        let small = Pictures::independent([&RgbImage::new(40, 30)]);
        assert_eq!(small.extent(), Some(Extent::new(40, 30)));
        assert_eq!(small.members[0].views().count(), 1);
    }

    #[test]
    fn an_artifact_is_thinned_evenly() {
        let folder = tempfile::tempdir().unwrap();
        let samples = testing::shapes(30, 16, 1);
        let artifact = testing::publish(folder.path(), &samples, 8);
        assert_eq!(Pictures::of_artifact(&artifact, 100).unwrap().len(), 30);
        let some = Pictures::of_artifact(&artifact, 10).unwrap();
        assert_eq!(some.len(), 10);
        let groups: Vec<u64> = some.members.iter().map(|member| member.group).collect();
        let every_third = samples.iter().skip(2).step_by(3);
        let expected: Vec<u64> = every_third.map(|s| number(&s.provenance.origin)).collect();
        assert_eq!(groups, expected);
    }
}
