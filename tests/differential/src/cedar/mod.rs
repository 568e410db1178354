//! Cedar: random policy sets, and the answers of the native engine and of the plugin.

mod expected;
mod native;
mod own;
mod policies;

pub use expected::Expected;
pub use native::Native;
pub use own::{Organisation, OwnRequest};
pub use policies::PolicyText;

use anyhow::{Context as _, bail, ensure};
use portcullis_host::{Effect, Reason, Verdict};
use std::collections::BTreeSet;

/// The answer of either side to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// True if the request is allowed.
    pub allowed: bool,
    /// The ids of the policies that decided it.
    pub determining: BTreeSet<String>,
    /// Ids of the policies that failed, each with its message.
    pub errors: BTreeSet<(String, String)>,
}

impl Answer {
    /// Converts the plugin's verdict to an answer.
    ///
    /// # Errors
    ///
    /// If it is not a verdict of the Cedar plugin with `errors = "skip"`.
    pub fn of(verdict: &Verdict) -> anyhow::Result<Self> {
        let allowed = match verdict.effect {
            Effect::Permit => true,
            Effect::Deny => false,
            other => bail!("the verdict is {}: {:?}", other.as_str(), verdict.reasons),
        };
        let mut answer = Self {
            allowed,
            determining: BTreeSet::new(),
            errors: BTreeSet::new(),
        };
        let mut none_permits = false;
        for reason in &verdict.reasons {
            let is_new = match reason.code.as_str() {
                "permitted-by" if allowed => answer.determining.insert(policy_of(reason)?),
                "forbidden-by" if !allowed => answer.determining.insert(policy_of(reason)?),
                "no-policy-permits" if !allowed => !std::mem::replace(&mut none_permits, true),
                "policy-error" => {
                    let (_, message) = reason
                        .message
                        .split_once(" erred: ")
                        .with_context(|| format!("{reason:?} has no message of Cedar's"))?;
                    let error = (policy_of(reason)?, message.to_owned());
                    answer.errors.insert(error)
                }
                _ => bail!("{reason:?} does not belong to {:?}", verdict.effect),
            };
            ensure!(is_new, "{reason:?} is there twice");
        }
        let undetermined = !allowed && answer.determining.is_empty();
        ensure!(
            none_permits == undetermined,
            "`no-policy-permits` is for a deny that no policy decided: {:?}",
            verdict.reasons
        );
        Ok(answer)
    }
}

/// Returns the id of the policy in a reason.
fn policy_of(reason: &Reason) -> anyhow::Result<String> {
    let id = reason.message.split('`').nth(1);
    let id = id.with_context(|| format!("{reason:?} names no policy"))?;
    Ok(id.to_owned())
}
