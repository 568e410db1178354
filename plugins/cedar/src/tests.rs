use super::*;
use portcullis_sdk::testing::{Plugin, RequestBuilder, request};
use portcullis_sdk::{
    ActionClass, Attestation, Attribute, Effect, PrincipalKind, Timestamp, Value, fields, json,
};

const FIXER: &str = "spiffe://acme.example/agent/fixer";

fn plugin(policies: &str) -> Plugin<Cedar> {
    Plugin::load(json!({ "policies": policies, "types": types() }))
}

/// The setting `types` for the principals and resources of `push`.
fn types() -> Json {
    json!({
        "principal": { "agent": "Agent", "service": "Service" },
        "resource": { "repository": "Repository", "agent": "Agent" },
    })
}

/// Loads the plugin with these policies and settings.
fn with(policies: &str, settings: Json) -> Plugin<Cedar> {
    let mut whole = settings;
    whole["policies"] = json!(policies);
    Plugin::load(whole)
}

/// A request with types of an organisation's own.
fn view(subject: &str, id: &str, resource: &str) -> RequestBuilder {
    request("view")
        .principal(id, PrincipalKind::Unspecified)
        .principal_type(subject)
        .resource(resource, "vacation.jpg")
}

/// An agent's push to a repository.
fn push() -> RequestBuilder {
    request("git.push")
        .principal(FIXER, PrincipalKind::Agent)
        .resource("repository", "acme/billing")
        .arguments(json!({ "branch": "fix", "files": ["a", "b"], "size": { "bytes": 10 } }))
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.reasons().iter().map(|r| r.code.as_str()).collect()
}

#[test]
fn every_part_of_a_request_finds_its_place() {
    let holds = |condition: &str| {
        let plugin = plugin(&format!(
            "permit (principal, action, resource) when {{ {condition} }};"
        ));
        let request = push()
            .now(Timestamp::from_millis(1_795_000_000_000))
            .context("ticket", Value::Text("T-1".to_owned()))
            .with(|request| {
                request.integration = "github".into();
                request.principal.owner = "team@acme.example".into();
                request.principal.environment = "prod".into();
                request.principal.attestation = Attestation::JwtSvid;
                request.principal.attributes = vec![Attribute {
                    name: "level".to_owned(),
                    value: Value::Integer(3),
                }];
                request.action.class = ActionClass::Write;
                request.resource.environment = "prod".into();
                request.resource.attributes = vec![Attribute {
                    name: "labels".to_owned(),
                    value: Value::Texts(vec!["public".to_owned()]),
                }];
                request.intent = Some(fields::Intent {
                    id: "int-1".into(),
                    ..fields::Intent::default()
                });
            });
        let verdict = plugin.evaluate(request);
        assert_eq!(
            codes(&verdict),
            ["permitted-by"],
            "{condition}: {verdict:?}"
        );
    };
    for condition in [
        r#"principal == Agent::"spiffe://acme.example/agent/fixer""#,
        r#"principal is Agent && resource is Repository"#,
        r#"principal.owner == "team@acme.example" && !(principal has purpose)"#,
        r#"principal.environment == resource.environment"#,
        r#"principal.attestation == "jwt-svid" && context.attestation == "jwt-svid""#,
        r#"principal.level == 3 && resource.labels == ["public"]"#,
        r#"action == Action::"git.push" && context.class == "write""#,
        r#"resource == Repository::"acme/billing""#,
        r#"context.integration == "github" && context.ticket == "T-1""#,
        r#"context.arguments == {branch: "fix", files: ["b", "a"], size: {bytes: 10}}"#,
        r#"context.intent == {id: "int-1", purpose: "", approvedBy: ""}"#,
        r#"context.now == 1795000000000"#,
    ] {
        holds(condition);
    }
}

#[test]
fn forbids_override_permits_and_each_is_named() {
    let plugin = plugin(
        r#"
            permit (principal, action, resource);
            @id("no-agents") forbid (principal is Agent, action, resource);
            forbid (principal, action, resource) when { context.arguments.branch == "fix" };
            "#,
    );
    let verdict = plugin.evaluate(push());
    assert_eq!(codes(&verdict), ["forbidden-by", "forbidden-by"]);
    assert_eq!(
        verdict.reasons()[0].message,
        "policy `policy1` (`no-agents`) forbids it"
    );
    assert_eq!(verdict.reasons()[1].message, "policy `policy2` forbids it");
    let service = push().principal(FIXER, PrincipalKind::Service);
    let other = plugin.evaluate(service.arguments(json!({ "branch": "main" })));
    assert_eq!(codes(&other), ["permitted-by"]);
}

#[test]
fn without_a_policy_that_permits_it_is_a_deny() {
    let plugin = plugin(r#"permit (principal, action == Action::"read", resource);"#);
    assert_eq!(codes(&plugin.evaluate(push())), ["no-policy-permits"]);
}

#[test]
fn a_policy_that_errs_decides_nothing_and_neither_do_the_others() {
    let policies = r#"
            permit (principal, action, resource);
            forbid (principal, action, resource) when { principal.risk == "high" };
        "#;
    let strict = plugin(policies).evaluate(push());
    assert_eq!(strict.effect(), Effect::Indeterminate);
    assert_eq!(codes(&strict), ["policy-error"]);
    let message = &strict.reasons()[0].message;
    assert!(message.starts_with("policy `policy1` erred: "), "{message}");

    let skipping =
        Plugin::<Cedar>::load(json!({ "policies": policies, "errors": "skip", "types": types() }));
    let verdict = skipping.evaluate(push());
    assert_eq!(verdict.effect(), Effect::Permit);
    assert_eq!(codes(&verdict), ["permitted-by", "policy-error"]);
}

#[test]
fn a_forbid_is_named_where_another_policy_errs() {
    let plugin = plugin(
        r#"
            forbid (principal, action, resource);
            permit (principal, action, resource) when { principal.risk == "low" };
            "#,
    );
    let verdict = plugin.evaluate(push());
    assert_eq!(codes(&verdict), ["policy-error", "forbidden-by"]);
}

#[test]
fn the_operators_word_on_an_entity_wins() {
    let plugin = Plugin::<Cedar>::load(json!({
        "policies": r#"permit (principal in Team::"payments", action, resource) when { principal.level == 1 };"#,
        "types": types(),
        "entities": [
            { "uid": { "type": "Agent", "id": FIXER }, "attrs": { "level": 1 },
              "parents": [{ "type": "Team", "id": "payments" }] },
            { "uid": { "type": "Team", "id": "payments" }, "attrs": {}, "parents": [] },
        ],
    }));
    let claiming = |level| {
        push().with(move |request| {
            request.principal.attributes = vec![Attribute {
                name: "level".to_owned(),
                value: Value::Integer(level),
            }];
        })
    };
    assert_eq!(codes(&plugin.evaluate(claiming(9))), ["permitted-by"]);
    let stranger = claiming(1).principal("spiffe://acme.example/agent/x", PrincipalKind::Agent);
    assert_eq!(codes(&plugin.evaluate(stranger)), ["no-policy-permits"]);
}

#[test]
fn a_principal_that_acts_on_itself_is_what_the_host_vouches_for() {
    let plugin = plugin(
        "permit (principal, action, resource) when { principal == resource && resource has attestation };",
    );
    let verdict = plugin.evaluate(push().resource("agent", FIXER));
    assert_eq!(codes(&verdict), ["permitted-by"]);
}

#[test]
fn what_cedar_has_no_type_for_is_named() {
    let plugin = plugin("permit (principal, action, resource);");
    let refused = |request| {
        let verdict = plugin.evaluate(request);
        assert_eq!(verdict.effect(), Effect::Indeterminate);
        let reason = &verdict.reasons()[0];
        (reason.code.clone(), reason.fields[0].clone())
    };
    let code = |code: &str, field: &str| (code.to_owned(), field.to_owned());
    assert_eq!(
        refused(push().arguments(json!({ "a": [0.5] }))),
        code("not-representable", "/action/arguments/a/0")
    );
    assert_eq!(
        refused(push().context("risk/now", Value::Json("null".to_owned()))),
        code("not-representable", "/context/risk~1now")
    );
    assert_eq!(
        refused(push().context("class", Value::Text("read".to_owned()))),
        code("name-taken", "/context/class")
    );
    assert_eq!(
        refused(push().resource("a path", "/etc")),
        code("type-unusable", "/resource/kind")
    );
}

#[test]
fn types_are_in_the_namespace_that_the_operator_names() {
    let plugin = Plugin::<Cedar>::load(json!({
        "policies": r#"permit (principal is Acme::Agent, action == Acme::Action::"git.push", resource is Acme::Repository);"#,
        "namespace": "Acme",
        "types": { "principal": { "agent": "Acme::Agent" }, "resource": { "repository": "Acme::Repository" } },
    }));
    assert_eq!(codes(&plugin.evaluate(push())), ["permitted-by"]);
}

#[test]
fn a_host_reads_every_reason_of_many_policies() {
    let policies = "permit (principal, action, resource);\n".repeat(100)
        + &"permit (principal, action, resource) when { principal.risk == 1 };\n".repeat(100);
    let plugin =
        Plugin::<Cedar>::load(json!({ "policies": policies, "errors": "skip", "types": types() }));
    let verdict = plugin.evaluate(push());
    assert_eq!(verdict.reasons().len(), 64);
    assert_eq!(verdict.reasons()[31].message, "and 69 more");
}

#[test]
fn extensions_are_at_hand() {
    let plugin = plugin(
        r#"permit (principal, action, resource) when {
                ip(context.address).isInRange(ip("10.0.0.0/8"))
                && decimal(context.price).lessThan(decimal("10.0"))
                && datetime("1970-01-01").offset(duration("1d")) > datetime("1970-01-01")
            };"#,
    );
    let asked = push()
        .context("address", Value::Text("10.1.2.3".to_owned()))
        .context("price", Value::Text("9.99".to_owned()));
    assert_eq!(codes(&plugin.evaluate(asked)), ["permitted-by"]);
}

#[test]
fn an_organisations_own_types_work_as_sent() {
    let policies = r#"
            permit (principal, action, resource);
            forbid (principal == User::"mallory", action, resource);
        "#;
    let schema = "entity User, Photo; action view appliesTo { principal: User, resource: Photo };";
    for settings in [json!({ "schema": schema }), json!({})] {
        let plugin = with(policies, settings);
        let of = |subject: &str, id: &str| {
            let verdict = plugin.evaluate(view(subject, id, "Photo"));
            (verdict.effect(), codes(&verdict)[0].to_owned())
        };
        let said = |effect, code: &str| (effect, code.to_owned());
        assert_eq!(of("User", "mallory"), said(Effect::Deny, "forbidden-by"));
        assert_eq!(of("User", "alice"), said(Effect::Permit, "permitted-by"));
        // None of these is `User`, but each could have been meant as `User`.
        for close in ["user", "USER", "Acme::User", "us_er"] {
            assert_eq!(of(close, "mallory").0, Effect::Indeterminate, "{close}");
        }
        assert_eq!(
            of("us-er", "mallory"),
            said(Effect::Indeterminate, "type-unusable")
        );
    }
}

#[test]
fn a_kind_that_the_policies_name_in_their_own_way_is_not_overlooked() {
    let plugin = with(
        r#"permit (principal, action, resource); forbid (principal is Human, action, resource);"#,
        json!({}),
    );
    let user = view("user", "mallory", "Photo")
        .with(|request| request.principal.kind = PrincipalKind::Human);
    let verdict = plugin.evaluate(user);
    assert_eq!(codes(&verdict), ["type-unmatched"]);
    assert!(
        verdict.reasons()[0].message.contains("`Human`"),
        "{verdict:?}"
    );
    assert_eq!(
        codes(&plugin.evaluate(view("Robot", "x", "Photo"))),
        ["permitted-by"]
    );
}

#[test]
fn settings_say_what_a_sent_type_is() {
    let policies = r#"
            permit (principal, action, resource);
            forbid (principal == Acme::User::"mallory", action, resource is Acme::Media::Photo);
        "#;
    let plugin = with(
        policies,
        json!({ "types": {
            "principal": { "user": "Acme::User", "human": "Acme::User" },
            "resource": { "image/jpeg": "Acme::Media::Photo" },
        } }),
    );
    for sent in ["user", "human", "Acme::User"] {
        let verdict = plugin.evaluate(view(sent, "mallory", "image/jpeg"));
        assert_eq!(codes(&verdict), ["forbidden-by"], "{sent}");
        let verdict = plugin.evaluate(view(sent, "alice", "image/jpeg"));
        assert_eq!(codes(&verdict), ["permitted-by"], "{sent}");
    }
}

#[test]
fn entities_and_extension_values_are_read_as_cedar_writes_them() {
    let plugin = with(
        r#"permit (principal, action, resource) when {
                context.owner == principal && context.network.isInRange(ip("10.0.0.0/8"))
                && context.nested.prices.contains(decimal("9.99"))
                && context.since < datetime("2027-01-01") && context.within <= duration("1h")
                && resource.owner in Team::"payments"
            };"#,
        json!({ "entities": [
            { "uid": { "type": "User", "id": "alice" }, "attrs": {}, "parents": [{ "type": "Team", "id": "payments" }] },
        ] }),
    );
    let extn = |name: &str, arg: &str| {
        Value::Json(json!({ "__extn": { "fn": name, "arg": arg } }).to_string())
    };
    let alice =
        || Value::Json(json!({ "__entity": { "type": "User", "id": "alice" } }).to_string());
    let nested = json!({ "prices": [{ "__extn": { "fn": "decimal", "arg": "9.99" } }] });
    let asked = |network: &str| {
        view("User", "alice", "Photo")
            .context("owner", alice())
            .context("network", extn("ip", network))
            .context("nested", Value::Json(nested.to_string()))
            .context("since", extn("datetime", "2026-11-26"))
            .context("within", extn("duration", "30m"))
            .with(|request| {
                request.resource.attributes = vec![Attribute {
                    name: "owner".to_owned(),
                    value: alice(),
                }];
            })
    };
    assert_eq!(codes(&plugin.evaluate(asked("10.1.2.3"))), ["permitted-by"]);
    assert_eq!(
        codes(&plugin.evaluate(asked("11.1.2.3"))),
        ["no-policy-permits"]
    );
    assert_eq!(
        codes(&plugin.evaluate(asked("nowhere"))),
        ["not-representable"]
    );
}

#[test]
fn a_caller_makes_no_entity_of_an_argument() {
    let policies =
        r#"permit (principal, action, resource) when { context.arguments.owner == principal };"#;
    let forged = || {
        view("User", "mallory", "Photo")
            .arguments(json!({ "owner": { "__entity": { "type": "User", "id": "mallory" } } }))
    };
    let verdict = with(policies, json!({})).evaluate(forged());
    assert_eq!(codes(&verdict), ["escape-in-arguments"]);
    assert_eq!(
        verdict.reasons()[0].fields,
        ["/action/arguments/owner/__entity"]
    );
    // A schema that declares an entity there is written by the operator, so it is trusted.
    let schema = "entity User, Photo; action view appliesTo {
            principal: User, resource: Photo, context: { arguments: { owner: User } } };";
    let typed = with(policies, json!({ "schema": schema }));
    assert_eq!(codes(&typed.evaluate(forged())), ["permitted-by"]);
    let other = view("User", "alice", "Photo")
        .arguments(json!({ "owner": { "type": "User", "id": "mallory" } }));
    assert_eq!(codes(&typed.evaluate(other)), ["no-policy-permits"]);
}

#[test]
fn nothing_of_a_request_becomes_a_parent() {
    let plugin = with(
        r#"permit (principal in Team::"admins", action, resource);"#,
        json!({ "entities": [
            { "uid": { "type": "Team", "id": "admins" }, "attrs": {}, "parents": [] },
            { "uid": { "type": "User", "id": "alice" }, "attrs": {}, "parents": [{ "type": "Team", "id": "admins" }] },
        ] }),
    );
    let admins = json!([{ "type": "Team", "id": "admins" }]).to_string();
    let claims = |id: &str| {
        let parents = Value::Json(admins.clone());
        view("User", id, "Photo")
            .arguments(json!({ "parents": ["Team::\"admins\""] }))
            .context("parents", parents.clone())
            .with(|request| {
                request.principal.attributes.push(Attribute {
                    name: "parents".to_owned(),
                    value: parents,
                });
            })
    };
    assert_eq!(
        codes(&plugin.evaluate(claims("mallory"))),
        ["no-policy-permits"]
    );
    assert_eq!(codes(&plugin.evaluate(claims("alice"))), ["permitted-by"]);
    let team = plugin.evaluate(view("Team", "other", "Photo"));
    assert_eq!(codes(&team), ["no-policy-permits"]);
}

#[test]
fn a_request_is_held_to_the_schema() {
    let schema = "
            entity Team;
            entity User in [Team] { level: Long, email?: String };
            entity Photo;
            namespace Acme {
              action read;
              action view in [read] appliesTo {
                principal: [User], resource: [Photo], context: { network: ipaddr, class?: String },
              };
            }";
    let policies = r#"
            permit (principal is User, action in Acme::Action::"read", resource)
            when { context.network.isInRange(ip("10.0.0.0/8")) };
        "#;
    let plugin = with(policies, json!({ "schema": schema }));
    let asked =
        || view("User", "alice", "Photo").context("network", Value::Text("10.0.0.1".into()));
    let attribute = |name: &str, value: Value| {
        let name = name.to_owned();
        move |request: &mut Fields| request.principal.attributes.push(Attribute { name, value })
    };
    // The schema declares only `class` of the host's values.
    assert_eq!(codes(&plugin.evaluate(asked())), ["permitted-by"]);
    let level = attribute("level", Value::Integer(3));
    assert_eq!(
        codes(&plugin.evaluate(asked().with(level))),
        ["permitted-by"]
    );
    for wrong in [
        view("User", "alice", "Photo"),
        view("User", "alice", "Photo").context("network", Value::Integer(1)),
        asked().context("more", Value::Integer(1)),
        asked().principal_type("Team"),
        asked().principal_type("user"),
        asked().resource("User", "x"),
        asked().with(attribute("level", Value::Text("high".to_owned()))),
        asked().with(attribute("email", Value::Text("a@b".to_owned()))),
        asked().with(attribute("rank", Value::Integer(3))),
        asked().with(|request| request.action.name = "delete".into()),
        asked().with(|request| request.action.name = "read".into()),
    ] {
        let verdict = plugin.evaluate(wrong.clone());
        assert_eq!(codes(&verdict), ["not-in-schema"], "{wrong:?}");
        assert_eq!(verdict.effect(), Effect::Indeterminate);
    }
    let loose = with(
        policies,
        json!({ "schema": schema, "validate-requests": false }),
    );
    let stranger = asked().principal_type("Team");
    assert_eq!(codes(&loose.evaluate(stranger)), ["no-policy-permits"]);
}

#[test]
fn the_host_adds_to_the_context_what_the_settings_let_it() {
    let policies =
        "permit (principal, action, resource) when { context == {class: \"mine\", now: 1} };";
    let asked = || {
        view("User", "alice", "Photo")
            .now(Timestamp::from_millis(7))
            .context("class", Value::Text("mine".to_owned()))
            .context("now", Value::Integer(1))
    };
    let plugin = with(policies, json!({ "host-context": [] }));
    assert_eq!(codes(&plugin.evaluate(asked())), ["permitted-by"]);
    let plugin = with(policies, json!({ "host-context": ["now"] }));
    assert_eq!(codes(&plugin.evaluate(asked())), ["name-taken"]);
}

#[test]
fn an_action_that_no_request_can_name_has_a_name_in_the_settings() {
    let plugin = with(
        r#"
            permit (principal, action, resource);
            forbid (principal, action == Acme::Action::"view photo", resource);
            "#,
        json!({ "actions": { "view": "Acme::Action::\"view photo\"" } }),
    );
    assert_eq!(
        codes(&plugin.evaluate(view("User", "a", "Photo"))),
        ["forbidden-by"]
    );
    let edit = view("User", "a", "Photo").with(|request| request.action.name = "edit".into());
    assert_eq!(codes(&plugin.evaluate(edit)), ["permitted-by"]);
}

#[test]
fn policies_made_of_templates_decide() {
    let policies = r#"
            @id("may-view") permit (principal == ?principal, action, resource in ?resource);
        "#;
    let entities = json!([
        { "uid": { "type": "Photo", "id": "vacation.jpg" }, "attrs": {}, "parents": [{ "type": "Album", "id": "trip" }] },
    ]);
    for template in ["policy0", "may-view"] {
        let plugin = with(
            policies,
            json!({ "entities": entities, "links": [{
                "template": template, "id": "alice-views-trip",
                "principal": "User::\"alice\"", "resource": { "type": "Album", "id": "trip" },
            }] }),
        );
        let verdict = plugin.evaluate(view("User", "alice", "Photo"));
        assert_eq!(
            verdict.reasons()[0].message,
            "policy `alice-views-trip` (`may-view`) permits it"
        );
        assert_eq!(
            codes(&plugin.evaluate(view("User", "bob", "Photo"))),
            ["no-policy-permits"]
        );
    }
}

#[test]
fn policies_may_be_in_cedars_json() {
    let text = r#"permit (principal == User::"alice", action, resource);"#;
    let policies = PolicySet::from_str(text).unwrap().to_json().unwrap();
    let plugin = Plugin::<Cedar>::load(json!({ "policies": policies }));
    let verdict = plugin.evaluate(view("User", "alice", "Photo"));
    assert_eq!(verdict.reasons()[0].message, "policy `policy0` permits it");
}

#[test]
fn a_long_message_is_cut() {
    assert_eq!(cut("é".repeat(500)), "é".repeat(500));
    assert_eq!(cut("é".repeat(501)), format!("{}…", "é".repeat(500)));
}
