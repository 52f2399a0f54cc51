//! What drawing a parsed template takes: patterns of more pixels than memory holds, and filters that run for
//! days.

use resvg::tiny_skia::{PathSegment, Point};
use resvg::usvg::{self, Group, ImageKind, Node, NonZeroRect, Paint, Path, Transform, filter};

use super::DEEPEST;

/// Bytes of pictures that are in memory at once while the template is drawn.
const MOST_MEMORY: f64 = (512_u64 << 20) as f64;

/// Pixels from the picture; far beyond it, the renderer's numbers overflow, and it ends the program.
const FARTHEST: f32 = 1e6;

/// Checks that drawing `tree` on `width` × `height` pixels takes neither too much memory nor too long.
///
/// # Errors
/// What it takes too much of.
pub(super) fn check(
    tree: &usvg::Tree,
    transform: Transform,
    (width, height): (u32, u32),
) -> Result<(), String> {
    let pixels = f64::from(width) * f64::from(height);
    let mut effort = Effort {
        canvas: pixels,
        work: 0.0,
        most: 1e10 + 2000.0 * pixels,
    };
    let canvas = Canvas {
        pixels,
        held: pixels,
        depth: 0,
    };
    effort.nodes(tree.root(), transform, canvas)
}

/// What is drawn on: the picture, a layer, or a pattern's tile.
#[derive(Clone, Copy)]
struct Canvas {
    pixels: f64,
    /// Pixels in memory, with those of the canvases below.
    held: f64,
    depth: usize,
}

/// Follows the renderer through the tree, patterns and masks as often as they are drawn.
struct Effort {
    /// Pixels of the picture.
    canvas: f64,
    /// Roughly nanoseconds.
    work: f64,
    most: f64,
}

impl Effort {
    fn nodes(&mut self, parent: &Group, ts: Transform, canvas: Canvas) -> Result<(), String> {
        let depth = canvas.depth + 1;
        // The parser adds groups of its own.
        if depth > 4 * DEEPEST {
            return Err(format!("is nested more than {DEEPEST} deep"));
        }
        let canvas = Canvas { depth, ..canvas };
        for child in parent.children() {
            match child {
                Node::Group(group) => self.group(group, ts, canvas)?,
                Node::Path(path) => self.path(path, ts, canvas)?,
                Node::Image(image) => {
                    if let ImageKind::SVG(tree) = image.kind() {
                        let layer = self.layer(canvas, canvas.pixels)?;
                        self.nodes(tree.root(), ts, layer)?;
                    } else {
                        // Decoded anew wherever it is drawn.
                        let size = image.size();
                        let pixels = f64::from(size.width()) * f64::from(size.height());
                        let layer = self.layer(canvas, pixels)?;
                        self.spend(50.0 * pixels + 20.0 * layer.pixels)?;
                    }
                }
                Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn spend(&mut self, work: f64) -> Result<(), String> {
        self.work += work;
        if self.work > self.most {
            return Err(
                "would take too long to draw; it has too many filters, patterns or masks, or \
                 too large ones"
                    .into(),
            );
        }
        Ok(())
    }

    /// A further canvas of `pixels` on top of `canvas`.
    fn layer(&mut self, canvas: Canvas, pixels: f64) -> Result<Canvas, String> {
        let held = canvas.held + pixels;
        if 4.0 * held > MOST_MEMORY {
            return Err(format!(
                "needs more than {} MiB to draw; its patterns, filters or layers are too large \
                 or too many",
                MOST_MEMORY as u64 >> 20
            ));
        }
        self.spend(pixels)?;
        Ok(Canvas {
            pixels,
            held,
            ..canvas
        })
    }

    fn group(&mut self, group: &Group, ts: Transform, canvas: Canvas) -> Result<(), String> {
        let ts = ts.pre_concat(group.transform());
        if !group.should_isolate() {
            return self.nodes(group, ts, canvas);
        }
        let layer = self.layer(canvas, self.pixels(group.layer_bounding_box(), ts))?;
        for filter in group.filters() {
            self.filter(filter, ts, layer)?;
        }
        let mut clip = group.clip_path();
        while let Some(path) = clip {
            let own = self.layer(layer, layer.pixels)?;
            self.nodes(path.root(), ts.pre_concat(path.transform()), own)?;
            clip = path.clip_path();
        }
        let mut mask = group.mask();
        while let Some(its) = mask {
            let own = self.layer(layer, layer.pixels)?;
            self.nodes(its.root(), ts, own)?;
            mask = its.mask();
        }
        self.nodes(group, ts, layer)
    }

    /// Pixels of a layer that holds `rect`; the renderer cuts it to five times the picture each way.
    fn pixels(&self, rect: NonZeroRect, ts: Transform) -> f64 {
        let shown = rect.transform(ts);
        let area = shown.map(|r| (f64::from(r.width()) + 4.0) * (f64::from(r.height()) + 4.0));
        area.unwrap_or(0.0).min(25.0 * self.canvas)
    }

    fn filter(
        &mut self,
        filter: &filter::Filter,
        ts: Transform,
        mut layer: Canvas,
    ) -> Result<(), String> {
        use filter::Kind;
        let pixels = layer.pixels;
        let (sx, sy) = ts.get_scale();
        let window = |radius: f32, scale: f32| 2.0 * f64::from(radius * scale) + 1.0;
        for primitive in filter.primitives() {
            // All results are kept.
            layer = self.layer(layer, pixels)?;
            let each = match primitive.kind() {
                Kind::Turbulence(noise) => 100.0 * f64::from(noise.num_octaves()),
                Kind::ConvolveMatrix(convolve) => 5.0 * convolve.matrix().data().len() as f64,
                Kind::Morphology(m) => {
                    let [x, y] = [
                        window(m.radius_x().get(), sx),
                        window(m.radius_y().get(), sy),
                    ];
                    (x * y).min(pixels)
                }
                Kind::Merge(merge) => 10.0 * merge.inputs().len() as f64,
                Kind::GaussianBlur(_) | Kind::DropShadow(_) => 100.0,
                Kind::Image(image) => {
                    self.nodes(image.root(), Transform::from_scale(sx, sy), layer)?;
                    10.0
                }
                _ => 50.0,
            };
            self.spend(each * pixels)?;
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, ts: Transform, canvas: Canvas) -> Result<(), String> {
        let shown = path.stroke_bounding_box().transform(ts);
        let near = |v: f32| v.abs() <= FARTHEST;
        let shown = shown
            .filter(|r| near(r.left()) && near(r.top()) && near(r.right()) && near(r.bottom()));
        let shown = shown.ok_or("has a shape that reaches too far beyond the picture")?;
        let [width, height] = [shown.width(), shown.height()].map(f64::from);
        let points = path.data().len() as f64;
        // Each row meets the edges that cross it, and sorts those that cross each other.
        let rows = height.min(2.0 * canvas.pixels.sqrt());
        let edges = crossings(path);
        self.spend((width * height).min(canvas.pixels) + 16.0 * points)?;
        self.spend(4.0 * edges * (rows + edges))?;
        let dashes = path.stroke().and_then(|stroke| stroke.dasharray());
        if let Some(dashes) = dashes {
            let bounds = path.bounding_box();
            let across = bounds.width().hypot(bounds.height());
            let count = points * f64::from(across / dashes.iter().sum::<f32>());
            // The renderer gives up at a million.
            self.spend(10.0 * (count * dashes.len() as f64).min(1e6))?;
        }
        let fill = path.fill().map(usvg::Fill::paint);
        let stroke = path.stroke().map(usvg::Stroke::paint);
        for paint in fill.into_iter().chain(stroke) {
            if let Paint::Pattern(pattern) = paint {
                self.pattern(pattern, ts, canvas)?;
            }
        }
        Ok(())
    }

    fn pattern(
        &mut self,
        pattern: &usvg::Pattern,
        ts: Transform,
        canvas: Canvas,
    ) -> Result<(), String> {
        let (sx, sy) = ts.pre_concat(pattern.transform()).get_scale();
        let rect = pattern.rect();
        let [width, height] = [rect.width() * sx, rect.height() * sy].map(f64::from);
        let tile = self.layer(canvas, width * height)?;
        self.nodes(pattern.root(), Transform::from_scale(sx, sy), tile)
    }
}

/// How many edges of the path a line across it meets.
fn crossings(path: &Path) -> f64 {
    let bounds = path.data().bounds();
    let (mut last, mut travelled) = (Point::zero(), 0.0);
    for segment in path.data().segments() {
        let to = match segment {
            PathSegment::MoveTo(to) => {
                last = to;
                continue;
            }
            PathSegment::LineTo(to)
            | PathSegment::QuadTo(_, to)
            | PathSegment::CubicTo(_, _, to) => to,
            PathSegment::Close => continue,
        };
        travelled += f64::from((to.x - last.x).abs() + (to.y - last.y).abs());
        last = to;
    }
    let across = f64::from(bounds.width() + bounds.height());
    travelled / across.max(f64::MIN_POSITIVE)
}
