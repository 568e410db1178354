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
    .is(str![[r##"
# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# settings = { behaviour = "permit" }
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [[integration.candidate]]
# component = "mcp-tools.wasm"
# settings = { deny = ["*"] }
exit 0
-- stdout
pagemap-scan is off, the default: with it, wasmtime before 50 does not reset pages that are in swap
usable checked.toml: 1 integration, 1 plugin
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [[integration.candidate]]
# component = "hostile.wasm"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:6:1: error: candidate `hostile` of integration `x`: another plugin would have the same name: add `replaces = "hostile"` if it is to take its place
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostlie"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:6:1: error: candidate `hostile` of integration `x`: `replaces` names `hostlie`, which is no plugin of the integration or is replaced already: name one of its plugins, each once, or leave `replaces` out for an additional plugin
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = 1
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:8:12: error: `replaces` is text, not this integer

# [[integration.candidate]]
# component = "hostile.wasm"
# replace = "hostile"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:6:1: error: candidate `hostile` of integration `x`: another plugin would have the same name: add `replaces = "hostile"` if it is to take its place
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:8:1: error: there is no `replace` here, only `replaces`, `component`, `digest`, `limits`, `settings`

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# settings = { behaviour = "configure-refuse" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:9:26: error: settings, `/behaviour`: not this one

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# limits = { deadline = "1h" }
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:9:23: error: `deadline` is a time from `1ms` to `10s`, such as `"10ms"` or `"5m"`, not this string

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# settings = { behaviour = "permit" }
# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:10:1: error: candidate `hostile` of integration `x`: `replaces` names `hostile`, which is no plugin of the integration or is replaced already: name one of its plugins, each once, or leave `replaces` out for an additional plugin
checked.toml:11:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
"##]]);
}
