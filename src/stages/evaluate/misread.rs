//! The photos whose class is misread most surely, for the report: some of every class.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sets::Sets;
use super::table::Outcomes;
use crate::Result;
use crate::artifact::files::{read_json, write_json};
use crate::stage::exhibit::{Content, Evidence, Exhibit, Place, Row, Section, Sheet};
use crate::tasks::Prediction;
use crate::tasks::classification::best;

/// The file in the stage's result.
const FILE: &str = "misread.json";

const SECTION: Section = (Place::Results, "Misread photos");

/// Photos of one class, and of all.
const EACH: usize = 6;
const MOST: usize = 36;

/// Photos that the dataset's recogniser, or the last, misreads.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Misread {
    pub classes: Vec<String>,
    pub recognisers: Vec<String>,
    /// The place among them of the one by which the photos were chosen.
    pub leader: usize,
    /// By class, the surest misreading first.
    pub photos: Vec<Photo>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Photo {
    /// The id of its sample.
    pub id: String,
    /// Its class, a place in the list.
    pub class: usize,
    /// What each recogniser reads.
    pub read: Vec<Reading>,
}

/// A class and its probability, the mean over all seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Reading {
    pub class: usize,
    pub probability: f32,
}

impl Misread {
    pub(super) fn choose(sets: &Sets, outcomes: &Outcomes) -> Misread {
        let leader = sets.leader();
        let mut photos: Vec<Photo> = (0..sets.test.len())
            .map(|number| Photo {
                id: sets.test.name(number).to_owned(),
                class: sets.test.class(number),
                read: outcomes.iter().map(|set| reading(set, number)).collect(),
            })
            .filter(|photo| photo.read[leader].class != photo.class)
            .collect();
        let sure = |photo: &Photo| photo.read[leader].probability;
        photos.sort_by(|a, b| a.class.cmp(&b.class).then(sure(b).total_cmp(&sure(a))));
        // The classes take turns, so that each has its share of few places.
        let mut turns = vec![0; sets.classes.len()];
        let mut placed: Vec<(usize, Photo)> = Vec::new();
        for photo in photos {
            let turn = &mut turns[photo.class];
            placed.push((*turn, photo));
            *turn += 1;
        }
        placed.retain(|(turn, _)| *turn < EACH);
        placed.sort_by_key(|(turn, photo)| (*turn, photo.class));
        placed.truncate(MOST);
        placed.sort_by_key(|(turn, photo)| (photo.class, *turn));
        Misread {
            classes: sets.classes.clone(),
            recognisers: sets
                .learned
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            leader,
            photos: placed.into_iter().map(|(_, photo)| photo).collect(),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(FILE), self)
    }
}

/// What the seeds of one recogniser read in the mean.
fn reading(seeds: &[Vec<Prediction>], number: usize) -> Reading {
    let mut mean = vec![0.0; seeds[0][number].probabilities.len()];
    for seed in seeds {
        for (sum, probability) in mean.iter_mut().zip(&seed[number].probabilities) {
            *sum += probability / seeds.len() as f32;
        }
    }
    let class = best(&mean);
    Reading {
        class,
        probability: mean[class],
    }
}

/// The photos that the stage chose; nothing if none is misread, or if they are not at hand.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Option<Exhibit>> {
    let path = evidence.artifact.folder.join(FILE);
    let (true, Some(test)) = (path.is_file(), evidence.input("test")) else {
        return Ok(None);
    };
    let misread: Misread = read_json(&path, "remove the folder and run again")?;
    let mut rows = Vec::new();
    for photo in &misread.photos {
        if let Some(sample) = test.find(&photo.id)? {
            rows.push(Row {
                caption: misread.told(photo),
                pictures: vec![Some(sample)],
                fault: String::new(),
                details: misread.others(photo),
            });
        }
    }
    let Some(leader) = misread
        .recognisers
        .get(misread.leader)
        .filter(|_| !rows.is_empty())
    else {
        return Ok(None);
    };
    let note = format!(
        "those that {leader} misreads most surely, {EACH} of a class at most; means over its seeds"
    );
    let sheet = Sheet {
        columns: vec!["photo".to_owned()],
        rows,
        labels: false,
    };
    Ok(Some(
        Exhibit::new(SECTION, "", Content::Pictures(sheet)).with_note(note),
    ))
}

impl Misread {
    fn name(&self, class: usize) -> &str {
        self.classes.get(class).map_or("?", String::as_str)
    }

    /// `four read as six, 97 %`.
    fn told(&self, photo: &Photo) -> String {
        let class = self.name(photo.class);
        match photo.read.get(self.leader) {
            Some(read) => format!("{class} read as {}", self.share(*read)),
            None => class.to_owned(),
        }
    }

    /// What the other recognisers read, in lines.
    fn others(&self, photo: &Photo) -> String {
        let all = self.recognisers.iter().zip(&photo.read).enumerate();
        let others = all.filter(|(place, _)| *place != self.leader);
        let lines = others.map(|(_, (name, read))| format!("{name}: {}", self.share(*read)));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn share(&self, Reading { class, probability }: Reading) -> String {
        format!("{}, {:.0} %", self.name(class), 100.0 * probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::album::Album;
    use crate::testing;

    fn prediction(probabilities: [f32; 3]) -> Prediction {
        Prediction {
            probabilities: probabilities.to_vec(),
            ..Prediction::default()
        }
    }

    #[test]
    fn seeds_are_averaged_before_a_class_is_read() {
        let seeds = [[0.6, 0.4, 0.0], [0.1, 0.5, 0.4]].map(|seed| vec![prediction(seed)]);
        let read = reading(&seeds, 0);
        assert_eq!(read.class, 1);
        assert!((read.probability - 0.45).abs() < 1e-6);
    }

    #[test]
    fn the_surest_misreadings_of_every_class_are_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let album = |count: usize| {
            let mut album = Album::new(folder.path()).unwrap();
            for (number, sample) in testing::shapes(count as u64, 16, 1).iter().enumerate() {
                album.push(&sample.id, &sample.image, number % 2).unwrap();
            }
            album
        };
        let sets = Sets {
            classes: ["disc", "square", "star"].map(String::from).into(),
            learned: vec![("adapted", album(2)), ("target_only", album(2))],
            test: album(20),
            real_labels: 0,
        };
        // All of class 0 are read as 2, one of class 1 is, the later the surer.
        let adapted = (0..20).map(|number| match number % 2 == 0 || number == 7 {
            true => prediction([0.0, 0.1, 0.4 + 0.01 * number as f32]),
            false => prediction([0.0, 1.0, 0.0]),
        });
        let right = (0..20).map(|number| match number % 2 {
            0 => prediction([1.0, 0.0, 0.0]),
            _ => prediction([0.0, 1.0, 0.0]),
        });
        let outcomes = vec![vec![adapted.collect()], vec![right.collect()]];
        let chosen = Misread::choose(&sets, &outcomes);
        assert_eq!(chosen.leader, 0);
        let places = chosen.photos.iter().map(|photo| {
            let same = |&number: &usize| sets.test.name(number) == photo.id;
            (0..20).find(same).unwrap()
        });
        assert_eq!(places.collect::<Vec<_>>(), [18, 16, 14, 12, 10, 8, 7]);
        assert_eq!(chosen.photos[0].read[1].class, 0);
    }

    #[test]
    fn what_each_recogniser_reads_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let samples = testing::shapes(4, 16, 1);
        let test = testing::publish(folder.path(), &samples, 16);
        let read = |class, probability| Reading { class, probability };
        let misread = Misread {
            classes: ["disc", "square", "star"].map(String::from).into(),
            recognisers: ["source_only", "adapted"].map(String::from).into(),
            leader: 1,
            photos: vec![Photo {
                id: samples[2].id.clone(),
                class: 0,
                read: vec![read(0, 0.5), read(2, 0.97)],
            }],
        };
        let out = tempfile::tempdir().unwrap();
        misread.write(out.path()).unwrap();
        let artifact = testing::describe(out.path(), &[]);
        let shown = |inputs| {
            let evidence = Evidence {
                artifact: &artifact,
                inputs,
            };
            exhibit(&evidence).unwrap()
        };
        let found = shown([("test", &test)].into()).unwrap();
        let Content::Pictures(sheet) = &found.content else {
            panic!("no pictures");
        };
        assert_eq!(sheet.rows[0].caption, "disc read as star, 97 %");
        assert_eq!(sheet.rows[0].details, "source_only: disc, 50 %");
        assert!(shown([].into()).is_none());
    }
}
