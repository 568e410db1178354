//! Rules between the parts of a decision point, which the builder and a configuration check in the same words.

use super::PdpError;
use crate::integration::{Candidate, Integration};
use portcullis_contract::excerpt;
use portcullis_contract::name::{check_identifier, fold};
use portcullis_sandbox::Plugin;
use std::collections::HashMap;

/// Names of integrations. No two can be taken for one another.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    /// Adds the name of an integration.
    ///
    /// # Errors
    ///
    /// [`PdpError`] if it is not an identifier, or another integration has it in any case.
    pub(crate) fn add(&mut self, name: &str) -> Result<(), PdpError> {
        check_identifier(name).map_err(|why| PdpError::Name {
            name: excerpt(name),
            why,
        })?;
        match self.0.insert(fold(name).into_owned(), name.to_owned()) {
            Some(one) if one == name => Err(PdpError::DuplicateIntegration(one)),
            Some(one) => Err(PdpError::AlikeIntegrations {
                one,
                other: name.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Checks that the plugins of the integration would be valid with its candidates in place.
///
/// # Errors
///
/// [`PdpError`] if a candidate replaces a plugin that the integration lacks or that another one replaces, or if two
/// plugins would share a name.
pub(crate) fn candidates(integration: &Integration) -> Result<(), PdpError> {
    let name = |plugin: &Plugin| plugin.manifest().name.clone();
    let mut names: Vec<_> = integration.plugins.iter().map(|it| name(it)).collect();
    let refused = |candidate: &Candidate, why: String| PdpError::Candidate {
        integration: integration.name.clone(),
        candidate: name(&candidate.plugin),
        why,
    };
    for candidate in &integration.candidates {
        let Some(replaced) = &candidate.replaces else {
            continue;
        };
        let Some(place) = names.iter().position(|it| it == replaced) else {
            let why = format!(
                "`replaces` names `{}`, which is no plugin of the integration or is replaced already: name one of its plugins, each once, or leave `replaces` out for an additional plugin",
                excerpt(replaced)
            );
            return Err(refused(candidate, why));
        };
        names.remove(place);
    }
    for candidate in &integration.candidates {
        let own = name(&candidate.plugin);
        if names.contains(&own) {
            let why = format!(
                "another plugin would have the same name: add `replaces = \"{own}\"` if it is to take its place"
            );
            return Err(refused(candidate, why));
        }
        names.push(own);
    }
    Ok(())
}

/// Checks that a default integration exists.
pub(crate) fn default_exists(name: &str, exists: bool) -> Result<(), PdpError> {
    match exists {
        true => Ok(()),
        false => Err(PdpError::NoDefault(name.to_owned())),
    }
}

/// Checks that there is a state, if the integration counts credentials.
pub(crate) fn state_for(integration: &Integration, has_state: bool) -> Result<(), PdpError> {
    match integration.single_use_credentials && !has_state {
        true => Err(PdpError::NoState(integration.name.clone())),
        false => Ok(()),
    }
}

/// Checks that there is a log, if denials offer access requests.
pub(crate) fn log_for_access_requests(has_log: bool) -> Result<(), PdpError> {
    match has_log {
        true => Ok(()),
        false => Err(PdpError::NoLog),
    }
}
