//! What the stage shows: photos with the masks and keypoints of their objects, beside renders that explain some of them.

use super::Note;
use crate::Result;
use crate::artifact::parts;
use crate::sample::Sample;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Place, Row, Sheet};

/// Photos that are shown, and renders beside each.
const ROWS: usize = 6;
const RENDERS: usize = 3;

/// # Errors
/// If a part cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let Some(renders) = evidence.input("renders") else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for path in evidence.artifact.parts() {
        for photo in parts::read_part(&path)? {
            let explained: Vec<Note> = Note::all(&photo).filter(|note| note.explained).collect();
            if explained.is_empty() || rows.len() == ROWS {
                continue;
            }
            let mut pictures = vec![Some(photo.clone())];
            for note in explained.iter().take(RENDERS) {
                let (id, number) = note.template.rsplit_once('#').unwrap_or_default();
                let render = renders.find(id)?;
                pictures.push(render.map(|render| alone(render, number.parse().ok())));
            }
            pictures.resize(1 + RENDERS, None);
            let classes = explained
                .iter()
                .take(RENDERS)
                .map(|note| note.class.as_str());
            rows.push(Row {
                pictures,
                caption: photo.provenance.source.clone(),
                fault: String::new(),
                details: classes.collect::<Vec<_>>().join(", "),
            });
        }
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut columns = vec!["photo".to_owned()];
    columns.resize(1 + RENDERS, "a render that explains an object".to_owned());
    let sheet = Sheet {
        columns,
        rows,
        labels: true,
    };
    let section = (Place::Work, "Poses");
    let photos = Exhibit::new(
        section,
        "Objects and their renders",
        Content::Pictures(sheet),
    );
    Ok(vec![photos.with_note(
        "objects of photos with the keypoints of the renders that look most like them",
    )])
}

/// A render with one of its objects.
fn alone(mut render: Sample, number: Option<usize>) -> Sample {
    let mut objects = render.labels.objects.take().unwrap_or_default();
    let one = number.filter(|number| *number < objects.len());
    render.labels.objects = Some(
        one.map(|number| objects.swap_remove(number))
            .into_iter()
            .collect(),
    );
    render
}
