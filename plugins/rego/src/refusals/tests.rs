use crate::Rego;
use portcullis_sdk::json;
use portcullis_sdk::testing::Plugin;

/// Returns the refusals of a policy, to which a package and a rule `allow` are added.
fn refused(policy: &str) -> Vec<String> {
    let policy = format!("package portcullis\ndefault allow := false\n{policy}");
    match Plugin::<Rego>::try_load(json!({ "policies": { "a.rego": policy } })) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .into_iter()
            .map(|error| {
                assert_eq!(error.path, "/policies/a.rego", "{}", error.message);
                error.message
            })
            .collect(),
    }
}

#[test]
fn a_walk_that_would_find_nothing_is_refused_wherever_it_is() {
    for policy in [
        r#"denials contains "x" if { [_, v] := walk(input.action.arguments); v == "secret" }"#,
        r#"denials contains "x" if { [_, v] = walk(input.action.arguments); v == "secret" }"#,
        r#"denials contains "x" if { [_, "secret"] = walk(input.action.arguments) }"#,
        r#"denials contains "x" if walk(input.action.arguments)[1] == "secret""#,
        r#"denials contains "x" if { some pair in walk(input.action.arguments); pair[1] == "x" }"#,
        r#"found := [v | [_, v] := walk(input.action.arguments)]"#,
        r#"found := {v: p | [p, v] := walk(input.action.arguments)}"#,
        r#"allow if every pair in walk(input.action.arguments) { pair[1] != "secret" }"#,
        r#"allow if not walk(input.action.arguments) == [["a"], "x"]"#,
        r#"found(x) := v if { [_, v] := walk(x) }"#,
        r#"allow if count(walk(input.action.arguments)) > 1"#,
        r#"found := true if { x := walk(input.action.arguments, [_, "a"]) }"#,
        r#"allow if { x := 1 } else if { [_, v] := walk(input); v == 2 }"#,
        r#"names(x) := object.keys(x)
               allow if names(input) with names as walk"#,
        r#"names(x) := object.keys(x)
               allow if walk(input, [_, 1]) with walk as names"#,
    ] {
        let messages = refused(policy);
        assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
        assert!(messages[0].contains("`walk`"), "{policy}: {messages:?}");
    }
}

#[test]
fn a_search_under_not_is_refused() {
    for policy in [
        r#"allow if not input.action.arguments.groups[_] == "banned""#,
        r#"allow if not input.context[_].banned"#,
        r#"allow if not startswith(input.action.arguments.paths[_], "/etc")"#,
        r#"allow if not "banned" in input.context.groups[_]"#,
        r#"allow if not input.context.groups[i] == "banned""#,
        r#"allow if { some i; not input.context.groups[i] == "banned" }"#,
        r#"allow if not {"a": input.context.groups[_]} == {"a": "b"}"#,
        r#"allow if { x := [1 | not input.context.groups[_] == "a"]; count(x) > 0 }"#,
        r#"allow if every x in input.context.names { not input.context.groups[_] == x }"#,
        r#"allow if false else if not input.context.groups[_] == "a""#,
        r#"is_free(x) if not x[_] == "banned""#,
        r#"allow if not input.context[["a", _]] == "a""#,
        r#"allow if not count(input.context.groups[_].members) > 1"#,
        r#"allow if { is_listed with input as data.requests[_] }
               is_listed if input.a"#,
    ] {
        let messages = refused(policy);
        assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
        assert!(
            messages[0].starts_with("a.rego:3:"),
            "{policy}: {messages:?}"
        );
    }
}

#[test]
fn a_part_of_a_path_is_computed_in_all_rules_or_in_none() {
    for policy in [
        "denials[kind] contains 1 if some kind in input.kinds\ndenials.hard contains 2",
        "denials.hard contains 2\ndenials[kind] contains 1 if some kind in input.kinds",
        "found[name].at := 1 if some name in input.names\nfound.a.by := 2",
        "found[name] := 1 if some name in input.names\ndefault found.a := 2",
        "found[name] := 1 if some name in input.names\nfound[\"a\"] := 2",
    ] {
        let messages = refused(policy);
        assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
        assert!(messages[0].contains("computes"), "{policy}: {messages:?}");
    }
}

#[test]
fn a_value_of_with_that_may_be_lost_is_refused() {
    for with in ["data.nope", "input.b", "f(1)", "[input.b]"] {
        let policy = format!(
            "f(x) := x\nq if not input.a\nallow if q with input.a as {with} with input.c as 1"
        );
        let messages = refused(&policy);
        assert_eq!(messages.len(), 1, "{with}: {messages:?}");
        assert!(messages[0].contains("`value := …`"), "{with}: {messages:?}");
    }
    let policy = "q if not input.a\nallow if { v := input.b; q with input.a as v with input.c as data.d }\nb if { q with input.a as [1] with input.c as 1 }";
    assert_eq!(refused(policy), [""; 0]);
}

#[test]
fn what_regorus_reads_of_its_own_builtins_only_is_written_otherwise() {
    let policy = r#"
            package portcullis
            allow if {
                glob.match("git.*", ["/"],
                    input.action.name, matches)
                matches == true
                net.cidr_contains("10.0.0.0/8", "10.0.0.1", true); net.cidr_intersects( "10.0.0.0/8", "11.0.0.0/8", false )
            }
        "#;
    let plugin = Plugin::<Rego>::load(json!({ "policies": policy }));
    let verdict = plugin.evaluate(portcullis_sdk::testing::request("git.push"));
    assert_eq!(
        verdict.effect(),
        portcullis_sdk::Effect::Permit,
        "{verdict:?}"
    );
    let messages = refused("allow if not glob.match(`a`, [], `a`, true)");
    assert!(messages[0].contains("takes 3 arguments"), "{messages:?}");
    assert!(refused("allow if count()")[0].contains("takes 1 arguments"));
}

#[test]
fn with_replaces_only_what_regorus_can_replace() {
    for with in ["glob.match as f", "f as glob.match"] {
        let messages = refused(&format!(
            "f(_, _, _) := true\nallow if f(1, 2, 3) with {with}"
        ));
        assert_eq!(messages.len(), 1, "{with}: {messages:?}");
        assert!(messages[0].contains("`glob.match`"), "{with}: {messages:?}");
    }
}

#[test]
fn a_function_that_is_not_there_is_refused_by_name_with_what_to_write() {
    for (call, instead) in [
        ("time.now_ns() > 0", "`input.now`"),
        (
            r#"http.send({"method": "get", "url": "http://x"})"#,
            "no network",
        ),
        (r#"rand.intn("x", 2) >= 0"#, "no randomness"),
        ("opa.runtime()", "`data`"),
        (r#"re_match("a", "b")"#, "`regex.match`"),
        (r#"io.jwt.decode(input.context.token)"#, "the host verifies"),
        ("not yaml.is_valid(input.context.text)", "README"),
        (
            "count([x | x := glob.mach(input.a, [], input.b)]) == 0",
            "README",
        ),
        ("is_allowed(input)", "README"),
        ("data.lib.teams.of(input)", "README"),
        ("every x in input.xs { lib.f(x) }", "README"),
    ] {
        let messages = refused(&format!("allow if {{ {call} }}"));
        assert_eq!(messages.len(), 1, "{call}: {messages:?}");
        assert!(messages[0].starts_with("a.rego:3:"), "{call}: {messages:?}");
        assert!(messages[0].contains(instead), "{call}: {messages:?}");
    }
}

#[test]
fn a_pattern_that_re2_would_not_take_is_refused_where_it_stands() {
    for policy in [
        "allow if regex.match(`a**`, input.action.name)",
        r#"allow if regex.match("(?=a)", input.action.name)"#,
        r"allow if regex.replace(input.action.name, `\p{Greek}`, ``) == `a`",
        r"allow if regex.is_valid(`\p{Greek}`)",
        "allow if count(regex.split(`[z-a]`, input.action.name)) > 1",
    ] {
        let messages = refused(policy);
        assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
        assert!(
            messages[0].starts_with("a.rego:3:"),
            "{policy}: {messages:?}"
        );
        assert!(messages[0].contains("pattern"), "{policy}: {messages:?}");
    }
}

#[test]
fn what_is_there_is_called() {
    for policy in [
        r#"denials contains "x" if { walk(input.action.arguments, [_, v]); v == "secret" }"#,
        r#"found := [v | walk(input.action.arguments, [_, v])]"#,
        r#"denials contains "x" if { some x; walk(input.action.arguments, [["a", x], _]) }"#,
        "f(x) := x + 1\nallow if f(1) == 2",
        "default f(_) := 1\nallow if f(1) == 1",
        "f(x) := x + 1\nallow if data.portcullis.f(1) == 2",
        "lib.f(x) := x + 1\nallow if lib.f(1) == 2",
        r#"allow if { print("x"); regex.match(`^\w+$`, input.action.name) }"#,
        r#"allow if regex.is_valid("(")"#,
        r#"allow if glob.match("a.*", [], input.action.name)"#,
        r#"allow if count(input.action.arguments, 1)"#,
        r#"allow if { some i; input.xs[i] == 1; not input.ys[i] == 2 }"#,
        r#"allow if { input.xs[i]; not input.ys[i] == 2 }"#,
        r#"allow if every i, x in input.xs { not input.ys[i] == x }"#,
        r#"f(i) if not input.xs[i] == 1"#,
        r#"k := 1
               allow if not input.xs[k] == 1"#,
        r#"allow if not input.xs["k"] == 1"#,
        r#"allow if not count([x | x := input.xs[_]]) > 1"#,
        r#"allow if { some x in input.xs; not x in {"a", "b"} }"#,
        r#"found[x] := 1 if some x in input.xs
               other.a := 2"#,
        r#"found[x] contains 1 if some x in input.xs
               found[y] contains 2 if some y in input.ys"#,
        r#"found.a contains 1
               found.b contains 2"#,
    ] {
        assert_eq!(refused(policy), [""; 0], "{policy}");
    }
    let files = json!({ "policies": {
        "lib.rego": "package lib.teams\nof(x) := x",
        "allow.rego": "package portcullis\nimport data.lib.teams\nimport data.lib.teams as t\nallow if teams.of(1) == t.of(1)",
    } });
    assert!(Plugin::<Rego>::try_load(files).is_ok());
}
