//! Laws of mappings, for all mappings and labels.

use glam::Vec3;
use proptest::prelude::*;

use super::*;
use crate::sample::maps::{self, Maps, albedo, flow, normals, semantic};
use crate::sample::{Amodal, Camera, Keypoint, Labels, Mask, Object, Visibility};

const FROM: Extent = Extent::new(40, 30);

fn any_mapping() -> impl Strategy<Value = Mapping> {
    let similarity = (-3.2..3.2, 0.5..2.0, -8.0..8.0, -8.0..8.0);
    let similarity = similarity
        .prop_map(|(angle, scale, dx, dy)| Mapping::similarity(FROM, angle, scale, [dx, dy]));
    let resize = (1_u32..90, 1_u32..90)
        .prop_map(|(width, height)| Mapping::resize(FROM, Extent::new(width, height)));
    let cut = (-9_i64..30, -9_i64..20, 1_u32..50, 1_u32..50)
        .prop_map(|(x, y, w, h)| crop(x, y, Extent::new(w, h)));
    prop_oneof![similarity, resize, cut, Just(Mapping::mirror(FROM))]
}

/// The part whose left upper pixel is (`left`, `top`), which may be outside.
fn crop(left: i64, top: i64, to: Extent) -> Mapping {
    let shift = DVec2::new(-left as f64, -top as f64);
    Mapping::new(DAffine2::from_translation(shift), FROM, to)
}

/// A rectangle with a keypoint at each corner.
fn rectangle([x, y, w, h]: [u32; 4]) -> Labels {
    let inside = |i: u32| {
        let (px, py) = (i % FROM.width, i / FROM.width);
        (x..x + w).contains(&px) && (y..y + h).contains(&py)
    };
    let bitmap: Vec<bool> = (0..FROM.area() as u32).map(inside).collect();
    let corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)];
    let keypoint = |(x, y): (u32, u32)| Keypoint {
        name: format!("{x} {y}"),
        x: x as f32,
        y: y as f32,
        visibility: Visibility::Visible,
    };
    let mask = Mask::from_bitmap(&bitmap, FROM.width, FROM.height);
    let object = Object {
        keypoints: corners.map(keypoint).to_vec(),
        pose: Some([1.0, 0.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.05, 0.0, 0.0, 1.0, 0.5]),
        ..Object::new("box", [x, y, w, h].map(|v| v as f32))
    };
    Labels {
        objects: Some(vec![object.with_mask(mask)]),
        camera: Some(Camera {
            fx: 50.0,
            fy: 50.0,
            cx: 20.0,
            cy: 15.0,
        }),
        ..Labels::default()
    }
}

/// A rectangle that touches no edge.
fn any_rectangle() -> impl Strategy<Value = Labels> {
    let corner = (1..FROM.width - 5, 1..FROM.height - 5);
    corner.prop_flat_map(|(x, y)| {
        let sides = (4..FROM.width - x, 4..FROM.height - y);
        sides.prop_map(move |(w, h)| rectangle([x, y, w, h]))
    })
}

/// The image position of the object's origin.
fn project(labels: &Labels) -> Option<[f32; 2]> {
    let (pose, camera) = (labels.objects().first()?.pose?, labels.camera?);
    let [x, y, z] = [pose[3], pose[7], pose[11]];
    Some([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy])
}

proptest! {
    #[test]
    fn the_inverse_leads_back(mapping in any_mapping(), x in 0.0..40.0, y in 0.0..30.0) {
        let [u, v] = mapping.inverse(mapping.forward([x, y]));
        prop_assert!((u - x).abs() < 1e-6 && (v - y).abs() < 1e-6);
    }

    #[test]
    fn boxes_are_those_of_the_masks_and_lie_in_the_picture(
        mapping in any_mapping(), labels in any_rectangle(),
    ) {
        for border in [Border::Replicate, Border::Reflect] {
            let mapped = labels.map(&mapping, border, "test").unwrap();
            for object in mapped.objects() {
                let mask = object.mask.as_ref().unwrap();
                prop_assert_eq!(mask.bbox_xywh(mapping.to.height), Some(object.bbox_xywh));
                let [x, y, w, h] = object.bbox_xywh.map(f64::from);
                prop_assert!(mapping.to.contains([x, y]) && mapping.to.contains([x + w, y + h]));
                prop_assert!((0.0..=1.0).contains(&object.visible_fraction));
            }
        }
    }

    #[test]
    fn a_box_without_a_mask_has_the_middle_of_the_mask_and_no_more_than_its_sides(
        mapping in any_mapping(), mut labels in any_rectangle(),
    ) {
        let with = labels.map(&mapping, Border::Replicate, "test").unwrap();
        labels.objects_mut()[0].mask = None;
        let without = labels.map(&mapping, Border::Replicate, "test").unwrap();
        if let ([with], [without]) = (with.objects(), without.objects())
            && with.visible_fraction == 1.0
            && without.visible_fraction == 1.0
        {
            let ([x, y, w, h], [u, v, s, t]) = (with.bbox_xywh, without.bbox_xywh);
            prop_assert!((x + w / 2.0 - u - s / 2.0).abs() < 1.5, "{with:?} {without:?}");
            prop_assert!((y + h / 2.0 - v - t / 2.0).abs() < 1.5, "{with:?} {without:?}");
            prop_assert!(s <= w + 2.0 && t <= h + 2.0, "{with:?} {without:?}");
        }
    }

    #[test]
    fn a_square_box_without_a_mask_keeps_its_size_when_it_is_turned(angle in -7.0..7.0) {
        let extent = Extent::new(200, 200);
        let labels = Labels {
            objects: Some(vec![Object::new("cup", [80.0, 90.0, 20.0, 20.0])]),
            ..Labels::default()
        };
        let turn = Mapping::similarity(extent, angle, 1.0, [0.0; 2]);
        let [_, _, width, height] = labels.map(&turn, Border::Replicate, "test").unwrap().objects()[0].bbox_xywh;
        prop_assert!((width - 20.0).abs() < 1e-3 && (height - 20.0).abs() < 1e-3);
    }

    #[test]
    fn pose_and_camera_see_the_origin_where_it_went(
        mapping in any_mapping(), labels in any_rectangle(),
    ) {
        let [x, y] = project(&labels).unwrap();
        let mapped = labels.map(&mapping, Border::Replicate, "test").unwrap();
        if let Some([u, v]) = project(&mapped) {
            let to = mapping.forward([x.into(), y.into()]);
            prop_assert!((f64::from(u) - to[0]).hypot(f64::from(v) - to[1]) < 1e-2);
        }
    }

    #[test]
    fn maps_have_the_width_and_height_of_the_new_picture(mapping in any_mapping()) {
        let mut maps = Maps::default();
        for kind in maps::MAPS {
            let values = vec![[7, 7, 7]; FROM.area()];
            maps.insert(kind, maps::encode(kind, &values, FROM.dimensions()).unwrap());
        }
        for (kind, png) in maps.map(&mapping, None, "test").unwrap().iter() {
            let (_, dimensions) = maps::decode(kind, png, "test").unwrap();
            prop_assert_eq!(dimensions, mapping.to.dimensions());
        }
    }
}

#[test]
fn mirrored_twice_everything_is_as_before_but_the_pose() {
    let labels = rectangle([3, 4, 20, 9]);
    let mirror = Mapping::mirror(FROM);
    let once = labels.map(&mirror, Border::Replicate, "test").unwrap();
    assert_eq!(once.objects()[0].bbox_xywh, [17.0, 4.0, 20.0, 9.0]);
    let mut twice = once.map(&mirror, Border::Replicate, "test").unwrap();
    assert_eq!(twice.objects()[0].pose, None);
    twice.objects_mut()[0].pose = labels.objects()[0].pose;
    assert_eq!(twice, labels);
}

#[test]
fn normals_turn_with_the_picture_and_depth_does_not() {
    let extent = Extent::square(2);
    let right = normals::value(Vec3::X);
    let mut maps = Maps::default();
    maps.insert(
        &normals::MAP,
        maps::encode(&normals::MAP, &[right; 4], (2, 2)).unwrap(),
    );
    maps.insert(
        &semantic::MAP,
        maps::encode(&semantic::MAP, &[[3, 0, 0]; 4], (2, 2)).unwrap(),
    );
    let quarter = Mapping::similarity(extent, std::f64::consts::FRAC_PI_2, 1.0, [0.0; 2]);
    let labels = Labels {
        maps,
        ..Labels::default()
    };
    let turned = labels
        .map(&quarter, Border::Replicate, "test")
        .unwrap()
        .maps;
    let read = |kind| {
        maps::decode(kind, turned.get(kind).unwrap(), "test")
            .unwrap()
            .0[0]
    };
    assert!(normals::normal(read(&normals::MAP)).distance(Vec3::Y) < 0.02);
    assert_eq!(read(&semantic::MAP), [3, 0, 0]);
    let mirror = Mapping::mirror(extent);
    let mirrored = labels.map(&mirror, Border::Replicate, "test").unwrap().maps;
    let (values, _) =
        maps::decode(&normals::MAP, mirrored.get(&normals::MAP).unwrap(), "test").unwrap();
    assert!(normals::normal(values[0]).distance(-Vec3::X) < 0.02);
}

#[test]
fn colours_mix_between_pixels_that_are_known() {
    let mut maps = Maps::default();
    let values = [[100, 0, 0], [200, 0, 0], [0; 3], [0; 3]];
    maps.draw(&albedo::MAP, &values, (4, 1)).unwrap();
    let labels = Labels {
        maps,
        ..Labels::default()
    };
    let wider = Mapping::resize(Extent::new(4, 1), Extent::new(8, 1));
    let mapped = labels.map(&wider, Border::Replicate, "test").unwrap().maps;
    let png = mapped.get(&albedo::MAP).unwrap();
    let (values, _) = maps::decode(&albedo::MAP, png, "test").unwrap();
    let red: Vec<u16> = values.iter().map(|value| value[0]).collect();
    assert_eq!(red, [100, 125, 175, 200, 0, 0, 0, 0]);
}

#[test]
fn an_amodal_box_may_reach_beyond_the_frame_and_truncation_grows() {
    let mut labels = rectangle([10, 10, 20, 10]);
    let object = &mut labels.objects_mut()[0];
    object.truncation = Some(0.0);
    object.amodal = Some(Amodal {
        bbox_xywh: object.bbox_xywh,
        mask: object.mask.clone(),
    });
    let left_half = crop(20, 0, Extent::new(20, 30));
    let mapped = labels.map(&left_half, Border::Replicate, "test").unwrap();
    let object = &mapped.objects()[0];
    assert_eq!(object.bbox_xywh, [0.0, 10.0, 10.0, 10.0]);
    assert_eq!(object.truncation, Some(0.5));
    assert_eq!(
        object.amodal.as_ref().unwrap().bbox_xywh,
        [-10.0, 10.0, 20.0, 10.0]
    );
}

#[test]
fn unknown_objects_stay_unknown_and_none_stay_none() {
    let mapping = Mapping::mirror(FROM);
    let unknown = Labels::default();
    assert_eq!(
        unknown
            .map(&mapping, Border::Replicate, "test")
            .unwrap()
            .objects,
        None
    );
    let empty = Labels {
        objects: Some(Vec::new()),
        ..Labels::default()
    };
    assert_eq!(
        empty
            .map(&mapping, Border::Replicate, "test")
            .unwrap()
            .objects,
        Some(Vec::new())
    );
}

#[test]
fn flow_is_scaled_and_turned_so_that_it_leads_to_where_the_mapping_takes_its_end() {
    let from = Extent::square(4);
    let labels = {
        let mut maps = Maps::default();
        maps.draw(&flow::MAP, &[flow::value([2.0, -1.0], true); 16], (4, 4))
            .unwrap();
        Labels {
            maps,
            ..Labels::default()
        }
    };
    for (mapping, expected) in [
        (Mapping::resize(from, Extent::new(8, 12)), [4.0, -3.0]),
        (Mapping::mirror(from), [-2.0, -1.0]),
        (Mapping::quarter_turns(from, 1), [1.0, 2.0]),
        (
            Mapping::similarity(from, 0.3, 1.5, [0.0; 2]),
            [3.309, -0.546],
        ),
    ] {
        let mapped = labels
            .map(&mapping, Border::Replicate, "test")
            .unwrap()
            .maps;
        let png = mapped.get(&flow::MAP).unwrap();
        let (values, dimensions) = maps::decode(&flow::MAP, png, "test").unwrap();
        assert_eq!(dimensions, mapping.to.dimensions());
        let middle =
            values[(mapping.to.height / 2 * mapping.to.width + mapping.to.width / 2) as usize];
        let found = flow::seen_again(middle).unwrap();
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 0.02, "{found:?} {expected:?}");
        let ends = [[1.0, 1.0], [3.0, 0.0]].map(|point| DVec2::from(mapping.forward(point)));
        assert!((ends[1] - ends[0]).distance(DVec2::from(found.map(f64::from))) < 0.02);
    }
}
