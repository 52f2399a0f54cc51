//! Random faults in sound files. A reader reads the result or says what is wrong, and never panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::Result;
use crate::seed::{Seed, Stream};

/// Mutations of each file, unless `VERISMO_MUTATIONS` says how many.
const RUNS: u64 = 200;

/// Bytes of memory that no reader may need.
const MOST_MEMORY: u64 = 1 << 30;

/// What a number in a text becomes.
const NUMBERS: [&str; 9] = [
    "0",
    "-1",
    "0.5",
    "255",
    "65536",
    "4294967295",
    "1e30",
    "nan",
    "99999999999999999999",
];

/// What two, four or eight bytes become.
const WORDS: [u64; 6] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];

/// Reads `sound`, which must succeed, and then mutations of it. `mend` restores what readers check first,
/// such as checksums.
///
/// # Panics
/// If `read` panics on a mutation, takes longer than half a minute, or returns an error without a remedy;
/// the message has the number of the mutation. With `VERISMO_MUTATIONS`, also if the process has used more
/// than 1 GiB of memory, where the system tells (Linux).
pub(crate) fn assert_survived<T>(
    name: &str,
    sound: &[u8],
    mend: impl Fn(&mut [u8]),
    read: impl Fn(&[u8]) -> Result<T>,
) {
    if let Err(error) = read(sound) {
        panic!("{name} must be sound: {error}");
    }
    let asked = std::env::var("VERISMO_MUTATIONS").ok();
    let runs = asked.as_ref().map_or(RUNS, |text| text.parse().unwrap());
    for run in 0..runs {
        let mut bytes = sound.to_vec();
        let mut stream = Seed::new(run, name).stream(0);
        for _ in 0..stream.random_range(1..=4) {
            mutate(&mut bytes, &mut stream);
        }
        mend(&mut bytes);
        let begin = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes).map(drop)));
        let outcome = outcome.unwrap_or_else(|_| panic!("{name}: mutation {run} panics"));
        if let Err(error) = outcome {
            let text = error.to_string();
            assert!(text.contains("help: "), "{name}: mutation {run}: {text}");
        }
        let taken = begin.elapsed();
        assert!(
            taken < Duration::from_secs(30),
            "{name}: mutation {run} takes {taken:?}"
        );
        // Without the variable, other tests run in the same process.
        if let Some(bytes) = asked.as_ref().and(peak_memory()) {
            let most = MOST_MEMORY >> 20;
            assert!(
                bytes <= MOST_MEMORY,
                "{name}: after mutation {run} the process has used {} MiB, more than {most}",
                bytes >> 20
            );
        }
    }
}

/// The most resident bytes of this process so far.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

fn mutate(bytes: &mut Vec<u8>, stream: &mut Stream) {
    if bytes.is_empty() {
        return;
    }
    let at = stream.random_range(0..bytes.len());
    let end = (at + stream.random_range(1..=16_usize)).min(bytes.len());
    match stream.random_range(0..8) {
        0 => bytes[at] ^= 1 << stream.random_range(0..8),
        1 => bytes[at] = stream.random(),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 => {
            let inserted: Vec<u8> = (at..end).map(|_| stream.random()).collect();
            bytes.splice(at..at, inserted);
        }
        5 => {
            let slice = bytes[at..end].to_vec();
            let to = stream.random_range(0..=bytes.len());
            bytes.splice(to..to, slice);
        }
        6 => {
            let width = [2, 4, 8][stream.random_range(0..3)];
            let word = WORDS[stream.random_range(0..WORDS.len())];
            let word = match stream.random() {
                true => word.to_le_bytes()[..width].to_vec(),
                false => word.to_be_bytes()[8 - width..].to_vec(),
            };
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&word[..end - at]);
        }
        _ => {
            let number = NUMBERS[stream.random_range(0..NUMBERS.len())];
            let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            let Some(skipped) = bytes[at..].iter().position(is_part) else {
                return;
            };
            let start = at + skipped;
            let rest = &bytes[start..];
            let length = rest.iter().position(|byte| !is_part(byte));
            let end = start + length.unwrap_or(rest.len());
            bytes.splice(start..end, number.bytes());
        }
    }
}
