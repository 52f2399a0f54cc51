//! The peak memory of the process while something ran.

use std::fs;

/// A measurement in progress.
pub struct PeakMemory {
    /// Whether it covers the time since the process started, because the system cannot reset the peak.
    pub since_start: bool,
}

impl PeakMemory {
    /// Starts a measurement. Linux resets the peak on request (`man 5 proc_pid_clear_refs`); memory that the
    /// process already holds still counts.
    pub fn measure() -> Self {
        PeakMemory {
            since_start: fs::write("/proc/self/clear_refs", "5").is_err(),
        }
    }

    /// Peak resident memory since the start, in bytes; 0 if the system does not report it.
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
