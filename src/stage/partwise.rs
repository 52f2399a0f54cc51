//! Part-by-part work: parts that an earlier run made are reused, and a part that grew is continued where the
//! earlier one ended.
//!
//! The bytes are the same as without reuse, since a sample depends only on its index or on the sample that it
//! is made from. If samples depend on all others, use [`Context::map_samples`].

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Context, Share};
use crate::Result;
use crate::artifact::resume::{EarlierPart, EarlierParts, Resume, link_or_copy};
use crate::artifact::{self, Artifact, FileEntry, parts};
use crate::sample::Sample;

/// The share of `count` samples that [`Context::generate`] would take over, or, if they depend on the device,
/// [`Context::generate_on_device`].
pub fn generated(resume: &Resume, count: u64, count_key: &str, on_device: bool) -> f64 {
    let scope = generate_scope(count_key);
    let earlier = EarlierParts::open(resume.scope(&leaving(&scope, on_device)));
    let units: u64 = earlier.longest().map(|part| part.units).sum();
    (units as f64 / count.max(1) as f64).min(1.0)
}

/// The share of the samples of `input` whose results [`Context::map_each`] would take over from the role
/// `role`, or, if the result depends on the device, [`Context::map_parts`].
pub fn mapped(resume: &Resume, input: Option<&Artifact>, role: &str, on_device: bool) -> f64 {
    let Some(input) = input.filter(|input| input.manifest.count > 0) else {
        return 0.0;
    };
    let scope = map_scope(role);
    let earlier = EarlierParts::open(resume.scope(&leaving(&scope, on_device)));
    let units: u64 = input
        .part_files()
        .filter_map(|entry| earlier.listed(&entry.blake3))
        .map(|part| part.units)
        .sum();
    (units as f64 / input.manifest.count as f64).min(1.0)
}

/// What leaves samples that are made by their index as they are; the device only if no network makes them.
fn generate_scope(count_key: &str) -> [String; 2] {
    [format!("/config/{count_key}"), "/device".to_owned()]
}

/// What leaves samples that are made from one of the input as they are; the device only if no network makes
/// them.
fn map_scope(role: &str) -> [String; 2] {
    [format!("/inputs/{role}"), "/device".to_owned()]
}

/// The parts of a scope; without the device if samples depend on it.
fn leaving(scope: &[String; 2], on_device: bool) -> Vec<&str> {
    let count = if on_device { 1 } else { 2 };
    scope[..count].iter().map(|s| &**s).collect()
}

impl Context<'_> {
    /// Makes the samples 0..`count` that are in [`Context::share`], in parallel, and writes them part by
    /// part. `count_key` is the configuration key of `count`; no sample may depend on it.
    ///
    /// # Errors
    /// The first error of `make`, or of writing.
    pub fn generate(
        &self,
        count: u64,
        count_key: &str,
        make: impl Fn(u64) -> Result<Sample> + Sync,
    ) -> Result<()> {
        self.generate_within(&leaving(&generate_scope(count_key), false), count, make)
    }

    /// As [`Context::generate`], if the samples depend on the device.
    ///
    /// # Errors
    /// The first error of `make`, or of writing.
    pub fn generate_on_device(
        &self,
        count: u64,
        count_key: &str,
        make: impl Fn(u64) -> Result<Sample> + Sync,
    ) -> Result<()> {
        self.generate_within(&leaving(&generate_scope(count_key), true), count, make)
    }

    fn generate_within(
        &self,
        scope: &[&str],
        count: u64,
        make: impl Fn(u64) -> Result<Sample> + Sync,
    ) -> Result<()> {
        if let Share::One(index) = self.share {
            return parts::write_part(&self.out.join(artifact::part_name(0)), &[make(index)?]);
        }
        let earlier = self.earlier_parts(scope);
        let part_size = self.part_size.max(1) as u64;
        let starts = (0..count).step_by(part_size as usize);
        let ranges = starts.map(|start| start..(start + part_size).min(count));
        let shared = ranges.enumerate().filter(|(n, _)| self.share.has_part(*n));
        let shared: Vec<(usize, Range<u64>)> = shared.collect();
        let total = shared.iter().map(|(_, part)| part.end - part.start).sum();
        let (mut done, mut taken) = (0, 0);
        for (number, Range { start, end }) in shared {
            let (units, key) = (end - start, format!("{start:09}"));
            done += units;
            if let Some(part) = earlier.whole(&key, Some(units)) {
                self.reuse(part, number)?;
                taken += units;
                self.progress(done, total, "")?;
                continue;
            }
            let mut samples = match earlier.beginning(units, |_| Ok(key.clone()))? {
                Some(part) => parts::read_part(&part.path)?,
                None => Vec::new(),
            };
            let from = start + samples.len() as u64;
            taken += samples.len() as u64;
            let before = done - (end - from);
            samples.extend(self.parallel((from..end).collect(), before, total, &make)?);
            self.write(&earlier, number, &key, units, &samples)?;
        }
        self.report_reused(taken, total, "samples");
        Ok(())
    }

    /// Maps every sample of the input `role` to any number of samples, in parallel, part by part.
    ///
    /// # Errors
    /// The first error of `map`, of reading or of writing.
    pub fn map_each(
        &self,
        role: &str,
        map: impl Fn(Sample) -> Result<Vec<Sample>> + Sync,
    ) -> Result<()> {
        let scope = map_scope(role);
        self.map_batches(role, &leaving(&scope, false), 1, |samples, done, total| {
            let mapped = self.parallel(samples, done, total, &map)?;
            Ok(mapped.into_iter().flatten().collect())
        })
    }

    /// Maps the samples of the input `role`, part by part, if the result depends on the device.
    ///
    /// `map` gets samples of one part and returns one for each. It processes them in batches of `batch`,
    /// counted from the start of the part; a sample may depend on the others in its batch.
    ///
    /// # Errors
    /// The first error of `map`, of reading or of writing.
    pub fn map_parts(
        &self,
        role: &str,
        batch: usize,
        map: impl Fn(&[Sample]) -> Result<Vec<Sample>>,
    ) -> Result<()> {
        let scope = map_scope(role);
        self.map_batches(role, &leaving(&scope, true), batch, |samples, _, _| {
            map(&samples)
        })
    }

    /// `map` gets the samples, the number already done and the total.
    fn map_batches(
        &self,
        role: &str,
        except: &[&str],
        batch: usize,
        map: impl Fn(Vec<Sample>, u64, u64) -> Result<Vec<Sample>>,
    ) -> Result<()> {
        let input = self.input(role)?;
        let earlier = self.earlier_parts(except);
        let (parts, total) = self.shared_parts(input);
        let (mut done, mut taken) = (0, 0);
        for (number, entry) in parts {
            if let Some(part) = earlier.whole(&entry.blake3, None) {
                self.reuse(part, number)?;
                done += part.units;
                taken += part.units;
                self.progress(done, total, "")?;
                continue;
            }
            let mut samples = parts::read_part(&input.folder.join(&entry.file))?;
            let units = samples.len() as u64;
            let key = |units| parts::hash(&samples[..units as usize]);
            let mut mapped = Vec::new();
            let mut from = 0;
            if let Some(part) = earlier.beginning(units, key)? {
                mapped = parts::read_part(&part.path)?;
                from = part.units as usize / batch * batch;
                // Batches of one may map to any number of samples, larger ones to exactly as many as they
                // have.
                if batch > 1 {
                    mapped.truncate(from);
                }
            }
            taken += from as u64;
            mapped.extend(map(samples.split_off(from), done + from as u64, total)?);
            self.write(&earlier, number, &entry.blake3, units, &mapped)?;
            done += units;
            self.progress(done, total, "")?;
        }
        self.report_reused(taken, total, "samples");
        Ok(())
    }

    /// The numbered parts of `input` that are in the share, and roughly how many samples they hold, assuming
    /// that all parts have the same size.
    fn shared_parts<'i>(&self, input: &'i Artifact) -> (Vec<(usize, &'i FileEntry)>, u64) {
        let all: Vec<(usize, &FileEntry)> = input.part_files().enumerate().collect();
        let count = all.len().max(1) as u64;
        let shared = all.into_iter().filter(|(n, _)| self.share.has_part(*n));
        let shared: Vec<(usize, &FileEntry)> = shared.collect();
        let total = input.manifest.count * shared.len() as u64 / count;
        (shared, total)
    }

    /// Maps every sample of `input` to any number of samples, in parallel, part by part; each may depend on
    /// the whole input.
    ///
    /// # Errors
    /// The first error of `map`, of reading or of writing.
    pub fn map_samples(
        &self,
        input: &Artifact,
        map: impl Fn(Sample) -> Result<Vec<Sample>> + Sync,
    ) -> Result<()> {
        let (parts, total) = self.shared_parts(input);
        let mut done = 0;
        for (number, entry) in parts {
            let samples = parts::read_part(&input.folder.join(&entry.file))?;
            let read = samples.len() as u64;
            let mapped = self.parallel(samples, done, total, &map)?;
            let mapped: Vec<Sample> = mapped.into_iter().flatten().collect();
            parts::write_part(&self.out.join(artifact::part_name(number)), &mapped)?;
            done += read;
        }
        Ok(())
    }

    /// The parts of earlier runs that differ only in `except`, JSON pointers into the key's ingredients.
    pub fn earlier_parts(&self, except: &[&str]) -> EarlierParts {
        match self.resume {
            Some(resume) => EarlierParts::open(resume.scope(except)),
            None => EarlierParts::default(),
        }
    }

    fn reuse(&self, part: &EarlierPart, number: usize) -> Result<()> {
        link_or_copy(&part.path, &self.out.join(artifact::part_name(number)))
    }

    fn write(
        &self,
        earlier: &EarlierParts,
        number: usize,
        key: &str,
        units: u64,
        samples: &[Sample],
    ) -> Result<()> {
        let path = self.out.join(artifact::part_name(number));
        parts::write_part(&path, samples)?;
        if let Some(resume) = self.resume {
            resume.check()?;
        }
        earlier.keep(&path, key, units);
        Ok(())
    }

    /// Runs `work` on `items` in all threads, in order, and reports progress.
    fn parallel<I: Send, O: Send>(
        &self,
        items: Vec<I>,
        start: u64,
        total: u64,
        work: &(impl Fn(I) -> Result<O> + Sync),
    ) -> Result<Vec<O>> {
        let done = AtomicU64::new(start);
        items
            .into_par_iter()
            .map(|item| {
                let result = work(item)?;
                self.progress(done.fetch_add(1, Ordering::Relaxed) + 1, total, "")?;
                Ok(result)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::artifact::resume::Resume;
    use crate::artifact::{list_files, parts::tests::examples};
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use crate::testing;

    const COUNT: u64 = 10;
    const PART_SIZES: [usize; 5] = [1, 3, 4, 10, 256];

    /// Shares that together make up the whole, for each of [`PART_SIZES`].
    fn shares() -> Vec<Share> {
        vec![
            Share::Parts(4..7),
            Share::Parts(0..1),
            Share::Parts(1..4),
            Share::Parts(7..99),
        ]
    }

    fn context<'a>(out: &'a Path, share: Share, part_size: usize) -> Context<'a> {
        static INTERRUPTED: AtomicBool = AtomicBool::new(false);
        Context {
            id: "test",
            seed: Seed::new(1, "test"),
            inputs: BTreeMap::new(),
            share,
            out,
            resume: None,
            part_size,
            device: DeviceChoice::Cpu,
            events: &|_| (),
            interrupted: &INTERRUPTED,
        }
    }

    fn sample(index: u64) -> Sample {
        Sample {
            id: format!("test-{index:06}"),
            index,
            ..examples().remove(0)
        }
    }

    /// Compares what `work` makes from all shares with the whole.
    fn union_is_whole(part_size: usize, work: impl Fn(&mut Context) -> Result<()>) {
        let (whole, union) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        work(&mut context(whole.path(), Share::All, part_size)).unwrap();
        for share in shares() {
            let alone = tempfile::tempdir().unwrap();
            work(&mut context(alone.path(), share.clone(), part_size)).unwrap();
            for entry in list_files(alone.path()).unwrap() {
                let [from, to] = [&alone, &union].map(|folder| folder.path().join(&entry.file));
                assert!(!to.exists(), "{share:?} made {} once more", entry.file);
                std::fs::rename(from, to).unwrap();
            }
        }
        let files = list_files(whole.path()).unwrap();
        assert_eq!(files.len(), (COUNT as usize).div_ceil(part_size));
        assert_eq!(list_files(union.path()).unwrap(), files);
    }

    #[test]
    fn shares_of_what_is_made_from_nothing_are_together_the_whole() {
        for part_size in PART_SIZES {
            union_is_whole(part_size, |context| {
                context.generate(COUNT, "count", |index| Ok(sample(index)))
            });
        }
    }

    #[test]
    fn shares_of_what_is_made_of_samples_are_together_the_whole() {
        let samples: Vec<Sample> = (0..COUNT).map(sample).collect();
        for part_size in PART_SIZES {
            let folder = tempfile::tempdir().unwrap();
            let input = testing::publish(folder.path(), &samples, part_size);
            // Zero, one or two of each.
            let several = |sample: Sample| Ok(vec![sample.clone(); sample.index as usize % 3]);
            union_is_whole(part_size, |context| {
                context.inputs.insert("samples", input.clone());
                context.map_each("samples", several)
            });
            union_is_whole(part_size, |context| context.map_samples(&input, several));
            union_is_whole(part_size, |context| {
                context.inputs.insert("samples", input.clone());
                context.map_parts("samples", 3, |samples| {
                    // Each sample records which others are in its batch.
                    let batches = samples.chunks(3).flat_map(|batch| {
                        let ids: Vec<String> = batch.iter().map(|s| s.id.clone()).collect();
                        batch.iter().map(move |sample| {
                            let mut sample = sample.clone();
                            sample.provenance.transforms.clone_from(&ids);
                            sample
                        })
                    });
                    Ok(batches.collect())
                })
            });
        }
    }

    #[test]
    fn the_whole_takes_over_what_shares_have_made() {
        let (cache, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = AtomicU64::new(0);
        let work = |share: Share| {
            let check = || Ok(());
            let resume = Resume::new(cache.path(), "test", serde_json::json!({}), false, &check);
            let folder = tempfile::tempdir_in(out.path()).unwrap();
            let context = Context {
                resume: Some(&resume),
                ..context(folder.path(), share, 3)
            };
            let make = |index| {
                made.fetch_add(1, Ordering::Relaxed);
                Ok(sample(index))
            };
            context.generate(COUNT, "count", make).unwrap();
            list_files(folder.path()).unwrap().len()
        };
        assert_eq!(work(Share::Parts(1..3)), 2);
        assert_eq!(work(Share::All), 4);
        assert_eq!(made.into_inner(), COUNT);
    }

    #[test]
    fn one_sample_is_that_of_its_index() {
        let out = tempfile::tempdir().unwrap();
        let context = context(out.path(), Share::One(7), 3);
        context
            .generate(COUNT, "count", |index| Ok(sample(index)))
            .unwrap();
        let part = out.path().join(artifact::part_name(0));
        assert_eq!(parts::read_part(&part).unwrap(), [sample(7)]);
        assert_eq!(list_files(out.path()).unwrap().len(), 1);
    }
}
