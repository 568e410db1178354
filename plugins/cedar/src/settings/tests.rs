use super::*;
use crate::Cedar;
use portcullis_sdk::json;
use portcullis_sdk::testing::Plugin;

const SCHEMA: &str = "
entity Team;
entity Agent in [Team] { owner: String };
entity Repository;
action push appliesTo { principal: Agent, resource: Repository, context: { class: String } };";

const PERMIT: &str = "permit (principal, action, resource);";

fn refused(settings: Json) -> Vec<(String, String)> {
    let errors = Plugin::<Cedar>::try_load(settings).unwrap_err();
    errors.into_iter().map(|e| (e.path, e.message)).collect()
}

#[test]
fn names_line_and_column_of_what_does_not_parse() {
    let wrong =
        refused(json!({ "policies": "permit (principal, action, resource);\npermit (principal)" }));
    assert_eq!(wrong[0].0, "/policies");
    assert!(wrong[0].1.starts_with("line 2, column "), "{wrong:?}");
    assert!(!wrong[0].1.contains('\n'), "{wrong:?}");
}

#[test]
fn a_text_without_policies_and_a_template_are_refused() {
    for policies in [
        "",
        "// nothing",
        "permit (principal == ?principal, action, resource);",
    ] {
        let wrong = refused(json!({ "policies": policies }));
        assert_eq!(wrong[0].0, "/policies", "{policies}");
    }
}

#[test]
fn every_setting_is_judged_at_once() {
    let wrong = refused(json!({
        "policies": "permit",
        "schema": 7,
        "namespace": "a b",
    }));
    let mut paths: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
    paths.dedup();
    assert_eq!(paths, ["/policies", "/namespace", "/schema"]);
    let entities = refused(json!({
        "policies": "permit (principal, action, resource);",
        "entities": { "uid": { "type": "Team", "id": "x" } },
    }));
    assert_eq!(entities[0].0, "/entities");
    let unknown =
        refused(json!({ "policies": "permit (principal, action, resource);", "polices": "" }));
    assert_eq!(unknown[0].0, "/polices");
    let mode =
        refused(json!({ "policies": "permit (principal, action, resource);", "errors": "ignore" }));
    assert_eq!(mode[0].0, "/errors");
}

#[test]
fn policies_and_entities_keep_to_the_schema() {
    let good = json!({
        "policies": "permit (principal in Team::\"a\", action == Action::\"push\", resource) when { principal.owner == \"x\" };",
        "schema": SCHEMA,
        "entities": [{ "uid": { "type": "Team", "id": "a" }, "attrs": {}, "parents": [] }],
    });
    assert!(Plugin::<Cedar>::try_load(good.clone()).is_ok());

    let mut untyped = good.clone();
    untyped["policies"] =
        json!("\npermit (principal, action, resource) when { principal.owner > 3 };");
    let wrong = refused(untyped);
    assert_eq!(wrong[0].0, "/policies");
    assert!(wrong[0].1.starts_with("line 2, column "), "{wrong:?}");

    let mut untyped = good.clone();
    untyped["entities"] =
        json!([{ "uid": { "type": "Agent", "id": "a" }, "attrs": { "owner": 1 }, "parents": [] }]);
    assert_eq!(refused(untyped)[0].0, "/entities");

    let mut broken = good;
    broken["schema"] = json!("entity;");
    let wrong = refused(broken);
    assert_eq!(wrong[0].0, "/schema");
    assert!(wrong[0].1.starts_with("line 1, column "), "{wrong:?}");
}

/// Returns the message of the only error at `/policies`.
fn refused_policy(policy: &str, settings: Json) -> String {
    let mut whole = settings;
    whole["policies"] = json!(format!("{PERMIT}\n{policy}"));
    let wrong = refused(whole.clone());
    assert_eq!(wrong.len(), 1, "{policy}: {wrong:?}");
    assert!(wrong[0].0.starts_with("/policies"), "{policy}: {wrong:?}");
    assert!(!wrong[0].1.contains('\n'), "{wrong:?}");
    whole["validate-policies"] = json!(false);
    assert!(Plugin::<Cedar>::try_load(whole).is_ok(), "{policy}");
    wrong[0].1.clone()
}

#[test]
fn a_policy_that_no_request_can_meet_is_refused() {
    for (policy, settings, says) in [
        (
            r#"forbid (principal == User::"mallory", action, resource);"#,
            json!({ "namespace": "Acme" }),
            "`User`",
        ),
        (
            r#"forbid (principal, action, resource) when { resource is User };"#,
            json!({ "types": { "resource": { "User": "Acme::User" } } }),
            "`User`",
        ),
        (
            r#"forbid (principal, action, resource) unless { principal != User::"a" };"#,
            json!({ "namespace": "Acme" }),
            "`User`",
        ),
        (
            r#"forbid (principal, action, resource) when { [User::"a"].contains(principal) };"#,
            json!({ "namespace": "Acme" }),
            "`User`",
        ),
        (
            r#"forbid (principal, action == Acme::Action::"push", resource);"#,
            json!({}),
            "`types.action`",
        ),
        (
            r#"forbid (principal, action in [Action::"push", Ops::Action::"pull"], resource);"#,
            json!({}),
            "Ops::Action",
        ),
        (
            r#"forbid (principal, action, resource) when { action == Action::"view photo" };"#,
            json!({}),
            r#"`"view-photo" = 'Action::"view photo"'`"#,
        ),
        (
            r#"forbid (principal in Team::"blocked", action, resource);"#,
            json!({}),
            "`entities`",
        ),
        (
            r#"forbid (principal, action, resource) when { resource in [Album::"a"] };"#,
            json!({}),
            "`entities`",
        ),
        (
            r#"forbid (principal == User::"Alice Smith", action, resource);"#,
            json!({}),
            "white space",
        ),
        (
            r#"forbid (principal == User::"mal\u{202e}lory", action, resource);"#,
            json!({}),
            "U+202E",
        ),
        (
            "forbid (principal, action, resource) when { context.owner == \"mal\u{202e}lory\" };",
            json!({}),
            "take it out",
        ),
    ] {
        let message = refused_policy(policy, settings);
        assert!(message.contains(says), "{policy}: {message}");
    }
}

#[test]
fn what_requests_can_meet_is_loaded() {
    let entities = json!([
        { "uid": { "type": "User", "id": "a" }, "attrs": {}, "parents": [{ "type": "Team", "id": "blocked" }] },
        { "uid": { "type": "Action", "id": "push" }, "attrs": {}, "parents": [{ "type": "Action", "id": "all writes" }] },
    ]);
    for policy in [
        r#"forbid (principal in Team::"blocked", action, resource);"#,
        r#"forbid (principal, action in Action::"all writes", resource);"#,
        r#"forbid (principal is Acme::Team::User, action == Action::"push", resource is Photo);"#,
        r#"forbid (principal, action, resource == Photo::"summer 2026.jpg");"#,
        r#"forbid (principal, action, resource) when { context.owner == User::"Alice Smith" };"#,
    ] {
        let settings = json!({ "policies": format!("{PERMIT}{policy}"), "entities": entities });
        assert!(Plugin::<Cedar>::try_load(settings).is_ok(), "{policy}");
    }
}

#[test]
fn a_policy_that_can_never_match_is_refused_with_its_schema() {
    let schema = "
            entity Team; entity User in [Team]; entity Robot, Photo;
            action view appliesTo { principal: User, resource: Photo };
            action group;";
    for policy in [
        r#"forbid (principal == Robot::"r2", action, resource);"#,
        r#"forbid (principal is User, action, resource) when { principal is Robot };"#,
        r#"forbid (principal == Human::"mallory", action, resource);"#,
        r#"forbid (principal, action == Action::"edit", resource);"#,
        r#"forbid (principal in Team::"blocked", action, resource);"#,
    ] {
        let message = refused_policy(policy, json!({ "schema": schema }));
        assert!(
            message.starts_with("line 2") || message.contains("`entities`"),
            "{message}"
        );
    }
    let wrong = refused(json!({
        "policies": PERMIT, "schema": schema,
        "types": { "principal": { "human": "user" } },
        "actions": { "see": "Action::\"see\"" },
    }));
    assert_eq!(wrong[0].0, "/types/principal/human");
    assert!(wrong[0].1.contains("`User` is close"), "{wrong:?}");
    assert_eq!(wrong[1].0, "/actions/see");
}

#[test]
fn policies_that_permit_nothing_are_refused() {
    let forbid = "forbid (principal, action, resource);";
    let wrong = refused(json!({ "policies": forbid }));
    assert!(wrong[0].1.starts_with("there is no `permit`"), "{wrong:?}");
    for policies in [
        "",
        forbid,
        "permit (principal == ?principal, action, resource);",
    ] {
        let settings = json!({ "policies": policies, "validate-policies": false });
        assert!(Plugin::<Cedar>::try_load(settings).is_ok(), "{policies}");
    }
}

#[test]
fn a_link_names_what_there_is() {
    let policies = "permit (principal == ?principal, action, resource);";
    for (link, path) in [
        (
            json!({ "template": "other", "id": "x" }),
            "/links/0/template",
        ),
        (json!({ "template": "policy0", "id": "x" }), "/links/0"),
        (
            json!({ "template": "policy0", "id": "x", "principal": "alice" }),
            "/links/0/principal",
        ),
        (
            json!({ "template": "policy0", "id": "x", "principal": "User::\"a\"", "resource": "User::\"a\"" }),
            "/links/0",
        ),
    ] {
        let wrong = refused(json!({ "policies": policies, "links": [link] }));
        assert_eq!(wrong[0].0, path, "{wrong:?}");
    }
}

#[test]
fn names_of_types_and_actions_are_cedars() {
    let wrong = refused(json!({
        "policies": PERMIT,
        "types": { "principal": { "user": "us-er" }, "resource": { "a/b": "" }, "action": "a b" },
        "actions": { "view": "view photo" },
        "host-context": ["time"],
    }));
    let paths: Vec<_> = wrong.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/types/principal/user",
            "/types/resource/a~1b",
            "/types/action",
            "/actions/view",
            "/host-context/0"
        ]
    );
    let unknown = refused(json!({ "policies": PERMIT, "types": { "subject": {} } }));
    assert_eq!(unknown[0].0, "/types/subject");
}

#[test]
fn a_schema_may_be_an_object() {
    let settings = json!({
        "policies": "permit (principal, action, resource);",
        "schema": { "": {
            "entityTypes": { "Agent": {}, "Repository": {} },
            "actions": { "push": { "appliesTo": {
                "principalTypes": ["Agent"], "resourceTypes": ["Repository"],
            } } },
        } },
    });
    assert!(Plugin::<Cedar>::try_load(settings).is_ok());
}
