//! Contact sheets: rows of pictures, and pictures with their labels drawn over them.

use base64::Engine;
use maud::{Markup, html};

use crate::sample::{Keypoint, Mask, Object, Sample, Visibility, image};
use crate::stage::exhibit::{Row, Sheet};

/// Pictures are shown near this many pixels, small ones by a whole factor.
const SHOWN: u32 = 128;

/// Larger pictures than this are shrunk before they are embedded.
const EMBEDDED: u32 = 256;

/// The same where labels are compared side by side, and small objects must be recognised.
const COMPARED: u32 = 640;

/// The quality of JPEGs, which large pictures that are compared become.
const QUALITY: u8 = 85;

/// Rows of pictures with their captions, or pictures with their labels drawn over them.
pub(super) fn sheet(sheet: &Sheet) -> Markup {
    if sheet.labels {
        return labelled(sheet);
    }
    html! {
        div.strips style={ "--columns:" (sheet.columns.len()) } {
            @for row in &sheet.rows {
                figure title=[Some(&row.details).filter(|details| !details.is_empty())] {
                    div.row {
                        @for (sample, column) in row.pictures.iter().zip(&sheet.columns) {
                            @match sample {
                                Some(sample) => (picture(sample, column)),
                                None => span.none title={ (column) ": not available" } { "–" },
                            }
                        }
                    }
                    figcaption {
                        (row.caption)
                        @if !row.fault.is_empty() { " " span.why { (row.fault) } }
                    }
                }
            }
        }
    }
}

/// A picture as it is, enlarged without smoothing; where it comes from as the tooltip.
pub(super) fn picture(sample: &Sample, stage: &str) -> Markup {
    let (width, height) = shown_size(sample);
    html! {
        img class=(sharpness(sample)) src=(data_uri(sample)) width=(width) height=(height)
            alt={ (stage) " " (sample.id) } title=(description(sample, stage));
    }
}

fn description(sample: &Sample, stage: &str) -> String {
    let provenance = &sample.provenance;
    let mut text = format!("{stage}: {}\nfrom {}", sample.id, provenance.source);
    if let Some(class) = &sample.labels.class {
        text += &format!("\nclass {class}");
    }
    if !provenance.transforms.is_empty() {
        text += &format!("\n{}", provenance.transforms.join(", "));
    }
    text
}

fn sharpness(sample: &Sample) -> &'static str {
    if sample.extent.longer() <= SHOWN {
        "pixels"
    } else {
        "smooth"
    }
}

/// Width and height on the page: a whole multiple of a small picture, [`SHOWN`] for a large one.
fn shown_size(sample: &Sample) -> (u32, u32) {
    let side = sample.extent.longer().max(1);
    if side <= SHOWN {
        let factor = (SHOWN / side).max(1);
        return (sample.extent.width * factor, sample.extent.height * factor);
    }
    let scaled =
        |length: u32| (u64::from(length) * u64::from(SHOWN) / u64::from(side)).max(1) as u32;
    (scaled(sample.extent.width), scaled(sample.extent.height))
}

/// The picture's bytes in the page: the sample's own PNG, or a smaller one of a large picture.
fn data_uri(sample: &Sample) -> String {
    let side = sample.extent.longer();
    let small = (side > EMBEDDED).then(|| shrunk(sample)).flatten();
    let bytes = small.as_deref().unwrap_or(&sample.image);
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("data:image/png;base64,{encoded}")
}

/// As [`data_uri`]; large pictures that are `compared` keep more of their pixels.
fn embedded(sample: &Sample, compared: bool) -> String {
    if !compared || sample.extent.longer() <= EMBEDDED {
        return data_uri(sample);
    }
    let jpeg = sample.pixels().and_then(|pixels| {
        let longer = pixels.width().max(pixels.height());
        let scaled = |length: u32| (length * COMPARED / longer).max(1);
        match longer > COMPARED {
            true => {
                let (width, height) = (scaled(pixels.width()), scaled(pixels.height()));
                image::encode_jpeg(&image::resize(&pixels, width, height), QUALITY)
            }
            false => image::encode_jpeg(&pixels, QUALITY),
        }
    });
    let Ok(jpeg) = jpeg else {
        return data_uri(sample);
    };
    let encoded = base64::engine::general_purpose::STANDARD.encode(jpeg);
    format!("data:image/jpeg;base64,{encoded}")
}

/// `None` if the picture cannot be read: the page then shows the sample's id instead.
fn shrunk(sample: &Sample) -> Option<Vec<u8>> {
    let pixels = sample.pixels().ok()?;
    let scale = f64::from(EMBEDDED) / f64::from(pixels.width().max(pixels.height()));
    let scaled = |length: u32| ((f64::from(length) * scale) as u32).max(1);
    let small = image::resize(&pixels, scaled(pixels.width()), scaled(pixels.height()));
    image::encode_png(&small).ok()
}

fn labelled(sheet: &Sheet) -> Markup {
    let samples = || {
        sheet
            .rows
            .iter()
            .flat_map(|row| row.pictures.iter().flatten())
    };
    let has = |test: fn(&Object) -> bool| samples().any(|s| s.labels.objects().iter().any(test));
    let compared = sheet.columns.len() > 1;
    html! {
        p.flow {
            @for column in &sheet.columns { span { (column) } }
            @if has(|_| true) { small { span.key.box-key {} "box" } }
            @if has(|o| o.mask.is_some()) { small { span.key.mask-key {} "mask" } }
            @if has(|o| !o.keypoints.is_empty()) {
                small { span.key.seen-key {} "keypoint" }
                small { span.key.hidden-key {} "hidden keypoint" }
            }
        }
        @if compared {
            @for row in &sheet.rows { (side_by_side(row, &sheet.columns)) }
        } @else {
            div.overlays { @for sample in samples() { (overlay(sample, None)) } }
        }
    }
}

/// One picture with the labels of each column drawn over it.
fn side_by_side(row: &Row, columns: &[String]) -> Markup {
    html! {
        p.compared {
            (row.caption)
            @if !row.fault.is_empty() { " " span.why { (row.fault) } }
        }
        div.overlays.compared {
            @for (sample, column) in row.pictures.iter().zip(columns) {
                @if let Some(sample) = sample { (overlay(sample, Some(column))) }
            }
        }
    }
}

/// A picture with its labels drawn over it; `column` says whose labels they are where there are several.
fn overlay(sample: &Sample, column: Option<&str>) -> Markup {
    let (width, height) = (sample.extent.width, sample.extent.height);
    let mut classes: Vec<&str> = Vec::new();
    for object in sample.labels.objects() {
        if !classes.contains(&object.class.as_str()) {
            classes.push(&object.class);
        }
    }
    let unit = f64::from(width.max(height)) / 192.0;
    html! {
        figure.overlay title=(description(sample, "labels of")) {
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(sample.id)
                style=(format!("--unit:{unit:.4}px")) {
                image class=(sharpness(sample)) href=(embedded(sample, column.is_some())) width=(width) height=(height) {}
                @for object in sample.labels.objects() { (outlines(object, (width, height), unit, column.is_some())) }
            }
            figcaption {
                @if let Some(column) = column { b { (column) } " " }
                @if classes.is_empty() { (sample.labels.class.as_deref().unwrap_or("no label")) }
                (classes.join(", "))
            }
        }
    }
}

fn outlines(object: &Object, (width, height): (u32, u32), unit: f64, named: bool) -> Markup {
    let [x, y, w, h] = object.bbox_xywh.map(finite);
    let mask = object.mask.as_ref();
    let outline = mask.map_or_else(String::new, |mask| outline(mask, width, height));
    html! {
        @if !outline.is_empty() { path.mask d=(outline) {} }
        rect.box x=(x) y=(y) width=(w.max(0.0)) height=(h.max(0.0)) {
            title { (object.class) ", visible " (format!("{:.0} %", 100.0 * object.visible_fraction)) }
        }
        @if named { text.class x=(x) y=(finite(y - 1.5 * unit as f32)) { (object.class) } }
        @for keypoint in &object.keypoints { (point(keypoint, unit)) }
    }
}

fn point(keypoint: &Keypoint, unit: f64) -> Markup {
    let class = match keypoint.visibility {
        Visibility::Outside => return html! {},
        Visibility::Hidden => "keypoint hidden",
        Visibility::Visible => "keypoint",
    };
    let radius = format!("{:.3}", 3.2 * unit);
    html! {
        circle class=(class) cx=(finite(keypoint.x)) cy=(finite(keypoint.y)) r=(radius) {
            title { "keypoint " (keypoint.name) }
        }
    }
}

/// A coordinate that SVG can hold.
fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// The edges between pixels inside and outside a mask, as path data; straight edges are joined.
fn outline(mask: &Mask, width: u32, height: u32) -> String {
    if mask.area() == 0 {
        return String::new();
    }
    let bitmap = mask.to_bitmap(width, height);
    let inside = |x: u32, y: u32| x < width && y < height && bitmap[(y * width + x) as usize];
    let mut data = String::new();
    for y in 0..=height {
        let edge = |x: u32| inside(x, y) != (y > 0 && inside(x, y - 1));
        for (start, end) in runs(width, edge) {
            data += &format!("M{start} {y}H{end}");
        }
    }
    for x in 0..=width {
        let edge = |y: u32| inside(x, y) != (x > 0 && inside(x - 1, y));
        for (start, end) in runs(height, edge) {
            data += &format!("M{x} {start}V{end}");
        }
    }
    data
}

/// The stretches of 0..`length` where `holds`, as half-open ranges.
fn runs(length: u32, holds: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let mut start = None;
    for i in 0..=length {
        match (start, i < length && holds(i)) {
            (None, true) => start = Some(i),
            (Some(first), false) => {
                found.push((first, i));
                start = None;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::picture_of;

    #[test]
    fn an_outline_runs_around_the_mask_and_its_hole() {
        let mut bitmap = vec![true; 9];
        bitmap[4] = false;
        let ring = Mask::from_bitmap(&bitmap, 3, 3);
        assert_eq!(
            outline(&ring, 3, 3),
            "M0 0H3M1 1H2M1 2H2M0 3H3M0 0V3M1 1V2M2 1V2M3 0V3"
        );
        assert_eq!(outline(&Mask::default(), 3, 3), "");
    }

    #[test]
    fn small_pictures_grow_by_whole_factors_and_large_ones_shrink() {
        assert_eq!(shown_size(&picture_of(64, 32)), (128, 64));
        assert_eq!(shown_size(&picture_of(48, 48)), (96, 96));
        assert_eq!(shown_size(&picture_of(512, 256)), (128, 64));
    }

    #[test]
    fn a_large_picture_is_embedded_smaller() {
        let sample = picture_of(1024, 8);
        let small = image::decode_rgb(&shrunk(&sample).unwrap(), "small").unwrap();
        assert_eq!(small.dimensions(), (256, 2));
    }

    #[test]
    fn labels_of_several_are_drawn_side_by_side_with_their_names() {
        let with = |class: &str| {
            let mut sample = picture_of(300, 200);
            sample.labels.objects = Some(vec![Object::new(class, [5.0, 5.0, 20.0, 20.0])]);
            Some(sample)
        };
        let row = Row {
            pictures: vec![with("four"), with("six 83 %"), None],
            caption: "worst".into(),
            fault: "missed four".into(),
            details: String::new(),
        };
        let drawn = sheet(&Sheet {
            columns: ["true boxes", "adapted", "lost"].map(String::from).into(),
            rows: vec![row],
            labels: true,
        });
        let drawn = drawn.into_string();
        assert_eq!(drawn.matches("<svg").count(), 2);
        for text in [
            "worst",
            "missed four",
            ">six 83 %</text>",
            "data:image/jpeg",
        ] {
            assert!(drawn.contains(text), "{text}");
        }
    }

    #[test]
    fn labels_that_are_not_numbers_leave_no_trace_in_the_drawing() {
        let mut sample = picture_of(8, 8);
        sample.labels.objects = Some(vec![Object {
            mask: Some(Mask::default()),
            keypoints: vec![Keypoint {
                name: "<i>".into(),
                x: f32::NAN,
                y: 1.0,
                visibility: Visibility::Visible,
            }],
            ..Object::new("<i>", [f32::NAN, 0.0, f32::INFINITY, -1.0])
        }]);
        let drawn = overlay(&sample, None).into_string();
        assert!(!drawn.contains("NaN") && !drawn.contains("\"inf") && !drawn.contains("<i>"));
    }
}
