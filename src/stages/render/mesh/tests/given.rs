//! Models that another stage made.

use super::super::super::Render;
use super::*;
use crate::artifact::files::write_json;
use crate::artifact::settings;
use crate::testing;

#[test]
fn given_models_are_in_metres_and_named_from_their_folder_with_fitted_settings_too() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [made, fitted] = folders.each_ref().map(tempfile::TempDir::path);
    let class = made.join("models/wedge");
    std::fs::create_dir_all(&class).unwrap();
    let wedge = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";
    std::fs::write(class.join("wedge-00000.obj"), wedge).unwrap();
    let found = serde_json::json!({ "mesh": { "camera": { "fov_degrees": [20.0, 30.0] } } });
    write_json(&fitted.join(settings::FILE), &found).unwrap();
    let render = Render {
        count: 2,
        size: Extent::square(16),
        mesh: Some(Mesh {
            // That of files without a unit, which made models are not.
            unit_metres: 0.001,
            ..Mesh::default()
        }),
        ..Render::default()
    };
    let models = || ("models", testing::publish(made, &[], 1));
    let fit = || ("fit", testing::publish(fitted, &[], 1));
    for inputs in [vec![models()], vec![models(), fit()]] {
        let out = tempfile::tempdir().unwrap();
        testing::run_with(&render, "render", inputs, 8, out.path()).unwrap();
        for sample in read_part(&out.path().join("part-00000.parquet")).unwrap() {
            let source = &sample.provenance.source;
            assert!(source.contains("models/wedge/wedge-00000.obj"), "{source}");
            assert!(!source.contains(&*made.to_string_lossy()), "{source}");
            // Seen from about its own size away; a thousandth of it would be from millimetres.
            let pose = sample.labels.objects()[0].pose.unwrap();
            assert!(pose[11] > 0.05, "{pose:?}");
        }
    }
}
