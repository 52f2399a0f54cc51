//! Seconds of one CycleGAN training step and of inference, by size and batch.
//!
//!     cargo bench --bench train_step
//!     VERISMO_TORCH_PYTHON=path/to/python cargo bench --bench train_step
//!
//! With a Python that has PyTorch, its counterpart (train_step.py) runs in turns with ours, so that
//! whatever else the machine does slows both down; the ratio is ours over PyTorch's. Both use the CPU,
//! or what VERISMO_BENCH_DEVICE names (`gpu:0`; PyTorch then uses CUDA), and VERISMO_BENCH_THREADS
//! threads, 2 by default. `CPU` is the processor time of all threads. On a busy machine compare that
//! with one thread: PyTorch's threads wait for each other in loops that count as work. Arguments name
//! the sizes to measure.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use burn::tensor::{Distribution, Tensor};
use verismo::models::cyclegan::CycleGanConfig;
use verismo::models::settings::Shared;
use verismo::models::{Batch, Learner, Model, Setting};
use verismo::nn::batch;
use verismo::nn::device::{self, Chosen};
use verismo::sample::Extent;
use verismo::seed::Seed;
use verismo::stage::DeviceChoice;

/// Size, batch, channels and residual blocks.
const SHAPES: [[usize; 4]; 5] = [
    [32, 16, 32, 4],
    [64, 4, 16, 3],
    [64, 4, 32, 6],
    [128, 1, 32, 6],
    [256, 1, 64, 9],
];

/// Runs that count, after two that do not; fewer where they take longer than this many seconds.
const RUNS: std::ops::Range<usize> = 3..9;
const LIMIT: f64 = 30.0;

fn main() {
    verismo::nn::memory::keep_freed_memory();
    let counterpart = std::env::var("VERISMO_TORCH_PYTHON").ok();
    let choice = match std::env::var("VERISMO_BENCH_DEVICE") {
        Ok(name) => name.parse().expect("a device"),
        Err(_) => DeviceChoice::Cpu,
    };
    let threads = std::env::var("VERISMO_BENCH_THREADS").ok();
    let threads = threads.and_then(|text| text.parse().ok()).unwrap_or(2);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .expect("threads");
    let chosen = device::choose(choice).expect("a device");
    let other = if chosen.cpu { "cpu" } else { "cuda" };
    let mut torch = counterpart.map(|python| Torch::start(&python, threads, other));
    let sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    println!("device: {}, threads: {threads}", chosen.name);
    println!(
        "size batch channels blocks work        ours [s]  CPU [s] torch [s]  CPU [s]  ratio  CPU"
    );
    for shape in SHAPES {
        let [size, batch, channels, blocks] = shape;
        if !sizes.is_empty() && !sizes.contains(&size) {
            continue;
        }
        let mut model = model(shape, &chosen);
        if let Some(torch) = &mut torch {
            torch.ask(&format!("model {size} {batch} {channels} {blocks}"));
        }
        let random = || {
            let shape = [batch, 3, size, size];
            Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &chosen.device)
        };
        let renders = batch::to_pictures(random());
        let mut run = |work: &str| {
            let ours = || match work {
                "step" => {
                    let batch = Batch {
                        renders: random(),
                        masks: Tensor::ones([batch, 1, size, size], &chosen.device),
                        classes: vec![0; batch],
                        photos: random(),
                        maps: None,
                        motion: None,
                    };
                    drop(model.step(&batch, 2e-4));
                }
                _ => drop(model.translator().translate(&renders, &[], &mut [])),
            };
            let line = compare(work, ours, torch.as_mut());
            println!("{size:4} {batch:5} {channels:8} {blocks:6} {work:10} {line}");
        };
        run("step");
        run("inference");
    }
}

fn model([size, _, channels, blocks]: [usize; 4], device: &Chosen) -> Box<dyn Learner> {
    let mut shared = Shared::default();
    shared.generator.channels = channels;
    shared.generator.blocks = blocks;
    shared.discriminator.channels = channels;
    let seed = Seed::new(1, "bench");
    let setting = Setting {
        device,
        extent: Extent::square(size as u32),
        seed: &seed,
        task: None,
        maps: &[],
    };
    let model = CycleGanConfig::default().create(&shared, setting);
    model.expect("a model")
}

/// Medians of both sides in turns, as columns of the table.
fn compare(work: &str, mut ours: impl FnMut(), mut torch: Option<&mut Torch>) -> String {
    let mut times: [Vec<f64>; 4] = Default::default();
    let begin = Instant::now();
    for run in 0..RUNS.end + 2 {
        if run >= RUNS.start + 2 && begin.elapsed().as_secs_f64() > LIMIT {
            break;
        }
        let (start, cpu) = (Instant::now(), cpu_seconds());
        ours();
        let mut row = vec![start.elapsed().as_secs_f64(), cpu_seconds() - cpu];
        eprint!("{work} {run}: {:.3} s  \r", row[0]);
        if let Some(torch) = &mut torch {
            row.extend(torch.ask(work));
        }
        if run >= 2 {
            times
                .iter_mut()
                .zip(row)
                .for_each(|(times, time)| times.push(time));
        }
    }
    let [wall, cpu, torch_wall, torch_cpu] = times.map(median);
    if torch.is_none() {
        return format!("{wall:9.4} {cpu:8.3}");
    }
    format!(
        "{wall:9.4} {cpu:8.3} {torch_wall:9.4} {torch_cpu:8.3} {:6.2} {:5.2}",
        wall / torch_wall,
        cpu / torch_cpu
    )
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processor time of this process's threads so far, in seconds; not a number where the system does
/// not keep it in /proc.
fn cpu_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return f64::NAN;
    };
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    tasks.filter_map(of_task).sum::<f64>() / 1e9
}

/// The PyTorch side: train_step.py in a process of its own.
struct Torch {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Torch {
    fn start(python: &str, threads: usize, device: &str) -> Self {
        let mut process = Command::new(python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/benches/train_step.py"
            ))
            .args([&threads.to_string(), device])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("VERISMO_TORCH_PYTHON names a Python");
        let (input, output) = (process.stdin.take(), process.stdout.take());
        Torch {
            process,
            input: input.expect("a pipe"),
            output: BufReader::new(output.expect("a pipe")),
        }
    }

    /// Sends a line; the numbers of the answer.
    fn ask(&mut self, line: &str) -> Vec<f64> {
        writeln!(self.input, "{line}").expect("train_step.py listens");
        let mut answer = String::new();
        self.output
            .read_line(&mut answer)
            .expect("train_step.py answers");
        assert!(!answer.is_empty(), "train_step.py has stopped");
        answer
            .split(' ')
            .filter_map(|word| word.trim().parse().ok())
            .collect()
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
