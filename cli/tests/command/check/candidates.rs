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
            candidate("component = \"mcp-tools.wasm\"\nsettings = { deny = [\"*\"] }")
                .replacen("component = \"hostile.wasm\"\n", "", 1),
            candidate(permits),
            candidate(&format!("replaces = \"hostlie\"\n{permits}")),
            candidate(&format!("replaces = 1\n{permits}")),
            candidate(&format!("replace = \"hostile\"\n{permits}")),
            candidate("replaces = \"hostile\"\nsettings = { behaviour = \"configure-refuse\" }"),
            candidate(&format!("replaces = \"hostile\"\nlimits = {{ deadline = \"1h\" }}\n{permits}")),
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
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29933) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29938) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

# [[integration.candidate]]
# component = "mcp-tools.wasm"
# settings = { deny = ["*"] }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29944) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `mcp-tools.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29949) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

# [[integration.candidate]]
# component = "hostile.wasm"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29955) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29961) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostlie"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29968) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29973) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = 1
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29979) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29984) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:8:12: error: `replaces` is text, not this integer

# [[integration.candidate]]
# component = "hostile.wasm"
# replace = "hostile"
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29990) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (29995) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:8:1: error: there is no `replace` here, only `replaces`, `component`, `digest`, `limits`, `settings`

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# settings = { behaviour = "configure-refuse" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30001) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30006) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

# [[integration.candidate]]
# component = "hostile.wasm"
# replaces = "hostile"
# limits = { deadline = "1h" }
# settings = { behaviour = "permit" }
exit 3
-- stderr
checked.toml:4:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30012) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30017) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
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
checked.toml:4:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30023) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:7:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:7:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30028) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
checked.toml:11:13: warning: the plugin is not pinned, so any user who can write the file can change decisions: add `digest = "sha256:[DIGEST]"`
checked.toml:11:13: error: plugin `hostile.wasm`: the process that compiles plugins: it ended without an answer: exit status: 101: thread 'main' (30033) panicked at /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustix-1.1.6/src/backend/linux_raw/reg.rs:116:9: assertion failed: !(-4095..0).contains(&(self.raw as isize)) note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"##]]);
}
