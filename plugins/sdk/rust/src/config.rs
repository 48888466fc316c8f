//! The operator's configuration of a plugin.

use crate::{Error, Result};

/// The `config` that the operator wrote for this plugin, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    json: &'a str,
}

impl<'a> Config<'a> {
    pub(crate) const fn new(json: &'a str) -> Self {
        Self { json }
    }

    /// The JSON text.
    pub const fn json(self) -> &'a str {
        self.json
    }

    /// Read into a type of the plugin's own. The error says what is wrong, and where.
    pub fn parse<T: serde::Deserialize<'a>>(self) -> Result<T> {
        serde_json::from_str(self.json).map_err(|error| Error::new(format!("config: {error}")))
    }
}
