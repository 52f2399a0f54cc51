//! The bounding volume hierarchy over a model's triangles.
//!
//! `obvhs` merges boxes from below, which takes quadratic time where boxes lie within each other, as those of
//! a fan's triangles do. Large models are therefore divided from above, by the surface area heuristic over
//! bins (Wald 2007), which takes n log n time however the triangles lie.

use std::ops::Range;
use std::time::Duration;

use glam::Vec3A;
use obvhs::BvhBuildParams;
use obvhs::aabb::Aabb;
use obvhs::bvh2::Bvh2;
use obvhs::bvh2::builder::build_bvh2_from_tris;
use obvhs::bvh2::node::Bvh2Node;
use obvhs::triangle::Triangle;

use super::model::GoOn;
use crate::Result;

/// A model with more triangles is large; the worst arrangement of fewer takes some seconds.
const LARGE: usize = 30_000;

const BINS: usize = 16;

/// The most triangles of a leaf.
const LEAF: usize = 4;

/// Nodes between two looks at whether to go on.
const LOOK: usize = 4096;

/// How much larger than their triangles boxes are, over the size of the model, so that no ray is rounded past them.
const MARGIN: f32 = 1e-5;

/// From this depth on, parts are halved.
const DEEPEST: usize = 56;

/// The hierarchy, the same for any number of threads; it says in which order it wants the triangles.
///
/// # Errors
/// If `go_on` ends the work.
pub(super) fn build(triangles: &[Triangle], go_on: GoOn) -> Result<Bvh2> {
    let mut hierarchy = tight(triangles, go_on)?;
    let whole = hierarchy
        .nodes
        .first()
        .map_or(Aabb::empty(), |root| root.aabb);
    let margin = Vec3A::splat(MARGIN * whole.diagonal().max_element());
    for node in &mut hierarchy.nodes {
        node.aabb = Aabb::new(node.aabb.min - margin, node.aabb.max + margin);
    }
    Ok(hierarchy)
}

fn tight(triangles: &[Triangle], go_on: GoOn) -> Result<Bvh2> {
    if triangles.len() > LARGE {
        return divided(triangles, go_on);
    }
    // Without the parallel reinsertion, which would depend on the threads.
    let params = BvhBuildParams {
        reinsertion_batch_ratio: 0.0,
        ..BvhBuildParams::fast_build()
    };
    let mut taken = Duration::default();
    Ok(build_bvh2_from_tris(triangles, params, &mut taken))
}

fn divided(triangles: &[Triangle], go_on: GoOn) -> Result<Bvh2> {
    let boxes: Vec<Aabb> = triangles.iter().map(Triangle::aabb).collect();
    let mut order: Vec<u32> = (0..triangles.len() as u32).collect();
    let mut nodes = vec![Bvh2Node::default()];
    let mut waiting: Vec<(usize, Range<usize>, usize)> = vec![(0, 0..order.len(), 0)];
    while let Some((node, range, depth)) = waiting.pop() {
        if node % LOOK == 0 || range.len() > LARGE {
            go_on()?;
        }
        let part = &mut order[range.clone()];
        let whole = union(part.iter().map(|&i| boxes[i as usize]));
        if part.len() <= LEAF {
            nodes[node] = Bvh2Node::new(whole, part.len() as u32, range.start as u32);
            continue;
        }
        let middle = range.start + divide(part, &boxes, depth);
        let first = nodes.len();
        nodes[node] = Bvh2Node::new(whole, 0, first as u32);
        nodes.resize(first + 2, Bvh2Node::default());
        waiting.push((first, range.start..middle, depth + 1));
        waiting.push((first + 1, middle..range.end, depth + 1));
    }
    Ok(Bvh2 {
        nodes,
        primitive_indices: order,
        ..Bvh2::default()
    })
}

/// Divides a part of the triangles in two, and says how many are in the first; neither is empty.
fn divide(part: &mut [u32], boxes: &[Aabb], depth: usize) -> usize {
    let centre = |i: u32| boxes[i as usize].center();
    let (low, high) = part
        .iter()
        .fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(low, high), &i| {
            (low.min(centre(i)), high.max(centre(i)))
        });
    let extent = high - low;
    let axis = extent.max_position();
    let scale = BINS as f32 / extent[axis];
    let bin = |i: u32| (((centre(i)[axis] - low[axis]) * scale) as usize).min(BINS - 1);
    let border = cheapest(part, boxes, bin);
    let mut count = 0;
    if depth < DEEPEST {
        for k in 0..part.len() {
            if bin(part[k]) < border {
                part.swap(k, count);
                count += 1;
            }
        }
    }
    if count == 0 || count == part.len() {
        count = part.len() / 2;
        part.select_nth_unstable_by(count, |&a, &b| {
            let [a, b] = [a, b].map(|i| (centre(i)[axis], i));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        });
    }
    count
}

/// The border between bins at which the boxes of both sides, times their triangles, are smallest.
fn cheapest(part: &[u32], boxes: &[Aabb], bin: impl Fn(u32) -> usize) -> usize {
    let mut bins = [(Aabb::empty(), 0_usize); BINS];
    for &i in part {
        let (whole, count) = &mut bins[bin(i)];
        *whole = whole.union(&boxes[i as usize]);
        *count += 1;
    }
    let cost = |bins: &[(Aabb, usize)]| match bins.iter().map(|bin| bin.1).sum::<usize>() {
        0 => f32::INFINITY,
        count => union(bins.iter().map(|bin| bin.0)).half_area() * count as f32,
    };
    let costs = (1..BINS).map(|border| (border, cost(&bins[..border]) + cost(&bins[border..])));
    costs
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(1, |(border, _)| border)
}

fn union(boxes: impl Iterator<Item = Aabb>) -> Aabb {
    boxes.fold(Aabb::empty(), |whole, each| whole.union(&each))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use glam::vec3a;
    use obvhs::ray::{Ray, RayHit};

    use super::*;

    /// Triangles in different places, a few so large that others lie within their boxes.
    fn scattered(count: usize) -> Vec<Triangle> {
        let triangle = |i: usize| {
            let spread = |step: usize| (i * step % 7919) as f32 / 7919.0;
            let size = 0.01 + 0.5 * (spread(31) * spread(7)).powi(8);
            let v0 = vec3a(spread(17), spread(101), spread(313));
            Triangle {
                v0,
                v1: v0 + size * Vec3A::X,
                v2: v0 + size * vec3a(0.3, 1.0, spread(5)),
            }
        };
        (0..count).map(triangle).collect()
    }

    fn hit(bvh: &Bvh2, triangles: &[Triangle], origin: Vec3A) -> Option<u32> {
        let mut hit = RayHit::none();
        let ray = Ray::new(
            origin,
            vec3a(0.1, 0.05, 1.0).normalize(),
            0.0,
            f32::INFINITY,
        );
        let triangle = |i: usize| triangles[bvh.primitive_indices[i] as usize];
        bvh.ray_traverse(ray, &mut hit, |ray, i| triangle(i).intersect(ray))
            .then(|| bvh.primitive_indices[hit.primitive_id as usize])
    }

    #[test]
    fn rays_meet_the_same_triangles_in_both_hierarchies() {
        let triangles = scattered(5000);
        let (merged, divided) = (
            build(&triangles, &|| Ok(())).unwrap(),
            divided(&triangles, &|| Ok(())).unwrap(),
        );
        let mut order = divided.primitive_indices.clone();
        order.sort_unstable();
        assert!(order.into_iter().eq(0..5000));
        let mut met = 0;
        for i in 0..2500 {
            let origin = vec3a((i % 50) as f32 / 50.0, (i / 50) as f32 / 50.0, -1.0);
            let found = hit(&merged, &triangles, origin);
            assert_eq!(hit(&divided, &triangles, origin), found);
            met += usize::from(found.is_some());
        }
        assert!((500..2500).contains(&met), "{met}");
    }

    #[test]
    fn boxes_within_each_other_take_no_longer_than_others() {
        let nested = |i: usize| {
            let size = 1.0 + i as f32;
            Triangle {
                v0: vec3a(-size, -size, 0.0),
                v1: vec3a(size, -size, 0.0),
                v2: vec3a(0.0, size, 0.0),
            }
        };
        let fan = |i: usize| {
            let rim = |i: usize| {
                let (sin, cos) = (i as f32 * 1e-6).sin_cos();
                vec3a(cos, 0.0, sin)
            };
            Triangle {
                v0: Vec3A::Y,
                v1: rim(i + 1),
                v2: rim(i),
            }
        };
        let same = |_| nested(1);
        let doubled = |i: usize| {
            let size = 2_f32.powi(i as i32 % 250 - 125);
            let v0 = Vec3A::splat(size);
            Triangle {
                v0,
                v1: v0 + size * Vec3A::X,
                v2: v0 + size * Vec3A::Y,
            }
        };
        let kinds: [&dyn Fn(usize) -> Triangle; 4] = [&nested, &fan, &same, &doubled];
        for (kind, triangle) in kinds.iter().enumerate() {
            let triangles: Vec<Triangle> = (0..300_000).map(triangle).collect();
            let begin = Instant::now();
            let bvh = build(&triangles, &|| Ok(())).unwrap();
            let taken = begin.elapsed();
            assert!(taken < Duration::from_secs(20), "{kind}: {taken:?}");
            assert_eq!(bvh.primitive_indices.len(), triangles.len());
        }
    }
}
