//! The stages, in data-flow order. Adding one means one new folder and one line in [`STAGES`].

pub mod animate;
pub mod augment;
pub mod emit;
pub mod evaluate;
pub mod fit;
pub mod gate;
pub mod generate;
pub mod ingest;
pub mod join;
pub mod learn;
pub mod motion;
pub mod pose;
pub mod pseudo_label;
pub mod render;
pub mod sculpt;
pub mod select;
pub mod split;
pub mod task;
pub mod train;
pub mod translate;

use crate::stage::StageKind;

/// Every stage that a pipeline file can use.
pub const STAGES: &[StageKind] = &[
    ingest::STAGE,
    select::STAGE,
    // Which stage's ranges are fitted is said here, since stages do not know each other.
    fit::kind::<render::Render>(),
    // And whose list of models is read.
    sculpt::kind::<render::ModelList>(),
    render::STAGE,
    task::STAGE,
    train::STAGE,
    translate::STAGE,
    learn::STAGE,
    generate::STAGE,
    motion::STAGE,
    animate::STAGE,
    gate::STAGE,
    join::STAGE,
    augment::STAGE,
    pseudo_label::STAGE,
    pose::STAGE,
    split::STAGE,
    emit::STAGE,
    evaluate::STAGE,
];
