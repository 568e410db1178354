//! Rules that name a part of their path which another rule computes.

use super::Read;
use super::paths::{head, parts};
use portcullis_sdk::SettingsError;
use regorus::unstable::{Module, Ref};

/// Refuses a rule that names a part of its path where another rule computes it.
///
/// `regorus` loses the values that the computing rule gives under that name.
pub(super) fn overlaps(modules: &[Ref<Module>], place: &impl Fn(&str) -> String, read: &mut Read) {
    let rules: Vec<_> = modules
        .iter()
        .flat_map(|module| {
            let rules = module.policy.iter();
            rules.map(move |rule| (parts(&module.package.refr, head(rule)), head(rule).span()))
        })
        .collect();
    let computed = rules.iter().filter(|(parts, _)| parts.contains(&None));
    for (parts, _) in computed {
        let named = rules.iter().find(|(other, _)| {
            let mut pairs = parts.iter().zip(other);
            matches!(
                pairs.find(|(one, other)| one != other),
                Some((None, Some(_)))
            )
        });
        if let Some((_, span)) = named {
            let file = span.source.file();
            let message = format!(
                "{file}:{}:{}: `{}` names a part of its path that another rule computes, and that rule would be undefined here: compute it in both, as in `p[name] contains x if {{ name := \"a\"; … }}`",
                span.line,
                span.col,
                span.text()
            );
            let error = SettingsError::new(place(file), message);
            if !read
                .errors
                .iter()
                .any(|other| other.message == error.message)
            {
                read.errors.push(error);
            }
        }
    }
}
