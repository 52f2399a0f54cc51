//! The largest memory that the process held while something ran.

use std::fs;

/// A measurement that has begun.
pub struct PeakMemory {
    /// Whether it goes back to the process's start, since the system cannot begin anew.
    pub since_start: bool,
}

impl PeakMemory {
    /// Begins anew: Linux forgets the peak so far when it is told to (`man 5 proc_pid_clear_refs`).
    /// What the process holds already still counts.
    pub fn measure() -> Self {
        PeakMemory {
            since_start: fs::write("/proc/self/clear_refs", "5").is_err(),
        }
    }

    /// Largest resident memory since, in bytes; 0 where the system does not say.
    pub fn bytes(&self) -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let number = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        number.unwrap_or(0) * 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_peak_that_is_over_does_not_count() {
        const SIZE: u64 = 256 << 20;
        let before = PeakMemory::measure();
        let big = std::hint::black_box(vec![1u8; SIZE as usize]);
        let peak = before.bytes();
        assert!(peak > SIZE);
        drop(big);
        let after = PeakMemory::measure();
        assert!(after.since_start || after.bytes() < peak);
    }
}
