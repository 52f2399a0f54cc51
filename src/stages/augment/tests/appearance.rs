//! The effects of single light and sensor transforms on a picture.

use image::{Rgb, RgbImage};

use super::*;

/// `pixels` after one transform with the given settings.
fn changed(text: &str, pixels: RgbImage) -> RgbImage {
    let mut view = View {
        pixels,
        ..view(&rectangle())
    };
    let name = text.split('.').next().unwrap();
    let config = parse(&format!("{text}\n{name}.probability = 1"));
    assert!(Stage::check(&config).is_ok());
    let mut stream = Seed::new(5, "t").stream(3);
    let transform = config.transform(name);
    assert!(transform.apply(&mut view, &mut stream).unwrap().is_some());
    view.pixels
}

#[test]
fn a_shadow_has_a_lit_and_a_dark_side() {
    let flat = RgbImage::from_pixel(60, 40, Rgb([200, 100, 60]));
    let shaded = changed("shadow.left = [0.5, 0.5]", flat);
    let count = |colour| shaded.pixels().filter(|p| p.0 == colour).count();
    let (lit, dark) = (count([200, 100, 60]), count([100, 50, 30]));
    assert!(lit > 200 && dark > 200 && lit + dark > 1800, "{lit} {dark}");
}

#[test]
fn motion_and_downscaling_take_detail_and_keep_the_light() {
    let lines = RgbImage::from_fn(64, 64, |x, y| {
        Rgb([u8::from((x / 2 + y / 2) % 2 == 0) * 200; 3])
    });
    let mean = |p: &RgbImage| p.iter().map(|&v| f64::from(v)).sum::<f64>() / f64::from(3 * 64 * 64);
    let spread = |p: &RgbImage| {
        p.iter()
            .map(|&v| (f64::from(v) - mean(p)).abs())
            .sum::<f64>()
    };
    for text in [
        "motion_blur.length = [0.1, 0.1]",
        "downscale.scale = [0.3, 0.3]",
    ] {
        let soft = changed(text, lines.clone());
        assert!((mean(&soft) - mean(&lines)).abs() < 3.0, "{text}");
        assert!(spread(&soft) < 0.6 * spread(&lines), "{text}");
    }
}

#[test]
fn gamma_moves_middle_tones_and_neither_black_nor_white() {
    let greys = RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 128, 255][x as usize]; 3]));
    let bent = changed("gamma.amount = 0.5", greys);
    let middle = bent.get_pixel(1, 0).0[0];
    assert_eq!(
        [bent.get_pixel(0, 0).0[0], bent.get_pixel(2, 0).0[0]],
        [0, 255]
    );
    assert!(middle != 128 && (80..180).contains(&middle), "{middle}");
}
