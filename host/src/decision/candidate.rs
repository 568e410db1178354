//! The decision that candidates would have led to, for the record.

use super::Decision;
use crate::integration::Candidate;
use portcullis_model::fault_kind::FaultKind;
use portcullis_model::verdict::Obligation;
use portcullis_sandbox::Evaluation;
use serde::{Deserialize, Serialize};

/// The decision that the candidates of an integration would have led to.
///
/// It is recorded in the line of the decision, and affects nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CandidateDecision {
    /// True if the request would have been permitted.
    pub decision: bool,
    /// Cause, as text.
    pub cause: String,
    /// Parts in which it differs from the decision: `effect`, `cause`, `grant`, `obligations`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// Verdicts of the candidates, in their order.
    pub plugins: Vec<CandidateVerdict>,
}

/// Verdict of one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CandidateVerdict {
    /// Name of the plugin.
    pub name: String,
    /// Version of the plugin.
    pub version: String,
    /// Digest of its file.
    pub digest: String,
    /// Digest of its settings in canonical form.
    pub settings_digest: String,
    /// Name of the plugin that it would replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Effect of its verdict, unless it faulted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// Kind of its fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultKind>,
    /// Codes of its reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

impl CandidateDecision {
    /// Compares the decision that would have been made with the decision.
    pub(crate) fn new(
        would_be: &Decision,
        plugins: Vec<CandidateVerdict>,
        decision: &Decision,
    ) -> Self {
        let parts = [
            ("effect", would_be.is_permit() != decision.is_permit()),
            ("cause", would_be.cause() != decision.cause()),
            ("grant", would_be.grant() != decision.grant()),
            (
                "obligations",
                !are_same(would_be.obligations(), decision.obligations()),
            ),
        ];
        let differing = parts.into_iter().filter(|(_, differs)| *differs);
        Self {
            decision: would_be.is_permit(),
            cause: would_be.cause().as_str().to_owned(),
            differs: differing.map(|(part, _)| part.to_owned()).collect(),
            plugins,
        }
    }
}

impl CandidateVerdict {
    pub(crate) fn new(candidate: &Candidate, evaluation: &Evaluation) -> Self {
        let plugin = &candidate.plugin;
        let verdict = evaluation.outcome.as_ref();
        let reasons = verdict.map(|verdict| verdict.reasons.as_slice());
        Self {
            name: plugin.manifest().name.clone(),
            version: portcullis_contract::printable(&plugin.manifest().version),
            digest: plugin.digest().to_string(),
            settings_digest: plugin.settings_digest().to_string(),
            replaces: candidate.replaces.clone(),
            effect: verdict.ok().map(|it| it.effect.as_str().to_owned()),
            fault: verdict.err().map(portcullis_sandbox::Fault::kind),
            codes: reasons
                .unwrap_or_default()
                .iter()
                .map(|reason| reason.code.clone())
                .collect(),
        }
    }
}

/// True if both are the same obligations, in any order: all of them must be carried out.
fn are_same(some: &[Obligation], others: &[Obligation]) -> bool {
    let sorted = |obligations: &[Obligation]| {
        let texts = obligations
            .iter()
            .map(|it| serde_json::json!(it).to_string());
        let mut texts: Vec<_> = texts.collect();
        texts.sort_unstable();
        texts
    };
    some == others || (some.len() == others.len() && sorted(some) == sorted(others))
}
