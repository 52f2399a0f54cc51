//! Weights of networks in files, and what else a training leaves beside them.

use std::path::Path;

use burn::module::Module;
use serde::de::DeserializeOwned;

use crate::artifact::files::read_json;
use crate::sample::input::guarded;
use crate::{Error, Result};

/// The remedy where a folder does not hold what a training left there.
pub const TRAIN_AGAIN: &str = "remove the folder and train again";

/// Reads a JSON file that a training left in `folder`.
///
/// # Errors
/// If it is missing or holds something else.
pub fn read_state<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<T> {
    read_json(&folder.join(file), TRAIN_AGAIN)
}

/// Writes the weights of a network as burn's `.bpk`.
///
/// # Errors
/// If the file cannot be written.
pub fn save_weights<M: Module>(module: M, path: &Path) -> Result<()> {
    module.save_file(path).map_err(|e| {
        Error::failed(
            path.display(),
            e,
            "check the free space and the permissions of the folder",
        )
    })
}

/// The module with the weights that [`save_weights`] wrote.
///
/// # Errors
/// If the file is missing or holds another network.
pub fn load_weights<M: Module>(module: M, path: &Path) -> Result<M> {
    guarded(path.display(), TRAIN_AGAIN, || {
        let loaded = module.try_load_file(path);
        loaded.map_err(|e| Error::failed(path.display(), e, TRAIN_AGAIN))
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::nn::generator::GeneratorConfig;
    use crate::testing::mutations::assert_survived;

    #[test]
    fn damaged_weights_are_refused_or_read() {
        let config = GeneratorConfig {
            channels: 2,
            blocks: 1,
            downsamplings: 1,
            ..GeneratorConfig::default()
        };
        let network = || config.init(&Device::flex());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.bpk");
        save_weights(network(), &path).unwrap();
        let sound = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
            load_weights(network(), &path)
        };
        assert_survived("generator.bpk", &sound, |_| (), read);
    }
}
