//! Whether pictures show what their captions say, as far as that can be measured: brightness and colour.

use serde::Serialize;

use super::data::Data;
use crate::appearance::describe::{BRIGHTNESS, COLOURS, Looks, SHARPNESS};
use crate::generators::{Generator, generate};
use crate::stage::Context;

/// The share of pictures whose brightness and colour are those of their captions.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// Of captions that were learned from.
    pub known: Share,
    /// Of other combinations of the same words.
    pub unseen: Option<Share>,
}

/// A share of pictures, 0..1.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub right: f64,
    /// Of pictures that were drawn for other captions.
    pub by_chance: f64,
    pub pictures: usize,
}

/// Pictures of each kind at most.
const MOST: usize = 120;

/// Measures a generator that reads captions which were described; `None` for others.
pub(super) fn told(context: &Context, data: &Data, generator: &dyn Generator) -> Option<Told> {
    if !data.described || data.trained.words.is_empty() {
        return None;
    }
    let (mut known, mut unseen) = (Vec::new(), Vec::new());
    for (class, name) in data.trained.classes.iter().enumerate() {
        let Some(captions) = data.trained.captions.get(name) else {
            continue;
        };
        for brightness in BRIGHTNESS {
            for colour in COLOURS {
                let looks = |sharpness| Looks {
                    brightness,
                    colour,
                    sharpness,
                };
                // Whether it is sharp is not measured.
                let learned = SHARPNESS.map(|sharpness| looks(sharpness).caption(name));
                let learned = learned
                    .into_iter()
                    .find(|caption| captions.contains(caption));
                let looks = looks("");
                let said =
                    |word: &str| word.is_empty() || data.trained.words.iter().any(|w| w == word);
                match learned {
                    Some(caption) => known.push((class, looks, caption)),
                    None if said(brightness) && said(colour) => {
                        unseen.push((class, looks, looks.caption(name)));
                    }
                    None => {}
                }
            }
        }
    }
    let share = |asked, stream| share(context, data, generator, asked, stream);
    Some(Told {
        known: share(known, KNOWN)?,
        unseen: share(unseen, UNSEEN),
    })
}

/// Streams of the pictures.
const KNOWN: u64 = 1 << 43;
const UNSEEN: u64 = 1 << 44;

fn share(
    context: &Context,
    data: &Data,
    generator: &dyn Generator,
    asked: Vec<(usize, Looks, String)>,
    first: u64,
) -> Option<Share> {
    let count = asked.len().min(MOST);
    let asked: Vec<_> = (0..count)
        .map(|n| &asked[n * asked.len() / count])
        .collect();
    let alike = |a: &Looks, b: &Looks| a.brightness == b.brightness && a.colour == b.colour;
    let found: Vec<Looks> = asked
        .iter()
        .zip(first..)
        .map(|((class, _, caption), number)| {
            let condition = [data.trained.condition(*class, caption)];
            let mut streams = [context.seed.stream(number)];
            Looks::of(&generate(generator, &condition, 1.0, &mut streams)[0])
        })
        .collect();
    let right = |shift: usize| {
        let pairs = (0..count).filter(|n| alike(&asked[(n + shift) % count].1, &found[*n]));
        pairs.count() as f64
    };
    let others = (1..count).map(right).sum::<f64>() / count.saturating_sub(1).max(1) as f64;
    (count > 1).then(|| Share {
        right: right(0) / count as f64,
        by_chance: others / count as f64,
        pictures: count,
    })
}
