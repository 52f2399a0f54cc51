//! Clips: the same frames however they are made, motion that can be followed, and flow that is that of the recorded
//! poses and depths, of keypoints and of pixels.

use std::collections::BTreeSet;

use glam::{Mat3, Vec2, Vec3, vec2};

use super::*;
use crate::sample::maps::{self, MapName, Value, flow};
use crate::sample::{Camera, Object};
use crate::stages::render::Render;

const SIZE: Extent = Extent::new(64, 48);
const FRAMES: u64 = 4;

fn clips(mesh: &Mesh, count: u64, threads: usize, part_size: usize) -> Vec<Sample> {
    let flow = MapName::find("flow").unwrap();
    let wanted = Wanted {
        clip: FRAMES,
        maps: &[flow],
        ..wanted(count, SIZE)
    };
    render_wanted(mesh, BTreeMap::new(), wanted, threads, part_size).unwrap()
}

/// Fast motion, some of it towards the camera.
fn fast() -> Mesh {
    let mut mesh = crowded();
    mesh.camera.fov_degrees = [25.0, 40.0];
    mesh.camera.tilt_degrees = [10.0, 45.0];
    mesh.camera.object_scale = [0.4, 0.6];
    mesh.neighbours.gap = [0.2, 0.5];
    mesh.motion = Some(Motion {
        orbit_degrees: [-8.0, 8.0],
        tilt_degrees: [-2.0, 2.0],
        distance: [-0.04, 0.04],
        shift: [0.0, 0.08],
        spin_degrees: [-10.0, 10.0],
    });
    mesh
}

fn flow_of(sample: &Sample) -> Vec<Value> {
    let png = sample.labels.maps.get(&flow::MAP).unwrap();
    maps::decode_of(&flow::MAP, png, SIZE, &sample.id).unwrap()
}

/// Each frame with the next one of its clip.
fn pairs(samples: &[Sample]) -> impl Iterator<Item = (&Sample, &Sample)> {
    let pairs = samples.iter().zip(&samples[1..]);
    pairs.filter(|(a, b)| a.provenance.origin == b.provenance.origin)
}

/// The same object in the next frame.
fn again<'a>(object: &Object, next: &'a Sample) -> Option<&'a Object> {
    let mut objects = next.labels.objects().iter();
    objects.find(|other| other.track == object.track)
}

fn to_camera(object: &Object) -> (Mat3, Vec3) {
    let p = object.pose.unwrap();
    let column = |i: usize| Vec3::new(p[i], p[i + 4], p[i + 8]);
    (Mat3::from_cols(column(0), column(1), column(2)), column(3))
}

fn projected(camera: Camera, point: Vec3) -> Vec2 {
    vec2(
        point.x / point.z * camera.fx + camera.cx,
        point.y / point.z * camera.fy + camera.cy,
    )
}

#[test]
fn frames_are_the_same_for_any_threads_and_parts_and_longer_runs_continue_them() {
    let once = clips(&fast(), 10, 1, 256);
    assert_eq!(once, clips(&fast(), 10, 2, 3));
    assert_eq!(once[..6], clips(&fast(), 6, 1, 256));
    for sample in &once {
        let first = sample.index / FRAMES * FRAMES;
        assert_eq!(sample.provenance.origin, format!("render-{first:06}"));
        assert_eq!(sample.clip(), Some(&*sample.provenance.origin));
    }
}

#[test]
fn a_clip_shows_one_class_in_every_frame_and_follows_its_objects() {
    let mut mesh = fast();
    // One die: a turn for each of its faces in every round.
    mesh.models.truncate(1);
    let samples = clips(&mesh, 6 * FRAMES, 2, 256);
    let (mut classes, mut tracks) = (BTreeSet::new(), BTreeMap::new());
    for (sample, next) in pairs(&samples) {
        assert_eq!(sample.labels.class, next.labels.class);
        assert_ne!(sample.image, next.image);
        let moved = |object: &Object| {
            let apart = again(object, next).map(|other| {
                let [a, b] = [object, other].map(|o| vec2(o.bbox_xywh[0], o.bbox_xywh[1]));
                assert_eq!(object.class, other.class);
                a.distance(b)
            });
            apart.unwrap_or(0.0)
        };
        assert!(
            sample
                .labels
                .objects()
                .iter()
                .map(moved)
                .all(|way| way < 16.0)
        );
    }
    for sample in &samples {
        let main = &sample.labels.objects()[0];
        assert!(main.visible_fraction >= 0.2);
        classes.insert(main.class.clone());
        let mut frame = BTreeSet::new();
        for object in sample.labels.objects() {
            let track = object.track.clone().unwrap();
            assert!(frame.insert(track.clone()), "twice in a frame: {track}");
            let clip = tracks.entry(track).or_insert(&sample.provenance.origin);
            assert_eq!(*clip, &sample.provenance.origin);
        }
    }
    assert_eq!(classes.len(), 6, "the classes take turns by clip");
}

#[test]
fn objects_do_not_run_into_each_other() {
    let mut mesh = fast();
    mesh.neighbours.gap = [0.0, 0.05];
    mesh.motion.as_mut().unwrap().shift = [0.2, 0.4];
    for sample in clips(&mesh, 4 * FRAMES, 2, 256) {
        let places: Vec<Vec3> = sample
            .labels
            .objects()
            .iter()
            .map(|o| to_camera(o).1)
            .collect();
        for (i, a) in places.iter().enumerate() {
            // A die is about 16 mm wide.
            assert!(
                places[..i].iter().all(|b| a.distance(*b) > 0.012),
                "{places:?}"
            );
        }
    }
}

#[test]
fn without_motion_nothing_flows_and_only_the_noise_changes() {
    let mut mesh = fast();
    mesh.motion = Some(Motion {
        orbit_degrees: [0.0; 2],
        tilt_degrees: [0.0; 2],
        distance: [0.0; 2],
        shift: [0.0; 2],
        spin_degrees: [0.0; 2],
    });
    let samples = clips(&mesh, 2 * FRAMES, 2, 256);
    for (sample, next) in pairs(&samples) {
        assert_eq!(sample.labels.objects, next.labels.objects);
        let flow = flow_of(sample);
        assert!(
            flow.iter()
                .all(|value| flow::motion(*value) == Some([0.0; 2]))
        );
        // Rays along an outline may end elsewhere a second time.
        let seen = flow
            .iter()
            .filter(|value| flow::seen_again(**value).is_some());
        assert!(100 * seen.count() > 99 * SIZE.area());
        let error = flow::warping_error(
            &sample.pixels().unwrap(),
            &next.pixels().unwrap(),
            &flow_of(sample),
        );
        assert!((0.0..0.02).contains(&error.unwrap()), "{error:?}");
    }
}

#[test]
fn flow_is_that_of_the_recorded_poses_and_depths() {
    let samples = clips(&fast(), 4 * FRAMES, 2, 256);
    let (mut compared, mut largest) = (0, 0.0_f32);
    for (sample, next) in pairs(&samples) {
        let flow = flow_of(sample);
        let png = sample.labels.maps.get(&depth::MAP).unwrap();
        let depths = maps::decode_of(&depth::MAP, png, SIZE, &sample.id).unwrap();
        let step = sample.labels.maps.step(&depth::MAP).unwrap();
        let [camera, there] = [sample, next].map(|sample| sample.labels.camera.unwrap());
        for object in sample.labels.objects() {
            let Some(other) = again(object, next) else {
                continue;
            };
            let ((turn, shift), (next_turn, next_shift)) = (to_camera(object), to_camera(other));
            let mask = mask_of(object).to_bitmap(SIZE.width, SIZE.height);
            for i in (0..mask.len()).filter(|&i| mask[i]) {
                let pixel = vec2(
                    (i as u32 % SIZE.width) as f32,
                    (i as u32 / SIZE.width) as f32,
                ) + 0.5;
                let metres = f32::from(depths[i][0]) * step;
                let point = Vec3::new(
                    (pixel.x - camera.cx) / camera.fx * metres,
                    (pixel.y - camera.cy) / camera.fy * metres,
                    metres,
                );
                let inside = turn.transpose() * (point - shift);
                let expected = projected(there, next_turn * inside + next_shift) - pixel;
                let found = Vec2::from(flow::motion(flow[i]).unwrap());
                // Depths are known to half a step.
                assert!(found.distance(expected) < 0.1, "{found} {expected}");
                compared += 1;
                largest = largest.max(found.length());
            }
        }
    }
    assert!(compared > 3000 && largest > 2.0, "{compared} {largest}");
}

#[test]
fn keypoints_go_where_the_flow_says() {
    let samples = clips(&fast(), 4 * FRAMES, 2, 256);
    let mut compared = 0;
    for (sample, next) in pairs(&samples) {
        let flow = flow_of(sample);
        let main = &sample.labels.objects()[0];
        let other = again(main, next).unwrap();
        let mask = mask_of(main).to_bitmap(SIZE.width, SIZE.height);
        for (before, after) in main.keypoints.iter().zip(&other.keypoints) {
            let i = before.y as usize * SIZE.width as usize + before.x as usize;
            if before.visibility != Visibility::Visible || !mask[i] {
                continue;
            }
            let expected = vec2(after.x - before.x, after.y - before.y);
            let found = Vec2::from(flow::motion(flow[i]).unwrap());
            // A pip is a dent, and its middle is up to a pixel from that of its own.
            assert!(found.distance(expected) < 0.5, "{found} {expected}");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn warped_by_the_flow_a_frame_is_the_next_one_and_without_it_is_not() {
    let mut mesh = fast();
    mesh.lens.blur_pixels = [0.6; 2];
    mesh.lens.noise = [0.0; 2];
    mesh.lens.sharpening = [0.0; 2];
    mesh.surfaces.roughness = [1.0; 2];
    mesh.surfaces.gloss = [0.0; 2];
    mesh.table.texture = [0.3; 2];
    let samples = clips(&mesh, 3 * FRAMES, 2, 256);
    let (mut warped, mut unwarped, mut seen) = (0.0, 0.0, 0);
    for (sample, next) in pairs(&samples) {
        let [a, b] = [sample, next].map(|sample| sample.pixels().unwrap());
        let flow = flow_of(sample);
        let still: Vec<Value> = flow
            .iter()
            .map(|value| match flow::seen_again(*value) {
                Some(_) => flow::value([0.0; 2], true),
                None => flow::MAP.nothing,
            })
            .collect();
        seen += flow
            .iter()
            .filter(|value| flow::seen_again(**value).is_some())
            .count();
        warped += flow::warping_error(&a, &b, &flow).unwrap();
        unwarped += flow::warping_error(&a, &b, &still).unwrap();
    }
    assert!(warped < 0.5 * unwarped, "{warped} {unwarped}");
    assert!(seen > 9 * SIZE.area() / 2, "{seen}");
}

#[test]
fn of_a_backdrop_no_flow_is_known() {
    let mut mesh = fast();
    mesh.backdrop.colours = vec![Colour([200; 3])];
    for sample in clips(&mesh, FRAMES, 1, 256) {
        let mask = sample.object_mask();
        for (value, inside) in flow_of(&sample).iter().zip(mask.as_raw()) {
            assert_eq!(*value == flow::MAP.nothing, *inside == 0);
        }
    }
}

#[test]
fn what_clips_cannot_be_is_refused() {
    let refused = |text: &str| {
        let render: Render = toml::from_str(text).unwrap();
        crate::stage::Stage::check(&render).unwrap_err()
    };
    let mesh = "[mesh]\nmodels = [\"renders/dice/die.gltf\"]";
    assert!(refused(&format!("maps = [\"flow\"]\n{mesh}")).contains("set `clip`"));
    assert!(refused(&format!("clip = 0\n{mesh}")).contains("`clip`"));
    assert!(refused(&format!("{mesh}\n[mesh.motion]\nshift = [0.0, 0.1]")).contains("set `clip`"));
    let steep = refused(&format!(
        "clip = 8\n{mesh}\n[mesh.motion]\ntilt_degrees = [0.0, 20.0]"
    ));
    assert!(steep.contains("tilt of 118 degrees"), "{steep}");
    let templates = "clip = 8\n[template]\ntemplates = \"renders/traffic-signs\"";
    assert!(refused(templates).contains("templates"));
    // Stills keep their keys in the cache.
    let still: Render = toml::from_str(mesh).unwrap();
    let resolved = serde_json::to_value(&still).unwrap();
    assert!(resolved.get("clip").is_none() && resolved["mesh"].get("motion").is_none());
}
