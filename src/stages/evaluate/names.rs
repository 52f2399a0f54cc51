//! How labels name classes and photos, as it is compared with the dataset's classes and the samples' sources.

use std::path::Path;

use crate::formats::spreadsheet::{Record, quoted};
use crate::models::album::ObjectBox;
use crate::sample::listing::as_table_has_it;
use crate::{Error, Result};

/// The place of the class of a picture of the dataset at `path`, or of an object in it.
///
/// # Errors
/// If it is none of `classes`.
pub(super) fn place_of(
    class: &str,
    classes: &[String],
    path: &Path,
    picture: &str,
) -> Result<usize> {
    let found = classes.iter().position(|known| known == class);
    found.ok_or_else(|| {
        Error::failed(
            path.display(),
            format!(
                "{picture} has the class `{}`, which is not one of the classes {}",
                quoted(class),
                listed(classes)
            ),
            "name the classes in the labels as in the dataset",
        )
    })
}

/// The place of a class by its name, or by its number.
pub(super) fn number(name: &str, classes: &[String], record: &Record) -> Result<usize> {
    let named = classes.iter().position(|class| class == name);
    let class = named.or_else(|| name.parse().ok().filter(|number| *number < classes.len()));
    class.ok_or_else(|| {
        record.wrong(
            format!(
                "`{}` is not one of the classes {}",
                quoted(name),
                listed(classes)
            ),
            "name the classes in the CSV as in the dataset",
        )
    })
}

/// The first classes, for messages.
pub(super) fn listed(classes: &[String]) -> String {
    const MOST: usize = 20;
    let more = match classes.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first: Vec<String> = classes
        .iter()
        .take(MOST)
        .map(|class| quoted(class))
        .collect();
    first.join(", ") + &more
}

/// A path as it is compared: in small letters, with slashes, and without what only one of the two has.
pub(super) fn plain_name(file: &str) -> String {
    let name = as_table_has_it(file.trim())
        .replace('\\', "/")
        .to_lowercase();
    name.strip_prefix("./").unwrap_or(&name).to_owned()
}

/// The last part of a path as it is compared: folders may be named from elsewhere.
pub(super) fn base_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// An object of a class that is one of `classes`.
///
/// # Errors
/// If it is not; the message calls the picture `name`.
pub(super) fn object_box(
    class: &str,
    bbox_xywh: [f32; 4],
    classes: &[String],
    name: &str,
) -> Result<ObjectBox> {
    match classes.iter().position(|known| known == class) {
        Some(class) => Ok(ObjectBox::new(class, bbox_xywh)),
        None => Err(Error::failed(
            name,
            format!(
                "shows a `{class}`, which is not one of the classes {}",
                listed(classes)
            ),
            "name all classes in `classes`, or leave it out",
        )),
    }
}
