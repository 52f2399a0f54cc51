//! The ruler on known cases: photos, mixtures, renders and renders made worse, whose order is known.
//!
//! `VERISMO_RULER=RENDERS:PHOTOS[:TRANSLATIONS]` names the folders of artifacts with some hundreds of pictures each;
//! the test that needs them is skipped without, and prints a table with `--nocapture`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use image::RgbImage;
use rand::RngExt;

use super::alterations::{add_noise, bend, invert};
use super::two_sample::told_apart;
use super::*;
use crate::artifact::{self, Artifact, parts};
use crate::nn::device;
use crate::sample::Sample;
use crate::stage::DeviceChoice;
use crate::testing;

/// Pictures with their groups.
type Grouped = Vec<(RgbImage, u64)>;

fn grouped(samples: Vec<Sample>) -> Grouped {
    let mut groups = Groups::default();
    samples.iter().for_each(|sample| groups.add(sample));
    let pictures = samples.iter().map(|sample| sample.pixels().unwrap());
    pictures.zip(groups.finish()).collect()
}

/// Each picture with the histograms of a drawn photo, channel by channel.
fn histogram_matched(pictures: &Grouped, photos: &Grouped) -> Grouped {
    let mut stream = Seed::new(1, "histograms").stream(0);
    let matched = |(picture, group): &(RgbImage, u64)| {
        let photo = &photos[stream.random_range(0..photos.len())].0;
        let mut matched = picture.clone();
        for channel in 0..3 {
            let values = |p: &RgbImage| {
                p.iter()
                    .skip(channel)
                    .step_by(3)
                    .copied()
                    .collect::<Vec<u8>>()
            };
            let (own, mut other) = (values(picture), values(photo));
            other.sort_unstable();
            let mut order: Vec<usize> = (0..own.len()).collect();
            order.sort_by_key(|&place| own[place]);
            let matched: &mut [u8] = matched.as_mut();
            for (rank, place) in order.into_iter().enumerate() {
                matched[3 * place + channel] = other[rank * other.len() / own.len()];
            }
        }
        (matched, *group)
    };
    pictures.iter().map(matched).collect()
}

fn altered(pictures: &Grouped, alter: super::alterations::Alteration) -> Grouped {
    let mut stream = Seed::new(1, "altered").stream(0);
    let mut pictures = pictures.clone();
    pictures
        .iter_mut()
        .for_each(|(picture, _)| alter(picture, &mut stream));
    pictures
}

/// At most `most`, evenly spread.
fn thinned(pictures: &Grouped, most: usize) -> Grouped {
    let count = most.min(pictures.len());
    (0..count)
        .map(|place| pictures[place * pictures.len() / count].clone())
        .collect()
}

/// Two halves by group.
fn halved(pictures: &Grouped) -> [Grouped; 2] {
    let sides = Sides::of(&[&Pictures::new(pictures)], &Seed::new(1, "halves"));
    [0, 1].map(|side| {
        let mine = pictures
            .iter()
            .filter(|(_, group)| sides.side(*group) == Some(side));
        mine.cloned().collect()
    })
}

/// What is known about a set.
struct Case {
    name: &'static str,
    pictures: Grouped,
}

/// The cases in the order of their distance; `renders` and `photos` were not learned from.
fn cases(renders: &Grouped, photos: &Grouped, others: &Grouped) -> Vec<Case> {
    let case = |name, pictures| Case { name, pictures };
    let half = renders.len().min(others.len()) / 2;
    vec![
        case(
            "half photos, half renders",
            [thinned(others, half), thinned(renders, half)].concat(),
        ),
        case(
            "renders with photos' histograms",
            histogram_matched(renders, photos),
        ),
        case("renders", renders.clone()),
        case("renders, inverted", altered(renders, invert)),
    ]
}

/// Learns from one half of each and measures the other; returns ceiling, floor and the distances of the cases.
fn check_order(renders: &Grouped, photos: &Grouped, most: usize) -> (Distance, Distance) {
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let ([known_renders, renders], [known_photos, photos]) = (halved(renders), halved(photos));
    // A quarter of what was not learned from stands for other photos.
    let [some, rest] = halved(&photos);
    let [more, others] = halved(&rest);
    let photos = thinned(&[some, more].concat(), most);
    let renders = thinned(&renders, most);
    let sets = [&known_renders, &known_photos, &renders, &photos].map(|set| Pictures::new(set));
    let start = Instant::now();
    let ruler = Ruler::learn(
        Domains {
            renders: &sets[0],
            photos: &sets[1],
        },
        Domains {
            renders: &sets[2],
            photos: &sets[3],
        },
        &Seed::new(1, "ruler"),
        &device,
        &|| Ok(()),
    );
    let ruler = ruler.unwrap().unwrap();
    println!(
        "learned from {} and {} in {:.1} s",
        known_renders.len(),
        known_photos.len(),
        start.elapsed().as_secs_f64()
    );
    let measure = |pictures: &Grouped| ruler.measure(&Pictures::new(pictures)).unwrap();
    let floor = measure(&others).0;
    let ceiling = ruler.ceiling();
    println!("photos {floor:.3?} (halves {:.3?})", ruler.floor());
    if renders.len() >= 500 && photos.len() >= 500 {
        let reach = 0.5 * (ceiling.high - ceiling.low);
        assert!(reach < 0.1 * (ceiling.value - floor.value), "{ceiling:?}");
    }
    let mut nearer = floor;
    for case in cases(&renders, &photos, &others) {
        let (distance, closed) = measure(&case.pictures);
        println!("{} {distance:.3?} {closed:.2?}", case.name);
        assert!(
            distance.value - nearer.value > 0.1 * ceiling.value,
            "{}: {distance:?}",
            case.name
        );
        nearer = distance;
    }
    println!(
        "noisy renders {:.3?}",
        measure(&altered(&renders, add_noise))
    );
    println!("noisy photos {:.3?}", measure(&altered(&photos, add_noise)));
    (floor, ceiling)
}

/// The table of a stage in the dice pipeline, with these settings changed.
fn dice_stage(id: &str, name: &str, changes: &[(&str, i64)]) -> Box<dyn crate::stage::Stage> {
    let text = std::fs::read_to_string("pipelines/dice.toml").unwrap();
    let pipeline: toml::Table = toml::from_str(&text).unwrap();
    let mut table = pipeline["stages"][id].as_table().unwrap().clone();
    table.remove("use");
    for (key, value) in changes {
        table.insert((*key).into(), toml::Value::Integer(*value));
    }
    testing::stage(name, &toml::Value::Table(table).to_string())
}

/// What a stage without inputs makes.
fn made_by(stage: &dyn crate::stage::Stage) -> Grouped {
    let out = tempfile::tempdir().unwrap();
    testing::run_with(stage, "made", [], 64, out.path()).unwrap();
    let files = artifact::walk(out.path()).unwrap();
    let parts = files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "parquet"));
    grouped(
        parts
            .flat_map(|path| parts::read_part(path).unwrap())
            .collect(),
    )
}

#[test]
fn photos_mixtures_renders_and_worse_are_in_order() {
    let renders = made_by(dice_stage("render", "render", &[("count", 400)]).as_ref());
    let photos = made_by(dice_stage("photos", "ingest", &[]).as_ref());
    check_order(&renders, &photos, 200);
}

#[test]
fn everything_is_the_same_for_any_number_of_threads() {
    let read = |seed| -> Grouped {
        let samples = testing::shapes(80, 16, seed);
        grouped(samples)
    };
    let (renders, photos) = (read(1), altered(&read(2), bend));
    let sets = [&renders, &photos].map(|set| halved(set).map(|half| Pictures::new(&half)));
    let [[known_renders, renders], [known_photos, photos]] = &sets;
    let known = Domains {
        renders: known_renders,
        photos: known_photos,
    };
    let measured = Domains { renders, photos };
    let results = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let device = device::choose(DeviceChoice::Cpu).unwrap();
            let seed = Seed::new(1, "ruler");
            let ruler = Ruler::learn(known, measured, &seed, &device, &|| Ok(()))
                .unwrap()
                .unwrap();
            let test = two_sample(known_renders, known_photos, &seed, &device, &|| Ok(()));
            (ruler.name(), ruler.floor(), ruler.ceiling(), test.unwrap())
        })
    });
    assert_eq!(results[0], results[1]);
    // Bent photos are not hard to tell.
    assert!(results[0].3.as_ref().unwrap().accuracy > 0.6, "{results:?}");
}

#[test]
fn pictures_that_did_not_change_are_taken_for_what_they_were() {
    let read = |seed| grouped(testing::shapes(80, 16, seed));
    let (renders, photos) = (read(1), altered(&read(2), bend));
    let bent = altered(&renders, bend);
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let [renders, photos, bent] = [&renders, &photos, &bent].map(|set| Pictures::new(set));
    let taken = |others: &Pictures| {
        let seed = Seed::new(1, "ruler");
        let told = told_apart(
            [&renders, &photos],
            Some(others),
            &seed,
            &device,
            &|| Ok(()),
        );
        let (accuracy, taken) = told.unwrap().unwrap();
        (accuracy.accuracy, taken.unwrap())
    };
    let ((accuracy, same), (_, moved)) = (taken(&renders), taken(&bent));
    assert!(
        same > 0.55 && same > moved + 0.1,
        "{accuracy} {same} {moved}"
    );
    // Of groups that were learned from, nothing is asked.
    let strangers = read(3)
        .into_iter()
        .map(|(picture, group)| (picture, group ^ 1));
    let strangers = Pictures::new(&strangers.collect::<Grouped>());
    let seed = Seed::new(1, "ruler");
    let told = told_apart(
        [&renders, &photos],
        Some(&strangers),
        &seed,
        &device,
        &|| Ok(()),
    );
    assert_eq!(told.unwrap().unwrap().1, None);
}

#[test]
fn few_pictures_are_not_measured_and_a_stop_is_heard() {
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let seed = Seed::new(1, "ruler");
    let many = Pictures::new(&grouped(testing::shapes(FEWEST as u64, 16, 1)));
    let few = many.thinned(FEWEST - 1);
    let fine = || Ok(());
    assert_eq!(
        two_sample(&few, &many, &seed, &device, &fine).unwrap(),
        None
    );
    let sets = Sets {
        renders: few,
        translations: None,
        photos: many.clone(),
    };
    let figures = measure(&sets, &seed, &device, &fine).unwrap();
    assert_eq!(figures, Figures::default());
    assert!(
        figures.in_words().contains("too few"),
        "{}",
        figures.in_words()
    );
    let stop = || Err(crate::Error::Interrupted);
    let stopped = two_sample(&many, &many.thinned(FEWEST), &seed, &device, &stop);
    assert!(matches!(stopped, Err(crate::Error::Interrupted)));
}

fn folders() -> Option<Vec<PathBuf>> {
    let named = std::env::var("VERISMO_RULER").ok()?;
    Some(named.split(':').map(PathBuf::from).collect())
}

fn open(folder: &Path) -> Grouped {
    let samples = Artifact::open(folder).unwrap();
    grouped(samples.samples().map(Result::unwrap).collect())
}

#[test]
fn known_cases_of_given_folders_are_in_order() {
    let Some(folders) = folders() else {
        println!("skipped: VERISMO_RULER names no artifacts");
        return;
    };
    let (renders, photos) = (open(&folders[0]), open(&folders[1]));
    let (floor, ceiling) = check_order(&renders, &photos, 500);
    println!("{floor:?} {ceiling:?}");
}

#[test]
fn figures_of_given_folders() {
    let Some(folders) = folders() else {
        println!("skipped: VERISMO_RULER names no artifacts");
        return;
    };
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let read = |folder: &PathBuf| {
        Pictures::of_artifact(&Artifact::open(folder).unwrap(), 2 * MOST).unwrap()
    };
    let sets = Sets {
        renders: read(&folders[0]),
        translations: folders.get(2).map(read),
        photos: read(&folders[1]),
    };
    let start = Instant::now();
    let figures = measure(&sets, &Seed::new(1, "ruler"), &device, &|| Ok(())).unwrap();
    println!(
        "{:.0} s: {}\n{figures:#?}",
        start.elapsed().as_secs_f64(),
        figures.in_words()
    );
    let [floor, ceiling] = [&figures.photos, &figures.renders].map(|sight| &sight.distance);
    let (floor, ceiling) = (floor.as_ref().unwrap(), ceiling.as_ref().unwrap());
    let reach = 0.5 * (ceiling.high - ceiling.low);
    assert!(reach < 0.1 * (ceiling.value - floor.value), "{ceiling:?}");
}
