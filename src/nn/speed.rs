//! How fast this machine's CPU computes networks, measured in a fraction of a second.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use rayon::prelude::*;

use super::conv_kernel::Border;
use super::convolution::PaddedConv;

/// Multiplications a second of convolutions with their gradients, in all threads, measured for about `time`.
pub fn products_per_second(time: Duration) -> f64 {
    const BATCH: usize = 4;
    const CHANNELS: usize = 32;
    const SIDE: usize = 32;
    let forward = BATCH * SIDE * SIDE * 9 * CHANNELS * CHANNELS;
    let rounds = |_| {
        let device = Device::flex().autodiff();
        let channels = [CHANNELS, CHANNELS];
        let conv = PaddedConv::new(channels, 3, 1, 1, Border::Zeros, false, &device);
        let shape = [BATCH, CHANNELS, SIDE, SIDE];
        let input: Tensor<4> = Tensor::random(shape, Distribution::Default, &device).require_grad();
        let round = || drop(conv.forward(input.clone()).sum().backward());
        // What is done for the first time takes longer.
        round();
        let (began, mut done) = (Instant::now(), 0.0);
        while began.elapsed() < time {
            round();
            done += 1.0;
        }
        done * 3.0 * forward as f64 / began.elapsed().as_secs_f64()
    };
    let threads = 0..rayon::current_num_threads();
    threads.into_par_iter().map(rounds).sum()
}
