//! `[[integration.candidate]]`: plugins that are asked beside those of the integration.

use super::integration::{Around, plugin};
use crate::integration::{Integration, Tier};
use crate::pdp::rules;
use portcullis_model::document::Section;
#[cfg(feature = "reset")]
use portcullis_sandbox::Instances;

/// Adds the candidates to the integration. False if one of them cannot be used.
///
/// `is_whole` is true if all plugins of the integration were loaded.
pub(super) fn add(
    mut integration: Integration,
    sections: Vec<Section<'_, '_>>,
    around: &Around<'_>,
    tier: Tier,
    is_whole: bool,
) -> (Integration, bool) {
    let mut are_usable = true;
    for mut section in sections {
        let (source, span) = (section.source(), section.span());
        let is_stated = section.has("replaces");
        let replaces = section.text("replaces").map(|(name, _)| name);
        #[cfg(feature = "reset")]
        let plugin = plugin(section, around, tier, Instances::Fresh);
        #[cfg(not(feature = "reset"))]
        let plugin = plugin(section, around, tier);
        let Some(plugin) = plugin else {
            are_usable = false;
            continue;
        };
        integration = integration.candidate(plugin, replaces);
        // A name that is not text has an error of its own.
        are_usable &= replaces.is_some() || !is_stated;
        // Without all plugins, the error would be about those that cannot be loaded.
        if is_whole
            && are_usable
            && let Err(error) = rules::candidates(&integration)
        {
            source.error(span, error.to_string());
            are_usable = false;
        }
    }
    (integration, are_usable)
}
