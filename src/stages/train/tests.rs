//! Trainings from end to end, on tiny networks and on models made up to fail.

use super::*;

#[test]
fn every_model_that_can_be_named_is_registered() {
    use schemars::JsonSchema;
    let schema = Model::json_schema(&mut schemars::SchemaGenerator::default());
    let names = schema.as_value()["enum"].as_array().unwrap().clone();
    assert_eq!(names.len(), MODELS.len());
    for name in names {
        let model: Model = serde_json::from_value(name).unwrap();
        assert_eq!(registered(model).name, model.name());
    }
}
