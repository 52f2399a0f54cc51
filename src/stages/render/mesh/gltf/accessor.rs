//! Numbers out of the buffers of a glTF: floats and integers, normalised or not, sparse or not.

use std::borrow::Cow;

use gltf::accessor::sparse::IndexType;
use gltf::accessor::{DataType, Dimensions};

use super::super::geometry::MOST_TRIANGLES;

/// Vertices of the whole scene.
pub(super) const MOST_VERTICES: usize = 3 * MOST_TRIANGLES;

/// Elements of an accessor without a buffer view: zeros, which take no space in the file.
const MOST_ZEROS: usize = 1_000_000;

/// The bytes of all buffers of a file.
pub(super) type Buffers<'a> = [Cow<'a, [u8]>];

/// Checks that the accessor's bytes all exist, and that there are not too many elements.
pub(super) fn check(accessor: &gltf::Accessor, buffers: &Buffers) -> Result<(), String> {
    let (count, size) = (accessor.count(), accessor.size());
    let most = match accessor.view() {
        Some(_) => MOST_VERTICES,
        None => MOST_ZEROS,
    };
    if count > most {
        return Err(format!("has {count} elements; at most {most} are read"));
    }
    if let Some(view) = accessor.view() {
        check_span(&view, accessor.offset(), count, size, buffers)?;
    }
    if let Some(sparse) = accessor.sparse() {
        let (indices, values) = (sparse.indices(), sparse.values());
        let (count, width) = (sparse.count(), indices.index_type().size());
        check_span(&indices.view(), indices.offset(), count, width, buffers)?;
        check_span(&values.view(), values.offset(), count, size, buffers)?;
    }
    Ok(())
}

/// Checks that `count` elements of `size` bytes lie in the view, and the view in its buffer.
fn check_span(
    view: &gltf::buffer::View,
    offset: usize,
    count: usize,
    size: usize,
    buffers: &Buffers,
) -> Result<(), String> {
    let stride = view.stride().unwrap_or(size);
    if stride < size {
        return Err(format!(
            "has elements of {size} bytes, {stride} bytes apart"
        ));
    }
    let last = count.checked_sub(1).ok_or("is empty")?;
    let end = last
        .checked_mul(stride)
        .and_then(|last| last.checked_add(offset)?.checked_add(size))
        .filter(|&end| end <= view.length())
        .and_then(|_| view.offset().checked_add(view.length()));
    let buffer = buffers.get(view.buffer().index());
    match (end, buffer) {
        (Some(end), Some(buffer)) if end <= buffer.len() => Ok(()),
        _ => Err("reaches beyond the end of its buffer".into()),
    }
}

/// The elements of a view, which [`check_span`] has looked at.
fn elements<'a>(
    view: &gltf::buffer::View,
    offset: usize,
    count: usize,
    size: usize,
    buffers: &'a Buffers,
) -> impl Iterator<Item = &'a [u8]> {
    let bytes = buffers.get(view.buffer().index()).map_or(&[][..], |b| b);
    let start = view.offset() + offset;
    let stride = view.stride().unwrap_or(size);
    (0..count).filter_map(move |i| bytes.get(start + i * stride..start + i * stride + size))
}

/// The elements of an accessor as `N` numbers each; `what` they are called in errors. Those that the accessor has
/// more are left out, and those that it has fewer are `rest`.
///
/// # Errors
/// If they are of a kind that glTF does not have there.
pub(super) fn numbers<const N: usize>(
    accessor: &gltf::Accessor,
    buffers: &Buffers,
    what: &str,
    dimensions: &[Dimensions],
    rest: f32,
) -> Result<Vec<[f32; N]>, String> {
    let kind = accessor.data_type();
    if !dimensions.contains(&accessor.dimensions()) || kind == DataType::U32 {
        return Err(format!(
            "its {what} are not {N} floats or short integers each (accessor {})",
            accessor.index()
        ));
    }
    let (width, normalised) = (kind.size(), accessor.normalized());
    let element = |bytes: &[u8]| {
        let mut parts = bytes.chunks_exact(width);
        std::array::from_fn(|_| {
            let part = parts.next();
            part.map_or(rest, |bytes| component(bytes, kind, normalised))
        })
    };
    let (count, size) = (accessor.count(), accessor.size());
    let mut found: Vec<[f32; N]> = match accessor.view() {
        Some(view) => elements(&view, accessor.offset(), count, size, buffers)
            .map(element)
            .collect(),
        None => vec![[0.0; N]; count],
    };
    if let Some(sparse) = accessor.sparse() {
        let (indices, values) = (sparse.indices(), sparse.values());
        let width = match indices.index_type() {
            IndexType::U8 => 1,
            IndexType::U16 => 2,
            IndexType::U32 => 4,
        };
        let (view, offset, count) = (indices.view(), indices.offset(), sparse.count());
        let places = elements(&view, offset, count, width, buffers).map(whole);
        let (view, offset) = (values.view(), values.offset());
        let values = elements(&view, offset, count, size, buffers).map(element);
        for (place, value) in places.zip(values) {
            *found.get_mut(place as usize).ok_or_else(|| {
                format!("a sparse accessor of its {what} replaces element {place}, which it lacks")
            })? = value;
        }
    }
    Ok(found)
}

/// One number; normalised ones are shares of the greatest of their kind.
fn component(bytes: &[u8], kind: DataType, normalised: bool) -> f32 {
    let (value, greatest) = match (kind, bytes) {
        (DataType::F32, &[a, b, c, d]) => return f32::from_le_bytes([a, b, c, d]),
        (DataType::U8, &[a]) => (f32::from(a), 255.0),
        (DataType::I8, &[a]) => (f32::from(a.cast_signed()), 127.0),
        (DataType::U16, &[a, b]) => (f32::from(u16::from_le_bytes([a, b])), 65535.0),
        (DataType::I16, &[a, b]) => (f32::from(i16::from_le_bytes([a, b])), 32767.0),
        _ => (0.0, 1.0),
    };
    match normalised {
        true => (value / greatest).max(-1.0),
        false => value,
    }
}

/// A whole number of one, two or four bytes.
fn whole(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The indices of a primitive.
///
/// # Errors
/// If they are not whole numbers.
pub(super) fn indices(accessor: &gltf::Accessor, buffers: &Buffers) -> Result<Vec<u32>, String> {
    let kinds = [DataType::U8, DataType::U16, DataType::U32];
    let scalar = accessor.dimensions() == Dimensions::Scalar;
    if !scalar || !kinds.contains(&accessor.data_type()) {
        return Err("its indices are not whole numbers".into());
    }
    if accessor.sparse().is_some() {
        return Err("its indices are sparse, which is not read".into());
    }
    let (count, size) = (accessor.count(), accessor.size());
    let found = accessor.view().map(|view| {
        let found = elements(&view, accessor.offset(), count, size, buffers);
        found.map(whole).collect()
    });
    Ok(found.unwrap_or_else(|| vec![0; count]))
}
