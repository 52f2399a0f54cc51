//! Masks, boxes and corners are where the signs are, in any shape.

use super::*;
use crate::sample::maps;

#[test]
fn mask_and_box_are_where_the_sign_is() {
    let (_folder, config) = example();
    let config = plain(config);
    for size in SHAPES {
        for sample in render(&config, 20, size, 256, None).unwrap() {
            mask_and_box_agree(&sample, size);
            let class = sample.labels.class.as_deref().unwrap();
            assert_eq!(sample.labels.objects()[0].class, class);
            let wanted = ["a_disc", "b_plate"][sample.index as usize % 2];
            assert_eq!(class, wanted);
            assert!(sample.provenance.source.ends_with(&format!("{wanted}.svg")));
        }
    }
}

/// Whether the mask is where a picture on black is red, and the box just around it.
fn mask_and_box_agree(sample: &Sample, size: Extent) {
    let object = &sample.labels.objects()[0];
    let mask = object.mask.as_ref().unwrap();
    let pixels = sample.pixels().unwrap();
    assert_eq!(
        (sample.extent, pixels.dimensions()),
        (size, size.dimensions())
    );
    // Half of full light is 188 in sRGB; a hair's breadth of doubt is left to rounding.
    let bitmap = mask.to_bitmap(size.width, size.height);
    for (pixel, &inside) in pixels.pixels().zip(&bitmap) {
        let red = pixel.0[0];
        assert!(inside && red >= 186 || !inside && red <= 194, "{red}");
    }
    let places = pixels
        .enumerate_pixels()
        .zip(&bitmap)
        .filter(|(_, inside)| **inside);
    let (mut low, mut high) = ([u32::MAX; 2], [0; 2]);
    for ((x, y, _), _) in places {
        low = [low[0].min(x), low[1].min(y)];
        high = [high[0].max(x + 1), high[1].max(y + 1)];
    }
    let tight = [low[0], low[1], high[0] - low[0], high[1] - low[1]].map(|v| v as f32);
    assert_eq!(object.bbox_xywh, tight);
}

#[test]
fn signs_stand_as_asked_for_in_any_shape() {
    let (_folder, mut config) = example();
    config.geometry = straight();
    config.geometry.scale = [0.375, 0.375];
    config.geometry.shift = [0.25, 0.25];
    for size in SHAPES {
        let sample = render(&config, 2, size, 256, None).unwrap().remove(1);
        let [x, y, width, height] = sample.labels.objects()[0].bbox_xywh;
        // Of the shorter side; shifted by a quarter of either.
        assert_eq!([width, height], [12.0, 6.0]);
        let middle = [x + width / 2.0, y + height / 2.0];
        assert_eq!(
            middle,
            [size.width, size.height].map(|side| 0.75 * side as f32)
        );
    }
}

#[test]
fn a_sign_too_small_to_be_seen_is_an_error_that_names_it() {
    let (_folder, mut config) = example();
    config.geometry.scale = [0.05, 0.05];
    let error = render(&config, 1, Extent::square(8), 8, None)
        .unwrap_err()
        .to_string();
    for part in [
        "a_disc.svg",
        "cannot be seen in any of the 64 scenes",
        "help: raise",
    ] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn signs_out_of_the_frame_are_no_objects_and_no_class() {
    let (folder, config) = example();
    let classes = classes::load_folder(folder.path(), 32, &quiet(folder.path())).unwrap();
    let mut stream = Seed::new(1, "signs").stream(0);
    let mut geometry = config.geometry.clone();
    geometry.shift = [40.0, 40.0];
    let sign = |geometry: &Geometry, stream: &mut Stream| {
        let texture = classes[0].draw(0.0, stream).texture(&|| Ok(())).unwrap();
        let placement = geometry.place(&texture, SQUARE, stream);
        (texture, placement)
    };
    let [away, here] = [&geometry, &config.geometry].map(|geometry| {
        let (texture, placement) = sign(geometry, &mut stream);
        Sign::new(texture, placement, SQUARE)
    });
    let signs = [away, here];
    let none = labels(&signs[..1], SQUARE);
    assert_eq!((none.class, none.objects), (None, Some(Vec::new())));
    let other = labels(&signs, SQUARE);
    assert_eq!((other.class.as_deref(), other.objects().len()), (None, 1));
}

#[test]
fn corners_are_in_order_and_enclose_an_unturned_plate() {
    let (_folder, mut config) = example();
    config.geometry = straight();
    let sample = draw(&config, 2, 256).unwrap().remove(1);
    let object = &sample.labels.objects()[0];
    assert_eq!(object.bbox_xywh, [4.0, 10.0, 24.0, 12.0]);
    assert_eq!(object.visible_fraction, 1.0);
    let corners = [[4.0, 10.0], [28.0, 10.0], [28.0, 22.0], [4.0, 22.0]];
    for (keypoint, [x, y]) in object.keypoints.iter().zip(corners) {
        assert!((keypoint.x - x).abs() < 0.2 && (keypoint.y - y).abs() < 0.2);
        assert_eq!(keypoint.visibility, Visibility::Visible);
    }
}

#[test]
fn a_neighbour_is_a_second_instance_and_never_the_class() {
    let (_folder, config) = example();
    let mut config = plain(config);
    config.surroundings.neighbour_share = 1.0;
    config.geometry.scale = [0.4, 0.5];
    for sample in draw(&config, 20, 256).unwrap() {
        let [sign, neighbour] = sample.labels.objects() else {
            panic!("two objects");
        };
        assert_eq!(Some(&sign.class), sample.labels.class.as_ref());
        let masks = [sign, neighbour].map(|object| object.mask.as_ref().unwrap().to_bitmap(32, 32));
        let both = masks[0].iter().zip(&masks[1]).filter(|(a, b)| **a && **b);
        assert_eq!(
            both.count(),
            0,
            "what the sign hides is not the neighbour's"
        );
        // Both are red before black: together the masks are all that is drawn.
        for (i, pixel) in sample.pixels().unwrap().pixels().enumerate() {
            let (inside, red) = (masks[0][i] || masks[1][i], pixel.0[0]);
            assert!(inside && red >= 150 || !inside && red <= 215, "{red}");
        }
    }
}

#[test]
fn what_the_frame_cuts_off_counts_as_invisible() {
    let (_folder, mut config) = example();
    config.geometry.scale = [2.0, 2.0];
    config.geometry.shift = [0.5, 0.5];
    let sample = draw(&config, 1, 256).unwrap().remove(0);
    let object = &sample.labels.objects()[0];
    assert!(object.visible_fraction < 0.5, "{}", object.visible_fraction);
    assert!(
        object
            .keypoints
            .iter()
            .any(|k| k.visibility == Visibility::Outside)
    );
}

/// Values of a map, row by row.
fn map_of(sample: &Sample, kind: &maps::MapKind) -> Vec<maps::Value> {
    let png = sample.labels.maps.get(kind).unwrap();
    maps::decode(kind, png, "").unwrap().0
}

/// Signs with their maps.
fn with_maps(config: &Template, count: u64) -> Vec<Sample> {
    let maps = ["normals", "albedo", "semantic"].map(|name| maps::MapName::find(name).unwrap());
    let out = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        classes: &[],
        count,
        size: SQUARE,
        min_visible: 0.2,
        maps: &maps,
        clip: 1,
    };
    config.render(&quiet(out.path()), wanted).unwrap();
    let parts = artifact::walk(out.path()).unwrap();
    parts
        .iter()
        .flat_map(|path| parts::read_part(path).unwrap())
        .collect()
}

#[test]
fn a_sign_has_the_normal_of_its_plane() {
    let (_folder, config) = example();
    for degrees in [-40.0, 25.0] {
        let mut config = plain(config.clone());
        config.geometry = Geometry {
            yaw: [degrees; 2],
            distance: [2.0, 2.0],
            ..straight()
        };
        for sample in with_maps(&config, 2) {
            let object = &sample.labels.objects()[0];
            let [top_left, top_right, bottom_right, bottom_left] =
                [0, 1, 2, 3].map(|corner| object.keypoints[corner].y);
            // The nearer side is the higher one, and the normal leans away from it.
            let right_is_nearer = bottom_right - top_right > bottom_left - top_left;
            let (sin, cos) = degrees.abs().to_radians().sin_cos();
            let x = if right_is_nearer { -sin } else { sin };
            let expected = glam::Vec3::new(x as f32, 0.0, -cos as f32);
            let mask = object.mask.as_ref().unwrap().to_bitmap(32, 32);
            for (value, inside) in map_of(&sample, &normals::MAP).into_iter().zip(mask) {
                assert_eq!(value != normals::MAP.nothing, inside);
                let apart = normals::normal(value).distance(expected);
                assert!(!inside || apart < 0.01, "{value:?} {expected}");
            }
        }
    }
}

#[test]
fn a_sign_s_albedo_is_its_paint_before_the_light_and_its_class_is_in_the_mask() {
    let (_folder, config) = example();
    let mut config = plain(config);
    config.light.exposure = [0.2, 0.2];
    config.light.shadow_share = 1.0;
    config.surface.glare_share = 1.0;
    for (place, sample) in (1..).zip(with_maps(&config, 2)) {
        let mask = sample.labels.objects()[0].mask.as_ref().unwrap();
        let mask = mask.to_bitmap(32, 32);
        let albedo = map_of(&sample, &albedo::MAP);
        let semantic = map_of(&sample, &semantic::MAP);
        for (i, inside) in mask.into_iter().enumerate() {
            let [colour, class] = match inside {
                true => [[255, 0, 0], [place, 0, 0]],
                false => [[0; 3]; 2],
            };
            assert_eq!([albedo[i], semantic[i]], [colour, class]);
        }
    }
}
