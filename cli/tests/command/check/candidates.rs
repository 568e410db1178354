//! Candidates of an integration.

use super::{COUNTING, check};
use crate::common::{Folder, each};
use snapbox::str;

#[test]
fn a_candidate_is_read_as_a_plugin_and_names_the_one_that_it_replaces() {
    let folder = Folder::with_plugins();
    let candidate =
        |lines: &str| format!("[[integration.candidate]]\ncomponent = \"hostile.wasm\"\n{lines}\n");
    let permits = "settings = { behaviour = \"permit\" }";
    each(
        [
            candidate(&format!("replaces = \"hostile\"\n{permits}")),
            candidate("component = \"mcp-tools.wasm\"\nsettings = { deny = [\"*\"] }").replacen(
                "component = \"hostile.wasm\"\n",
                "",
                1,
            ),
            candidate(permits),
            candidate(&format!("replaces = \"hostlie\"\n{permits}")),
            candidate(&format!("replaces = 1\n{permits}")),
            candidate(&format!("replace = \"hostile\"\n{permits}")),
            candidate("replaces = \"hostile\"\nsettings = { behaviour = \"configure-refuse\" }"),
            candidate(&format!(
                "replaces = \"hostile\"\nlimits = {{ deadline = \"1h\" }}\n{permits}"
            )),
            [
                candidate(&format!("replaces = \"hostile\"\n{permits}")),
                candidate(&format!("replaces = \"hostile\"\n{permits}")),
            ]
            .concat(),
        ],
        |candidate| check(&folder, format!("{COUNTING}{candidate}")),
    )
    .is(str![]);
}
