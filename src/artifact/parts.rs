//! Parts: Parquet files of a few hundred samples, readable by any Parquet reader.
//!
//! One row per sample. Images are encoded bytes in a binary column; objects are a list of structs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{table, walk};
use crate::sample::maps::{MAPS, MapKind};
use crate::sample::{
    Amodal, Camera, Domain, Extent, Keypoint, Labels, Maps, Mask, Object, Provenance, Sample,
};
use crate::{Error, Result};

/// Writes `samples` as one Parquet file.
///
/// # Errors
/// If the file cannot be written; the message names it.
pub fn write_part(path: &Path, samples: &[Sample]) -> Result<()> {
    table::write(path, &rows(samples))
}

/// The blake3 hash, in hexadecimal, of the file that [`write_part`] would write.
///
/// # Errors
/// If `samples` cannot be converted to a table.
pub fn hash(samples: &[Sample]) -> Result<String> {
    let bytes = table::to_bytes(&rows(samples))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// The parts in the folder of a result that is being made, in their order.
///
/// # Errors
/// If the folder cannot be listed.
pub fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = walk(folder)?;
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("part-")
    });
    Ok(files)
}

/// Reads back what [`write_part`] wrote.
///
/// # Errors
/// If the file is missing, truncated, or has other columns; the message names it.
pub fn read_part(path: &Path) -> Result<Vec<Sample>> {
    let rows: Vec<Row> = table::read(path)?;
    rows.into_iter().map(|row| row.sample(path)).collect()
}

/// The sample with this id, reading only its row; `None` if the part does not contain it.
///
/// # Errors
/// If the file is missing, truncated, or has other columns; the message names it.
pub fn find(path: &Path, id: &str) -> Result<Option<Sample>> {
    let mut ids = read_ids(path)?.into_iter();
    let Some(row) = ids.position(|known| known == id) else {
        return Ok(None);
    };
    let row: Row = table::read_row(path, row)?;
    row.sample(path).map(Some)
}

/// The id of each sample of a part, reading only that column.
///
/// # Errors
/// If the file is missing, truncated, or lacks the column; the message names it.
pub fn read_ids(path: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    let rows: Vec<Id> = table::read(path)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The class of each sample of a part, or of each image in a dataset's table, reading only that column.
///
/// # Errors
/// If the file is missing, truncated, or lacks the column; the message names it.
pub fn read_classes(path: &Path) -> Result<Vec<Option<String>>> {
    #[derive(Deserialize)]
    struct Class {
        class: Option<String>,
    }
    let rows: Vec<Class> = table::read(path)?;
    Ok(rows.into_iter().map(|row| row.class).collect())
}

/// One sample as a row of the table.
#[derive(Serialize, Deserialize)]
struct Row {
    id: String,
    index: u64,
    #[serde(with = "serde_bytes")]
    image: Vec<u8>,
    width: u32,
    height: u32,
    class: Option<String>,
    caption: Option<String>,
    /// Null: unknown. Empty: there are no objects.
    objects: Option<Vec<ObjectRow>>,
    maps: Vec<MapRow>,
    /// fx, fy, cx, cy.
    camera: Option<Vec<f32>>,
    domain: String,
    source: String,
    origin: String,
    parent: Option<String>,
    seed: String,
    checkpoint: Option<String>,
    transforms: Vec<String>,
    split: Option<String>,
    gate: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ObjectRow {
    class: String,
    bbox_xywh: Vec<f32>,
    mask_counts: Option<Vec<u32>>,
    amodal_bbox_xywh: Option<Vec<f32>>,
    amodal_mask_counts: Option<Vec<u32>>,
    keypoint_names: Vec<String>,
    keypoints_xyv: Vec<f32>,
    pose: Option<Vec<f32>>,
    #[serde(default)]
    box_3d: Option<Vec<f32>>,
    visible_fraction: f32,
    truncation: Option<f32>,
    track: Option<String>,
}

/// A map, named as in [`MAPS`].
#[derive(Serialize, Deserialize)]
struct MapRow {
    name: String,
    #[serde(with = "serde_bytes")]
    png: Vec<u8>,
    /// What a value of 1 stands for, e.g. metres; null: what the kind of map says.
    step: Option<f32>,
}

fn rows(samples: &[Sample]) -> Vec<Row> {
    samples.iter().map(Row::new).collect()
}

impl Row {
    fn new(sample: &Sample) -> Self {
        let Sample {
            id,
            index,
            image,
            extent,
            labels,
            provenance,
        } = sample.clone();
        let map = |(kind, png): (&'static MapKind, &[u8])| MapRow {
            name: kind.name.to_owned(),
            png: png.to_vec(),
            step: labels.maps.step(kind),
        };
        let objects = labels
            .objects
            .map(|all| all.into_iter().map(ObjectRow::new).collect());
        Row {
            id,
            index,
            image,
            width: extent.width,
            height: extent.height,
            class: labels.class,
            caption: labels.caption,
            objects,
            maps: labels.maps.iter().map(map).collect(),
            camera: labels.camera.map(|camera| camera.to_array().to_vec()),
            domain: provenance.domain.name().to_owned(),
            source: provenance.source,
            origin: provenance.origin,
            parent: provenance.parent,
            seed: provenance.seed,
            checkpoint: provenance.checkpoint,
            transforms: provenance.transforms,
            split: provenance.split,
            gate: provenance.gate,
        }
    }

    fn sample(self, path: &Path) -> Result<Sample> {
        let unknown = || Error::table(path, format!("`{}` is not a domain", self.domain));
        let domain = Domain::from_name(&self.domain).ok_or_else(unknown)?;
        let mut maps = Maps::default();
        for MapRow { name, png, step } in self.maps {
            let kind = MAPS.iter().find(|kind| kind.name == name);
            let unknown = || Error::table(path, format!("`{name}` is not a map"));
            maps.insert_scaled(kind.ok_or_else(unknown)?, png, step);
        }
        let camera = self.camera.as_deref().and_then(Camera::from_slice);
        Ok(Sample {
            id: self.id,
            index: self.index,
            image: self.image,
            extent: Extent::new(self.width, self.height),
            labels: Labels {
                class: self.class,
                caption: self.caption,
                objects: self
                    .objects
                    .map(|all| all.into_iter().map(ObjectRow::object).collect()),
                maps,
                camera,
            },
            provenance: Provenance {
                domain,
                source: self.source,
                origin: self.origin,
                parent: self.parent,
                seed: self.seed,
                checkpoint: self.checkpoint,
                transforms: self.transforms,
                split: self.split,
                gate: self.gate,
            },
        })
    }
}

impl ObjectRow {
    fn new(object: Object) -> Self {
        let counts = |mask: Option<Mask>| mask.map(|mask| mask.counts);
        let keypoints_xyv = object.keypoints.iter().flat_map(Keypoint::xyv).collect();
        let (amodal_bbox_xywh, amodal_mask_counts) = match object.amodal {
            Some(amodal) => (Some(amodal.bbox_xywh.to_vec()), counts(amodal.mask)),
            None => (None, None),
        };
        ObjectRow {
            class: object.class,
            bbox_xywh: object.bbox_xywh.to_vec(),
            mask_counts: counts(object.mask),
            amodal_bbox_xywh,
            amodal_mask_counts,
            keypoint_names: object.keypoints.into_iter().map(|k| k.name).collect(),
            keypoints_xyv,
            pose: object.pose.map(|pose| pose.to_vec()),
            box_3d: object.box_3d.map(|sides| sides.to_vec()),
            visible_fraction: object.visible_fraction,
            truncation: object.truncation,
            track: object.track,
        }
    }

    fn object(self) -> Object {
        let mask = |counts: Option<Vec<u32>>| counts.map(|counts| Mask { counts });
        let keypoint = |(name, &xyv): (String, &[f32; 3])| Keypoint::from_xyv(name, xyv);
        let amodal_mask = mask(self.amodal_mask_counts);
        let points = self.keypoints_xyv.as_chunks::<3>().0;
        let names = self.keypoint_names.into_iter();
        Object {
            class: self.class,
            bbox_xywh: self.bbox_xywh.try_into().unwrap_or_default(),
            mask: mask(self.mask_counts),
            amodal: self.amodal_bbox_xywh.map(|bbox| Amodal {
                bbox_xywh: bbox.try_into().unwrap_or_default(),
                mask: amodal_mask,
            }),
            keypoints: names.zip(points).map(keypoint).collect(),
            pose: self.pose.and_then(|pose| pose.try_into().ok()),
            box_3d: self.box_3d.and_then(|sides| sides.try_into().ok()),
            visible_fraction: self.visible_fraction,
            truncation: self.truncation,
            track: self.track,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    use crate::sample::{Visibility, maps};
    use crate::testing::mutations::assert_survived;

    /// Two samples that together use every field.
    pub(crate) fn examples() -> Vec<Sample> {
        let mut maps = Maps::default();
        for kind in MAPS {
            let values = vec![kind.nothing; 12];
            let png = maps::encode(kind, &values, (4, 3)).unwrap();
            maps.insert_scaled(kind, png, (kind.name == "depth").then_some(1e-3));
        }
        let full = Sample {
            id: "render-000001".into(),
            index: 1,
            image: crate::sample::image::encode_png(&image::RgbImage::new(4, 3)).unwrap(),
            extent: Extent::new(4, 3),
            labels: Labels {
                class: Some("six".into()),
                caption: Some("a die that shows six".into()),
                objects: Some(vec![Object {
                    mask: Some(Mask {
                        counts: vec![3, 6, 3],
                    }),
                    amodal: Some(Amodal {
                        bbox_xywh: [-1.0, 0.0, 4.0, 3.0],
                        mask: Some(Mask {
                            counts: vec![0, 9, 3],
                        }),
                    }),
                    keypoints: vec![Keypoint {
                        name: "pip".into(),
                        x: 1.5,
                        y: 2.5,
                        visibility: Visibility::Visible,
                    }],
                    pose: Some([0.5; 12]),
                    box_3d: Some([-1.0, -0.5, -2.0, 1.0, 0.5, 2.0]),
                    visible_fraction: 0.75,
                    truncation: Some(0.25),
                    track: Some("die 1".into()),
                    ..Object::new("six", [1.0, 0.0, 2.0, 3.0])
                }]),
                maps,
                camera: Some(Camera {
                    fx: 70.0,
                    fy: 71.0,
                    cx: 2.0,
                    cy: 1.5,
                }),
            },
            provenance: Provenance {
                domain: Domain::Render,
                source: "die.gltf".into(),
                origin: "render-000001".into(),
                parent: None,
                seed: "ab".into(),
                checkpoint: Some("cd".into()),
                transforms: vec!["flip".into(), "blur(1.5)".into()],
                split: Some("train".into()),
                gate: Some("{\"edges\":0.5}".into()),
            },
        };
        let mut bare = full.clone();
        bare.id = "photo-000002".into();
        bare.labels = Labels::default();
        bare.provenance.domain = Domain::Photo;
        bare.provenance.transforms = Vec::new();
        bare.provenance.checkpoint = None;
        bare.provenance.split = None;
        bare.provenance.gate = None;
        bare.provenance.parent = Some("x".into());
        vec![full, bare]
    }

    #[test]
    fn parts_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.parquet");
        let mut samples = examples();
        let mut empty = samples[1].clone();
        (empty.id, empty.labels.objects) = ("nothing".into(), Some(Vec::new()));
        samples.push(empty);
        write_part(&path, &samples).unwrap();
        assert_eq!(read_part(&path).unwrap(), samples);
        assert_eq!(find(&path, &samples[1].id).unwrap().unwrap(), samples[1]);
        assert_eq!(find(&path, "x").unwrap(), None);
        assert_eq!(
            hash(&samples).unwrap(),
            crate::artifact::hash_file(&path).unwrap()
        );
        samples.remove(0);
        write_part(&path, &samples).unwrap();
        assert_eq!(read_part(&path).unwrap(), samples);
    }

    /// Another Parquet reader sees the same columns, including nested ones.
    #[test]
    fn another_library_reads_a_part() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.parquet");
        write_part(&path, &examples()).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        assert_eq!(rows.len(), 2);
        for part in [
            "render-000001",
            "bbox_xywh",
            "keypoints_xyv",
            "0.75",
            "blur(1.5)",
        ] {
            assert!(rows[0].contains(part), "{part} is not in {}", rows[0]);
        }
    }

    #[test]
    fn mutated_parts_are_read_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.parquet");
        write_part(&path, &examples()).unwrap();
        let sound = std::fs::read(&path).unwrap();
        assert_survived(
            "part",
            &sound,
            |_| {},
            |bytes| {
                std::fs::write(&path, bytes).unwrap();
                read_part(&path)
            },
        );
    }
}
