//! Square crops, whole pixels wide so that cutting alone does not blur; outside, edges go on.

use image::RgbImage;

/// A square of whole pixels, possibly beyond the photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Square {
    pub left: i64,
    pub top: i64,
    /// Pixels, at least 1.
    pub side: u32,
}

/// The largest square in the middle of a photo.
pub fn centre((width, height): (u32, u32)) -> Square {
    let side = width.min(height);
    Square {
        left: i64::from((width - side) / 2),
        top: i64::from((height - side) / 2),
        side,
    }
}

/// The square around the part of a box (left, top, right, bottom in pixels) that lies in the photo,
/// `margin` of its longer side wider on each side; `None` where no part of it does.
pub fn around_box(
    [x1, y1, x2, y2]: [f64; 4],
    margin: f64,
    (width, height): (u32, u32),
) -> Option<Square> {
    let (x1, y1) = (x1.max(0.0), y1.max(0.0));
    let (x2, y2) = (x2.min(f64::from(width)), y2.min(f64::from(height)));
    if x1 >= x2 || y1 >= y2 {
        return None;
    }
    let side = ((x2 - x1).max(y2 - y1) * (1.0 + 2.0 * margin))
        .round()
        .max(1.0);
    Some(Square {
        left: ((x1 + x2 - side) / 2.0).round() as i64,
        top: ((y1 + y2 - side) / 2.0).round() as i64,
        side: side as u32,
    })
}

/// Cuts `square` out of `photo`; pixels outside repeat the nearest edge.
pub fn cut(photo: &RgbImage, square: Square) -> RgbImage {
    let inside = |start: i64, offset: u32, length: u32| {
        (start + i64::from(offset)).clamp(0, i64::from(length) - 1) as u32
    };
    RgbImage::from_fn(square.side, square.side, |x, y| {
        *photo.get_pixel(
            inside(square.left, x, photo.width()),
            inside(square.top, y, photo.height()),
        )
    })
}
