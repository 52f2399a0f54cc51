//! The stage's table as it is read: what all models are told, and the chosen one's own.

use super::config::TrainConfig;
use super::faults::Fault;
use super::*;
use crate::models::MODELS;

/// The stage as `text` in TOML configures it.
fn configured(text: &str) -> Result<Box<dyn Stage>, toml::de::Error> {
    let table = toml::de::DeTable::parse(text)?;
    let span = table.span();
    let table = toml::de::DeValue::Table(table.into_inner());
    (STAGE.parse)(toml::Spanned::new(span, table))
}

#[test]
fn the_chosen_model_s_table_alone_is_configured() {
    for kind in MODELS {
        let stage = configured(&format!("model = \"{0}\"\n[{0}]\n", kind.name)).unwrap();
        assert_eq!(stage.check(), Ok(()), "{}", kind.name);
        let resolved = stage.resolved();
        assert_eq!(resolved["model"], kind.name);
        for other in MODELS {
            let has_table = resolved.get(other.name).is_some();
            assert_eq!(has_table, other.name == kind.name, "{}", other.name);
        }
        // Read again, it is the same.
        assert_eq!(
            (&resolved["resize"], &resolved["crop"]),
            (&json!(0), &json!(0))
        );
        let value = serde_json::from_str::<toml::Value>(&resolved.to_string()).unwrap();
        let again = configured(&toml::to_string(&value).unwrap()).unwrap();
        assert_eq!(again.resolved(), resolved);
    }
}

#[test]
fn a_model_s_table_is_read_and_checked_by_its_entry() {
    let resolved = configured("[cyclegan]\nidentity = 2.0").unwrap().resolved();
    assert_eq!(resolved["cyclegan"]["identity"], 2.0);
    let problem = |text: &str| match configured(text) {
        Ok(stage) => stage.check().unwrap_err(),
        Err(error) => error.message().to_owned(),
    };
    for (text, words) in [
        ("[cyclegan]\ncycle = -1.0", ["`cyclegan`", "`cycle`"]),
        ("[cyclegan]\nidentity = nan", ["`cyclegan`", "`identity`"]),
        ("[cyclegan]\ncycle = inf", ["`cyclegan`", "`cycle`"]),
        (
            "model = \"cut\"\n[cut]\npatches = 1",
            ["`cut`", "`patches`"],
        ),
        (
            "model = \"cut\"\n[cut]\ntemperature = inf",
            ["`cut`", "`temperature`"],
        ),
        (
            "model = \"simgan\"\n[simgan]\nself_regularisation = nan",
            ["`simgan`", "`self_regularisation`"],
        ),
        (
            "model = \"fastcut\"\n[fastcut]\nnce = -1.0",
            ["`fastcut`", "`nce`"],
        ),
        (
            "model = \"simgan\"\n[simgan]\nrefiner_steps = 0",
            ["`simgan`", "`refiner_steps`"],
        ),
        (
            "model = \"histogram\"\n[histogram]\nstrength = 2.0",
            ["`histogram`", "`strength`"],
        ),
        ("model = \"fda\"\n[fda]\nphotos = 0", ["`fda`", "`photos`"]),
        ("[cyclegan]\ncicle = 1.0", ["unknown field", "`cicle`"]),
        ("model = \"cat\"", ["unknown model `cat`", "`cut`"]),
        ("[cyclgan]\ncycle = 1.0", ["unknown field", "`cyclegan`"]),
    ] {
        let problem = problem(text);
        assert!(
            words.iter().all(|word| problem.contains(word)),
            "{text}: {problem}"
        );
    }
}

#[test]
fn advice_names_only_settings_that_the_chosen_model_has() {
    for kind in MODELS {
        let text = format!("model = \"{}\"", kind.name);
        let resolved = configured(&text).unwrap().resolved();
        let model = (kind.parse)(toml::de::DeValue::parse("{}").unwrap().into()).unwrap();
        for fault in [
            Fault::NotFinite,
            Fault::Saturation,
            Fault::Collapse,
            Fault::Inversion,
            Fault::Checkerboard,
        ] {
            let advice = fault.advice(model.as_ref());
            // The pipeline's seed is no setting of the stage.
            let named = advice.split('`').skip(1).step_by(2);
            for name in named.filter(|name| *name != "seed") {
                let place = format!("/{}", name.replace('.', "/"));
                let known = resolved.pointer(&place).is_some();
                assert!(known, "{}: `{name}` in {advice}", kind.name);
                // The refiner has a shape of its own.
                let unused = kind.name == "simgan" && name.starts_with("generator.");
                assert!(!unused, "{}: `{name}` in {advice}", kind.name);
            }
        }
        let trained = !["histogram", "fda"].contains(&kind.name);
        for fault in [Fault::Collapse, Fault::Inversion] {
            let advice = fault.advice(model.as_ref());
            let own = advice.contains(&format!("raise `{}.", kind.name));
            assert_eq!(own, trained, "{}: {advice}", kind.name);
        }
    }
}

#[test]
fn another_model_s_table_is_refused_unless_the_choice_comes_after_it() {
    let place = |text: &str| {
        let error = configured(text).err().unwrap();
        assert!(
            error.message().contains("help: set `model = \"cut\"`"),
            "{error:?}"
        );
        error.span().unwrap()
    };
    assert_eq!(place("steps = 3\n[cut]\nnce = 1.0"), 11..14);
    assert_eq!(place("model = \"fda\"\ncut.nce = 1.0"), 14..17);
    let resolved = configured("cut.nce = 1.0\nmodel = \"fda\"")
        .unwrap()
        .resolved();
    assert!(resolved.get("cut").is_none() && resolved.get("fda").is_some());
    // What is passed over must still be right.
    let error = configured("cut.nse = 1.0\nmodel = \"fda\"").err().unwrap();
    assert!(error.message().contains("`nse`"), "{error:?}");
}

#[test]
fn the_schema_describes_every_model_s_table() {
    let schema = (STAGE.schema)().to_value();
    for kind in MODELS {
        let table = &schema["properties"][kind.name];
        assert!(table["description"].as_str().unwrap().contains(kind.name));
        let name = table["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(schema["$defs"][name]["type"], "object", "{name}");
    }
    let models = schema["$defs"]["model"]["oneOf"].as_array().unwrap();
    assert_eq!(models.len(), MODELS.len());
}

#[test]
fn every_option_is_read_from_toml() {
    let text = r#"
        schedule = "cosine"
        decay_every = 0.2
        decay_factor = 0.3
        patience = 2
        resize = 72
        crop = 64
        watch_every = 100
        watch_pictures = 64
        keep = "agreement"
        on_failure = "restart"
        restarts = 3
        [adversarial]
        loss = "hinge"
        feature_matching = 1.0
        discriminator_rate = 2.0
        clip_norm = 1.0
        accumulate = 2
        balance = "slow"
        balance_at = 0.9
        augment = ["colour", "translation", "cutout"]
        lecam = 0.3
        r1 = 1.0
        [generator]
        kind = "unet"
        norm = "group"
        [discriminator]
        kind = "pixel"
        scales = 2
        norm = "batch"
        spectral = true
        slope = "smooth"
    "#;
    let config: TrainConfig = toml::from_str(text).unwrap();
    assert!(config.check().is_ok());
    assert_eq!(config.crop, Some(Extent::square(64)));
    let config: TrainConfig = toml::from_str("crop = 0\nresize = [80, 60]").unwrap();
    assert_eq!(
        (config.crop, config.resize),
        (None, Some(Extent::new(80, 60)))
    );
    for (key, values) in [
        (
            "schedule",
            ["constant", "linear", "step", "cosine", "plateau"].as_slice(),
        ),
        ("keep", &["last", "kid", "agreement"]),
        ("on_failure", &["warn", "restart"]),
        ("adversarial.loss", &["lsgan", "bce", "hinge"]),
        ("adversarial.balance", &["none", "slow", "skip"]),
        ("generator.kind", &["resnet", "unet"]),
        ("generator.norm", &["instance", "batch", "group", "none"]),
        ("discriminator.kind", &["patch", "pixel"]),
    ] {
        for value in values {
            assert!(toml::from_str::<TrainConfig>(&format!("{key} = \"{value}\"")).is_ok());
        }
    }
}
