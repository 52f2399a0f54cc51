//! How fast this machine's CPU computes networks, measured in a fraction of a second.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use rayon::prelude::*;

use super::conv_kernel::Border;
use super::convolution::PaddedConv;

/// Multiplications a second of convolutions with their gradients, in all threads, measured for about `time`. What
/// else the machine does meanwhile hardly counts.
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
        3.0 * forward as f64 / undisturbed(time, round)
    };
    let threads = 0..rayon::current_num_threads();
    threads.into_par_iter().map(rounds).sum()
}

/// Seconds that `work` takes when nothing else has the processor, from calls of it during `time`: a quarter of them was
/// quicker.
pub fn undisturbed(time: Duration, mut work: impl FnMut()) -> f64 {
    let (began, mut taken) = (Instant::now(), Vec::new());
    while began.elapsed() < time || taken.is_empty() {
        let start = Instant::now();
        work();
        taken.push(start.elapsed().as_secs_f64());
    }
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 4].max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_were_held_up_do_not_count() {
        let mut calls = 0;
        let seconds = undisturbed(Duration::from_millis(60), || {
            calls += 1;
            let disturbed = calls % 2 == 0;
            std::thread::sleep(Duration::from_millis(if disturbed { 20 } else { 1 }));
        });
        assert!((0.001..0.015).contains(&seconds), "{seconds}");
    }
}
