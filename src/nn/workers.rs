//! Data parallelism on the CPU: one shard of a batch a thread, each thread computing alone.
//!
//! Many operations of a small network run on one thread; half batches side by side keep the other
//! cores busy during these too. A single shard, as a batch of one is, has all threads for itself.

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::device::Chosen;
use crate::{Error, Result};

/// Threads that compute shards.
pub struct Workers {
    /// Of one thread each.
    pools: Vec<ThreadPool>,
    /// Of as many threads as there are workers.
    joint: ThreadPool,
}

impl Workers {
    /// As many as are of use on a device: one a thread on the CPU, one on a GPU.
    ///
    /// # Errors
    /// If the operating system gives no more threads.
    pub fn for_device(device: &Chosen) -> Result<Self> {
        Self::with_count(if device.cpu {
            rayon::current_num_threads()
        } else {
            1
        })
    }

    /// `count` workers; at least one.
    ///
    /// # Errors
    /// If the operating system gives no more threads.
    fn with_count(count: usize) -> Result<Self> {
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
        let count = count.max(1);
        Ok(Workers {
            pools: (0..count).map(|_| pool(1)).collect::<Result<_>>()?,
            joint: pool(count)?,
        })
    }

    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Runs `work` on every item, one item a thread at a time; results in the items' order.
    ///
    /// Each worker takes every n-th item, so which thread computes what does not depend on speed.
    pub fn run<I: Send, O: Send>(&self, items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
        if items.len() == 1 {
            return self
                .joint
                .install(|| items.into_iter().map(&work).collect());
        }
        let count = self.pools.len();
        let mut queues: Vec<Vec<(usize, I)>> = (0..count).map(|_| Vec::new()).collect();
        for (i, item) in items.into_iter().enumerate() {
            queues[i % count].push((i, item));
        }
        let work = &work;
        let mut results: Vec<(usize, O)> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .pools
                .iter()
                .zip(queues)
                .map(|(pool, queue)| {
                    scope.spawn(move || {
                        pool.install(|| {
                            queue
                                .into_iter()
                                .map(|(i, item)| (i, work(item)))
                                .collect::<Vec<_>>()
                        })
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| match thread.join() {
                    Ok(results) => results,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        });
        results.sort_by_key(|(i, _)| *i);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let workers = Workers::with_count(3).unwrap();
        let squares = workers.run((0..10).collect(), |i: i32| i * i);
        assert_eq!(squares, (0..10).map(|i| i * i).collect::<Vec<_>>());
    }
}
