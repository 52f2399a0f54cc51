//! What a discriminator has learned to see: pictures are read by linear support vector machines on its features alone, as
//! Radford, Metz and Chintala measure theirs (2016, <https://arxiv.org/abs/1511.06434>).

use burn::module::Module;
use burn::tensor::Tensor;

use super::album::Album;
use crate::Result;
use crate::nn::batch::to_tensor;
use crate::nn::device::Chosen;
use crate::nn::linear_svm::LinearSvm;
use crate::nn::projection_discriminator::ProjectionDiscriminator;

/// Pictures as a discriminator sees them, with their classes.
pub struct Features {
    /// `[pictures, features]`.
    values: Tensor<2>,
    classes: Vec<usize>,
}

/// Pictures that go through the discriminator at once.
const AT_ONCE: usize = 64;

impl Features {
    /// Of at most `most` pictures of the album, evenly spread; `tick` is called now and then.
    ///
    /// # Errors
    /// If a picture cannot be read, and those of `tick`.
    pub fn of(
        album: &Album,
        most: usize,
        trunk: &ProjectionDiscriminator,
        device: &Chosen,
        tick: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let trunk = trunk.valid();
        let numbers: Vec<usize> = album.spread(most).collect();
        let mut rows = Vec::new();
        for numbers in numbers.chunks(AT_ONCE) {
            tick()?;
            let examples = album.examples(numbers.iter().copied())?;
            let pictures = examples.iter().map(|(example, _)| &example.picture);
            rows.push(trunk.pooled(to_tensor(pictures, &device.device)));
        }
        let classes = numbers.into_iter().map(|number| album.class(number));
        Ok(Features {
            values: Tensor::cat(rows, 0),
            classes: classes.collect(),
        })
    }

    /// The share of `test` that machines fitted to these pictures read as its class, of so many.
    pub fn accuracy(&self, test: &Features, classes: usize) -> f64 {
        let machines = LinearSvm::fit(self.values.clone(), &self.classes, classes);
        let found = machines.predict(test.values.clone());
        let pairs = found.iter().zip(&test.classes);
        pairs.filter(|(found, class)| found == class).count() as f64 / found.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device;
    use crate::nn::discriminator::Slope;
    use crate::nn::init::{Init, initialise};
    use crate::nn::projection_discriminator::ProjectionShape;
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use crate::testing;

    /// Small discs and squares are told apart better than by chance by what even random layers see.
    #[test]
    fn pictures_are_read_by_their_features() {
        let chosen = device::choose(DeviceChoice::Cpu).unwrap();
        let shape = ProjectionShape {
            classes: 2,
            channels: 8,
            levels: 2,
            spectral: false,
            slope: Slope::Leaky,
            spread: false,
        };
        let trunk = ProjectionDiscriminator::new(&shape, &chosen.device.clone().autodiff());
        let trunk = initialise(trunk, Init::He, &mut Seed::new(1, "x").stream(0), 1);
        let folder = tempfile::tempdir().unwrap();
        let seen = |count: u64, seed| {
            let mut album = Album::new(folder.path()).unwrap();
            for sample in testing::shapes(count, 16, seed) {
                let class = usize::from(sample.labels.class.as_deref() == Some("square"));
                album.push(&sample.id, &sample.image, class).unwrap();
            }
            Features::of(&album, 100, &trunk, &chosen, || Ok(())).unwrap()
        };
        let accuracy = seen(100, 1).accuracy(&seen(60, 2), 2);
        assert!(accuracy > 0.65, "{accuracy}");
    }
}
