//! Initial weights from our own random streams, so that networks are the same on every machine,
//! however many are made at once.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;

use crate::seed::Stream;

/// How weights are drawn. Biases become 0; scales of norms stay 1.
#[derive(Debug, Clone, Copy)]
pub enum Init {
    /// Normal with this standard deviation (0.02 in the CycleGAN paper).
    Normal(f32),
    /// Normal with variance 2 / fan-in (He et al. 2015), for ReLU classifiers.
    He,
}

/// Draws all weights of `module` anew and numbers its parameters from `first_id` on.
pub fn initialise<M: Module>(module: M, init: Init, stream: &mut Stream, first_id: u64) -> M {
    module.map(&mut Initialiser {
        init,
        stream,
        next_id: first_id,
    })
}

struct Initialiser<'a> {
    init: Init,
    stream: &'a mut Stream,
    next_id: u64,
}

impl ModuleMapper for Initialiser<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, tensor, mapper) = param.consume();
        let id = ParamId::from(self.next_id);
        self.next_id += 1;
        let value = if D >= 2 {
            let device = tensor.device();
            let dims = tensor.dims();
            let fan_in: usize = if D == 2 {
                dims[0]
            } else {
                dims[1..].iter().product()
            };
            let deviation = match self.init {
                Init::Normal(deviation) => deviation,
                Init::He => (2.0 / fan_in as f32).sqrt(),
            };
            let count = dims.iter().product();
            let values: Vec<f32> = (0..count)
                .map(|_| deviation * standard_normal(self.stream))
                .collect();
            Tensor::from_data(TensorData::new(values, dims), &device)
        } else if is_all(&tensor, 1.0) {
            tensor.detach()
        } else {
            tensor.zeros_like().detach()
        };
        Param::from_mapped_value(id, value.require_grad(), mapper)
    }
}

/// Scales of norms start at 1; every other vector is a bias.
fn is_all<const D: usize>(tensor: &Tensor<D>, value: f32) -> bool {
    let data = tensor.to_data_as::<f32>();
    data.as_slice::<f32>()
        .is_ok_and(|values| values.iter().all(|v| *v == value))
}

/// One draw from N(0, 1), by Box and Muller.
fn standard_normal(stream: &mut Stream) -> f32 {
    let radius = (-2.0 * (1.0 - stream.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * stream.random::<f32>()).cos()
}
