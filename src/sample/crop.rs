//! Cutting the part of a photo that becomes a picture: a rectangle of the picture's shape, whole
//! pixels wide so that cutting alone does not blur.

use image::{ImageBuffer, Pixel};

use glam::{DAffine2, DVec2};

use super::Extent;
use super::mapping::{Border, Mapping};

/// Whole pixels of a photo, possibly beyond its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// First column in pixels of the photo; negative if it lies beyond the left edge.
    pub left: i64,
    /// First row in pixels of the photo; negative if it lies above the upper edge.
    pub top: i64,
    /// Pixels, at least 1 each way.
    pub extent: Extent,
}

impl Rectangle {
    /// From the pixels of `photo` to those of `picture`, to which the rectangle is scaled.
    pub fn mapping(self, photo: Extent, picture: Extent) -> Mapping {
        let sides = |extent: Extent| DVec2::new(extent.width.into(), extent.height.into());
        let scale = sides(picture) / sides(self.extent);
        let corner = DVec2::new(self.left as f64, self.top as f64);
        let forward = DAffine2::from_scale(scale) * DAffine2::from_translation(-corner);
        Mapping::new(forward, photo, picture)
    }
}

/// The largest extent of the shape of `picture` that `photo` holds.
pub fn largest(photo: Extent, picture: Extent) -> Extent {
    let rounded = |length: u32, by: u32, over: u32| {
        let (length, by, over) = (u64::from(length), u64::from(by), u64::from(over));
        ((length * by + over / 2) / over).max(1) as u32
    };
    // Each at most the photo's, rounding included: the other side is the one that limits.
    let width = rounded(photo.height, picture.width, picture.height);
    let height = rounded(photo.width, picture.height, picture.width);
    Extent::new(photo.width.min(width), photo.height.min(height))
}

/// The largest rectangle of the shape of `picture` in the middle of a photo.
pub fn centre(photo: Extent, picture: Extent) -> Rectangle {
    let extent = largest(photo, picture);
    Rectangle {
        left: i64::from((photo.width - extent.width) / 2),
        top: i64::from((photo.height - extent.height) / 2),
        extent,
    }
}

/// What the provenance says of the whole photo that a picture was made of, where it measures something else: what it
/// measured, from which follows where its pixels are.
pub fn frame_note(photo: Extent, picture: Extent) -> Option<String> {
    let Extent { width, height } = photo;
    (photo != picture).then(|| format!("frame({width}x{height})"))
}

/// The photo's extent, if `note` is a [`frame_note`].
pub fn frame_of(note: &str) -> Option<Extent> {
    let sides = note.strip_prefix("frame(")?.strip_suffix(')')?;
    let (width, height) = sides.split_once('x')?;
    Some(Extent::new(width.parse().ok()?, height.parse().ok()?))
}

/// The rectangle of the shape of `picture` around the part of a box (left, top, right, bottom in
/// pixels) that lies in the photo, wider on each side by `margin` of the smallest such rectangle;
/// `None` if no part of the box lies in the photo.
pub fn around_box(
    [x1, y1, x2, y2]: [f64; 4],
    margin: f64,
    photo: Extent,
    picture: Extent,
) -> Option<Rectangle> {
    let (x1, y1) = (x1.max(0.0), y1.max(0.0));
    let (x2, y2) = (
        x2.min(f64::from(photo.width)),
        y2.min(f64::from(photo.height)),
    );
    if x1 >= x2 || y1 >= y2 {
        return None;
    }
    let shorter = f64::from(picture.shorter());
    let shape = [picture.width, picture.height].map(|side| f64::from(side) / shorter);
    let unit = ((x2 - x1) / shape[0]).max((y2 - y1) / shape[1]);
    let [width, height] = shape.map(|side| (unit * side * (1.0 + 2.0 * margin)).round().max(1.0));
    Some(Rectangle {
        left: ((x1 + x2 - width) / 2.0).round() as i64,
        top: ((y1 + y2 - height) / 2.0).round() as i64,
        extent: Extent::new(width as u32, height as u32),
    })
}

/// Cuts a rectangle out of `photo`; pixels beyond its edges repeat the nearest one.
pub fn cut<P: Pixel>(
    photo: &ImageBuffer<P, Vec<P::Subpixel>>,
    rectangle: Rectangle,
) -> ImageBuffer<P, Vec<P::Subpixel>> {
    let Rectangle { left, top, extent } = rectangle;
    let inside = |position, length| Border::Replicate.index(position, length);
    ImageBuffer::from_fn(extent.width, extent.height, |x, y| {
        *photo.get_pixel(
            inside(left + i64::from(x), photo.width()),
            inside(top + i64::from(y), photo.height()),
        )
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// A photo whose red tells the column and green the row.
    fn ramp(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 0]))
    }

    #[test]
    fn beyond_the_photo_the_edge_goes_on() {
        let photo = ramp(64, 64);
        let extent = photo.dimensions().into();
        let square = around_box([0.0, 0.0, 20.0, 10.0], 0.5, extent, Extent::square(16)).unwrap();
        let wanted = Rectangle {
            left: -10,
            top: -15,
            extent: Extent::square(40),
        };
        assert_eq!(square, wanted);
        let pixels = cut(&photo, square);
        assert_eq!(pixels.get_pixel(0, 39), &Rgb([0, 24, 0]));
        assert_eq!(pixels.get_pixel(39, 0), &Rgb([29, 0, 0]));
    }

    #[test]
    fn points_of_the_photo_are_found_in_the_picture() {
        let rectangle = Rectangle {
            left: 10,
            top: -4,
            extent: Extent::new(20, 40),
        };
        let mapping = rectangle.mapping(Extent::square(64), Extent::new(10, 20));
        assert_eq!(mapping.forward([10.0, -4.0]), [0.0, 0.0]);
        assert_eq!(mapping.forward([30.0, 16.0]), [10.0, 10.0]);
        assert_eq!(mapping.inverse([5.0, 20.0]), [20.0, 36.0]);
    }

    #[test]
    fn a_box_is_cut_in_the_shape_of_the_picture() {
        let (photo, picture) = (Extent::new(640, 480), Extent::new(96, 64));
        let bbox = [100.0, 100.0, 130.0, 140.0];
        let tight = around_box(bbox, 0.0, photo, picture).unwrap();
        // As high as the box, and 3:2 around its middle.
        let wanted = Rectangle {
            left: 85,
            top: 100,
            extent: Extent::new(60, 40),
        };
        assert_eq!(tight, wanted);
        let wide = around_box(bbox, 0.25, photo, picture).unwrap();
        let wanted = Rectangle {
            left: 70,
            top: 90,
            extent: Extent::new(90, 60),
        };
        assert_eq!(wide, wanted);
        assert_eq!(
            around_box([700.0, 0.0, 720.0, 9.0], 0.0, photo, picture),
            None
        );
    }

    #[test]
    fn a_note_tells_what_a_photo_measured() {
        let (photo, picture) = (Extent::new(1280, 960), Extent::square(64));
        let note = frame_note(photo, picture).unwrap();
        assert_eq!(frame_of(&note), Some(photo));
        assert_eq!(frame_note(photo, photo), None);
        assert_eq!(frame_of("flip"), None);
    }

    #[test]
    fn the_middle_of_a_photo_has_the_shape_of_the_picture() {
        let photo = Extent::new(100, 80);
        let square = centre(photo, Extent::square(16));
        let wanted = Rectangle {
            left: 10,
            top: 0,
            extent: Extent::square(80),
        };
        assert_eq!(square, wanted);
        assert_eq!(largest(photo, Extent::new(2, 1)), Extent::new(100, 50));
        assert_eq!(largest(photo, Extent::new(1, 2)), Extent::new(40, 80));
        assert_eq!(largest(photo, photo), photo);
        for picture in [
            Extent::new(96, 64),
            Extent::new(7, 31),
            Extent::new(4096, 8),
        ] {
            for photo in [Extent::new(1, 1), Extent::new(13, 7), Extent::new(640, 481)] {
                let Extent { width, height } = largest(photo, picture);
                assert!((1..=photo.width).contains(&width) && (1..=photo.height).contains(&height));
            }
        }
    }
}
