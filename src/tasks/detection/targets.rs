//! What each location is to say: the objects of a picture, assigned to the locations in their cores.

use super::boxes::area;
use crate::models::album::ObjectBox;

/// Pixels between two locations.
pub(super) const STRIDE: u32 = 4;

/// The core of an object reaches so far from the middle of its box, as a share of the box's sides.
const CORE: f32 = 0.2;

/// Of objects with a shorter side than this, in pixels, nothing is to be learned.
pub(super) const LEAST_SIDE: f32 = 3.0;

/// An object as it is seen in what goes through the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub object: ObjectBox,
    /// Whether it is to be found; else, it is neither right nor wrong to find it.
    pub wanted: bool,
}

impl Seen {
    /// Whether it is surely one, large enough to be found, and enough of it is left: the part `inside`, 0..1, of its box.
    pub(super) fn new(object: ObjectBox, inside: f32) -> Self {
        /// Of which less is left, it is no object but a piece.
        const PIECE: f32 = 0.4;
        let [_, _, width, height] = object.bbox_xywh;
        Seen {
            object,
            wanted: !object.doubtful && inside >= PIECE && width.min(height) >= LEAST_SIDE,
        }
    }
}

/// What the locations of some pictures are to say, location by location.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// For every location: 1 in the core of an object, else 0.
    pub objects: Vec<f32>,
    /// For every location: 0 where any answer is right, else 1.
    pub weights: Vec<f32>,
    /// The locations in cores, counted over all pictures.
    pub cores: Vec<i32>,
    /// For each of these, the distances to the left, upper, right and lower side of its object's box, in pixels.
    pub distances: Vec<f32>,
}

impl Targets {
    /// Adds a picture with `columns` by `rows` locations. Of several objects in whose cores a location lies, the
    /// smallest counts.
    pub(super) fn add(&mut self, objects: &[Seen], [columns, rows]: [usize; 2]) {
        let first = self.weights.len();
        let mut owners: Vec<Option<&ObjectBox>> = vec![None; columns * rows];
        let mut weights = vec![1.0; columns * rows];
        for Seen { object, wanted } in objects {
            let places = match wanted {
                true => core(object.bbox_xywh, [columns, rows]),
                false => inside(object.bbox_xywh, [columns, rows]),
            };
            for place in places {
                match wanted {
                    false => weights[place] = 0.0,
                    true => {
                        let known = owners[place].map_or(f32::INFINITY, |o| area(o.bbox_xywh));
                        if area(object.bbox_xywh) < known {
                            owners[place] = Some(object);
                        }
                    }
                }
            }
        }
        for (place, owner) in owners.into_iter().enumerate() {
            self.objects.push(if owner.is_some() { 1.0 } else { 0.0 });
            let Some(object) = owner else {
                continue;
            };
            weights[place] = 1.0;
            self.cores.push((first + place) as i32);
            let [x, y] = middle(place % columns, place / columns);
            let [left, top, width, height] = object.bbox_xywh;
            let sides = [x - left, y - top, left + width - x, top + height - y];
            self.distances.extend(sides);
        }
        self.weights.extend(weights);
    }
}

/// The pixel that a location stands for: the middle of its cell.
pub(super) fn middle(column: usize, row: usize) -> [f32; 2] {
    [column, row].map(|place| (place as f32 + 0.5) * STRIDE as f32)
}

/// The locations in the core of a box, and at least the one nearest to its middle.
fn core([x, y, width, height]: [f32; 4], grid: [usize; 2]) -> Vec<usize> {
    let reach = |start: f32, length: f32| {
        let (middle, reach) = (start + length / 2.0, CORE * length);
        [middle - reach, middle + reach]
    };
    let [columns, rows] = [(x, width), (y, height)].map(|(start, length)| reach(start, length));
    let found = places(columns, rows, grid);
    if !found.is_empty() {
        return found;
    }
    let cell =
        |middle: f32, count: usize| ((middle / STRIDE as f32).max(0.0) as usize).min(count - 1);
    let nearest = [
        cell(x + width / 2.0, grid[0]),
        cell(y + height / 2.0, grid[1]),
    ];
    vec![nearest[1] * grid[0] + nearest[0]]
}

/// The locations inside a box.
fn inside([x, y, width, height]: [f32; 4], grid: [usize; 2]) -> Vec<usize> {
    places([x, x + width], [y, y + height], grid)
}

/// The locations whose pixels lie between these.
fn places(columns: [f32; 2], rows: [f32; 2], grid: [usize; 2]) -> Vec<usize> {
    let range = |[low, high]: [f32; 2], count: usize| {
        let place = |pixel: f32| pixel / STRIDE as f32 - 0.5;
        let first = place(low).ceil().max(0.0) as usize;
        let end = (place(high).floor() + 1.0).max(0.0) as usize;
        first..end.min(count)
    };
    let rows = range(rows, grid[1]);
    let column = |row: usize| range(columns, grid[0]).map(move |column| row * grid[0] + column);
    rows.flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(class: usize, bbox_xywh: [f32; 4]) -> Seen {
        Seen::new(ObjectBox::new(class, bbox_xywh), 1.0)
    }

    #[test]
    fn the_core_of_a_box_knows_the_way_to_its_sides() {
        let mut targets = Targets::default();
        // Its middle is (20, 12); the core spans 16..24 by 10..14.
        targets.add(&[seen(1, [10.0, 7.0, 20.0, 10.0])], [8, 8]);
        // Locations at 18 and 22, and at 10 and 14.
        assert_eq!(targets.cores, [2 * 8 + 4, 2 * 8 + 5, 3 * 8 + 4, 3 * 8 + 5]);
        assert_eq!(targets.distances[..4], [8.0, 3.0, 12.0, 7.0]);
        assert_eq!(targets.distances[12..], [12.0, 7.0, 8.0, 3.0]);
        assert_eq!(targets.objects.iter().sum::<f32>(), 4.0);
        assert_eq!(targets.objects[2 * 8 + 4], 1.0);
        assert_eq!(targets.weights, [1.0; 64]);
        // A second picture counts on.
        targets.add(&[seen(0, [10.0, 7.0, 20.0, 10.0])], [8, 8]);
        assert_eq!(targets.cores[4], 64 + 2 * 8 + 4);
    }

    #[test]
    fn a_tiny_object_has_a_location_and_the_smaller_of_two_gets_theirs() {
        let mut targets = Targets::default();
        targets.add(&[seen(0, [12.5, 12.5, 3.0, 3.0])], [8, 8]);
        assert_eq!(targets.cores, [3 * 8 + 3]);
        let mut targets = Targets::default();
        let both = [
            seen(0, [0.0, 0.0, 32.0, 32.0]),
            seen(1, [12.0, 12.0, 8.0, 8.0]),
        ];
        targets.add(&both, [8, 8]);
        let left = |place: i32| {
            let core = targets.cores.iter().position(|core| *core == place);
            targets.distances[4 * core.unwrap()]
        };
        assert_eq!((left(4 * 8 + 4), left(2 * 8 + 3)), (6.0, 14.0));
    }

    #[test]
    fn pieces_and_specks_are_neither_right_nor_wrong() {
        let object = ObjectBox::new(0, [0.0, 0.0, 8.0, 8.0]);
        let mut targets = Targets::default();
        targets.add(
            &[Seen::new(object, 0.3), seen(0, [16.0, 16.0, 2.0, 20.0])],
            [8, 8],
        );
        assert!(targets.cores.is_empty());
        assert_eq!(targets.weights[..3], [0.0, 0.0, 1.0]);
        let doubtful = ObjectBox {
            doubtful: true,
            ..object
        };
        assert!(!Seen::new(doubtful, 1.0).wanted);
        let ignored = targets.weights.iter().filter(|w| **w == 0.0).count();
        assert_eq!(ignored, 8);
        // Nothing in a picture is an answer, too.
        targets.add(&[], [8, 8]);
        assert_eq!(targets.weights[64..], [1.0; 64]);
    }
}
