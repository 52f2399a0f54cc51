//! Data parallelism on the CPU: independent items, and shards of a batch, each on threads of its own.
//!
//! Many operations of a small network run on one thread; shards side by side keep the other cores busy
//! meanwhile. A single item or shard has all threads for itself.

use std::collections::BTreeMap;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::device::Chosen;
use crate::{Error, Result};

/// Shards of a batch on the CPU, whatever the number of threads: sums over other shards differ in their last
/// digits, and results would depend on the machine. More shards would repeat more work, such as the packing of
/// weights; fewer would leave more of it to the threads inside operations, which wait for each other.
const SHARDS: usize = 4;

/// Threads that compute independent items, or the shards of a batch.
pub struct Workers {
    pools: Vec<ThreadPool>,
    /// Of all threads.
    joint: ThreadPool,
    shards: usize,
}

impl Workers {
    /// For independent items: as many workers as are of use on a device, one a thread on the CPU, one on a GPU.
    ///
    /// # Errors
    /// If the operating system gives no more threads.
    pub fn for_device(device: &Chosen) -> Result<Self> {
        let threads = threads(device);
        Self::new(threads, threads, 1)
    }

    /// For the shards of a batch, which share the threads.
    ///
    /// # Errors
    /// If the operating system gives no more threads.
    pub fn for_shards(device: &Chosen) -> Result<Self> {
        match device.cpu {
            true => Self::new(threads(device), SHARDS, SHARDS),
            false => Self::new(1, 1, 1),
        }
    }

    /// At most `most` workers, and not more than `threads`.
    fn new(threads: usize, most: usize, shards: usize) -> Result<Self> {
        let pool = |threads| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(|e| {
                    Error::failed(
                        "threads",
                        format!("cannot be started: {e}"),
                        "lower --threads, or raise the limit of processes",
                    )
                })
        };
        let count = threads.min(most);
        Ok(Workers {
            pools: (0..count)
                .map(|_| pool(threads / count))
                .collect::<Result<_>>()?,
            joint: pool(threads)?,
            shards,
        })
    }

    /// Number of shards that a batch is divided into.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// Runs `work` on every item, one item a worker at a time; results in the items' order.
    pub fn run<I: Send, O: Send>(&self, items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
        let mut results = Vec::with_capacity(items.len());
        self.run_each(items, work, |result| results.push(result));
        results
    }

    /// As [`Workers::run`], but hands each result over as soon as those before it are done, so that few are in
    /// memory.
    pub fn run_each<I: Send, O: Send>(
        &self,
        items: Vec<I>,
        work: impl Fn(I) -> O + Sync,
        mut done: impl FnMut(O),
    ) {
        if items.len() == 1 {
            let results = self
                .joint
                .install(|| items.into_iter().map(&work).collect());
            let results: Vec<O> = results;
            return results.into_iter().for_each(done);
        }
        let count = self.pools.len();
        let mut queues: Vec<Vec<(usize, I)>> = (0..count).map(|_| Vec::new()).collect();
        for (i, item) in items.into_iter().enumerate() {
            queues[i % count].push((i, item));
        }
        let work = &work;
        std::thread::scope(|scope| {
            let (sender, results) = std::sync::mpsc::channel();
            for (pool, queue) in self.pools.iter().zip(queues) {
                let sender = sender.clone();
                let compute = move || {
                    // The receiver is gone only after a panic.
                    let send = |(i, item)| sender.send((i, work(item))).is_ok();
                    _ = queue.into_iter().all(send);
                };
                scope.spawn(move || pool.install(compute));
            }
            drop(sender);
            let (mut next, mut waiting) = (0, BTreeMap::new());
            for (i, result) in results {
                waiting.insert(i, result);
                while let Some(result) = waiting.remove(&next) {
                    done(result);
                    next += 1;
                }
            }
        });
    }
}

fn threads(device: &Chosen) -> usize {
    match device.cpu {
        true => rayon::current_num_threads().max(1),
        false => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        for (threads, most) in [(1, 4), (3, 4), (20, 4), (20, 20)] {
            let workers = Workers::new(threads, most, 4).unwrap();
            let square = |i: u64| {
                // Later items are done first.
                std::thread::sleep(std::time::Duration::from_millis(10 - i));
                i * i
            };
            let squares = workers.run((0..10).collect(), square);
            assert_eq!(squares, (0..10).map(|i| i * i).collect::<Vec<_>>());
        }
    }
}
