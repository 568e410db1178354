use super::*;
use crate::ArgumentOrigin;
use proptest::prelude::*;
use serde_json::json;

fn met(operator: Operator, operand: Value, argument: Value) -> bool {
    Constraint::new("/a", operator, operand)
        .unwrap()
        .met_by(&json!({ "a": argument }), Origins::UNKNOWN)
}

#[test]
fn each_operator_lets_one_through_and_stops_another() {
    use Operator::{AtLeast, AtMost, Equals, MaxLength, MinLength, OneOf, Prefix, SubsetOf, Under};
    let rows = [
        (Equals, json!({"x": 1}), json!({"x": 1.0}), json!({"x": 2})),
        (OneOf, json!(["a", 2]), json!(2), json!("2")),
        (Prefix, json!("inv-"), json!("inv-7"), json!("xinv-7")),
        (Prefix, json!("i"), json!(["i1", "i2"]), json!(["i1", "j"])),
        (Under, json!("/w"), json!("/w/a/b"), json!("/wx/a")),
        (AtLeast, json!(3), json!(3), json!(2.9)),
        (AtMost, json!(3), json!(3.0), json!("3")),
        (MinLength, json!(2), json!("éé"), json!("é")),
        (MaxLength, json!(1), json!(["a"]), json!(["a", "b"])),
        (SubsetOf, json!(["a", "b"]), json!(["b"]), json!(["b", "c"])),
    ];
    for (operator, operand, good, bad) in rows {
        assert!(
            met(operator, operand.clone(), good.clone()),
            "{operator} {operand} {good}"
        );
        assert!(
            !met(operator, operand.clone(), bad.clone()),
            "{operator} {operand} {bad}"
        );
    }
}

#[test]
fn an_empty_list_meets_nothing_that_is_asked_of_each_item() {
    use Operator::{Equals, MaxLength, OneOf, Prefix, SubsetOf, Under};
    for (operator, operand, meets) in [
        (Under, json!("/workspace"), json!(["/workspace/a"])),
        (Under, json!("/"), json!("/a")),
        (Prefix, json!("inv-"), json!(["inv-1", "inv-2"])),
        (SubsetOf, json!(["a", "b"]), json!(["a"])),
    ] {
        assert!(met(operator, operand.clone(), meets), "{operator}");
        for empty in [
            json!([]),
            json!(""),
            json!({}),
            json!(null),
            json!([[]]),
            json!([["/workspace/a"]]),
            json!([null]),
            json!([{}]),
            json!(["/workspace/a", ""]),
            json!(["/workspace/a", []]),
            json!({ "0": "/workspace/a" }),
        ] {
            assert!(
                !met(operator, operand.clone(), empty.clone()),
                "{operator} {empty}"
            );
        }
    }
    // Constraints that name the empty list explicitly accept it.
    assert!(met(Equals, json!([]), json!([])));
    assert!(met(OneOf, json!([[], ["a"]]), json!([])));
    assert!(met(MaxLength, json!(2), json!([])));
}

#[test]
fn values_of_another_kind_are_other_values() {
    use Operator::{AtLeast, AtMost, MaxLength, MinLength, OneOf, SubsetOf};
    for other in [
        json!("1"),
        json!(true),
        json!([1]),
        json!({ "a": 1 }),
        json!(null),
    ] {
        assert!(!met(OneOf, json!([1]), other.clone()), "{other}");
        assert!(!met(AtLeast, json!(0), other.clone()), "{other}");
        assert!(!met(AtMost, json!(9), other.clone()), "{other}");
        assert!(!met(SubsetOf, json!([1]), json!([other])));
    }
    assert!(met(OneOf, json!([1]), json!(1.0)));
    assert!(!met(OneOf, json!([true]), json!(1)));
    assert!(!met(OneOf, json!(["1"]), json!(1)));
    for other in [json!(1), json!({ "a": 1 }), json!(null), json!(true)] {
        assert!(!met(MinLength, json!(0), other.clone()), "{other}");
        assert!(!met(MaxLength, json!(9), other.clone()), "{other}");
    }
}

#[test]
fn what_people_write_means_something() {
    let written = |text: Value| serde_json::from_value::<Constraint>(text);
    for (path, op, value) in [
        ("/a", "under", json!("")),
        ("/a", "under", json!("/w/*")),
        ("/a", "prefix", json!("")),
        ("/a", "prefix", json!("^inv")),
        ("/a", "one-of", json!([])),
        ("/a", "subset-of", json!([])),
        ("/a", "origin-is", json!(["me"])),
        ("/a", "origin-is", json!(["tool:m*"])),
        ("/a", "parts-origin-is", json!(["me"])),
        ("/a", "on-day", json!([])),
        ("/a", "on-day", json!("2026-02-30")),
        ("/a", "any-of", json!([])),
        ("/a", "any-of", json!([{ "op": "one-of", "value": [] }])),
        (
            "/a",
            "any-of",
            json!([{ "op": "any-of", "value": [{ "op": "equals", "value": 1 }] }]),
        ),
        (
            "/a",
            "any-of",
            json!([{ "op": "absent-or", "value": { "op": "equals", "value": 1 } }]),
        ),
        ("/a", "absent-or", json!({ "op": "equals" })),
        ("/a", "absent-or", json!({ "op": "is", "value": 1 })),
        (
            "/a",
            "absent-or",
            json!({ "op": "equals", "value": 1, "path": "/b" }),
        ),
        (
            "/a",
            "absent-or",
            json!({ "op": "origin-is", "value": ["me"] }),
        ),
        ("/a", "origin-is", json!(["user", "tool:mail*"])),
        ("/a", "min-length", json!(0)),
        ("/a/", "equals", json!(1)),
        ("/", "equals", json!(1)),
        ("/~2", "equals", json!(1)),
    ] {
        let text = json!({ "path": path, "op": op, "value": value });
        let error = written(text.clone()).unwrap_err().to_string();
        assert!(error.contains('`'), "{text}: {error}");
    }
    for (path, op, value) in [
        ("/a", "under", json!("/")),
        ("/a~1b", "equals", json!([])),
        ("", "origin-is", json!(["user", "tool:x", "unknown"])),
        ("/a", "max-length", json!(0)),
    ] {
        let text = json!({ "path": path, "op": op, "value": value });
        assert!(written(text.clone()).is_ok(), "{text}");
    }
}

#[test]
fn what_may_be_meant_otherwise_is_said() {
    let warning = |path: &str, op: &str, value: &str| {
        let text = json!({ "path": path, "op": op, "value": value });
        let constraint: Constraint = serde_json::from_value(text).unwrap();
        constraint.warning()
    };
    for (path, op, value) in [
        ("/p", "under", "/"),
        ("/p", "under", "https:"),
        ("/p", "under", "https:/"),
        ("/p", "under", "s3:"),
        ("/p", "under", "{a,b}"),
        ("/p", "under", "/w/[ab]"),
        ("/p", "under", "/w/:id"),
        ("/p", "under", "~/w"),
        ("/p", "prefix", "[a-z]"),
        ("/p", "prefix", "(?i)x"),
        ("/p", "prefix", "a|b"),
        ("/p", "prefix", "/w"),
        ("/p/*", "equals", "x"),
        ("/p/-", "equals", "x"),
        ("/p/00", "equals", "x"),
        ("/p[0]", "equals", "x"),
        ("/p.q", "equals", "x"),
        ("/action/arguments/p", "equals", "x"),
        ("/p", "equals", "inv-*"),
    ] {
        assert!(warning(path, op, value).is_some(), "{path} {op} {value}");
    }
    for (path, op, value) in [
        ("/p", "under", "/w"),
        ("/p", "under", "https://api.example/v1"),
        ("/p", "under", "w/a b"),
        ("/p", "prefix", "[fix] "),
        ("/p", "prefix", "inv-"),
        ("/p/0", "equals", "x"),
        ("/p/10/to_1", "equals", "x"),
    ] {
        assert_eq!(warning(path, op, value), None, "{path} {op} {value}");
    }
}

#[test]
fn under_cannot_be_left_by_another_spelling() {
    for path in [
        "/w/../etc",
        "/w/./a",
        "/w//a",
        "/w\\..\\etc",
        "/w/%2e%2e/etc",
        "/w/%2E%2e",
        "/w/a%2fb",
        "/w/%252e",
        "/w/a%",
        "/w/a\0b",
        "/w/%00",
        "/w/a%5Cb",
        "w/a",
        "/w/..;x/etc",
        "/w/%+2e",
        "/w/../../tmp/p://q",
        "/w/..?x",
        "/w/..#x",
        "/w/.. ",
        "/w/ ../etc",
        "/w/a/.. /b",
        "/w/%20x",
        "/w/..%20/admin",
        "/w/..%3f",
        "/w/a%23",
        "/w/admin./users",
        "/w/\u{ff0e}\u{ff0e}/etc",
        "/w/..\u{ff0f}etc",
        "/w/%EF%BC%8F..",
        "/w/%ff",
        "/w/\u{202e}x",
        "/w/%C2%9B",
        "/w/*",
        "/w/..:/x",
        "/w/..::$DATA",
        "/w/..@x",
        "/w/.. :x",
        "/w/..\u{1680}/x",
        "/w/x\u{1680}",
        "/w/%E1%9A%80",
    ] {
        assert!(!met(Operator::Under, json!("/w"), json!(path)), "{path:?}");
    }
    for path in [
        "/w",
        "/w/",
        "/w/a/",
        "/w/a b",
        "/w/a..b",
        "/w/a%20b",
        "/w/caf%C3%A9",
        "/w/.env",
        "/w/x:y",
        "/w/@scope/p@1.2",
        "/w/a...b:c",
    ] {
        assert!(met(Operator::Under, json!("/w/"), json!(path)), "{path:?}");
    }
    let base = json!("https://api.example.com");
    assert!(met(
        Operator::Under,
        base.clone(),
        json!("https://api.example.com/v1/x")
    ));
    for url in [
        "https://api.example.com.evil.test/",
        "https://api.example.com@evil.test/",
        "https://api.example.com:1@evil.test/",
        "http://api.example.com/v1",
    ] {
        assert!(!met(Operator::Under, base.clone(), json!(url)), "{url}");
    }
    assert!(met(Operator::Under, json!("/"), json!("/etc/hosts")));
    assert!(!met(Operator::Under, json!("/"), json!("/../x")));
}

#[test]
fn an_absent_argument_meets_nothing() {
    for operator in [Operator::SubsetOf, Operator::OneOf] {
        let constraint = Constraint::new("/missing", operator, json!([null])).unwrap();
        assert!(!constraint.met_by(&json!({}), Origins::UNKNOWN));
    }
}

#[test]
fn whole_numbers_are_compared_exactly() {
    assert!(!met(Operator::Equals, json!(u64::MAX), json!(u64::MAX - 1)));
    assert!(met(Operator::AtMost, json!(u64::MAX), json!(i64::MIN)));
}

#[test]
fn refuses_an_operand_that_does_not_suit() {
    for (operator, operand) in [
        (Operator::OneOf, json!("a")),
        (Operator::Prefix, json!(1)),
        (Operator::Under, json!("/a/../b")),
        (Operator::AtMost, json!("1")),
        (Operator::MaxLength, json!(-1)),
        (Operator::SubsetOf, json!({})),
        (Operator::OriginIs, json!([1])),
    ] {
        assert!(
            Constraint::new("/a", operator, operand.clone()).is_err(),
            "{operator} {operand}"
        );
    }
    assert!(Constraint::new("a", Operator::Equals, json!(1)).is_err());
}

fn simple() -> impl Strategy<Value = (Operator, Value)> {
    let days = prop::sample::select(vec![
        json!("2026-11-28"),
        json!(["2026-11-28", "2026-11-29"]),
        json!([]),
    ]);
    let texts = prop::sample::select(vec!["/w", "/w/a", "/w/", "/", "", "i", "inv-", "a"]);
    let numbers = prop::sample::select(vec![json!(0), json!(1), json!(1.5), json!(3)]);
    let scalars = prop::sample::select(vec![
        json!("/w/a"),
        json!("/w"),
        json!("inv-1"),
        json!("a"),
        json!(1),
        json!(1.0),
        json!(3),
        json!(null),
        json!(["a"]),
        json!(["a", "b"]),
        json!("/w/../x"),
        json!([]),
        json!("2026-11-28"),
        json!("x.example"),
    ]);
    let lists = prop::collection::vec(scalars.clone(), 0..4).prop_map(Value::from);
    let origins = prop::collection::vec(
        prop::sample::select(vec!["user", "unknown", "tool:x", "tool:x#/*/id", "tool:x~"]),
        0..3,
    )
    .prop_map(|origins| json!(origins));
    let lengths = (0_u64..4).prop_map(|length| json!(length));
    prop_oneof![
        scalars.prop_map(|v| (Operator::Equals, v)),
        lists.clone().prop_map(|v| (Operator::OneOf, v)),
        lists.prop_map(|v| (Operator::SubsetOf, v)),
        texts.clone().prop_map(|v| (Operator::Prefix, json!(v))),
        texts.prop_map(|v| (Operator::Under, json!(v))),
        numbers.clone().prop_map(|v| (Operator::AtLeast, v)),
        numbers.prop_map(|v| (Operator::AtMost, v)),
        lengths.clone().prop_map(|v| (Operator::MinLength, v)),
        lengths.prop_map(|v| (Operator::MaxLength, v)),
        origins.clone().prop_map(|v| (Operator::OriginIs, v)),
        origins.prop_map(|v| (Operator::PartsOriginIs, v)),
        days.prop_map(|v| (Operator::OnDay, v)),
    ]
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let item = || simple().prop_map(|(op, value)| json!({ "op": op, "value": value }));
    let any_of = || prop::collection::vec(item(), 0..3).prop_map(Value::from);
    let within = prop_oneof![
        item(),
        any_of().prop_map(|value| json!({ "op": "any-of", "value": value }))
    ];
    prop_oneof![
        6 => simple(),
        1 => any_of().prop_map(|v| (Operator::AnyOf, v)),
        1 => within.prop_map(|v| (Operator::AbsentOr, v)),
    ]
    .prop_map(|(operator, operand)| Constraint::new("/a", operator, operand).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn what_contradicts_itself_is_met_by_nothing(
        constraints in prop::collection::vec(constraint(), 1..4),
    ) {
        if Constraint::contradiction(&constraints).is_none() {
            return Ok(());
        }
        let arguments = [
            json!("/w"), json!("/w/a"), json!("/"), json!("inv-1"), json!("i"), json!(""), json!("a"),
            json!(0), json!(1), json!(1.5), json!(3), json!(null), json!([]), json!(["a"]),
            json!(["a", "b"]), json!(["/w", "/w/a"]), json!(["inv-1"]), json!("2026-11-28"), json!("x.example"),
        ];
        let origins = [ArgumentOrigin::new("/a", "user")];
        let calls = arguments.map(|argument| json!({ "a": argument })).into_iter().chain([json!({})]);
        for arguments in calls {
            let mut met = constraints.iter().map(|it| it.met_by(&arguments, Origins(&origins)));
            prop_assert!(!met.all(|met| met), "{arguments}");
        }
    }

    #[test]
    fn what_follows_holds_wherever_its_premises_hold(
        premises in prop::collection::vec(constraint(), 1..4),
        conclusion in constraint(),
    ) {
        prop_assert!(premises[0].follows_from(&premises));
        if !conclusion.follows_from(&premises) {
            return Ok(());
        }
        let arguments = [
            json!("/w"), json!("/w/"), json!("/w/a"), json!("/w/a/b"), json!("/"), json!("/x"), json!("/w/../x"),
            json!("inv-1"), json!("i"), json!(""), json!("a"), json!("ab"), json!(0), json!(1), json!(1.0), json!(2),
            json!(3), json!(null), json!(true), json!([]), json!(["a"]), json!(["a", "b"]), json!([1, null]),
            json!(["/w", "/w/a"]), json!([["a"]]), json!({ "x": 1 }), json!("//w"), json!("/wx"), json!("/w/a/"), json!("//"),
        ];
        let origins = ["user", "unknown", "tool:x", "tool:x#/3/id", "tool:x~named/0/id"]
            .map(|origin| [ArgumentOrigin::new("/a", origin)]);
        for argument in arguments {
            for origins in &origins {
                let arguments = json!({ "a": argument });
                if premises.iter().all(|premise| premise.met_by(&arguments, Origins(origins))) {
                    prop_assert!(conclusion.met_by(&arguments, Origins(origins)), "{arguments}");
                }
            }
        }
    }
}

#[test]
fn knows_what_follows() {
    let constraint = |operator, operand| Constraint::new("/a", operator, operand).unwrap();
    let follows = |premises: &[Constraint], operator, operand| {
        constraint(operator, operand).follows_from(premises)
    };
    let listed = [
        constraint(Operator::OneOf, json!([1, 5, 9])),
        constraint(Operator::AtMost, json!(5)),
    ];
    assert!(follows(&listed, Operator::OneOf, json!([1, 5])));
    assert!(!follows(&listed, Operator::OneOf, json!([1])));
    assert!(follows(
        &[constraint(Operator::Under, json!("/w/a"))],
        Operator::Under,
        json!("/w/")
    ));
    assert!(!follows(
        &[constraint(Operator::Under, json!("/w"))],
        Operator::Under,
        json!("/w/a")
    ));
    assert!(!follows(
        &[constraint(Operator::Under, json!("/wx"))],
        Operator::Under,
        json!("/w")
    ));
    assert!(follows(
        &[constraint(Operator::Under, json!("/w"))],
        Operator::Under,
        json!("/")
    ));
    assert!(!follows(&[], Operator::AtMost, json!(1)));
}

#[test]
fn the_arguments_as_a_whole_have_a_name_in_texts() {
    let whole = Constraint::new("", Operator::Equals, json!({ "a": 1 })).unwrap();
    assert_eq!(whole.to_string(), "(all arguments) equals {\"a\":1}");
    let one = Constraint::new("/a", Operator::Equals, json!(1)).unwrap();
    assert_eq!(
        (one.to_string().as_str(), one.argument()),
        ("/a equals 1", "/a")
    );
}

#[test]
fn an_absent_argument_meets_only_what_admits_its_absence() {
    let value = json!({ "op": "one-of", "value": ["a"] });
    let constraint = Constraint::written("/a", Operator::AbsentOr, value.clone()).unwrap();
    let met = |arguments: Value| constraint.met_by(&arguments, Origins::UNKNOWN);
    assert!(met(json!({})) && met(json!({ "b": 1 })) && met(json!({ "a": "a" })));
    for arguments in [
        json!({ "a": null }),
        json!({ "a": "b" }),
        json!({ "a": [] }),
    ] {
        assert!(!met(arguments.clone()), "{arguments}");
    }
    let plain = Constraint::written("/a", Operator::OneOf, json!(["a"])).unwrap();
    assert!(constraint.follows_from(std::slice::from_ref(&plain)));
    assert!(!plain.follows_from(std::slice::from_ref(&constraint)));
    assert_eq!(
        serde_json::to_value(&constraint).unwrap(),
        json!({ "path": "/a", "op": "absent-or", "value": value })
    );
}

#[test]
fn one_of_several_alternatives_suffices() {
    let either = |values: Value| Constraint::written("/a", Operator::AnyOf, values).unwrap();
    let constraint = either(json!([
        { "op": "one-of", "value": ["x.example"] },
        { "op": "origin-is", "value": ["tool:list#"] },
    ]));
    let from_list = [ArgumentOrigin::new("/a", "tool:list#/*/id")];
    assert!(constraint.met_by(&json!({ "a": "x.example" }), Origins::UNKNOWN));
    assert!(constraint.met_by(&json!({ "a": "y.example" }), Origins(&from_list)));
    assert!(!constraint.met_by(&json!({ "a": "y.example" }), Origins::UNKNOWN));
    assert!(!constraint.met_by(&json!({}), Origins(&from_list)));
    let wider = either(json!([
        { "op": "origin-is", "value": ["tool:*#"] },
        { "op": "prefix", "value": "x." },
    ]));
    assert!(wider.follows_from(std::slice::from_ref(&constraint)));
    assert!(!constraint.follows_from(std::slice::from_ref(&wider)));
}

#[test]
fn a_day_is_met_by_itself_and_by_its_times() {
    let constraint = Constraint::written("/a", Operator::OnDay, json!(["2024-02-29"])).unwrap();
    let met = |text: &str| constraint.met_by(&json!({ "a": text }), Origins::UNKNOWN);
    for text in [
        "2024-02-29",
        "2024-02-29T23:59",
        "2024-02-29 00:00:00",
        "2024-02-29T01:02:03.5Z",
    ] {
        assert!(met(text), "{text}");
    }
    for text in [
        "2024-03-01",
        "2024-02-29T24:00",
        "2024-02-29T01:02:03+14:00",
        "2024-02-29x",
        "29.02.2024",
        "",
        "2024-02-2\u{e9}",
    ] {
        assert!(!met(text), "{text}");
    }
    for day in [
        "2023-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-1-01",
        "2024-02-29T00:00",
    ] {
        assert!(
            Constraint::written("/a", Operator::OnDay, json!(day)).is_err(),
            "{day}"
        );
    }
}

#[test]
fn every_part_of_a_payload_needs_an_accepted_origin() {
    let constraint = Constraint::written("/a", Operator::PartsOriginIs, json!(["user"])).unwrap();
    let met = |value: Value, origins: &[ArgumentOrigin]| {
        constraint.met_by(&json!({ "a": value }), Origins(origins))
    };
    assert!(met(json!("a summary, 7.2% more"), &[]));
    assert!(!met(json!("see x.example"), &[]));
    assert!(!met(json!(["a", { "b": "see x.example" }]), &[]));
    assert!(!met(json!({ "x.example": 1 }), &[]) && !met(json!(12_345_678), &[]));
    let said = ArgumentOrigin::new("/a", "unknown");
    let part = ArgumentOrigin::new("/a", "user").of_part("x.example");
    assert!(met(json!("see x.example"), &[said.clone(), part.clone()]));
    assert!(!met(
        json!("see x.example, y.example"),
        &[said, part.clone()]
    ));
    let worse = ArgumentOrigin::new("/a", "tool:web~").of_part("x.example");
    assert!(!met(json!("see x.example"), &[part, worse]));
}
