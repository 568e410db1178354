//! The plugin that fits the calls of an integration, and its rules.

use super::seen::{Call, Integration};
use super::{github, http, tools};
use portcullis_host::counted;
use std::collections::BTreeSet;

/// An integration of the proposal.
pub(super) struct Proposed<'a> {
    pub(super) name: &'a str,
    pub(super) integration: &'a Integration,
    pub(super) rules: Rules<'a>,
}

/// Rules of a reference plugin.
pub(super) enum Rules<'a> {
    HttpApi(http::Rules<'a>),
    GitHub(github::Rules<'a>),
    McpTools(tools::Rules<'a>),
    /// No reference plugin judges all parts of these calls.
    None,
}

impl<'a> Proposed<'a> {
    pub(super) fn of(name: &'a str, integration: &'a Integration, several: usize) -> Self {
        let calls = integration.calls.as_slice();
        let rules = if http::are_http(calls) {
            let rules = http::rules(calls, several);
            match rules.len() {
                0 => Rules::None,
                _ => Rules::HttpApi(rules),
            }
        } else if github::are_of_github(calls) {
            Rules::GitHub(github::rules(calls))
        } else if are_of_one_server(calls) {
            Rules::McpTools(tools::rules(calls, several))
        } else {
            Rules::None
        };
        Self {
            name,
            integration,
            rules,
        }
    }

    /// Name of the plugin, if one fits.
    pub(super) fn plugin(&self) -> Option<&'static str> {
        match &self.rules {
            Rules::HttpApi(_) => Some("http-api"),
            Rules::GitHub(_) => Some("github"),
            Rules::McpTools(_) => Some("mcp-tools"),
            Rules::None => None,
        }
    }

    /// The settings of the plugin.
    pub(super) fn settings(&self) -> String {
        match &self.rules {
            Rules::HttpApi(rules) => rules.settings(),
            Rules::GitHub(rules) => rules.settings(),
            Rules::McpTools(rules) => rules.settings(),
            Rules::None => String::new(),
        }
    }

    /// The pattern of resources of a call, for an intent.
    pub(super) fn resource_of(&self, call: &Call) -> String {
        match &self.rules {
            Rules::HttpApi(rules) => rules.resource_of(call),
            Rules::GitHub(_) | Rules::McpTools(_) | Rules::None => call.resource.clone(),
        }
    }

    /// One line about it.
    pub(super) fn summary(&self) -> String {
        let rules = match &self.rules {
            Rules::HttpApi(rules) => {
                format!("http-api, {}", counted(rules.len(), "rule"))
            }
            Rules::GitHub(rules) => {
                let count = counted(rules.len(), "repository");
                format!("github, {count}")
            }
            Rules::McpTools(rules) => format!("mcp-tools, {}", counted(rules.len(), "rule")),
            Rules::None => "no rules".to_owned(),
        };
        let requests = counted(self.integration.requests, "request");
        let why = match &self.rules {
            Rules::None => {
                ": they are not of HTTP, of GitHub's connector or of one MCP server, so no plugin that can be proposed judges all of them; write rules for the plugin `cedar` or `rego`"
            }
            _ => "",
        };
        format!("{}: {rules} from {requests}{why}", self.name)
    }
}

/// True if the resource of all calls is the same, so that the tool and its arguments are all that differs.
fn are_of_one_server(calls: &[Call]) -> bool {
    let resources: BTreeSet<_> = calls
        .iter()
        .map(|call| (&call.resource_kind, &call.resource, &call.environment))
        .collect();
    resources.len() == 1
}
