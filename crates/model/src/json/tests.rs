use super::*;
use portcullis_contract::excerpt;

fn refused(text: &str) -> Error {
    let limits = RequestLimits {
        bytes: 200,
        depth: 3,
    };
    parse(text.as_bytes(), &limits).unwrap_err()
}

#[test]
fn reads_what_has_one_meaning() {
    let text = r#"{"a":[1,-2.5,"x",null,true],"b":{"c":9007199254740991}}"#;
    let value = parse(text.as_bytes(), &RequestLimits::default()).unwrap();
    assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn refuses_a_duplicate_key_wherever_it_is() {
    let at = "/a/0/b~1c".to_owned();
    assert_eq!(
        refused(r#"{"a":[{"b/c":1,"b/c":1}]}"#),
        Error::DuplicateKey { at }
    );
    let escaped = refused(r#"{"key":1,"k\u0065y":2}"#);
    assert_eq!(escaped, Error::DuplicateKey { at: "/key".into() });
}

#[test]
fn refuses_keys_that_a_careless_reader_takes_for_one() {
    for (text, place, first) in [
        (r#"{"name":1,"Name":2}"#, "/Name", "name"),
        (r#"{"a":[{"root":1,"x":2,"ROOT":3}]}"#, "/a/0/ROOT", "root"),
        // The Kelvin sign and the long s fold to `k` and `s`.
        (r#"{"key":1,"\u212aey":2}"#, "/\u{212a}ey", "key"),
        (r#"{"path\u017f":1,"paths":2}"#, "/paths", "path\u{17f}"),
        // Full width, a composed letter, a ligature.
        (r#"{"\uff50ath":1,"path":2}"#, "/path", "\u{ff50}ath"),
        (r#"{"e\u0301":1,"\u00c9":2}"#, "/\u{c9}", "e\u{301}"),
        (r#"{"file":1,"\ufb01le":2}"#, "/\u{fb01}le", "file"),
        // Invisible characters, and NUL, which ends a text in C.
        (r#"{"path":1,"pa\u200bth":2}"#, "/pa\u{200b}th", "path"),
        (r#"{"path":1,"path\u0000x":2}"#, "/path\0x", "path"),
        (r#"{"path":1,"\rpath":2}"#, "/\rpath", "path"),
        // White space at the ends.
        (r#"{"path":1,"path ":2}"#, "/path ", "path"),
        (r#"{"path ":1,"path":2}"#, "/path", "path "),
        (r#"{"path":1,"path\u1680":2}"#, "/path\u{1680}", "path"),
        (r#"{"path":1,"\u3000Path":2}"#, "/\u{3000}Path", "path"),
    ] {
        let Error::AlikeKeys { at, other } = refused(text) else {
            panic!("{text} is not refused for its keys");
        };
        assert_eq!((at.as_str(), other), (place, excerpt(first)), "{text}");
    }
    for text in [
        r#"{"name":1,"names":2,"name_":3}"#,
        r#"{"Name":1,"other":{"name":2}}"#,
        r#"[{"name":1},{"Name":2}]"#,
        r#"{"é":1,"e":2}"#,
        r#"{"ß":1,"ss":2}"#,
        r#"{"foo\u0000bar":1}"#,
    ] {
        assert!(
            parse(text.as_bytes(), &RequestLimits::default()).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn refuses_a_number_that_readers_disagree_on() {
    for number in [
        "9007199254740992",
        "-9007199254740992",
        "18446744073709551615",
        "10000000000000000000000",
        "12345678901234567890123",
        "-12345678901234567890123",
        "9007199254740993.0",
        "9007199254740993e0",
        "9007199254740992.0",
        "1234567890123456789E3",
        "1.7976931348623157e308",
        "100.00000000000001421085",
        "0.1000000000000000055511151231257827",
        "3.141592653589793238462643383279",
        "1e-400",
        "-4.9406564584124655e-324",
    ] {
        let text = format!("[0.5,\"1e999\",{{\"1\":[{number}]}},1e-400]");
        assert!(
            matches!(refused(&text), Error::Number { at, .. } if at == "/2/1/0"),
            "{number}"
        );
    }
    assert!(matches!(refused("[1e999]"), Error::Syntax { .. }));
}

#[test]
fn reads_a_number_as_every_reader_does() {
    for number in [
        "9007199254740991",
        "-0",
        "0e1",
        "0.0",
        "1E22",
        "1e300",
        "1.5e300",
        "20e1",
        "123e45",
        "123.456e78",
        "100.00000000000001",
        "0.1",
        "0.30000000000000004",
        "5e-324",
        "2.2250738585072014e-308",
        "-0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
    ] {
        let text = format!("[{number}]");
        let read = parse(text.as_bytes(), &RequestLimits::default());
        let read = read.unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(read[0].as_f64(), number.parse().ok(), "{number}");
        // The recorded form of the value reads back as the same value.
        let again = parse(read.to_string().as_bytes(), &RequestLimits::default());
        assert_eq!(again, Ok(read), "{number}");
    }
}

#[test]
fn refuses_what_is_too_deep_or_too_large() {
    let at = "/0/0/0/0".to_owned();
    assert_eq!(refused("[[[[1]]]]"), Error::TooDeep { at, limit: 3 });
    assert!(parse(b"[[[1]]]", &RequestLimits { bytes: 9, depth: 3 }).is_ok());
    let long = format!("\"{}\"", "x".repeat(200));
    assert_eq!(
        refused(&long),
        Error::TooLarge {
            bytes: 202,
            limit: 200
        }
    );
}

#[test]
fn names_the_line_of_a_syntax_error() {
    let Error::Syntax { line, column, .. } = refused("{\n  \"a\": ,\n}") else {
        panic!("a syntax error");
    };
    assert_eq!((line, column), (2, 8));
    assert!(matches!(refused("{} {}"), Error::Syntax { .. }));
    let Error::Syntax { message, .. } = refused("\u{feff}{}") else {
        panic!("a byte order mark");
    };
    assert!(message.contains("byte order mark"), "{message}");
    assert!(matches!(refused("[\"\\ud800\"]"), Error::Syntax { .. }));
}

#[test]
fn a_value_from_code_is_held_to_the_same_rules() {
    let limits = RequestLimits {
        bytes: 99,
        depth: 3,
    };
    let deep = serde_json::json!({ "a": { "b": [1] } });
    assert!(admit(&deep, "", &limits).is_ok());
    let at = "/x/a/b/0".to_owned();
    assert_eq!(
        admit(&deep, "/x", &limits),
        Err(Error::TooDeep { at, limit: 3 })
    );
    let large = serde_json::json!({ "n": u64::MAX });
    assert!(matches!(admit(&large, "", &limits), Err(Error::Number { at, .. }) if at == "/n"));
    let alike = serde_json::json!({ "a": { "Path": 1, "path": 2 } });
    assert!(
        matches!(admit(&alike, "", &limits), Err(Error::AlikeKeys { at, .. }) if at == "/a/path")
    );
}
