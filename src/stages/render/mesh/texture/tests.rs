//! Pictures on surfaces, small and broken ones.

use super::*;
use crate::testing::mutations::assert_survived;

/// A PNG of these pixels.
pub(in super::super) fn png(
    width: u32,
    height: u32,
    pixel: impl Fn(u32, u32) -> [u8; 4],
) -> Vec<u8> {
    let pixels = image::RgbaImage::from_fn(width, height, |x, y| image::Rgba(pixel(x, y)));
    let mut bytes = Cursor::new(Vec::new());
    pixels
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn texture(bytes: &[u8], wrap: Wrap) -> Texture {
    let room = &mut Room::default();
    Texture {
        picture: Arc::new(Picture::decode(bytes, "t.png", Content::Colour, room).unwrap()),
        set: 0,
        place: Affine2::IDENTITY,
        wrap: [wrap; 2],
    }
}

/// Left half red, right half see-through blue.
fn halves() -> Vec<u8> {
    png(4, 4, |x, _| match x {
        0 | 1 => [255, 0, 0, 255],
        _ => [0, 0, 255, 0],
    })
}

#[test]
fn colours_are_linear_and_mixed_between_pixels() {
    let texture = texture(&halves(), Wrap::Clamp);
    assert_eq!(
        texture.sample(Vec2::new(0.1, 0.5), 0.0),
        Vec4::new(1.0, 0.0, 0.0, 1.0)
    );
    let middle = texture.sample(Vec2::splat(0.5), 0.0);
    assert!(
        middle.distance(Vec4::new(0.5, 0.0, 0.5, 0.5)) < 1e-5,
        "{middle}"
    );
    let mid = super::Texture {
        picture: Arc::new(Picture::new(vec![188; 3], 3, (1, 1), Content::Colour)),
        ..texture
    };
    assert!((mid.sample(Vec2::ZERO, 0.0).x - 0.5).abs() < 5e-3);
}

#[test]
fn a_photo_that_was_taken_upright_stands_upright() {
    let pixels = image::RgbImage::from_fn(64, 32, |x, _| match x < 32 {
        true => image::Rgb([250, 0, 0]),
        false => image::Rgb([0, 0, 250]),
    });
    let texture = texture(&crate::testing::turned_jpeg(&pixels), Wrap::Clamp);
    assert_eq!(texture.picture.size(), (32, 64));
    // Its left becomes its top.
    let red = |x: f32, y: f32| texture.sample(Vec2::new(x, y), 0.0).x;
    assert!(red(0.1, 0.2) > 0.8 && red(0.9, 0.2) > 0.8);
    assert!(red(0.1, 0.8) < 0.1 && red(0.9, 0.8) < 0.1);
}

#[test]
fn beyond_the_border_comes_what_the_wrap_says() {
    for (wrap, wanted) in [(Wrap::Repeat, 1.0), (Wrap::Mirror, 0.0), (Wrap::Clamp, 0.0)] {
        let red = texture(&halves(), wrap).sample(Vec2::new(1.25, 0.5), 0.0).x;
        assert_eq!(red, wanted, "{wrap:?}");
    }
    let far = texture(&halves(), Wrap::Mirror);
    for at in [1e30, -1e30, f32::NAN, f32::INFINITY] {
        assert!(far.sample(Vec2::new(at, 0.5), f32::NAN).is_finite());
    }
}

#[test]
fn a_wide_reach_sees_the_mean() {
    let checker = png(64, 64, |x, y| [255 * ((x + y) % 2) as u8, 0, 0, 255]);
    let texture = texture(&checker, Wrap::Repeat);
    let near = texture.sample(Vec2::new(0.5 / 64.0, 0.5 / 64.0), 0.0);
    let far = texture.sample(Vec2::new(0.5 / 64.0, 0.5 / 64.0), 0.5);
    assert_eq!(near.x, 0.0);
    assert!((far.x - 0.5).abs() < 0.01, "{far}");
    assert!((texture.picture.mean().x - 0.5).abs() < 0.01);
}

#[test]
fn large_pictures_are_halved_and_larger_ones_refused() {
    let wide = png(4096, 2, |x, _| [(x % 256) as u8, 9, 9, 255]);
    assert_eq!(texture(&wide, Wrap::Clamp).picture.size(), (2048, 1));
    let bytes = halves();
    let room = &mut Room(15);
    let error = Picture::decode(&bytes, "t.png", Content::Colour, room);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("t.png: is a texture of 4×4"), "{error}");
    // The header alone says so.
    let mut huge = bytes.clone();
    huge[16..24].fill(0x7f);
    let error = Picture::decode(&huge, "t.png", Content::Colour, &mut Room::default());
    assert!(error.err().unwrap().to_string().contains("help:"));
}

#[test]
fn heights_become_directions_away_from_what_is_higher() {
    // A hill in the middle of a plain.
    let hill = png(9, 9, |x, y| {
        let far = x.abs_diff(4).max(y.abs_diff(4)) as u8;
        [
            200 - 50 * far.min(4),
            200 - 50 * far.min(4),
            200 - 50 * far.min(4),
            255,
        ]
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hill.png");
    std::fs::write(&file, hill).unwrap();
    let mut pictures = Pictures::default();
    let normals = pictures.bumps(&file, Wrap::Clamp).unwrap();
    let again = pictures.bumps(&file, Wrap::Clamp).unwrap();
    assert!(Arc::ptr_eq(&normals, &again));
    let at = |x, y| {
        let texel = normals.texel(&normals.levels[0], x, y);
        2.0 * texel.truncate() - Vec3::ONE
    };
    assert!(
        at(6, 4).x > 0.3 && at(2, 4).x < -0.3,
        "right of it, to the right"
    );
    assert!(at(4, 2).y > 0.3 && at(4, 6).y < -0.3, "above it, upwards");
    assert!(at(4, 4).z > 0.99 && at(6, 4).z > 0.5);
    // What has colours are directions already.
    std::fs::write(&file, halves()).unwrap();
    let directions = Pictures::default().bumps(&file, Wrap::Clamp).unwrap();
    assert_eq!(directions.size(), (4, 4));
    assert_eq!(directions.texel(&directions.levels[0], 0, 0).x, 1.0);
}

#[test]
fn what_is_no_picture_is_named_with_the_remedy() {
    let webp = b"RIFF\x24\0\0\0WEBPVP8 broken";
    for bytes in [&b"<html>"[..], webp, b""] {
        let error = Picture::decode(bytes, "skin.webp", Content::Data, &mut Room::default());
        let error = error.err().unwrap().to_string();
        assert!(
            error.contains("skin.webp: ") && error.contains("as PNG or JPEG"),
            "{error}"
        );
    }
}

#[test]
fn mutated_textures_are_read_or_refused() {
    let read =
        |bytes: &[u8]| Picture::decode(bytes, "t.png", Content::Colour, &mut Room::default());
    assert_survived("texture.png", &halves(), |_| (), read);
}
