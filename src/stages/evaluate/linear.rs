//! What the discriminator of `init` has learned to see: photos are read by linear support vector machines on its features
//! alone, as Radford, Metz and Chintala measure theirs (2016, <https://arxiv.org/abs/1511.06434>).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;

use super::sets::Sets;
use crate::Result;
use crate::models::album::Album;
use crate::nn::batch::to_tensor;
use crate::nn::device::Chosen;
use crate::nn::linear_svm::LinearSvm;
use crate::nn::projection_discriminator::ProjectionDiscriminator;
use crate::stage::Context;

/// More examples are not learned from.
const MOST: usize = 5000;

/// Pictures that go through the discriminator at once.
const AT_ONCE: usize = 64;

/// The share of test photos that are read right, by what was learned from.
///
/// # Errors
/// If a picture cannot be read, or the run is interrupted.
pub(super) fn linear(
    context: &Context,
    sets: &Sets,
    trunk: &ProjectionDiscriminator,
    device: &Chosen,
) -> Result<BTreeMap<&'static str, f64>> {
    let trunk = trunk.valid();
    let seen = |album: &Album, most: usize| -> Result<(Tensor<2>, Vec<usize>)> {
        let numbers: Vec<usize> = album.spread(most).collect();
        let mut rows = Vec::new();
        for numbers in numbers.chunks(AT_ONCE) {
            context.check_interrupt()?;
            let examples = album.examples(numbers.iter().copied())?;
            let pictures = examples.iter().map(|(example, _)| &example.picture);
            rows.push(trunk.pooled(to_tensor(pictures, &device.device)));
        }
        let classes = numbers.into_iter().map(|number| album.class(number));
        Ok((Tensor::cat(rows, 0), classes.collect()))
    };
    let (test, truth) = seen(&sets.test, usize::MAX)?;
    let mut shares = BTreeMap::new();
    for (name, album) in &sets.learned {
        let (features, classes) = seen(album, MOST)?;
        let machines = LinearSvm::fit(features, &classes, sets.classes.len());
        let found = machines.predict(test.clone());
        let right = found.iter().zip(&truth).filter(|(a, b)| a == b).count();
        shares.insert(*name, right as f64 / truth.len() as f64);
    }
    Ok(shares)
}
