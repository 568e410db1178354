use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{error:?}"));
    pattern.regex.is_match(text)
}

#[test]
fn classes_and_word_boundaries_are_of_ascii() {
    for (pattern, is, is_not) in [
        (r"^\w+$", "abc_9", "аbc"),
        (r"^[\w.]+$", "a.b", "é.b"),
        (r"^\d+$", "123", "١٢٣"),
        (r"^\s$", "\t", "\u{a0}"),
        (r"^\s$", " ", "\u{b}"),
        (r"^[\s]$", " ", "\u{2003}"),
        (r"^\W$", "é", "e"),
        (r"^[^\w]$", "é", "e"),
        (r"^[^\W]$", "e", "é"),
        (r"^\S$", "\u{a0}", " "),
        (r"^\D$", "٣", "3"),
        (r"^[[:word:]]$", "e", "é"),
        (r"^[[:^alpha:]]$", "é", "e"),
        (r"a\b", "aé", "ab"),
        (r"a\B", "ab", "aé"),
        (r"(?i)^[[:lower:]]$", "K", "1"),
    ] {
        assert!(matches(pattern, is), "{pattern} {is}");
        assert!(!matches(pattern, is_not), "{pattern} {is_not}");
    }
}

#[test]
fn what_folds_in_go_folds() {
    assert!(matches("(?i)^k$", "\u{212a}"));
    assert!(matches("(?i)^s$", "ſ"));
    assert!(matches(r"(?i)^\w$", "\u{212a}"));
    assert!(!matches("^k$", "\u{212a}"));
    assert!(matches("(?i)^a(?-i)b$", "Ab"));
    assert!(!matches("(?i)^a(?-i)b$", "AB"));
    assert!(matches("(?i:^a|b)c$", "Bc"));
}

#[test]
fn what_the_regex_crate_reads_otherwise_is_as_in_re2() {
    for (pattern, is, is_not) in [
        (r"^\<a\>$", "<a>", "a"),
        (r"^[a&&b]+$", "a&b", "c"),
        (r"^[a[b]+$", "a[b", "c"),
        (r"^[a[b]]$", "a]", "b"),
        (r"^[a~~b]$", "~", "c"),
        (r"^a{,2}$", "a{,2}", "aa"),
        (r"^a{ 2}$", "a{ 2}", "aa"),
        (r"^a{02}$", "a{02}", "aa"),
        (r"^a{2}$", "aa", "a{2}"),
        (r"^{$", "{", "}"),
        (r"^\Qa.*\E+$", "a.**", "aab"),
        (r"^\Qa.\Eb\Q*", "a.b*", "axb*"),
        (r"^[]a]$", "]", "b"),
        (r"^[^]a]$", "b", "]"),
        (r"^[a-]$", "-", "b"),
        (r"^[\d-z]$", "-", "y"),
        (r"^\101\x42\x{43}$", "ABC", "101"),
        (r"^[\101-\x43]$", "B", "1"),
        (r"^\_\-$", "_-", "-"),
        (r"^.$", "\r", "\n"),
        (r"(?s)^.$", "\n", ""),
        (r"^a$", "a", "a\n"),
        (r"(?m)^a$", "b\na\n", "b\na\r\n"),
        (r"\Aa\z", "a", "a\n"),
        (r"^(?P<1a>a)(?<b>b)$", "ab", "b"),
        (r"^(?)a$", "a", "b"),
        (r"^#a b$", "#a b", "#ab"),
    ] {
        assert!(matches(pattern, is), "{pattern} {is}");
        assert!(!matches(pattern, is_not), "{pattern} {is_not}");
    }
}

#[test]
fn what_re2_does_not_accept_is_invalid() {
    for pattern in [
        "(",
        ")",
        "a)",
        "[",
        "[a",
        "[]",
        "*",
        "(*)",
        "a|*",
        "(?i)*",
        "a**",
        "a*+",
        "a+?*",
        "a{2}{3}",
        "a{1001}",
        "a{1,1001}",
        "a{3,2}",
        "(a{100}){11}",
        "((a{10}){10}){11}",
        r"\",
        r"\8",
        r"\1",
        r"\C",
        r"\Z",
        r"\u0041",
        r"\é",
        r"\e",
        r"\R",
        "[z-a]",
        r"[a-\d]",
        "[[:foo:]]",
        "(?x)a",
        "(?u)a",
        "(?-)a",
        "(?R)a",
        "(?P<>a)",
        "(?P<a-b>a)",
        "(?P<a>a)(?P<a>b)",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?P=a)",
        r"\x{110000}",
        r"\x4",
        r"\x{}",
        "(?",
        "(?P<a",
        r"\p",
    ] {
        let found = Pattern::new(pattern).map(|found| found.regex.to_string());
        let is_right = match &found {
            Err(PatternError::Invalid(_)) => true,
            // `\p` without a name is invalid in RE2, but reported as unsupported here.
            Err(PatternError::Unsupported(_)) => pattern == r"\p",
            Ok(_) => false,
        };
        assert!(is_right, "{pattern}: {found:?}");
    }
}

#[test]
fn what_is_not_supported_is_said() {
    for pattern in [
        r"\pL",
        r"[\p{Greek}]",
        r"a\PN",
        "((((a{9}){9}){9})b{999}){1}\u{1}x{999}y{999}",
    ] {
        match Pattern::new(pattern) {
            Ok(_) if !pattern.contains('p') => {}
            Err(PatternError::Unsupported(message)) => {
                assert!(!message.contains('\n'), "{message}");
            }
            other => panic!("{pattern}: {other:?}"),
        }
    }
}

#[test]
fn replaces_as_go_expands() {
    for (pattern, text, template, expected) in [
        ("(?P<first>a)(b)", "abab", "$2$1", "baba"),
        ("(?P<first>a)(b)", "ab", "${first}x", "ax"),
        ("(?P<first>a)(b)", "ab", "$firstx", ""),
        ("(a)", "a", "$1x", ""),
        ("(a)", "a", "${1}x", "ax"),
        ("(a)", "a", "$01", ""),
        ("(a)", "a", "$0", "a"),
        ("(a)", "a", "$1é", ""),
        ("(a)", "a", "$$1", "$1"),
        ("(a)", "a", "$", "$"),
        ("(a)", "a", "$-", "$-"),
        ("(a)", "a", "${1", "${1"),
        ("(a)", "a", "${a b}", "${a b}"),
        ("a*", "baaac", "x", "xbxcx"),
    ] {
        let found = Pattern::new(pattern).map(|pattern| pattern.replace_all(text, template));
        assert_eq!(
            found.as_deref(),
            Ok(expected),
            "{pattern} {text} {template}"
        );
    }
}

#[test]
fn splits_as_go_splits() {
    for (pattern, text, expected) in [
        ("", "abc", vec!["a", "b", "c"]),
        ("a", "", vec![""]),
        ("a", "banana", vec!["b", "n", "n", ""]),
        ("b", "banana", vec!["", "anana"]),
        ("z*", "pizza", vec!["p", "i", "a"]),
        (",", "a,b", vec!["a", "b"]),
        ("", "", vec![]),
    ] {
        let found = Pattern::new(pattern).unwrap();
        assert_eq!(found.split(text), expected, "{pattern} {text}");
    }
}
