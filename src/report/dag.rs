//! The pipeline as a picture: boxes left to right by depth, arrows from inputs to stages.
//!
//! A small Sugiyama layout: layers by longest way, a thin lane in every layer that a long arrow
//! crosses, order by barycentres, heights drawn towards the neighbours.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::artifact::run::{FailedStage, StageRecord};

use super::format::{duration, plural};
use super::scale::px;

const BOX: (f64, f64) = (134.0, 58.0);
/// Between the layers, and between the boxes of one.
const GAP: (f64, f64) = (42.0, 16.0);
/// Height of an arrow's lane in a layer that it crosses.
const LANE: f64 = 12.0;

/// What is drawn as a box.
enum Node<'a> {
    Made(&'a StageRecord),
    Failed(&'a FailedStage),
}

impl Node<'_> {
    fn id(&self) -> &str {
        match self {
            Node::Made(stage) => &stage.id,
            Node::Failed(stage) => &stage.id,
        }
    }

    /// Role to stage id.
    fn from(&self) -> &BTreeMap<String, String> {
        match self {
            Node::Made(stage) => &stage.from,
            Node::Failed(stage) => &stage.from,
        }
    }
}

/// The stages that ended, and the one that failed.
fn nodes<'a>(stages: &'a [StageRecord], failed: Option<&'a FailedStage>) -> Vec<Node<'a>> {
    let ended = stages
        .iter()
        .filter(|stage| failed.is_none_or(|f| f.id != stage.id));
    let ended = ended.map(Node::Made);
    ended.chain(failed.map(Node::Failed)).collect()
}

/// A box or a lane in its layer.
struct Slot {
    /// The stage, or `None` for a lane.
    stage: Option<usize>,
    layer: usize,
    /// Slots of the layer before that lead here.
    before: Vec<usize>,
    /// Slots of the layer after that follow.
    after: Vec<usize>,
    /// Its middle, in pixels.
    y: f64,
}

impl Slot {
    fn height(&self) -> f64 {
        self.stage.map_or(LANE, |_| BOX.1)
    }
}

/// Where everything lies.
struct Layout {
    slots: Vec<Slot>,
    /// Slot numbers of each layer, top to bottom.
    layers: Vec<Vec<usize>>,
    /// The slots that each arrow passes, with its role.
    arrows: Vec<(Vec<usize>, String)>,
}

/// Draws the stages of a run, and the one that it could not finish.
pub(super) fn picture(stages: &[StageRecord], failed: Option<&FailedStage>) -> Markup {
    let nodes = nodes(stages, failed);
    let layout = Layout::new(&nodes);
    let bottom = |slot: &Slot| slot.y + slot.height() / 2.0;
    let height = layout.slots.iter().map(bottom).fold(0.0, f64::max) + 4.0;
    let width = layout.layers.len() as f64 * (BOX.0 + GAP.0) - GAP.0 + 8.0;
    let width = width.max(1.0);
    html! {
        svg.dag viewBox=(format!("0 0 {width:.0} {height:.0}")) role="img"
            style=(format!("--width:{width:.0}px")) aria-label="the stages of the pipeline" {
            defs {
                marker #tip viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
                    orient="auto" { path d="M0 0.5L8 4L0 7.5z" {} }
            }
            @for (slots, role) in &layout.arrows {
                path.arrow d=(layout.path(slots)) marker-end="url(#tip)" { title { (role) } }
            }
            @for slot in &layout.slots {
                @match slot.stage.map(|place| &nodes[place]) {
                    Some(Node::Made(stage)) => (stage_box(stage, left(slot), slot.y)),
                    Some(Node::Failed(stage)) => (failed_box(stage, left(slot), slot.y)),
                    None => {},
                }
            }
        }
    }
}

fn left(slot: &Slot) -> f64 {
    4.0 + slot.layer as f64 * (BOX.0 + GAP.0)
}

fn stage_box(stage: &StageRecord, x: f64, y: f64) -> Markup {
    let middle = px(x + BOX.0 / 2.0);
    let at = |dy: f64| px(y + dy);
    let state = if stage.cached { "cached" } else { "fresh" };
    let what = match stage.count {
        0 if stage.stage == stage.id => String::new(),
        0 => stage.stage.clone(),
        n => plural(n, "sample"),
    };
    let lines = if what.is_empty() {
        [-3.0, 0.0, 14.0]
    } else {
        [-10.0, 6.0, 20.0]
    };
    html! {
        g class={ "stage " (state) } {
            title {
                (stage.id) " (" (stage.stage) "), "
                @if stage.cached { "taken from the cache" } @else { "made in this run" }
                ", key " (stage.key)
            }
            rect x=(px(x)) y=(at(-BOX.1 / 2.0)) width=(BOX.0) height=(BOX.1) rx="8" {}
            text.id x=(middle) y=(at(lines[0])) text-anchor="middle" { (shortened(&stage.id, 15)) }
            text.detail x=(middle) y=(at(lines[1])) text-anchor="middle" { (shortened(&what, 21)) }
            text.detail x=(middle) y=(at(lines[2])) text-anchor="middle" {
                @if stage.cached { "cached" } @else { (duration(stage.cost.seconds)) }
            }
        }
    }
}

/// The stage that did not finish, with the beginning of its reason; the whole one shows on hovering.
fn failed_box(stage: &FailedStage, x: f64, y: f64) -> Markup {
    let middle = px(x + BOX.0 / 2.0);
    let at = |dy: f64| px(y + dy);
    // The reason begins with whose it is, which the box says already.
    let first = stage.reason.lines().next().unwrap_or_default();
    let own = format!("{}: ", stage.id);
    let short = first.strip_prefix("error: ").unwrap_or(first);
    let short = short.strip_prefix(&own).unwrap_or(short);
    html! {
        g class="stage broken" {
            title { (stage.id) " (" (stage.stage) ") did not finish: " (stage.reason) }
            rect x=(px(x)) y=(at(-BOX.1 / 2.0)) width=(BOX.0) height=(BOX.1) rx="8" {}
            text.id x=(middle) y=(at(-10.0)) text-anchor="middle" { (shortened(&stage.id, 15)) }
            text.detail x=(middle) y=(at(6.0)) text-anchor="middle" { "not finished" }
            text.detail x=(middle) y=(at(20.0)) text-anchor="middle" { (shortened(short, 21)) }
        }
    }
}

/// At most `length` characters, the rest an ellipsis.
fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    kept + "…"
}

/// Each stage's layer: one right of its deepest input; inputs of nothing stand by their first use.
fn depths(stages: &[Node], edges: &[(usize, usize, String)]) -> Vec<usize> {
    let mut depth = vec![0; stages.len()];
    for _ in stages {
        for &(from, to, _) in edges {
            if depth[to] <= depth[from] && depth[from] + 1 < stages.len() {
                depth[to] = depth[from] + 1;
            }
        }
    }
    for stage in 0..stages.len() {
        let uses = edges.iter().filter(|e| e.0 == stage).map(|e| depth[e.1]);
        if let Some(first) = uses.min().filter(|_| edges.iter().all(|e| e.1 != stage)) {
            depth[stage] = first.saturating_sub(1);
        }
    }
    depth
}

impl Layout {
    fn new(stages: &[Node]) -> Self {
        let place: BTreeMap<&str, usize> = stages
            .iter()
            .enumerate()
            .map(|(i, stage)| (stage.id(), i))
            .collect();
        let mut edges = Vec::new();
        for (to, stage) in stages.iter().enumerate() {
            for (role, id) in stage.from() {
                // An input that never came to be (an interrupted run) has no box.
                if let Some(&from) = place.get(id.as_str()).filter(|from| **from != to) {
                    edges.push((from, to, role.clone()));
                }
            }
        }
        let depth = depths(stages, &edges);
        let mut layout = Layout {
            slots: Vec::new(),
            layers: vec![Vec::new(); depth.iter().max().map_or(0, |d| d + 1)],
            arrows: Vec::new(),
        };
        for (stage, &layer) in depth.iter().enumerate() {
            layout.add(Some(stage), layer);
        }
        for (from, to, role) in edges {
            let mut way = vec![from];
            for layer in depth[from] + 1..depth[to] {
                way.push(layout.add(None, layer));
            }
            way.push(to);
            for pair in way.windows(2) {
                layout.slots[pair[0]].after.push(pair[1]);
                layout.slots[pair[1]].before.push(pair[0]);
            }
            layout.arrows.push((way, role));
        }
        layout.settle();
        layout
    }

    fn add(&mut self, stage: Option<usize>, layer: usize) -> usize {
        self.layers[layer].push(self.slots.len());
        self.slots.push(Slot {
            stage,
            layer,
            before: Vec::new(),
            after: Vec::new(),
            y: 0.0,
        });
        self.slots.len() - 1
    }

    /// Orders the layers to cross few arrows, then moves every slot towards its neighbours.
    fn settle(&mut self) {
        for layer in 0..self.layers.len() {
            self.stack(layer, false);
        }
        for sweep in 0..24 {
            let reorder = sweep < 12;
            let count = self.layers.len();
            for i in 0..count {
                let (forward, layer) = if sweep % 2 == 0 {
                    (true, i)
                } else {
                    (false, count - 1 - i)
                };
                self.pull(layer, forward, reorder);
            }
        }
        let top = |slot: &Slot| slot.y - slot.height() / 2.0;
        let highest = self.slots.iter().map(top).fold(f64::INFINITY, f64::min);
        for slot in &mut self.slots {
            slot.y += 4.0 - highest;
        }
    }

    /// Moves a layer's slots to the mean height of their neighbours on one side.
    fn pull(&mut self, layer: usize, forward: bool, reorder: bool) {
        for &slot in &self.layers[layer] {
            let side = if forward {
                &self.slots[slot].before
            } else {
                &self.slots[slot].after
            };
            if !side.is_empty() {
                let sum: f64 = side.iter().map(|&n| self.slots[n].y).sum();
                self.slots[slot].y = sum / side.len() as f64;
            }
        }
        self.stack(layer, reorder);
    }

    /// Pushes a layer's slots apart so that none overlap, the layer's mean height kept.
    fn stack(&mut self, layer: usize, reorder: bool) {
        let mut order = self.layers[layer].clone();
        if reorder {
            order.sort_by(|&a, &b| self.slots[a].y.total_cmp(&self.slots[b].y));
        }
        let wished: f64 = order.iter().map(|&s| self.slots[s].y).sum();
        let mut free = f64::NEG_INFINITY;
        for &slot in &order {
            let half = self.slots[slot].height() / 2.0;
            self.slots[slot].y = self.slots[slot].y.max(free + half);
            free = self.slots[slot].y + half + GAP.1;
        }
        let got: f64 = order.iter().map(|&s| self.slots[s].y).sum();
        let shift = (got - wished) / order.len().max(1) as f64;
        for &slot in &order {
            self.slots[slot].y -= shift;
        }
        self.layers[layer] = order;
    }

    /// A smooth line through the slots, from the right side of the first to the left of the last.
    fn path(&self, slots: &[usize]) -> String {
        let mut data = String::new();
        for pair in slots.windows(2) {
            let (a, b) = (&self.slots[pair[0]], &self.slots[pair[1]]);
            let (x0, x1) = (
                left(a) + BOX.0,
                left(b) - if b.stage.is_some() { 1.0 } else { 0.0 },
            );
            let bend = GAP.0 * 0.55;
            if data.is_empty() {
                data = format!("M{x0:.1} {:.1}", a.y);
            }
            let (c0, c1) = (x0 + bend, x1 - bend);
            data += &format!("C{c0:.1} {:.1} {c1:.1} {:.1} {x1:.1} {:.1}", a.y, b.y, b.y);
            if b.stage.is_none() {
                data += &format!("h{:.1}", BOX.0);
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage_record;

    fn pottery() -> Vec<StageRecord> {
        vec![
            stage_record("clay", "dig", &[]),
            stage_record("photos", "shoot", &[]),
            stage_record("form", "shape", &[("clay", "clay"), ("photos", "photos")]),
            stage_record("pots", "throw", &[("clay", "clay"), ("form", "form")]),
            stage_record("guests", "shoot", &[]),
            stage_record("taste", "ask", &[("pots", "pots"), ("guests", "guests")]),
        ]
    }

    #[test]
    fn layers_follow_the_inputs() {
        let stages = pottery();
        let layout = Layout::new(&nodes(&stages, None));
        let layer: Vec<usize> = layout.slots[..6].iter().map(|s| s.layer).collect();
        assert_eq!(layer, [0, 0, 1, 2, 2, 3]);
    }

    #[test]
    fn slots_of_a_layer_do_not_overlap() {
        let stages = pottery();
        let layout = Layout::new(&nodes(&stages, None));
        for layer in &layout.layers {
            for pair in layer.windows(2) {
                let (a, b) = (&layout.slots[pair[0]], &layout.slots[pair[1]]);
                assert!(b.y - a.y >= f64::midpoint(a.height(), b.height()) - 1e-6);
            }
        }
    }

    #[test]
    fn no_stages_a_circle_and_unknown_inputs_do_not_panic() {
        assert!(!picture(&[], None).into_string().contains("NaN"));
        let circle = [
            stage_record("a", "turn", &[("samples", "b")]),
            stage_record(
                "b",
                "turn",
                &[("samples", "a"), ("model", "b"), ("other", "gone")],
            ),
        ];
        let drawn = picture(&circle, None).into_string();
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }

    #[test]
    fn the_stage_that_failed_is_a_box_with_its_reason() {
        let mut stages = pottery();
        let broken = stages.pop().unwrap();
        let failed = FailedStage {
            id: broken.id,
            stage: broken.stage,
            from: broken.from,
            reason: "taste: no <guests> came\nhelp: invite some".into(),
        };
        let drawn = picture(&stages, Some(&failed)).into_string();
        assert!(drawn.contains("class=\"stage broken\""), "{drawn}");
        assert!(drawn.contains("no &lt;guests&gt; came") && drawn.contains("help: invite some"));
        assert_eq!(drawn.matches("class=\"arrow\"").count(), 6);
        // One that had ended before and was to be made again is drawn once.
        let again = FailedStage {
            id: "pots".into(),
            ..failed
        };
        let drawn = picture(&stages, Some(&again)).into_string();
        assert_eq!(drawn.matches(">pots<").count(), 1);
    }

    #[test]
    fn ids_are_escaped() {
        let drawn = picture(&[stage_record("<b>&\"", "dig", &[])], None).into_string();
        assert!(drawn.contains("&lt;b&gt;&amp;") && !drawn.contains("<b>"));
    }
}
