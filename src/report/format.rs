//! Numbers and times as a reader wants them.

use crate::stage::exhibit::{Figure, Value};

/// Seconds since 1970 as `2026-03-01 14:05 UTC`.
pub fn date(seconds: u64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds as i64, 0).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A duration in seconds as `0.4 s`, `45 s`, `12 min 05 s` or `3 h 20 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3_600, whole / 60 % 60),
    }
}

/// Bytes as `512 MiB` or `1.3 GiB`.
pub fn memory(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if bytes == 0 {
        "–".into()
    } else if mebibytes < 1000.0 {
        format!("{mebibytes:.0} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

/// A count with thin spaces between the thousands.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A fraction as a percentage with one decimal; a dash for what is not a number.
pub fn percent(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{:.1} %", 100.0 * fraction)
    } else {
        "–".into()
    }
}

/// A measured value with about three digits that matter.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "–".into()
    } else if value == 0.0 {
        "0".into()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.1e}")
    } else if size >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        let text = format!(
            "{value:.decimals$}",
            decimals = if size < 0.1 { 4 } else { 2 }
        );
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A value by its kind.
pub fn value(value: &Value) -> String {
    match value {
        Value::Count(n) => count(*n),
        Value::Share(share) => percent(*share),
        Value::Number(value) => number(*value),
        Value::Text(text) => text.clone(),
    }
}

/// A figure's value, e.g. `88.9 % ± 1.2 %`.
pub fn figure(figure: &Figure) -> String {
    let mean = value(&figure.value);
    match &figure.spread {
        Some(spread) => format!("{mean} ± {}", percent(spread.std)),
        None => mean,
    }
}

/// `1 sample`, `2 samples`.
pub fn plural(value: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        count(value),
        if value == 1 { "" } else { "s" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days_and_centuries() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_709_251_199), "2024-02-29 23:59 UTC");
        assert_eq!(date(1_798_761_600), "2027-01-01 00:00 UTC");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(duration(725.2), "12 min 05 s");
        assert_eq!(duration(59.7), "1 min 00 s");
        assert_eq!(duration(f64::NAN), "–");
        assert_eq!(percent(0.8126), "81.3 %");
        assert_eq!(memory(3 << 29), "1.5 GiB");
        assert_eq!(
            [0.0, 0.5, 12.25, 2500.0, 0.0123, 1e-7].map(number),
            ["0", "0.5", "12.25", "2500", "0.0123", "1.0e-7"]
        );
    }
}
