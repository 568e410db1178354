//! Tests patterns against the readers behind a decision.
//!
//! No reader may resolve a permitted name to one outside the allowance, or to a denied one. The readers are
//! implemented here independently of the crate; the URL parser is the WHATWG one of the crate `url`.
//! `PROPTEST_CASES=100000` runs the long form.

use portcullis_contract::Pattern;
use portcullis_contract::name::{NameError, Naming, check_resource};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// Name of a reader, and its reading of a name.
type Reader = (&'static str, fn(&str) -> String);

const READERS: [Reader; 10] = [
    ("a URL parser", url),
    ("a reader that decodes", decode),
    ("a reader of dot segments", dots),
    ("a reader that takes `\\` for `/`", |name| {
        name.replace('\\', "/")
    }),
    ("a reader that cuts at a delimiter", |name| {
        let cut = |segment: &str| segment.split(['?', '#', ';']).next().map(str::to_owned);
        name.split('/')
            .filter_map(cut)
            .collect::<Vec<_>>()
            .join("/")
    }),
    ("a C string", |name| {
        name.split('\0').next().unwrap_or_default().to_owned()
    }),
    ("a file system that trims", |name| {
        let trim = |segment: &str| match segment {
            "." | ".." => segment.to_owned(),
            other => other.trim().trim_end_matches(['.', ' ']).to_owned(),
        };
        name.split('/').map(trim).collect::<Vec<_>>().join("/")
    }),
    ("a reader that normalises (NFKC)", |name| {
        name.nfkc().collect()
    }),
    ("a reader that drops what is not seen", |name| {
        name.chars()
            .filter(|c| {
                !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{ad}' | '\u{feff}')
            })
            .collect()
    }),
    ("a file system that cuts before it resolves", |name| {
        by_segment(name, |segment| match segment.split_once([':', '@']) {
            Some((before, _)) if matches!(before.trim(), "." | "..") => before.trim(),
            _ => segment,
        })
    }),
];

/// Readers that shorten a name: an allowance may intend the short name, and a denial must cover it.
const CUTTERS: [Reader; 3] = [
    ("a reader that cuts each segment at its first tag", |name| {
        by_segment(name, |segment| match first_tag(segment) {
            Some(at) => &segment[..at],
            None => segment,
        })
    }),
    ("a reader that cuts each segment at its last tag", |name| {
        by_segment(name, |segment| match segment.rfind([':', '@']) {
            Some(at) if at > 0 => &segment[..at],
            _ => segment,
        })
    }),
    ("a reader that ends the name at its first tag", |name| {
        let mut begins = 0;
        for segment in name.split('/') {
            if let Some(at) = first_tag(segment) {
                return name[..begins + at].to_owned();
            }
            begins += segment.len() + 1;
        }
        name.to_owned()
    }),
];

/// A reader that drops an optional `.git` suffix in any case.
const DROPS_A_SUFFIX: Reader = ("a reader that drops `.git`", |name| {
    by_segment(name, |segment| {
        let folded = segment.to_ascii_lowercase();
        match folded.strip_suffix(".git") {
            Some(stem) if !stem.is_empty() => &segment[..stem.len()],
            _ => segment,
        }
    })
});

fn by_segment(name: &str, read: impl Fn(&str) -> &str) -> String {
    let segments: Vec<_> = name.split('/').map(read).collect();
    segments.join("/")
}

/// Returns the index of the first `:` or `@` after the start.
fn first_tag(segment: &str) -> Option<usize> {
    let mut tags = segment.match_indices([':', '@']).map(|(at, _)| at);
    tags.find(|at| *at > 0)
}

fn url(name: &str) -> String {
    match url::Url::parse(&format!("https://host.example/{name}")) {
        Ok(url) => decode(url.path().strip_prefix('/').unwrap_or_default()),
        Err(_) => name.to_owned(),
    }
}

fn decode(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = more.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match hex.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn dots(name: &str) -> String {
    let mut segments = Vec::new();
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    segments.join("/")
}

/// Returns every reading of `name` by up to three readers in a row.
///
/// The readers are `READERS` and `more`.
fn readings(name: &str, more: &[Reader]) -> BTreeSet<String> {
    let mut all = BTreeSet::from([name.to_owned()]);
    for _ in 0..3 {
        let found: Vec<String> = all
            .iter()
            .flat_map(|name| {
                let readers = READERS.iter().chain(more);
                readers.map(move |(_, read)| read(name))
            })
            .collect();
        all.extend(found);
    }
    all
}

/// Brute-force definition of the pattern language, without rules on names and without shortcuts.
fn by_definition(pattern: &str, name: &str) -> bool {
    fn segments(pattern: &[&str], names: &[&str]) -> bool {
        match pattern.split_first() {
            None => names.is_empty(),
            Some((&"**", [])) => !names.is_empty(),
            Some((&"**", rest)) => (0..=names.len()).any(|skip| segments(rest, &names[skip..])),
            Some((glob, rest)) => names
                .split_first()
                .is_some_and(|(name, names)| glob_matches(glob, name) && segments(rest, names)),
        }
    }
    fn glob_matches(glob: &str, name: &str) -> bool {
        match glob.split_once('*') {
            None => glob == name,
            Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
                rest.char_indices()
                    .map(|(at, _)| at)
                    .chain([rest.len()])
                    .any(|at| glob_matches(after, &rest[at..]))
            }),
        }
    }
    let pattern: Vec<&str> = pattern.split('/').collect();
    segments(&pattern, &name.split('/').collect::<Vec<_>>())
}

/// A name, an allowance and a denial.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    allowed: String,
    denied: String,
}

fn cases() -> impl Strategy<Value = Case> {
    let word = prop::sample::select(vec![
        "acme", "payroll", "billing", "other", "Payroll", "x", "pay", ".github", "v1.2", "größe",
        "a b",
    ]);
    // Two names in five contain a trick, at a random place.
    let trick = prop::sample::select(vec![
        "%2e%2e",
        "..",
        ".",
        "",
        "%2f",
        "..%2f",
        "\\",
        "..\\",
        "?x",
        "#",
        ";x",
        "%20",
        " ",
        ".",
        "\0",
        "%00",
        "%61",
        "%25",
        "%252e",
        "\u{ff0e}\u{ff0e}",
        "\u{ff0f}",
        "\u{200b}",
        "\u{ad}",
        "\t",
        "%c0%ae",
        "%5c",
        "*",
        "\u{2025}",
        "\u{ff50}",
        "\u{1d4}",
        "e\u{301}",
        "\u{1680}",
        "a\u{327}\u{301}",
        ":x",
        "::$DATA",
        "@sha256:abc",
        " :x",
        ".@x",
        "..:x",
        ".git",
        ".GIT:main",
    ]);
    let segments = prop_oneof![
        4 => prop::collection::vec(word.clone(), 1..4),
        1 => prop::sample::select(vec![vec!["acme", "payroll"], vec!["acme", "Payroll"]]),
    ];
    let name = (
        segments,
        prop::option::weighted(0.4, (trick, any::<prop::sample::Index>(), any::<bool>())),
    );
    let name = name.prop_map(|(segments, trick)| {
        let mut name = segments.join("/");
        if let Some((trick, at, whole)) = trick {
            let places: Vec<usize> = match whole {
                true => name
                    .char_indices()
                    .filter(|(_, c)| *c == '/')
                    .map(|(at, _)| at + 1)
                    .collect(),
                false => {
                    let places = name.char_indices().map(|(at, _)| at);
                    places.chain([name.len()]).collect()
                }
            };
            let place = match places.is_empty() {
                true => name.len(),
                false => places[at.index(places.len())],
            };
            name.insert_str(place, trick);
            if whole && at.index(2) == 0 {
                name.insert(place + trick.len(), '/');
            }
        }
        name
    });
    let segment = prop_oneof![
        3 => word.clone().prop_map(str::to_owned),
        2 => Just("*".to_owned()),
        1 => Just("**".to_owned()),
        1 => Just("pay*".to_owned()),
        1 => Just("*l".to_owned()),
    ];
    let pattern = prop::collection::vec(segment, 1..3).prop_map(|segments| segments.join("/"));
    let allowed = prop_oneof![
        2 => Just("acme/*".to_owned()),
        2 => Just("acme/**".to_owned()),
        1 => Just("**".to_owned()),
        3 => pattern.clone(),
    ];
    let denied = prop_oneof![2 => Just("acme/payroll".to_owned()), 2 => pattern];
    // One denial in four is the name in lower case.
    let is_of_the_name = prop::bool::weighted(0.25);
    (name, allowed, denied, is_of_the_name).prop_map(|(name, allowed, denied, is_of_the_name)| {
        let folded = name.to_lowercase();
        let denied = match is_of_the_name && folded.parse::<Pattern>().is_ok() {
            true => folded,
            false => denied,
        };
        Case {
            name,
            allowed,
            denied,
        }
    })
}

/// Rule that compares an allowance and a denial with a name.
type Permits = fn(&Pattern, &Pattern, &str) -> bool;

fn hold(case: &Case, permits: Permits) -> Result<(), TestCaseError> {
    let Case {
        name,
        allowed,
        denied,
    } = case;
    let (allowance, denial) = (allowed.parse().unwrap(), denied.parse().unwrap());
    if !permits(&allowance, &denial, name) {
        return Ok(());
    }
    for reading in readings(name, &[]) {
        prop_assert!(
            by_definition(allowed, &reading),
            "{name:?} is read as {reading:?}, outside {allowed}"
        );
        let folded = reading.to_lowercase();
        prop_assert!(by_definition(&allowed.to_lowercase(), &folded));
    }
    hold_denied(name, denied, &CUTTERS)
}

/// Checks that no reader resolves a permitted name to a denied one.
///
/// The readers include `more`.
fn hold_denied(name: &str, denied: &str, more: &[Reader]) -> Result<(), TestCaseError> {
    let denied = denied.to_lowercase();
    for reading in readings(name, more) {
        prop_assert!(
            !by_definition(&denied, &reading.to_lowercase()),
            "{name:?} is read as {reading:?}, which {denied} denies"
        );
    }
    Ok(())
}

fn as_built(allowance: &Pattern, denial: &Pattern, name: &str) -> bool {
    allowance.matches(name) && !denial.might_match(name)
}

#[test]
fn no_reader_takes_a_permitted_name_for_another() {
    let config = ProptestConfig {
        cases: ProptestConfig::default().cases.max(2_000),
        ..ProptestConfig::default()
    };
    let (total, ambiguous, permitted) = Default::default();
    let counts = std::cell::RefCell::new((total, ambiguous, permitted));
    let counted = |case: Case| {
        let mut counts = counts.borrow_mut();
        let (total, ambiguous, permitted): &mut (u32, u32, u32) = &mut counts;
        *total += 1;
        *ambiguous += u32::from(readings(&case.name, &[]).len() > 1);
        let (allowance, denial) = (case.allowed.parse().unwrap(), case.denied.parse().unwrap());
        *permitted += u32::from(as_built(&allowance, &denial, &case.name));
        hold(&case, as_built)
    };
    TestRunner::new(config).run(&cases(), counted).unwrap();
    let (total, ambiguous, permitted) = counts.into_inner();
    assert!(
        ambiguous * 5 >= total,
        "{ambiguous} of {total} names are ambiguous"
    );
    assert!(
        permitted * 20 >= total,
        "{permitted} of {total} names are permitted"
    );
}

/// An optional suffix does not let a name evade a denial.
#[test]
fn no_reader_that_drops_a_suffix_takes_a_permitted_name_for_a_denied_one() {
    let naming = Naming {
        case: None,
        drop_suffix: Some(".git".into()),
    };
    let [first, last, whole] = CUTTERS;
    let readers = [first, last, whole, DROPS_A_SUFFIX];
    let held = |case: Case| {
        let denial: Pattern = case.denied.parse().unwrap();
        let denial = denial.canonical(&naming);
        match denial.might_match_as(&naming.canonical(&case.name), &naming) {
            true => Ok(()),
            false => hold_denied(&case.name, &case.denied, &readers),
        }
    };
    let config = ProptestConfig {
        cases: ProptestConfig::default().cases.max(2_000),
        ..ProptestConfig::default()
    };
    TestRunner::new(config).run(&cases(), held).unwrap();
}

/// The test detects three weaker rules.
///
/// - The former rule, which checked only for empty, `.` and `..` segments.
/// - A rule that compares denials exactly.
/// - A rule that cuts a tag only at the end of a name.
#[test]
fn a_weaker_rule_is_found() {
    let before: Permits = |allowance, denial, name| {
        let plain = !name.split('/').any(|it| matches!(it, "" | "." | ".."));
        let matches = |pattern: &Pattern| {
            pattern.as_str() == name || (plain && by_definition(pattern.as_str(), name))
        };
        let caught =
            |pattern: &Pattern| matches(pattern) || (pattern.as_str().contains('*') && !plain);
        matches(allowance) && !caught(denial)
    };
    let exact: Permits = |allowance, denial, name| allowance.matches(name) && !denial.matches(name);
    let last: Permits = |allowance, denial, name| {
        let segment = name.rsplit('/').next().unwrap_or_default();
        let tag = segment.find(':').map_or(0, |at| segment.len() - at);
        let denied = denial.as_str().to_lowercase();
        let caught = |name: &str| by_definition(&denied, &name.to_lowercase());
        allowance.matches(name) && !caught(name) && !caught(&name[..name.len() - tag])
    };
    for (name, denied) in [
        ("acme/payroll@main", "acme/payroll"),
        ("acme/payroll:v1@sha256:abc", "acme/payroll:v1"),
        ("acme:x/payroll", "acme/payroll"),
        ("acme/payroll:feature/x", "acme/payroll"),
    ] {
        let case = Case {
            name: name.to_owned(),
            allowed: "**".to_owned(),
            denied: denied.to_owned(),
        };
        assert!(hold(&case, last).is_err(), "{name}");
        assert!(hold(&case, as_built).is_ok(), "{name}");
    }
    for rule in [before, exact] {
        let config = ProptestConfig {
            cases: 2_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let found = TestRunner::new(config).run(&cases(), |case| hold(&case, rule));
        assert!(matches!(found, Err(TestError::Fail(..))), "{found:?}");
    }
}

/// Texts of one segment in which `c` follows a letter, precedes one, and follows a letter with marks.
fn around(c: char) -> [String; 3] {
    [
        format!("e{c}"),
        format!("{c}e"),
        format!("\u{1100}{c}\u{301}x"),
    ]
}

#[test]
fn names_are_in_the_normal_form_of_another_implementation() {
    for c in char::MIN..=char::MAX {
        for name in around(c) {
            let is_normal = name.nfkc().eq(name.chars());
            match check_resource(&name) {
                Ok(()) => assert!(is_normal, "{name:?}"),
                Err(NameError::NotNormalised(_)) => assert!(!is_normal, "{name:?}"),
                Err(_) => {}
            }
        }
    }
}
