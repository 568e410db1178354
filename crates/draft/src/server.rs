//! What an operator says about a server.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Statements of an operator about the tools of a server.
///
/// ```toml
/// [tools.send_money]
/// asked-by = ["pay", "refund", "transfer"]     # words of a user that ask for the tool
/// [tools.send_money.targets]                   # where the values of these arguments may come from
/// recipient = ["user", "tool:get_transactions#/*/recipient"]
/// [tools.send_money.payloads]                  # where links, addresses and accounts in these may come from
/// subject = ["user"]
/// [results.get_transactions]
/// names = ["/*/recipient"]                     # fields that may say who or where
/// others-write = ["/*/sender", "/*/subject"]   # fields that others can write
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Server {
    /// The tools, by name. Tools that are not listed are guessed from their names and schemas.
    #[serde(default)]
    pub tools: BTreeMap<String, ToolWords>,
    /// The results of tools, by the tool's name.
    #[serde(default)]
    pub results: BTreeMap<String, ResultWords>,
}

/// Statements of an operator about the results of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResultWords {
    /// Fields that may say who or where, as JSON Pointers with `*` for any index or key.
    ///
    /// If there are any for a server, they are the fields that its targets may come from by default.
    #[serde(default)]
    pub names: Vec<String>,
    /// Fields that others than the user and the operator can write.
    #[serde(default)]
    pub others_write: Vec<String>,
}

/// Statements of an operator about a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ToolWords {
    /// Words of a user that ask for the tool, in any form: `pay` is also `paying` and `paid`.
    pub asked_by: Option<Vec<String>>,
    /// True if the tool only reads.
    pub reads: Option<bool>,
    /// Arguments that say who or where, and the origins that their values may have.
    #[serde(default)]
    pub targets: BTreeMap<String, Vec<String>>,
    /// Arguments that are text for a reader, and the origins that links, addresses and accounts in them may have.
    #[serde(default)]
    pub payloads: BTreeMap<String, Vec<String>>,
    /// Arguments for whose values approval may be requested. By default all targets that the user may name.
    pub asks: Option<Vec<String>>,
    /// Arguments that may have any value.
    #[serde(default)]
    pub free: Vec<String>,
}

impl Server {
    /// Reads the file of a server.
    ///
    /// # Errors
    ///
    /// The message of the parser, which names the place.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}
