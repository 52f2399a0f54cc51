//! Templates made to break what draws them: refused with a reason before they take memory or time.

use base64::Engine;

use super::*;
use crate::testing::mutations::assert_survived;

/// What drawing `inside` says.
fn problem(inside: &str) -> String {
    let text =
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{inside}</svg>"#);
    draw("sign.svg", text.as_bytes(), 512, |_| {})
        .map_or_else(|e| e.to_string(), |_| "drawn".to_owned())
}

fn assert_refused(inside: &str, wanted: &str) {
    let problem = problem(inside);
    let shown = &inside[..inside.len().min(300)];
    for part in ["sign.svg: ", wanted, "help:"] {
        assert!(problem.contains(part), "{shown}: `{part}` not in {problem}");
    }
}

#[test]
fn mutated_templates_are_drawn_or_refused() {
    let sound = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 60">
        <style>.edge { stroke: url(#fade); stroke-dasharray: 4 2 }</style>
        <linearGradient id="fade"><stop offset="0.1"/><stop offset="1"/></linearGradient>
        <pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">
        <circle cx="3" cy="3" r="2.5"/></pattern>
        <filter id="soft"><feTurbulence numOctaves="2" baseFrequency="0.1"/>
        <feMorphology radius="2"/><feGaussianBlur stdDeviation="3"/></filter>
        <clipPath id="cut"><path d="M0 0h80v50l-9 9H0z"/></clipPath>
        <mask id="hole"><rect width="90" height="60" fill="#fff"/></mask>
        <g clip-path="url(#cut)" mask="url(#hole)" transform="rotate(4) scale(1.1)">
        <rect id="plate" width="90" height="60" rx="5" fill="#c00" class="edge"/>
        <path d="M5 5c9-9 20 30 40 10z a 3 4 0 1 0 9 9" fill="url(#dots)" filter="url(#soft)"/>
        <use href="#plate" x="3" opacity="0.4"/></g></svg>"##;
    let read = |bytes: &[u8]| draw("sign.svg", bytes, 64, |_| {});
    assert_survived("sign.svg", sound.as_bytes(), |_| (), read);
}

#[test]
fn sizes_beyond_memory_are_refused() {
    let tile = |height: &str| {
        format!(
            r##"<pattern id="p" width="9" height="{height}" patternUnits="userSpaceOnUse"><rect
            width="5" height="5"/></pattern><rect width="9" height="9" fill="url(#p)"/>"##
        )
    };
    assert_eq!(problem(&tile("9")), "drawn");
    assert_refused(&tile("4294967296"), "more than 512 MiB to draw");
    assert_refused(r#"<circle r="4294967295"/>"#, "reaches too far");
    let far = r#"<path d="M1e30 0h80v50l-9 9H0z" transform="rotate(1e30)"/>"#;
    assert_refused(far, "reaches too far");
    let layers = 100;
    let nested = [
        r#"<g opacity=".5" transform="scale(1.2)">"#.repeat(layers),
        r#"<rect width="90" height="90"/>"#.to_owned(),
        "</g>".repeat(layers),
    ];
    assert_refused(&nested.concat(), "more than 512 MiB to draw");
}

#[test]
fn filters_that_take_minutes_are_refused() {
    let matrix = "1 ".repeat(90_000);
    for primitive in [
        r#"<feTurbulence baseFrequency="0.9" numOctaves="1000000"/>"#,
        r#"<feMorphology operator="dilate" radius="4"/>"#,
        &format!(r#"<feConvolveMatrix order="300" kernelMatrix="{matrix}"/>"#),
        &"<feGaussianBlur stdDeviation='1'/>".repeat(900),
    ] {
        let text = format!(
            r##"<filter id="f">{primitive}</filter><rect width="9" height="9" filter="url(#f)"/>"##
        );
        assert_refused(&text, " to draw");
    }
    let blur = r##"<filter id="f"><feGaussianBlur stdDeviation="1"/></filter>
        <rect width="9" height="9" filter="url(#f)"/>"##;
    assert_eq!(problem(blur), "drawn");
}

#[test]
fn copies_that_double_at_each_level_are_refused() {
    let level = |i: usize| {
        format!(
            r##"<g id="g{}"><use href="#g{i}"/><use href="#g{i}"/></g>"##,
            i + 1
        )
    };
    let doubled = |levels: usize| {
        let text: String = (0..levels).map(level).collect();
        format!(r##"<g id="g0"><rect width="9" height="9"/></g>{text}"##)
    };
    assert_eq!(problem(&doubled(4)), "drawn");
    assert_refused(&doubled(40), "with all its copies");
    let points = "1 1 ".repeat(100_000);
    let marked = format!(
        r##"<marker id="m">{}</marker><polyline points="{points}" marker-mid="url(#m)"/>"##,
        "<path d='M0 0h1'/>".repeat(100)
    );
    assert_refused(&marked, "with all its copies");
}

#[test]
fn chains_of_any_kind_end() {
    let deep = ["<g>".repeat(40_000), "</g>".repeat(40_000)].concat();
    assert_refused(&deep, "nested more than 128 deep");
    // By an attribute, by inheritance, and by style sheets.
    let pattern = |i: usize, group: &str, shape: &str| {
        format!(
            r##"<g {group}><pattern id="p{i}" width="3" height="3"
            patternUnits="userSpaceOnUse"><rect width="2" height="2" {shape}/></pattern></g>"##
        )
    };
    let shown = r##"<rect width="9" height="9" fill="url(#p0)"/>"##;
    let chain = |each: &dyn Fn(usize) -> String| {
        let patterns: String = (0..5000).map(each).collect();
        patterns + shown
    };
    let fill = |i: usize| format!(r##"fill="url(#p{})""##, i + 1);
    assert_refused(&chain(&|i| pattern(i, "", &fill(i))), "128 deep");
    assert_refused(&chain(&|i| pattern(i, &fill(i), "")), "128 deep");
    let classes = chain(&|i| pattern(i, "", &format!(r#"class="a c{i}""#)));
    for (comment, wanted) in [("", "128 deep"), ("/* } */", "with all its copies")] {
        let rule = |i| format!("{comment} .b, .c{i} {{ {} }}\n", fill(i));
        let rules = (0..5000).map(rule).collect::<String>();
        let rules = rules.replace("fill=", "fill: ").replace('"', " ");
        assert_refused(&format!("<style>{rules}</style>{classes}"), wanted);
    }
}

#[test]
fn parts_that_are_all_compared_with_each_other_are_refused_where_they_are_many() {
    let many = |each: &str| each.repeat(100_000);
    let square = r#"<rect width="9" height="9" class="b" "#;
    for text in [
        format!("{square} style='{}'/>", many("fill:red;")),
        format!("<style>.b {{ {} }}</style>{square}/>", many("fill:red;")),
        format!("<style>{}</style>{square}/>", many(".b{fill:red}")),
        format!("<linearGradient>{}</linearGradient>", many("<stop/>")),
        format!("<filter id='f'>{}</filter>", many("<feOffset/>")),
    ] {
        assert_refused(&format!("{text}{square}/>"), "with all its copies");
    }
    let attributes: String = (0..2000).map(|i| format!("a{i}='' ")).collect();
    assert_refused(&format!("{square}{attributes}/>"), "1000 attributes");
}

#[test]
fn entities_that_stand_for_too_much_are_refused() {
    let text = format!(
        r#"<!DOCTYPE svg [<!ENTITY a "{}">]><svg xmlns="http://www.w3.org/2000/svg"><desc
        id="{}"/></svg>"#,
        "x".repeat(100_000),
        "&a;".repeat(100_000)
    );
    let error = draw("sign.svg", text.as_bytes(), 64, |_| {}).err().unwrap();
    let problem = error.to_string();
    assert!(problem.contains("its entities stand for"), "{problem}");
}

#[test]
fn other_files_are_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.svg");
    let square = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect
        width="9" height="9"/></svg>"#;
    std::fs::write(&secret, square).unwrap();
    for name in [
        &secret.display().to_string(),
        "/dev/zero",
        "data:image/png;base64,iVBO",
    ] {
        let text = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><image width="9"
            height="9" href="{name}"/></svg>"#
        );
        let told = std::cell::Cell::new(0);
        let pixmap = draw("sign.svg", text.as_bytes(), 64, |_| {
            told.set(told.get() + 1);
        })
        .unwrap();
        assert!(pixmap.data().iter().all(|&value| value == 0), "{name}");
        assert_eq!(told.get(), 1, "{name}");
    }
    let within = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><image width="9"
        height="9" href="data:image/svg+xml,{}"/></svg>"#,
        square.replace('"', "'").replace('<', "%3C")
    );
    let pixmap = draw("sign.svg", within.as_bytes(), 64, |_| {}).unwrap();
    assert!(pixmap.data().iter().any(|&value| value != 0));
}

#[test]
fn a_drawing_that_takes_long_is_abandoned() {
    let began = std::time::Instant::now();
    let work = || std::thread::sleep(Duration::from_secs(600));
    let abandoned = abandonable("slow.svg", work, &|| Err(Error::Interrupted));
    assert!(matches!(abandoned, Err(Error::Interrupted)));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(abandonable("quick.svg", || 7, &|| Ok(())).unwrap(), 7);
}

/// A picture of `side` pixels, half red and half blue, that is as wide and high as the SVG.
fn picture(side: u32) -> String {
    let picture = image::RgbImage::from_fn(side, side, |x, _| match x < side / 2 {
        true => image::Rgb([255, 0, 0]),
        false => image::Rgb([0, 0, 255]),
    });
    let png = crate::sample::image::encode_png(&picture).unwrap();
    let data = base64::engine::general_purpose::STANDARD.encode(png);
    format!("<image width='9' height='9' href='data:image/png;base64,{data}'/>")
}

#[test]
fn pixels_within_the_file_are_drawn_and_too_many_refused() {
    let inside = picture(64);
    let text =
        format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{inside}</svg>"#);
    let pixmap = draw("sign.svg", text.as_bytes(), 32, |problem| {
        panic!("{problem}")
    })
    .unwrap();
    let at = |x| {
        let pixel = pixmap.pixel(x, 16).unwrap();
        [pixel.red(), pixel.blue()]
    };
    assert_eq!((at(4), at(28)), ([255, 0], [0, 255]));
    // A pattern is drawn again for each shape.
    let pattern = format!(
        "<pattern id='p' width='9' height='9' patternUnits='userSpaceOnUse'>{}</pattern>{}",
        picture(1500),
        "<rect width='9' height='9' fill='url(#p)'/>".repeat(300)
    );
    assert_refused(&pattern, "too long to draw");
    // Five times four megapixels are more than there is room for.
    let many = picture(2000).repeat(5);
    let text = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{many}</svg>"#);
    let told = std::cell::Cell::new(0);
    let drawn = draw("sign.svg", text.as_bytes(), 32, |problem| {
        assert!(problem.contains("16 megapixels"), "{problem}");
        told.set(told.get() + 1);
    });
    assert!(drawn.is_ok());
    assert_eq!(told.get(), 1);
}
