use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::stage::Context;

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Template {}

impl Template {
    pub fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    pub fn check(&self) -> Result<(), String> {
        Ok(())
    }

    pub fn render(&self, _context: &Context, _count: u64, _size: u32) -> Result<serde_json::Value> {
        todo!()
    }
}
