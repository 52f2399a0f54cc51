//! Lists of models: what folders, patterns and tables stand for, and which classes come of it.

use super::*;

/// A right-angled wedge as OBJ, 1 × 2 × 3 units.
const WEDGE: &str = "v 0 0 0\nv 1 0 0\nv 0 2 0\nv 0 0 3\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";

/// A folder with these files, each a wedge.
fn parts(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, WEDGE).unwrap();
    }
    folder
}

/// Parts as `models` of a pipeline file lists them; `@` stands for the folder.
fn listed(folder: &tempfile::TempDir, models: &str) -> Mesh {
    let text = models.replace('@', &folder.path().to_string_lossy());
    let listed = toml::from_str::<BTreeMap<String, Vec<Listed>>>(&format!("models = {text}"));
    Mesh {
        models: listed.unwrap().remove("models").unwrap(),
        ..dice()
    }
}

fn classes(mesh: &Mesh) -> Vec<String> {
    let named = mesh.classes().unwrap().into_iter();
    named.map(|named| named.class).collect()
}

#[test]
fn folders_and_patterns_are_their_models_by_name() {
    let folder = parts(&[
        "b.obj",
        "a.OBJ",
        "deep/c.obj",
        ".hidden.obj",
        "__MACOSX/d.obj",
        "e[1].obj",
    ]);
    std::fs::write(folder.path().join("notes.txt"), "no model").unwrap();
    for (models, wanted) in [
        ("['@']", &["a", "b", "c", "e[1]"][..]),
        ("['@/*.obj']", &["a", "b", "e[1]"]),
        ("['@/*']", &["a", "b", "e[1]"]),
        ("['@/**/*.obj']", &["a", "b", "c", "e[1]"]),
        ("['@/e[1].obj', '@/b.obj']", &["e[1]", "b"]),
        ("[{ path = '@/?.*', class = 'wedge' }]", &["wedge", "wedge"]),
    ] {
        assert_eq!(classes(&listed(&folder, models)), wanted, "{models}");
    }
    // A path that leads nowhere is said like any other missing file.
    let missing = listed(&folder, "['@/*.glb']");
    assert!(missing.check().is_ok());
    assert!(missing.files()[0].ends_with("*.glb"));
    let empty = tempfile::tempdir().unwrap();
    let problem = listed(&empty, "['@']").check().unwrap_err();
    assert!(
        problem.contains("holds no .gltf, .glb, .obj, .ply, .stl file"),
        "{problem}"
    );
}

#[test]
fn a_table_reads_as_it_is_written_and_mistakes_have_their_place() {
    let text = "models = [\"a.obj\", { path = \"b\", class = \"cup\", scale = 0.5, up = \"z\", weight = 2.0 }]";
    let models: BTreeMap<String, Vec<Listed>> = toml::from_str(text).unwrap();
    let again = toml::to_string(&models).unwrap();
    assert_eq!(
        toml::from_str::<BTreeMap<String, Vec<Listed>>>(&again).unwrap(),
        models
    );
    assert!(
        again.contains("\"a.obj\"") && again.contains("class = \"cup\""),
        "{again}"
    );
    for (text, part) in [
        (
            "models = [{ path = 'a', clas = 'b' }]",
            "unknown field `clas`",
        ),
        ("models = [{ class = 'b' }]", "missing field `path`"),
        ("models = [3]", "a path, or a table"),
        ("models = [{ path = 'a', up = 'x' }]", "unknown variant `x`"),
    ] {
        let error = toml::from_str::<BTreeMap<String, Vec<Listed>>>(text).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.span().is_some(), "{text}");
    }
    let folder = parts(&["a.obj"]);
    for (entry, part) in [
        ("scale = 0.0", "`scale`"),
        ("weight = -1.0", "`weight`"),
        ("material = { lid = {} }", "`lid` in `material`"),
        ("material = { '*' = { metallic = 1.5 } }", "not in 0..1"),
    ] {
        let mesh = listed(&folder, &format!("[{{ path = '@/a.obj', {entry} }}]"));
        let problem = mesh.check().unwrap_err();
        assert!(
            problem.contains(part) && problem.contains("a.obj"),
            "{problem}"
        );
    }
}

#[test]
fn models_of_one_name_need_a_class() {
    let folder = parts(&["mug/model.obj", "bottle/model.obj"]);
    let problem = listed(&folder, "['@']").check().unwrap_err();
    for part in [
        "mug/model.obj\", class = \"mug\"",
        "bottle/model.obj\", class = \"bottle\"",
        "class `model`",
    ] {
        assert!(problem.contains(part), "`{part}` is missing in: {problem}");
    }
    let named = "[{ path = '@/mug/model.obj', class = 'mug' }, '@/bottle/model.obj']";
    assert_eq!(listed(&folder, named).check(), Ok(()));
    // The same file twice, and dice whose faces are the classes, are no mistake.
    assert_eq!(
        listed(&folder, "['@/mug/model.obj', '@/mug/model.obj']").check(),
        Ok(())
    );
    for place in ["mug", "bottle"] {
        for file in ["die.gltf", "die.bin"] {
            let from = Path::new("renders/dice").join(file);
            std::fs::copy(from, folder.path().join(place).join(file)).unwrap();
        }
    }
    assert_eq!(listed(&folder, "['@/*/die.gltf']").check(), Ok(()));
}

#[test]
fn classes_that_cannot_be_folders_are_refused_before_a_model_is_read() {
    let folder = parts(&["cup.obj", "Cup .obj"]);
    let check = |models: &str| listed(&folder, models).check().unwrap_err();
    let problem = check("['@']");
    assert!(
        problem.contains("Cup .obj: the class \"Cup \" ends with"),
        "{problem}"
    );
    let problem = check("['@/cup.obj', { path = '@/Cup .obj', class = 'Cup' }]");
    assert!(problem.contains("differ in case alone"), "{problem}");
    let faces = r#"{"asset":{"version":"2.0"},"nodes":[{"name":"face.yes/no"},{"name":"face."}]}"#;
    std::fs::write(folder.path().join("slash.gltf"), faces).unwrap();
    let problem = check("['@/slash.gltf']");
    assert!(
        problem.contains("slash.gltf: the class \"yes/no\" holds a slash"),
        "{problem}"
    );
    assert_eq!(
        listed(&folder, "[{ path = '@/slash.gltf', class = 'x' }]").check(),
        Ok(())
    );
}

#[test]
fn scale_and_axis_are_those_of_the_entry() {
    let folder = parts(&["wedge.obj"]);
    std::fs::write(
        folder.path().join("solid.gltf"),
        super::hostile::tetrahedron().to_string(),
    )
    .unwrap();
    let read = |models: &str| {
        let mesh = Mesh {
            unit_metres: 0.1,
            ..listed(&folder, models)
        };
        mesh.read_model(&list::expand(&mesh.models).unwrap()[0], &|| Ok(()))
            .unwrap()
    };
    let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} {b}");
    near(read("['@/wedge.obj']").size, 0.3);
    let scaled = read("[{ path = '@/wedge.obj', scale = 0.01, up = 'z' }]");
    near(scaled.size, 0.03);
    // 3 units along z, which is up.
    near(scaled.centre.y, 0.015);
    near(scaled.centre.z, -0.01);
    near(read("['@/solid.gltf']").size, 1.0);
    let solid = read("[{ path = '@/solid.gltf', scale = 0.001, up = 'z' }]");
    near(solid.size, 0.001);
    // Its face `top` looks along +y of the file, which now lies down; it is turned up again.
    let up = glam::Vec3A::from(solid.faces[0].upright * glam::Vec3::NEG_Z);
    near(up.y, 1.0);
}

#[test]
fn a_class_is_that_of_all_faces_and_leaves_their_keypoints_out() {
    let mut mesh = dice();
    let text = "models = [{ path = 'renders/dice/die.gltf', class = 'die' }]";
    mesh.models = toml::from_str::<BTreeMap<String, Vec<Listed>>>(text)
        .unwrap()
        .remove("models")
        .unwrap();
    let samples = render(&mesh, 12, 16, 2, 8).unwrap();
    let mut tops = std::collections::BTreeSet::new();
    for sample in &samples {
        assert_eq!(sample.labels.class.as_deref(), Some("die"));
        let die = &sample.labels.objects()[0];
        assert!(die.keypoints.is_empty());
        let pose = die.pose.unwrap();
        // The axis of the die that points up: the one that the camera sees from above.
        let along = [8, 9, 10].map(|i| (pose[i].abs() * 10.0).round() as i32);
        tops.insert(along);
    }
    assert!(tops.len() > 1, "it lies on different faces");
}

#[test]
fn classes_take_turns_by_weight() {
    let folder = parts(&[
        "cup.obj",
        "mug.obj",
        "tins/a.obj",
        "tins/b.obj",
        "tins/c.obj",
    ]);
    let models =
        "['@/cup.obj', { path = '@/mug.obj', weight = 2.0 }, { path = '@/tins', class = 'tin' }]";
    let mut mesh = listed(&folder, models);
    mesh.neighbours.count = [0, 0];
    let (mut classes, mut sources) = (BTreeMap::new(), BTreeMap::new());
    for sample in render(&mesh, 24, 8, 2, 8).unwrap() {
        *classes
            .entry(sample.labels.class.clone().unwrap())
            .or_insert(0) += 1;
        *sources.entry(sample.provenance.source.clone()).or_insert(0) += 1;
    }
    let counts: Vec<i32> = ["cup", "mug", "tin"].map(|class| classes[class]).into();
    assert!(
        (5..=7).contains(&counts[0]) && (11..=13).contains(&counts[1]),
        "{counts:?}"
    );
    let tins = sources.iter().filter(|(source, _)| source.contains("tins"));
    assert!(
        tins.clone().count() == 3 && tins.clone().all(|(_, n)| (1..=3).contains(n)),
        "{sources:?}"
    );
    // The same pictures, however many there are.
    let few = render(&mesh, 5, 8, 1, 8).unwrap();
    assert_eq!(few, render(&mesh, 24, 8, 2, 8).unwrap()[..5]);
}

#[test]
fn the_materials_of_an_entry_are_those_of_its_files() {
    let folder = parts(&["a.obj", "b.obj"]);
    let cup = format!("usemtl cup body\n{WEDGE}");
    std::fs::write(folder.path().join("a.obj"), cup).unwrap();
    let check = |material: &str| {
        let entry = format!("[{{ path = '@', class = 'cup', material = {{ {material} }} }}]");
        let mesh = listed(&folder, &entry);
        assert_eq!(mesh.check(), Ok(()));
        mesh.check_files()
    };
    for known in ["'cup body'", "default", "'*'"] {
        assert_eq!(
            check(&format!("{known} = {{ metallic = 1.0 }}")),
            Ok(()),
            "{known}"
        );
    }
    let misfit = check("cup = { colour = '#c02020' }").unwrap_err();
    let said = "names `cup`, which no file of the entry has; there are cup body, default";
    assert!(misfit.problem.contains(said), "{misfit:?}");
    let die = "[{ path = 'renders/dice/die.gltf', material = { lid = { roughness = 0.2 } } }]";
    let misfit = listed(&folder, die).check_files().unwrap_err();
    assert!(misfit.problem.contains("there are body"), "{misfit:?}");
}

#[test]
fn what_an_entry_says_of_a_material_counts_before_the_file() {
    let folder = parts(&["a.obj"]);
    let (head, rest) = ("mtllib a.mtl\nusemtl red\n", "usemtl green\nf 1 3 2\n");
    std::fs::write(folder.path().join("a.obj"), format!("{head}{WEDGE}{rest}")).unwrap();
    let library = "newmtl red\nKd 1 0 0\nPr 0.5\nnewmtl green\nKd 0 1 0\nPr 0.5\n";
    std::fs::write(folder.path().join("a.mtl"), library).unwrap();
    let materials =
        "{ red = { colour = '#0000ff', metallic = 1.0 }, '*' = { roughness = 0.2, gloss = 0.5 } }";
    let mesh = listed(
        &folder,
        &format!("[{{ path = '@/a.obj', material = {materials} }}]"),
    );
    let sources = list::expand(&mesh.models).unwrap();
    let model = mesh.read_model(&sources[0], &|| Ok(())).unwrap();
    let named = |name: &str| model.materials.iter().find(|m| m.name == name).unwrap();
    let (red, green) = (named("red"), named("green"));
    assert!(red.colour.distance(glam::Vec3A::Z) < 1e-6, "{}", red.colour);
    assert_eq!((red.metallic, red.roughness), (1.0, Some(0.5)));
    assert_eq!(green.colour, glam::Vec3A::Y);
    assert_eq!((green.roughness, green.gloss), (Some(0.2), 0.5));
    // Colours of vertices count only where the entry gives none.
    assert!(red.painted && !green.painted);
    assert_eq!(red.mean(), red.colour);
}
