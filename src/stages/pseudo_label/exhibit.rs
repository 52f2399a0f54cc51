//! What pseudo labels show: how many photos joined, of which classes, how sure, and some of them.

use crate::Result;
use crate::sample::{Domain, Sample};
use crate::stage::exhibit::{
    Cell, Column, Content, Evidence, Exhibit, Figure, Place, Row, Section, Sheet, Table, Value,
    examples,
};

/// Photos shown, and the parts read for them.
const SHOWN: usize = 48;
const PARTS: usize = 6;

const SECTION: Section = (Place::Work, "Pseudo labels");

/// The exhibits of the photos that joined; they stand in the last parts.
///
/// # Errors
/// If a part cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let summary = evidence.summary();
    let (photos, joined) = (summary["photos"].as_u64(), summary["joined"].as_u64());
    let (photos, joined) = (photos.unwrap_or(0), joined.unwrap_or(0));
    let confidence = summary["mean_confidence"].as_f64().unwrap_or(f64::NAN);
    let share = joined as f64 / photos.max(1) as f64;
    let figures = [
        ("joined", Value::Count(joined), "photos joined the dataset"),
        ("joined share", Value::Share(share), "of all photos"),
        (
            "confidence",
            Value::Share(confidence),
            "mean confidence in their classes",
        ),
    ];
    let figures = Content::Figures {
        figures: figures
            .map(|(name, value, about)| Figure::new(name, value, about))
            .into(),
        chance: None,
    };
    let mut exhibits = vec![
        Exhibit::new(SECTION, "", figures),
        Exhibit::new(SECTION, "By class", by_class(summary)).with_note(
            "read by networks that were trained on the labelled pictures; nobody has checked them",
        ),
    ];
    let sheet = sheet(evidence)?;
    if !sheet.rows.is_empty() {
        let photos = Exhibit::new(SECTION, "Photos", Content::Pictures(sheet));
        exhibits.push(photos.with_note("with their pseudo labels and the confidence in them"));
    }
    Ok(exhibits)
}

fn by_class(summary: &serde_json::Value) -> Content {
    let classes = summary["classes"].as_object().into_iter().flatten();
    let classes = classes.map(|(class, n)| (class, n.as_u64().unwrap_or(0)));
    let counted = match summary["boxes"].is_null() {
        true => "photos",
        false => "boxes",
    };
    let most = classes.clone().map(|(_, n)| n).max().unwrap_or(0).max(1);
    let row = |(class, n): (&String, u64)| {
        let bar = Cell::Bar {
            share: n as f64 / most as f64,
            value: Value::Count(n),
        };
        vec![Cell::text(class), bar]
    };
    Content::Table(Table {
        columns: Column::plain(&["class", counted]),
        rows: classes.map(row).collect(),
    })
}

/// One copy of some photos, class by class.
fn sheet(evidence: &Evidence) -> Result<Sheet> {
    let mut parts: Vec<_> = evidence.artifact.parts().collect();
    parts.reverse();
    parts.truncate(PARTS);
    let is_photo = |sample: &Sample| sample.provenance.domain == Domain::Photo;
    let classes = evidence.artifact.manifest.classes.len();
    let mut photos: Vec<Sample> = examples(parts, SHOWN, classes, is_photo)?
        .into_iter()
        .map(|(_, photo)| photo)
        .collect();
    photos.sort_by(|a, b| a.labels.class.cmp(&b.labels.class));
    let row = |photo: Sample| Row {
        caption: read_as(&photo),
        pictures: vec![Some(photo)],
        fault: String::new(),
        details: String::new(),
    };
    Ok(Sheet {
        labels: photos.iter().any(|photo| photo.labels.objects.is_some()),
        columns: vec![evidence.artifact.manifest.id.clone()],
        rows: photos.into_iter().map(row).collect(),
    })
}

/// `four 0.983`, as the stage noted it.
fn read_as(sample: &Sample) -> String {
    let note = super::read_note(&sample.provenance.transforms);
    note.map_or(String::new(), |(class, confidence)| {
        format!("{class} {confidence}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn photos_of_every_class_are_shown_once_with_what_they_were_read_as() {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = testing::shapes(40, 16, 1);
        for (number, sample) in samples.iter_mut().enumerate().skip(20) {
            sample.provenance.domain = Domain::Photo;
            sample.provenance.origin = format!("photos-{:06}", number % 10);
            let class = sample.labels.class.clone().unwrap();
            let note = super::super::note(&class, 0.875);
            sample.provenance.transforms.push(note);
        }
        let mut artifact = testing::publish(folder.path(), &samples, 16);
        artifact.manifest.summary = json!({
            "photos": 40, "joined": 10, "mean_confidence": 0.875,
            "classes": { "disc": 6, "square": 4 },
        });
        let exhibits = exhibit(&Evidence {
            artifact: &artifact,
            inputs: [].into(),
        });
        let exhibits = exhibits.unwrap();
        let Content::Figures { figures, .. } = &exhibits[0].content else {
            panic!("no figures");
        };
        let values: Vec<_> = figures.iter().map(|figure| figure.value.clone()).collect();
        assert_eq!(
            values,
            [Value::Count(10), Value::Share(0.25), Value::Share(0.875)]
        );
        let Content::Pictures(sheet) = &exhibits[2].content else {
            panic!("no photos");
        };
        assert_eq!(sheet.rows.len(), 10);
        assert_eq!(sheet.rows[0].caption, "disc 0.875");
        assert_eq!(sheet.rows[9].caption, "square 0.875");
    }
}
