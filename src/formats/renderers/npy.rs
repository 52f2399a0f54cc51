//! NumPy's `.npy`, as far as renderers write it: little-endian numbers or records of them, in C order:
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::path::Path;

use crate::Result;
use crate::formats::wrong;
use crate::sample::input::{self, MOST_BYTES};

/// An array of numbers or records.
pub(super) struct Array {
    /// Names and types of a record's fields, such as `<f4`; one without a name if it holds plain numbers.
    fields: Vec<(String, String)>,
    pub(super) shape: Vec<usize>,
    data: Vec<u8>,
}

/// Reads a file.
///
/// # Errors
/// If it is missing, cut off, or holds what is not read.
pub(super) fn read(path: &Path) -> Result<Array> {
    let bytes = input::read(path, MOST_BYTES)?;
    parse(&bytes).map_err(|problem| wrong(path, problem))
}

fn parse(bytes: &[u8]) -> Result<Array, String> {
    let cut_off = || "is cut off".to_owned();
    let rest = bytes
        .strip_prefix(b"\x93NUMPY")
        .ok_or("is not a .npy file: it does not begin as one")?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [version, ..] if !(1..=3).contains(version) => {
            return Err(format!("has version {version} of .npy, which is not read"));
        }
        _ => return Err(cut_off()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut_off)?;
    let header = String::from_utf8_lossy(header);
    let after = |key: &str| {
        let at = header.find(&format!("'{key}':"));
        at.map(|at| header[at + key.len() + 3..].trim_start())
            .ok_or_else(|| format!("has a header without `{key}`"))
    };
    if after("fortran_order")?.starts_with("True") {
        return Err("is in Fortran order, which is not read".to_owned());
    }
    let shape = after("shape")?.strip_prefix('(').ok_or_else(cut_off)?;
    let shape = shape.split(')').next().unwrap_or_default();
    let sides = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Result<Vec<usize>, _> = sides.map(str::parse).collect();
    let shape = shape.map_err(|_| "has a shape that cannot be read".to_owned())?;
    let fields = fields(after("descr")?)?;
    let size: usize = fields.iter().map(|(_, kind)| width(kind)).sum();
    let length = shape
        .iter()
        .try_fold(size, |all, &side| all.checked_mul(side));
    let data = length.and_then(|length| data.get(..length));
    Ok(Array {
        fields,
        shape,
        data: data.ok_or_else(cut_off)?.to_vec(),
    })
}

/// The fields of `'<f4'` or `[('x_min', '<i4'), …]`, at the beginning of `text`.
fn fields(text: &str) -> Result<Vec<(String, String)>, String> {
    let list = text.strip_prefix('[');
    let end = if list.is_some() { ']' } else { ',' };
    let text = list.unwrap_or(text).split(end).next().unwrap_or_default();
    let words: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
    let fields: Vec<(String, String)> = match list {
        None => words
            .first()
            .map(|kind| (String::new(), (*kind).to_owned()))
            .into_iter()
            .collect(),
        Some(_) => words
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[name, kind]| ((*name).to_owned(), (*kind).to_owned()))
            .collect(),
    };
    match fields.iter().find(|(_, kind)| width(kind) == 0) {
        Some((_, kind)) => Err(format!("holds `{kind}`, which is not read")),
        None if fields.is_empty() => Err("has a type that is not read".to_owned()),
        None => Ok(fields),
    }
}

/// Bytes of a number; 0 if its type is not read.
fn width(kind: &str) -> usize {
    match kind {
        "|u1" | "|i1" | "|b1" => 1,
        "<u2" | "<i2" => 2,
        "<u4" | "<i4" | "<f4" => 4,
        "<u8" | "<i8" | "<f8" => 8,
        _ => 0,
    }
}

fn number(kind: &str, bytes: &[u8]) -> Option<f64> {
    Some(match kind {
        "|u1" | "|b1" => f64::from(*bytes.first()?),
        "|i1" => f64::from(*bytes.first()? as i8),
        "<u2" => f64::from(u16::from_le_bytes(bytes.try_into().ok()?)),
        "<i2" => f64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        "<u4" => f64::from(u32::from_le_bytes(bytes.try_into().ok()?)),
        "<i4" => f64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        "<f4" => f64::from(f32::from_le_bytes(bytes.try_into().ok()?)),
        "<u8" => u64::from_le_bytes(bytes.try_into().ok()?) as f64,
        "<i8" => i64::from_le_bytes(bytes.try_into().ok()?) as f64,
        "<f8" => f64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

impl Array {
    /// The values of a field in order, or the plain numbers (`""`); `None` if there is no such field, or it holds
    /// what is not read.
    pub(super) fn column(&self, name: &str) -> Option<Vec<f64>> {
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        let before: usize = self.fields[..at].iter().map(|(_, kind)| width(kind)).sum();
        let size: usize = self.fields.iter().map(|(_, kind)| width(kind)).sum();
        let kind = self.fields[at].1.as_str();
        let records = self.data.chunks_exact(size);
        records
            .map(|record| number(kind, record.get(before..before + width(kind))?))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn numbers_and_records_are_read() {
        let header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1), }";
        let plain = parse(&file(header, &[1, 0, 255, 255])).unwrap();
        assert_eq!(plain.shape, [2, 1]);
        assert_eq!(plain.column("").unwrap(), [1.0, -1.0]);
        let header =
            "{'descr': [('a', '|u1'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,)}";
        let mut data = vec![7];
        data.extend(0.5_f32.to_le_bytes());
        let records = parse(&file(header, &data)).unwrap();
        assert_eq!(records.column("b").unwrap(), [0.5]);
        assert_eq!(records.column("c"), None);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let with = |descr: &str, order: &str, shape: &str| {
            let header =
                format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
            parse(&file(&header, &[0; 8])).err().unwrap()
        };
        assert!(with("'>f4'", "False", "(2,)").contains("`>f4`"));
        assert!(with("'|O'", "False", "(2,)").contains("`|O`"));
        assert!(with("'<f4'", "True", "(2,)").contains("Fortran"));
        assert!(with("'<f4'", "False", "(3,)").contains("cut off"));
        assert!(with("'<f4'", "False", "(99999999999, 99999999999)").contains("cut off"));
        assert!(with("'<f4'", "False", "(-1,)").contains("shape"));
        assert!(
            parse(b"\x93NUMPY\x09\0")
                .err()
                .unwrap()
                .contains("version 9")
        );
        assert!(parse(b"PK").err().unwrap().contains("not a .npy"));
    }
}
