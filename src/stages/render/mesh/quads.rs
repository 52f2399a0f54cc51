//! Light's way through a model: a hierarchy with four boxes a node and four triangles a leaf, which vectors of four
//! numbers meet at once.
//!
//! It is made from the hierarchy of two boxes a node that labels use, whose inner nodes are opened, the largest first,
//! until there are four (Dammertz, Hanika and Keller 2008). Rays count in 32 bits, by Möller and Trumbore 1997.

use glam::{Vec3A, Vec4};
use obvhs::aabb::Aabb;
use obvhs::bvh2::Bvh2;
use obvhs::ray::Ray;
use obvhs::triangle::Triangle;

/// Nodes that wait at most while a ray is traced.
const STACK: usize = 96;

/// Levels that large leaves of the other hierarchy take.
const SPARE: usize = 3;

/// A child that is a leaf; the rest of its number is that of the leaf.
const IS_LEAF: u32 = 1 << 31;

/// The hierarchy of one model.
pub(super) struct Quads {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

/// Boxes side by side.
struct Node {
    low: [Vec4; 3],
    high: [Vec4; 3],
    children: [u32; 4],
    /// Which of the four there are, the first in the lowest bit.
    there: u32,
}

/// Triangles side by side: a corner, and the edges from it.
struct Leaf {
    corner: [Vec4; 3],
    right: [Vec4; 3],
    down: [Vec4; 3],
    triangles: [u32; 4],
}

impl Quads {
    /// The hierarchy over `triangles`, which lie in the order of `bvh`; none if it is too deep.
    pub(super) fn new(bvh: &Bvh2, triangles: &[Triangle]) -> Option<Self> {
        let mut quads = Quads {
            nodes: Vec::new(),
            leaves: Vec::new(),
        };
        if bvh.nodes.is_empty() {
            return None;
        }
        let counts = counts(bvh);
        quads.nodes.push(Node::of(&[]));
        let mut waiting = vec![(0, 0, 1)];
        while let Some((node, place, depth)) = waiting.pop() {
            // Three of the four children of each node on the way may wait.
            if 3 * (depth + SPARE) + 1 > STACK {
                return None;
            }
            let mut children = vec![node];
            while children.len() < 4 {
                let open = |n: &usize| counts[*n] > 4 && !bvh.nodes[*n].is_leaf();
                let area = |n: &usize| bvh.nodes[*n].aabb.half_area();
                let largest = (children.iter().enumerate())
                    .filter(|(_, n)| open(n))
                    .max_by(|a, b| area(a.1).total_cmp(&area(b.1)));
                let Some((chosen, _)) = largest else {
                    break;
                };
                let first = bvh.nodes[children.swap_remove(chosen)].first_index as usize;
                children.extend([first, first + 1]);
            }
            let mut made = Vec::new();
            for child in children {
                let aabb = bvh.nodes[child].aabb;
                let number = match counts[child] > 4 && !bvh.nodes[child].is_leaf() {
                    true => {
                        quads.nodes.push(Node::of(&[]));
                        waiting.push((child, quads.nodes.len() - 1, depth + 1));
                        quads.nodes.len() as u32 - 1
                    }
                    false => quads.leaf(&below(bvh, child), aabb, triangles),
                };
                made.push((aabb, number));
            }
            quads.nodes[place] = Node::of(&made);
        }
        Some(quads)
    }

    /// Adds a leaf, or, of more than four triangles, a node of several.
    fn leaf(&mut self, numbers: &[u32], aabb: Aabb, triangles: &[Triangle]) -> u32 {
        if numbers.len() <= 4 {
            self.leaves.push(Leaf::of(numbers, triangles));
            return IS_LEAF | (self.leaves.len() as u32 - 1);
        }
        let parts = numbers.chunks(numbers.len().div_ceil(4));
        let children: Vec<(Aabb, u32)> = parts
            .map(|part| (aabb, self.leaf(part, aabb, triangles)))
            .collect();
        self.nodes.push(Node::of(&children));
        self.nodes.len() as u32 - 1
    }

    /// Distance to the nearest triangle on the ray, and its number.
    pub(super) fn first(&self, ray: &Ray) -> Option<(f32, usize)> {
        let beam = Beam::new(ray);
        let (mut nearest, mut found) = (ray.tmax, None);
        let mut stack = [(0.0_f32, 0_u32); STACK];
        let mut count = 1;
        while count > 0 {
            count -= 1;
            let (distance, number) = stack[count];
            if distance > nearest {
                continue;
            }
            if number & IS_LEAF != 0 {
                let leaf = &self.leaves[(number & !IS_LEAF) as usize];
                let (distances, mut met) = beam.meets(leaf, nearest);
                while met != 0 {
                    let lane = met.trailing_zeros() as usize;
                    met &= met - 1;
                    if distances[lane] < nearest {
                        nearest = distances[lane];
                        found = Some((nearest, leaf.triangles[lane] as usize));
                    }
                }
                continue;
            }
            let node = &self.nodes[number as usize];
            let (distances, mut met) = beam.enters(node, nearest);
            let start = count;
            while met != 0 {
                let lane = met.trailing_zeros() as usize;
                met &= met - 1;
                // The nearest last, so that it comes first.
                let mut place = count;
                while place > start && stack[place - 1].0 < distances[lane] {
                    stack[place] = stack[place - 1];
                    place -= 1;
                }
                stack[place] = (distances[lane], node.children[lane]);
                count += 1;
            }
        }
        found
    }

    /// Whether any triangle lies on the ray.
    pub(super) fn any(&self, ray: &Ray) -> bool {
        let beam = Beam::new(ray);
        let mut stack = [0_u32; STACK];
        let mut count = 1;
        while count > 0 {
            count -= 1;
            let number = stack[count];
            if number & IS_LEAF != 0 {
                let leaf = &self.leaves[(number & !IS_LEAF) as usize];
                if beam.meets(leaf, ray.tmax).1 != 0 {
                    return true;
                }
                continue;
            }
            let node = &self.nodes[number as usize];
            let (_, mut met) = beam.enters(node, ray.tmax);
            while met != 0 {
                let lane = met.trailing_zeros() as usize;
                met &= met - 1;
                stack[count] = node.children[lane];
                count += 1;
            }
        }
        false
    }
}

/// How many triangles are below each node.
fn counts(bvh: &Bvh2) -> Vec<u32> {
    let mut counts: Vec<u32> = bvh.nodes.iter().map(|node| node.prim_count).collect();
    let mut order = vec![0];
    let mut next = 0;
    while next < order.len() {
        let node = &bvh.nodes[order[next]];
        if !node.is_leaf() {
            order.extend([node.first_index as usize, node.first_index as usize + 1]);
        }
        next += 1;
    }
    for &number in order.iter().rev() {
        let node = &bvh.nodes[number];
        if !node.is_leaf() {
            let first = node.first_index as usize;
            counts[number] = counts[first] + counts[first + 1];
        }
    }
    counts
}

/// The triangles below a node.
fn below(bvh: &Bvh2, node: usize) -> Vec<u32> {
    let (mut found, mut waiting) = (Vec::new(), vec![node]);
    while let Some(number) = waiting.pop() {
        let node = &bvh.nodes[number];
        let first = node.first_index;
        match node.is_leaf() {
            true => found.extend(first..first + node.prim_count),
            false => waiting.extend([first as usize, first as usize + 1]),
        }
    }
    found
}

/// One coordinate of up to four vectors.
fn lanes(axis: usize, vectors: &[Vec3A]) -> Vec4 {
    Vec4::from_array(std::array::from_fn(|i| {
        vectors.get(i).map_or(0.0, |v| v[axis])
    }))
}

impl Node {
    fn of(children: &[(Aabb, u32)]) -> Self {
        let [low, high] = [|b: &Aabb| b.min, |b: &Aabb| b.max].map(|corner: fn(&Aabb) -> Vec3A| {
            let corners: Vec<Vec3A> = children.iter().map(|child| corner(&child.0)).collect();
            [0, 1, 2].map(|axis| lanes(axis, &corners))
        });
        Node {
            low,
            high,
            children: std::array::from_fn(|i| children.get(i).map_or(0, |child| child.1)),
            there: (1 << children.len()) - 1,
        }
    }
}

impl Leaf {
    fn of(numbers: &[u32], triangles: &[Triangle]) -> Self {
        let of = |part: fn(&Triangle) -> Vec3A| {
            let parts: Vec<Vec3A> = numbers
                .iter()
                .map(|&i| part(&triangles[i as usize]))
                .collect();
            [0, 1, 2].map(|axis| lanes(axis, &parts))
        };
        Leaf {
            corner: of(|t| t.v0),
            // Triangles that are not there have no edges, and no ray meets them.
            right: of(|t| t.v1 - t.v0),
            down: of(|t| t.v2 - t.v0),
            triangles: std::array::from_fn(|i| numbers.get(i).copied().unwrap_or(0)),
        }
    }
}

/// A ray four times.
struct Beam {
    origin: [Vec4; 3],
    direction: [Vec4; 3],
    inverse: [Vec4; 3],
    nearest: f32,
}

impl Beam {
    fn new(ray: &Ray) -> Self {
        let four = |v: Vec3A| [v.x, v.y, v.z].map(Vec4::splat);
        // None is 0, over which nothing can be divided.
        let some = |v: f32| {
            if v.abs() < 1e-18 {
                1e-18_f32.copysign(v)
            } else {
                v
            }
        };
        let direction = ray.direction.to_array().map(some);
        Beam {
            origin: four(ray.origin),
            direction: four(ray.direction),
            inverse: direction.map(|v| Vec4::splat(1.0 / v)),
            nearest: ray.tmin,
        }
    }

    /// Where the ray enters the boxes of a node, and which of them it does before `farthest`.
    fn enters(&self, node: &Node, farthest: f32) -> ([f32; 4], u32) {
        let (mut enter, mut leave) = (Vec4::splat(self.nearest), Vec4::splat(farthest));
        for axis in 0..3 {
            let low = (node.low[axis] - self.origin[axis]) * self.inverse[axis];
            let high = (node.high[axis] - self.origin[axis]) * self.inverse[axis];
            enter = enter.max(low.min(high));
            leave = leave.min(low.max(high));
        }
        (enter.to_array(), enter.cmple(leave).bitmask() & node.there)
    }

    /// Distances to the triangles of a leaf, and which of them the ray meets before `farthest`.
    fn meets(&self, leaf: &Leaf, farthest: f32) -> ([f32; 4], u32) {
        let across = cross(&self.direction, &leaf.down);
        let scale = dot(&leaf.right, &across).recip();
        let from = [0, 1, 2].map(|axis| self.origin[axis] - leaf.corner[axis]);
        let turned = cross(&from, &leaf.right);
        let u = dot(&from, &across) * scale;
        let v = dot(&self.direction, &turned) * scale;
        let distance = dot(&leaf.down, &turned) * scale;
        let inside = u.cmpge(Vec4::ZERO) & v.cmpge(Vec4::ZERO) & (u + v).cmple(Vec4::ONE);
        let ahead =
            distance.cmpge(Vec4::splat(self.nearest)) & distance.cmple(Vec4::splat(farthest));
        (distance.to_array(), (inside & ahead).bitmask())
    }
}

fn dot(a: &[Vec4; 3], b: &[Vec4; 3]) -> Vec4 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: &[Vec4; 3], b: &[Vec4; 3]) -> [Vec4; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}
