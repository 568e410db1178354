use super::*;
use proptest::prelude::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

#[test]
fn a_star_stays_in_its_segment() {
    assert!(pattern("acme/*").matches("acme/billing"));
    assert!(!pattern("acme/*").matches("acme/billing/hooks"));
    assert!(!pattern("acme/*").matches("acme"));
    assert!(pattern("issues.*").matches("issues.create"));
    assert!(pattern("release-*-rc*").matches("release-1.2-rc3"));
    assert!(!pattern("a*b*c").matches("acb"));
    assert!(!pattern("ab*ba").matches("aba"));
}

#[test]
fn two_stars_cross_segments() {
    assert!(pattern("**").matches("a"));
    assert!(pattern("acme/**").matches("acme/a/b/c"));
    assert!(!pattern("acme/**").matches("acme"));
    assert!(pattern("acme/**/hooks").matches("acme/hooks"));
    assert!(pattern("acme/**/hooks").matches("acme/a/b/hooks"));
    assert!(pattern("**/a/**/b").matches("x/a/y/a/z/b"));
    assert!(!pattern("acme/**/hooks").matches("acme/a/b/hook"));
}

#[test]
fn a_name_that_could_be_normalised_matches_no_wildcard() {
    for name in [
        "acme/..",
        "acme/../other",
        "acme/.",
        "acme//x",
        "acme/",
        "//acme",
        "acme/%2e%2e",
        "acme/..%2fother%2frepo",
        "acme/..\\other",
        "acme/..?x=",
        "acme/..#",
        "acme/..;x",
        "acme/payroll%20",
        "acme/p%61yroll",
        "acme/payroll?x",
        "acme/payroll\0",
    ] {
        assert!(!pattern("acme/**").matches(name), "{name}");
        assert!(!pattern("**").matches(name), "{name}");
    }
    assert!(pattern("/").matches("/"));
}

#[test]
fn a_denial_catches_every_spelling() {
    let denial = pattern("acme/payroll");
    for name in [
        "acme/payroll",
        "acme/Payroll",
        "ACME/PAYROLL",
        "/acme/payroll",
        "acme/payroll:main",
        "acme/payroll::$DATA",
        "acme/payroll ",
        "acme/payroll.",
        "acme/p%61yroll",
        "acme/payroll?x",
        "acme/x/../payroll",
        "acme//payroll",
        "acme\\payroll",
        "acme/payroll\0",
        "acme/\u{ff50}ayroll",
        "acme/payrol\u{200b}l",
        "acme/payroll@sha256:abc",
        "acme/payroll@main",
        "acme/payroll:v1@sha256:abc",
        "acme/payroll:feature/x",
        "acme/payroll. :x",
        "acme:x/payroll",
        "acme@1:2/Payroll@x",
        "acme/..:x",
        "acme/..@x/y",
        "acme/payroll\u{1680}",
        "acme/pa\u{327}\u{301}yroll",
    ] {
        assert!(denial.might_match(name), "{name:?}");
    }
    assert!(denial.might_match(&format!("acme/x{}", ":".repeat(33))));
    for (denial, name) in [
        ("secrets/**", "secrets::$INDEX_ALLOCATION/key"),
        ("secrets/**", "secrets:x/key"),
        ("reg/payroll:v1", "reg/payroll:v1@sha256:abc"),
        ("reg/payroll:v1", "reg/payroll:v1:x"),
        ("@scope/pay*", "@scope/payroll@1.2.3"),
    ] {
        assert!(pattern(denial).might_match(name), "{denial} {name}");
    }
    for (denial, name) in [
        ("reg/payroll:v1", "reg/payroll:v2"),
        ("reg/payroll:v1", "reg/payroll"),
        ("secrets/*", "secret:x/key"),
        ("other/package", "@other/package"),
        ("arn/**", "barn:aws:s3:::bucket/key"),
    ] {
        assert!(!pattern(denial).might_match(name), "{denial} {name}");
    }
    for name in [
        "acme/billing",
        "acme/billing@payroll",
        "acme/billing:payroll/x",
        "acme/@payroll",
        "acme/payrolls",
        "acme/payroll/x",
        "acme/payroll-2",
    ] {
        assert!(!denial.might_match(name), "{name}");
    }
    assert!(pattern("Acme/Pay*").might_match("acme/payroll"));
    // The text before a tag, with or without the dot at its end.
    assert!(pattern("acme.").might_match("acme.:x") && pattern("acme").might_match("acme.:x"));
    assert!(pattern("/acme/*").might_match("acme/payroll"));
    let exact = Naming {
        case: Some(Case::Exact),
        ..Naming::default()
    };
    assert!(!denial.might_match_as("acme/Payroll", &exact));
    assert!(denial.might_match_as("acme/p%61yroll", &exact));
}

#[test]
fn names_compare_as_is_declared() {
    let naming = Naming {
        case: Some(Case::Insensitive),
        drop_suffix: Some(".git".into()),
    };
    let allowance = pattern("Acme/*");
    let matches = |name: &str| {
        allowance
            .canonical(&naming)
            .matches(&naming.canonical(name))
    };
    assert!(matches("ACME/billing.git") && matches("acme/billing"));
    assert!(!matches("other/billing") && !matches("acme/.git"));
    let literal = pattern("acme/Billing.git");
    assert!(
        literal
            .canonical(&naming)
            .matches(&naming.canonical("acme/billing"))
    );
}

#[test]
fn a_suffix_that_is_dropped_hides_nothing_from_a_denial() {
    let dropped = |case| Naming {
        case,
        drop_suffix: Some(".git".into()),
    };
    let caught = |denial: &str, name: &str, case| {
        let naming = dropped(case);
        let denial = Pattern::for_denial(denial).unwrap();
        let denial = denial.canonical(&naming);
        denial.might_match_as(&naming.canonical(name), &naming)
    };
    for (denial, name) in [
        ("acme/payroll", "acme/payroll.git"),
        ("acme/payroll", "acme/payroll.GIT"),
        ("acme/payroll", "acme/Payroll.GIT"),
        ("acme/payroll", "acme/payroll.gIt.git"),
        ("acme/payroll.GIT", "acme/payroll"),
        ("acme/payroll", "acme/payroll.git:main"),
        ("acme/payroll", "acme/payroll.git@sha256:abc"),
        ("acme/payroll.git:main", "acme/payroll:main"),
        ("acme/payroll:main", "acme/payroll.git:main"),
        ("acme/secret/**", "acme/secret.git/x"),
        ("acme/secret/**", "acme/secret.GIT:v1/x"),
        ("acme/payroll.git/**", "acme/payroll/x"),
        ("acme/payroll.git.git/**", "acme/payroll/x"),
        ("acme/payroll.g*", "acme/payroll.git"),
        ("acme/payroll*git", "acme/payroll.git"),
        ("acme/*roll.git/x", "acme/payroll/x"),
    ] {
        for case in [None, Some(Case::Insensitive)] {
            assert!(caught(denial, name, case), "{denial} {name} {case:?}");
        }
    }
    for (denial, name) in [
        ("acme/payroll", "acme/payroll.gitlab"),
        ("acme/payroll", "acme/payrollgit"),
        ("acme/payroll", "acme/git"),
        ("acme/payroll:main", "acme/payroll.git:next"),
    ] {
        assert!(!caught(denial, name, None), "{denial} {name}");
    }
    let exact = Some(Case::Exact);
    assert!(caught("acme/payroll", "acme/payroll.git:main", exact));
    assert!(!caught("acme/payroll", "acme/payroll.GIT", exact));
    assert!(!caught("acme/payroll", "acme/Payroll", exact));
}

/// A6: a denial that matches no name is not accepted silently.
#[test]
fn a_denial_that_catches_nothing_is_refused_or_doubted() {
    for text in [
        "./acme/payroll",
        "acme/./payroll",
        "acme/x/../payroll",
        "acme//payroll",
        "//acme/payroll",
        "acme\\payroll",
        "acme/payroll#main",
        "acme/payroll;x",
        "acme/%70ayroll",
        "acme/payroll.",
        "https://github.com/acme/payroll",
        "acme/pay\\w+",
        "acme/\\d+",
        "(acme/payroll)",
        "acme/!(payroll)",
        "acme/@(a)",
        "acme/+(x)",
        "acme/+",
        "acme/#",
        "acme/>",
        "acme/<repo>",
        "regex:acme/.*",
        "glob:acme/*",
        "re:acme",
        "\"acme/payroll\"",
        "'acme/*'",
        "`acme/payroll`",
        "acme/pay_.*",
    ] {
        assert!(Pattern::for_denial(text).is_err(), "{text}");
    }
    for text in [
        "git@github.com:acme/payroll.git",
        "acme/pay.*",
        "acme/.*",
        "acme/$repo",
        "acme/payroll,acme/billing",
    ] {
        let denial = Pattern::for_denial(text).unwrap();
        assert!(denial.doubt().is_some(), "{text}");
    }
    for text in [
        "acme/payroll",
        "acme/**",
        "/v1/*",
        "**",
        "arn:aws:s3:::bucket/*",
        "reg/payroll@sha256:abc",
        "a+b",
        "acme/.github",
        "docs/Report (final), v2.pdf",
        "app/(group)/page.tsx",
        "re: invoice",
    ] {
        let denial = Pattern::for_denial(text).unwrap();
        assert_eq!(denial.doubt(), None, "{text}");
    }
}

#[test]
fn a_pattern_of_actions_has_their_characters() {
    for text in [
        "delete_.*",
        "delete repo",
        "delete_repo()",
        "server:delete_*",
        "*:delete_*",
        "delete_repo:*",
        "delete_*@v1",
        "delete_\\w+",
        "delete_repo;",
        "delete_repo#1",
        "delete_repo,drop_repo",
        "\"delete_*\"",
        "https://x/delete_repo",
        "d\u{435}lete_*",
        "delete//x",
        "delete/../x",
        "",
    ] {
        assert!(Pattern::of_actions(text).is_err(), "{text}");
    }
    for text in ["delete_*", "issues.*", "**", "*", "repos/delete", "GET"] {
        assert!(Pattern::of_actions(text).is_ok(), "{text}");
    }
}

/// An allowance may spell out a trailing dot, which is visible.
#[test]
fn an_allowance_may_spell_out_a_name_that_ends_with_a_dot() {
    for name in ["Acme Inc.", "acme/Acme Inc.", "etc."] {
        assert!(pattern(name).matches(name), "{name}");
        assert!(Pattern::for_denial(name).is_err(), "{name}");
        assert!(!pattern("**").matches(name), "{name}");
    }
    for name in ["acme/payroll ", " acme", "acme/* .", "acme/*."] {
        assert!(name.parse::<Pattern>().is_err(), "{name:?}");
    }
}

#[test]
fn a_path_may_be_absolute() {
    assert!(pattern("/v1/*").matches("/v1/users"));
    assert!(!pattern("/v1/*").matches("v1/users"));
    assert!(!pattern("v1/*").matches("/v1/users"));
    assert!(!pattern("*/v1").matches("/v1"));
    assert!(pattern("**").matches("/v1/users"));
}

#[test]
fn another_language_is_refused_by_name() {
    for text in [
        "^delete",
        "delete$",
        "~delete",
        "!delete_*",
        "delete_[a-z]*",
        "v[0-9]",
        "{a,b}",
        "users/{id}",
        "/users/:id",
        "a|b",
        "(?i)delete",
        ".*",
        ".*delete.*",
        "delete_.+",
        "delete_?",
        "delete_%",
        "acme/",
    ] {
        let refused = text.parse::<Pattern>();
        assert!(
            matches!(refused, Err(PatternError::Foreign { .. })),
            "{text} {refused:?}"
        );
    }
    for text in [
        "https://github.com/acme/*",
        "acme//*",
        "acme/../*",
        " acme/*",
        "acme/* ",
        "acme/*.",
        "acme/a%20*",
        "acme/x;*",
        "acme/payroll ",
        "delete\u{200b}_repo",
        "caf\u{65}\u{301}",
    ] {
        let refused = text.parse::<Pattern>();
        assert!(
            matches!(refused, Err(PatternError::MatchesNothing { .. })),
            "{text} {refused:?}"
        );
    }
    for text in [
        "issues.*",
        "acme/.github",
        "acme/.*",
        "arn:aws:s3:::bucket/*",
        "/v1/*",
        "https://api.example/v1?x=1",
        "a+b",
        "release-*",
        "acme/..",
        "report (1).pdf",
    ] {
        assert!(text.parse::<Pattern>().is_ok(), "{text}");
    }
}

#[test]
fn refuses_what_is_not_a_pattern() {
    assert_eq!("".parse::<Pattern>(), Err(PatternError::Empty));
    assert_eq!(
        "a**".parse::<Pattern>(),
        Err(PatternError::DeepInSegment("a**".into()))
    );
}

/// Brute-force definition of the language, for comparison with the matcher.
fn by_definition(pattern: &[Segment], names: &[&str]) -> bool {
    match pattern.split_first() {
        None => names.is_empty(),
        Some((Segment::Deep, rest)) => {
            (0..=names.len()).any(|skip| by_definition(rest, &names[skip..]))
        }
        Some((segment, rest)) => names
            .split_first()
            .is_some_and(|(name, names)| segment.matches(name) && by_definition(rest, names)),
    }
}

proptest! {
    #[test]
    fn matching_follows_the_definition(
        segments in prop::collection::vec("[ab]{1,2}|\\*|\\*\\*|a\\*|\\*b", 1..6),
        names in prop::collection::vec("[ab]{1,2}", 1..6),
    ) {
        let pattern = pattern(&segments.join("/"));
        prop_assert_eq!(
            pattern.matches(&names.join("/")),
            by_definition(&pattern.segments, &names.iter().map(String::as_str).collect::<Vec<_>>())
        );
    }
}
