//! Work part by part: a part that an earlier run made is taken over, and one that grew is made from
//! where the earlier one ended.
//!
//! The result is the same bytes as one made from nothing, since a sample depends on its index or on
//! the one that it is made of alone. What depends on all samples is for [`Context::map_samples`].

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::Context;
use crate::Result;
use crate::artifact::resume::{EarlierPart, EarlierParts, link_or_copy};
use crate::artifact::{self, Artifact, parts};
use crate::sample::Sample;

impl Context<'_> {
    /// Makes samples 0..`count` in parallel and writes them part by part, or [`Context::only`] one if
    /// that is set; `count_key` is the name of `count` in the configuration, on which no sample may
    /// depend.
    ///
    /// # Errors
    /// The first error of `make`, or of writing.
    pub fn generate(
        &self,
        count: u64,
        count_key: &str,
        make: impl Fn(u64) -> Result<Sample> + Sync,
    ) -> Result<()> {
        if let Some(index) = self.only {
            return parts::write_part(&self.out.join(artifact::part_name(0)), &[make(index)?]);
        }
        let earlier = self.earlier_parts(&[&format!("/config/{count_key}"), "/device"]);
        let part_size = self.part_size.max(1) as u64;
        let mut taken = 0;
        for (number, start) in (0..count).step_by(part_size as usize).enumerate() {
            let end = (start + part_size).min(count);
            let (units, key) = (end - start, format!("{start:09}"));
            if let Some(part) = earlier.whole(&key, Some(units)) {
                self.take_over(part, number)?;
                taken += units;
                self.progress(end, count, "")?;
                continue;
            }
            let mut samples = match earlier.beginning(units, |_| Ok(key.clone()))? {
                Some(part) => parts::read_part(&part.path)?,
                None => Vec::new(),
            };
            let from = start + samples.len() as u64;
            taken += samples.len() as u64;
            samples.extend(self.parallel((from..end).collect(), from, count, &make)?);
            self.write(&earlier, number, &key, units, &samples)?;
        }
        self.tell_of_earlier(taken, count, "samples");
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
        let total = self.input(role)?.manifest.count;
        let scope = [&*format!("/inputs/{role}"), "/device"];
        self.map_batches(role, &scope, 1, |samples, done| {
            let mapped = self.parallel(samples, done, total, &map)?;
            Ok(mapped.into_iter().flatten().collect())
        })
    }

    /// Maps the samples of the input `role`, part by part, where the device makes a difference.
    ///
    /// `map` is given samples of one part, and makes one of each. It takes them in batches of `batch`,
    /// counted from the beginning of a part, and each may depend on the others of its batch.
    ///
    /// # Errors
    /// The first error of `map`, of reading or of writing.
    pub fn map_parts(
        &self,
        role: &str,
        batch: usize,
        map: impl Fn(&[Sample]) -> Result<Vec<Sample>>,
    ) -> Result<()> {
        let scope = [&*format!("/inputs/{role}")];
        self.map_batches(role, &scope, batch, |samples, _| map(&samples))
    }

    fn map_batches(
        &self,
        role: &str,
        except: &[&str],
        batch: usize,
        map: impl Fn(Vec<Sample>, u64) -> Result<Vec<Sample>>,
    ) -> Result<()> {
        let input = self.input(role)?;
        let earlier = self.earlier_parts(except);
        let total = input.manifest.count;
        let (mut done, mut taken) = (0, 0);
        for (number, entry) in input.part_files().enumerate() {
            if let Some(part) = earlier.whole(&entry.blake3, None) {
                self.take_over(part, number)?;
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
                // Batches of one map to any number, larger ones to as many samples as they have.
                if batch > 1 {
                    mapped.truncate(from);
                }
            }
            taken += from as u64;
            mapped.extend(map(samples.split_off(from), done + from as u64)?);
            self.write(&earlier, number, &entry.blake3, units, &mapped)?;
            done += units;
            self.progress(done, total, "")?;
        }
        self.tell_of_earlier(taken, total, "samples");
        Ok(())
    }

    /// Maps every sample of `input` to any number of samples, in parallel, part by part; each may
    /// depend on the whole of the input.
    ///
    /// # Errors
    /// The first error of `map`, of reading or of writing.
    pub fn map_samples(
        &self,
        input: &Artifact,
        map: impl Fn(Sample) -> Result<Vec<Sample>> + Sync,
    ) -> Result<()> {
        let total = input.manifest.count;
        let mut done = 0;
        for (number, path) in input.parts().enumerate() {
            let samples = parts::read_part(&path)?;
            let read = samples.len() as u64;
            let mapped = self.parallel(samples, done, total, &map)?;
            let mapped: Vec<Sample> = mapped.into_iter().flatten().collect();
            parts::write_part(&self.out.join(artifact::part_name(number)), &mapped)?;
            done += read;
        }
        Ok(())
    }

    /// What earlier runs made that differ in nothing but `except`, JSON pointers into the key's
    /// ingredients.
    pub fn earlier_parts(&self, except: &[&str]) -> EarlierParts {
        match self.resume {
            Some(resume) => EarlierParts::open(resume.scope(except)),
            None => EarlierParts::default(),
        }
    }

    fn take_over(&self, part: &EarlierPart, number: usize) -> Result<()> {
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

    /// Runs `work` over `items` on all threads, in order, with progress.
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
