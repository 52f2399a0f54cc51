//! What several albums have in common.

use super::Album;
use crate::sample::Extent;
use crate::{Error, Result};

/// What all pictures of `albums`, each with its name, measure.
///
/// # Errors
/// If they differ, or there is none.
pub fn common_extent(subject: &str, albums: &[(&str, &Album)]) -> Result<Extent> {
    let with_pictures = albums
        .iter()
        .filter_map(|(name, album)| Some((name, album.first?)));
    let Some((leader, extent)) = with_pictures.clone().next() else {
        return Err(Error::failed(
            subject,
            "has no pictures",
            "check its inputs",
        ));
    };
    let mut others = albums.iter().flat_map(|(name, album)| {
        let extents = album.first.into_iter().chain(album.odd);
        extents.map(move |other| (name, other))
    });
    match others.find(|(_, other)| *other != extent) {
        Some((name, other)) => Err(Error::failed(
            subject,
            format!(
                "the pictures of `{leader}` are {extent}, but there is one of {other} in `{name}`"
            ),
            "give `render` and every `ingest` the same `size`, without `keep_shape`",
        )),
        None => Ok(extent),
    }
}
