//! The targets, each in its file.

mod component;
mod config;
mod intents;
mod log;
mod manifest;
mod mcp;
mod patterns;
mod plugin;
mod request;
mod reset;
mod revocations;
mod state;
mod tokens;
mod verdict;

use crate::Target;
pub use revocations::LIST as REVOCATIONS;

/// Words of requests.
const JSON: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "{}",
    "[]",
    "\"\"",
    "null",
    "true",
    "-0",
    "1e5",
    "1.0",
    "9007199254740992",
    "0.1",
    "\\u0000",
    "\\ud83d\\ude00",
    "\\u200b",
    "\"id\":",
    "\"ID\":",
    "\"properties\":{",
    "\"intent\":{\"id\":\"i\"},",
    "\"name\":",
    "\"posture\":",
    "\"type\":",
    "\"integration\":\"x\",",
    "\"argument-origins\":",
    "\"environment\":1,",
    "\"delegated-by\":[]",
    "\"owner\":\"\",",
    "\"evaluations\":[],",
    "\"supported_obligations\":[],",
    "..",
    "%2e",
    "//",
    "\"input-responses\":{},",
    "\"request-state\":\"\",",
    "\"session-path\":\"machine\",",
    "\"remaining-uses\":1,",
    "2026-11-16T10:00:00.5+02:00",
];

/// Words of TOML.
const TOML: &[&str] = &[
    "\n",
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "\"",
    "'''",
    "{",
    "}",
    ",",
    " = 1\n",
    " = true\n",
    "nan",
    "inf",
    "0x7f",
    "1979-05-27",
    "[x]\n",
    "[[integration]]\n",
    "name = \"a\"\n",
    "mode = \"observe\"\n",
    "max-grant-ttl = \"1h\"\n",
    "[engine]\n",
    "compile = \"in-process\"\n",
    "[required-checks]\n",
    "component = \"raw.wasm\"\n",
    "needs = [\"now\"]\n",
    "obligations = [\"step-up\"]\n",
    "[reasons]\n",
    "\"a*\" = \"\"\n",
    "[settings]\n",
    "properties.a.b.c",
    "limits = { deadline = \"1s\" }\n",
    "9223372036854775807",
    "#",
    "\\u0000",
    "\u{feff}",
];

/// Words of patterns and names.
const PATTERNS: &[&str] = &[
    "*", "**", "/", "/**", "**/", "*/", "a", "A", ".", "..", ":", "@", "::", "\n", ".git", "%2f",
    "\u{ff0e}", "\u{212a}", "\u{df}", "\u{301}", " ", "\\", "?", "#", ";", "//",
];

/// Words of lines in logs and lists.
const LINES: &[&str] = &[
    "\n",
    "{",
    "}",
    "\"",
    ",",
    "{\"v\":2,",
    "\"sequence\":1,",
    "\"previous\":\"the beginning\"",
    "\"event\":\"seal\"",
    "\"event\":\"opening\"",
    "\"epoch\":",
    "\"lift\":true,",
    "\"kind\":\"credential\",",
    "\"at\":\"2026-11-22T09:00:00Z\"",
    "\"domains\":[\"x\"],",
    "\"head\":\"x\",",
    "null",
    "\r\n",
    "\0",
    "1",
    "2",
];

/// Words of tokens, with the values that the target puts in their place.
const TOKENS: &[&str] = &[
    "\"$now\"",
    "\"$jwk\"",
    "\"$jkt\"",
    "\"$ath\"",
    "\"alg\":\"none\"",
    "\"alg\":\"HS256\"",
    "\"alg\":\"ES384\"",
    "\"typ\":\"dpop+jwt\"",
    "\"crit\":[\"x\"],",
    "\"aud\":[\"portcullis.example\"],",
    "\"cnf\":{},",
    "\"kid\":\"x\",",
    "\"exp\":4102444800,",
    "\"nbf\":0,",
    "signed",
    "unsigned",
    "raw",
    "svid",
    "proof",
    "intent",
    "\n",
    "\"",
    ",",
    "{",
    "}",
    "=",
    ".",
    "1e9",
    "-1",
];

/// All targets, in the order of their names.
pub const TARGETS: [Target; 14] = [
    Target {
        name: "component",
        run: component::run,
        max_bytes: 32 * 1024,
        mutations: 1_500,
        words: &[
            "\0asm",
            "\u{d}\0\u{1}\0",
            "portcullis:policy/policy@0.2.0",
            "needs",
        ],
    },
    Target {
        name: "config",
        run: config::run,
        max_bytes: 8 * 1024,
        mutations: 800,
        words: TOML,
    },
    Target {
        name: "intents",
        run: intents::run,
        max_bytes: 16 * 1024,
        mutations: 2_000,
        words: JSON,
    },
    Target {
        name: "log",
        run: log::run,
        max_bytes: 32 * 1024,
        mutations: 1_500,
        words: LINES,
    },
    Target {
        name: "manifest",
        run: manifest::run,
        max_bytes: 8 * 1024,
        mutations: 3_000,
        words: TOML,
    },
    Target {
        name: "mcp",
        run: mcp::run,
        max_bytes: 8 * 1024,
        mutations: 10_000,
        words: JSON,
    },
    Target {
        name: "patterns",
        run: patterns::run,
        max_bytes: 512,
        mutations: 6_000,
        words: PATTERNS,
    },
    Target {
        name: "plugin",
        run: plugin::run,
        max_bytes: 256,
        mutations: 120,
        words: &[],
    },
    Target {
        name: "request",
        run: request::run,
        max_bytes: 8 * 1024,
        mutations: 10_000,
        words: JSON,
    },
    Target {
        name: "reset",
        run: reset::run,
        max_bytes: 2 * 1024,
        mutations: 500,
        words: &[],
    },
    Target {
        name: "revocations",
        run: revocations::run,
        max_bytes: 8 * 1024,
        mutations: 1_500,
        words: LINES,
    },
    Target {
        name: "state",
        run: state::run,
        max_bytes: 64,
        mutations: 150,
        words: &[],
    },
    Target {
        name: "tokens",
        run: tokens::run,
        max_bytes: 4 * 1024,
        mutations: 2_000,
        words: TOKENS,
    },
    Target {
        name: "verdict",
        run: verdict::run,
        max_bytes: 2 * 1024,
        mutations: 3_000,
        words: &[
            "\u{0}\u{1}\u{1}a\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
            "\u{1}",
            "{}",
            "notification",
            "/a",
        ],
    },
];
