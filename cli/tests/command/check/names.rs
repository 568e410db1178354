//! Names of integrations, plugins and types of resources.

use super::check;
use crate::common::{Folder, each};
use snapbox::str;

/// Returns a configuration with an integration of each name.
fn named(names: &[&str]) -> String {
    let integrations = names.iter().map(|name| {
        format!("[[integration]]\nname = \"{name}\"\n[[integration.plugin]]\ncomponent = \"hostile.wasm\"\nsettings = {{ behaviour = \"permit\" }}\n")
    });
    integrations.collect()
}

#[test]
fn refuses_two_plugins_of_one_name() {
    let folder = Folder::with_plugins();
    let once = named(&["x"]);
    let (_, plugin) = once.split_once("name = \"x\"\n").unwrap();
    check(&folder, format!("{once}{plugin}")).is(str![[r#"
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:6:1: error: the integration has another plugin called `hostile`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"#]]);
}

/// A13: a denial or revocation of one integration does not apply to another one.
#[test]
fn refuses_integrations_whose_names_differ_only_in_case() {
    let folder = Folder::with_plugins();
    each(
        [
            "scm SCM",
            "scm Scm",
            "scm \u{17f}cm",
            "scm scm",
            "scm scm-2 SCM_2",
        ],
        |names| check(&folder, named(&names.split(' ').collect::<Vec<_>>())),
    )
    .is(snapbox::file![
        "refuses-integrations-whose-names-differ-only-in-case.txt"
    ]);
}

#[test]
fn refuses_types_of_resources_that_no_request_has() {
    let folder = Folder::with_plugins();
    each(
        [
            r#"repository = "x", Repository = "x""#,
            r#""repository " = "x""#,
            r#""" = "x""#,
            r#""\u200b" = "x""#,
            r#""\uFF52epository" = "x""#,
            r#"repository = "x", "Acme::Team" = "x", "data set" = "x""#,
        ],
        |types| {
            let authzen = format!("integration = \"x\", by-resource-type = {{ {types} }}");
            check(
                &folder,
                format!("authzen = {{ {authzen} }}\n{}", named(&["x"])),
            )
        },
    )
    .is(snapbox::file![
        "refuses-types-of-resources-that-no-request-has.txt"
    ]);
}
