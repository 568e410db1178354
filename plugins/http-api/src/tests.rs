use super::*;
use portcullis_sdk::testing::{Plugin, request};
use portcullis_sdk::{Effect, json};

fn plugin() -> Plugin<HttpApi> {
    Plugin::load(json!({ "rules": [
        { "name": "read", "methods": ["GET"], "path": "/{anything...}" },
        { "name": "no admin", "effect": "deny", "methods": ["GET"], "path": "/admin/{anything...}" },
    ] }))
}

#[test]
fn another_spelling_of_a_path_gets_no_further() {
    let plugin = plugin();
    let get = |path| {
        plugin
            .evaluate(request("GET").resource("path", path))
            .effect()
    };
    assert_eq!(get("/users/1"), Effect::Permit);
    for path in [
        "/admin/users",
        "/%61dmin/users",
        "/users/../admin/users",
        "/users/%2e%2e/admin/users",
        "//admin/users",
        "/./admin/users",
        "/users/..%2fadmin",
        "/%2561dmin/users",
        "/x?/../admin/x",
        "/x#/admin",
        "admin/users",
        "/x\\..\\admin",
        "/;/admin/users",
        "/admin;x/users",
        "/admin/users ",
        "/admin%20/users",
        "/users/../admin/a://b",
        "/v1/..%20/admin",
        "/v1/..%3f",
        "/v1/admin.php%3Fooo.php",
        "/v1/admin%23x",
        "/v1/admin./users",
        "/admin\u{ff0f}users",
        "/users/\u{ff0e}\u{ff0e}/admin",
        "/users/%EF%BC%8E%EF%BC%8E/admin",
        "/%EF%BD%81dmin/users",
        "/users/%ff",
        "/users/%E2%80%AEx",
        "/users/%C2%85",
        "/users/1:delete",
        "/users/1%3Adelete",
        "/Admin/users",
        "/ADMIN/users",
        "/\u{212a}/..",
    ] {
        assert_eq!(get(path), Effect::Deny, "{path}");
    }
}

#[test]
fn settings_are_judged_rule_by_rule() {
    let errors = Plugin::<HttpApi>::try_load(json!({ "rules": [
        { "name": "a", "methods": [], "path": "/a" },
        { "name": "b", "methods": ["get"], "path": "/b", "parameters": { "x": ["y"] } },
        { "name": "c", "methods": ["GET"], "path": "/c",
          "headers": [{ "path": "/X-Tenant", "op": "equals", "value": "a" }] },
        { "name": "d", "methods": ["GET"], "path": "/d", "effect": "deny", "environments": [],
          "only-query": ["a"] },
    ] }))
    .unwrap_err();
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/rules/0/methods",
            "/rules/1/methods",
            "/rules/1/parameters/x",
            "/rules/2/headers/0/path",
            "/rules/3/environments",
            "/rules/3/only-query",
        ]
    );
}

#[test]
fn a_header_has_one_value_whatever_its_case() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "a", "methods": ["GET"], "path": "/a",
          "headers": [{ "path": "/x-source", "op": "equals", "value": "good" }] },
    ] }));
    let get = |headers| {
        let arguments = json!({ "headers": headers });
        plugin.evaluate(request("GET").resource("path", "/a").arguments(arguments))
    };
    assert_eq!(get(json!({ "X-Source": "good" })).effect(), Effect::Permit);
    let twice = get(json!({ "X-Source": "evil", "x-source": "good" }));
    assert!(twice.has_reason("header-ambiguous"));
}

#[test]
fn a_colon_passes_where_the_api_has_one() {
    let settings = |allow: bool| {
        json!({ "allow-colon": allow, "rules": [
            { "name": "jobs", "methods": ["POST"], "path": "/v1/jobs/{job}" },
        ] })
    };
    let cancel = |allow| {
        let plugin = Plugin::<HttpApi>::load(settings(allow));
        let call = request("POST").resource("path", "/v1/jobs/7:cancel");
        plugin.evaluate(call).effect()
    };
    assert_eq!(cancel(true), Effect::Permit);
    assert_eq!(cancel(false), Effect::Deny);
}

#[test]
fn no_header_and_no_parameter_makes_another_call() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "create", "methods": ["POST"], "path": "/a" },
        { "name": "no deletion", "effect": "deny", "methods": ["DELETE"], "path": "/a" },
        { "name": "override", "methods": ["POST"], "path": "/b",
          "only-headers": ["x-http-method-override", "accept"] },
    ] }));
    let post = |path: &str, arguments| {
        plugin.evaluate(request("POST").resource("path", path).arguments(arguments))
    };
    for header in [
        "X-HTTP-Method-Override",
        "x_http_method_override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "x-forwarded-host",
    ] {
        let verdict = post("/a", json!({ "headers": { header: "DELETE" } }));
        assert!(verdict.has_reason("header-not-allowed"), "{header}");
    }
    for arguments in [
        json!({ "query": { "_method": "DELETE" } }),
        json!({ "body": { "_method": "DELETE" } }),
        json!({ "query": { "X-HTTP-Method-Override": "DELETE" } }),
    ] {
        assert!(
            post("/a", arguments.clone()).has_reason("query-not-allowed"),
            "{arguments}"
        );
    }
    let plain =
        json!({ "headers": { "Content-Type": "application/json" }, "body": { "method": "x" } });
    assert_eq!(post("/a", plain).effect(), Effect::Permit);
    let named = json!({ "headers": { "X-HTTP-Method-Override": "PATCH", "Accept": "*/*" } });
    assert_eq!(post("/b", named).effect(), Effect::Permit);
    let other = json!({ "headers": { "X-Tenant": "a" } });
    assert!(post("/b", other).has_reason("header-not-allowed"));
}

#[test]
fn headers_are_those_of_http() {
    let plugin = plugin();
    let get = |headers| {
        let call = request("GET").resource("path", "/users/1");
        plugin.evaluate(call.arguments(json!({ "headers": headers })))
    };
    assert_eq!(
        get(json!({ "Accept": "text/plain", "X-N": 1, "X-L": ["a", "b"] })).effect(),
        Effect::Permit
    );
    for headers in [
        json!({ "Accept ": "x" }),
        json!({ "": "x" }),
        json!({ "Accept:": "x" }),
        json!({ ":path": "/admin" }),
        json!({ "X\u{e9}": "x" }),
        json!({ "Accept": "a\r\nX-Admin: 1" }),
        json!({ "Accept": ["a\n"] }),
        json!({ "Accept": { "a": 1 } }),
        json!({ "Accept": "a\u{85}b" }),
    ] {
        assert!(
            get(headers.clone()).has_reason("header-invalid"),
            "{headers}"
        );
    }
    let twice = get(json!({ "X-Tenant": "a", "x_tenant": "b" }));
    assert!(twice.has_reason("header-ambiguous"));
}

#[test]
fn an_argument_that_no_rule_judges_is_refused() {
    let plugin = plugin();
    for arguments in [
        json!({ "url": "https://evil.example/" }),
        json!({ "Query": { "limit": 1 } }),
        json!({ "method": "DELETE" }),
        json!({ "query": [] }),
    ] {
        let call = request("GET").resource("path", "/users/1");
        let verdict = plugin.evaluate(call.arguments(arguments.clone()));
        assert!(verdict.has_reason("arguments-invalid"), "{arguments}");
    }
}

#[test]
fn templates_of_other_languages_are_refused() {
    for path in [
        "/admin/*",
        "/admin/**",
        "/users/:id",
        "/users/<id>",
        "/admin.*",
        "^/admin",
        "/admin$",
        "/users/[0-9]",
        "~/admin",
        "https://api.example/admin",
        "/a|b",
        "/admin/",
        "/x\u{200b}",
    ] {
        let settings = json!({ "rules": [{ "name": "a", "effect": "deny", "methods": ["GET"], "path": path }] });
        assert!(Plugin::<HttpApi>::try_load(settings).is_err(), "{path}");
    }
}

#[test]
fn a_denying_rule_holds_where_the_environment_is_not_known() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "all", "methods": ["DELETE"], "path": "/a" },
        { "name": "not in prod", "effect": "deny", "methods": ["DELETE"], "path": "/a",
          "environments": ["prod"] },
    ] }));
    let delete = |environment: &str| {
        let request = request("DELETE").resource("path", "/a");
        let request = request.with(|request| request.resource.environment = environment.into());
        plugin.evaluate(request).effect()
    };
    assert_eq!(delete("staging"), Effect::Permit);
    assert_eq!(delete("prod"), Effect::Deny);
    assert_eq!(delete(""), Effect::Deny);
}

#[test]
fn where_a_query_parameter_came_from_is_told_by_its_place_in_the_arguments() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "a", "methods": ["GET"], "path": "/a",
          "query": [{ "path": "/to", "op": "origin-is", "value": ["user"] }] },
    ] }));
    let get = |origins: &[(&str, &str)]| {
        let arguments = json!({ "query": { "to": "x" } });
        let request = request("GET").resource("path", "/a").arguments(arguments);
        let request = origins.iter().fold(request, |request, (path, origin)| {
            request.origin(path, origin)
        });
        plugin.evaluate(request).effect()
    };
    assert_eq!(get(&[("/query/to", "user")]), Effect::Permit);
    assert_eq!(
        get(&[("", "user"), ("/query/to", "tool:mail")]),
        Effect::Deny
    );
}

#[test]
fn a_grant_ends_with_the_window() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "a", "methods": ["GET"], "path": "/a", "hours": { "from": "08:00", "to": "18:00" } },
    ] }));
    // 17:59 UTC.
    let now = portcullis_sdk::Timestamp::from_millis(1_795_305_600_000 + (18 * 60 - 1) * 60_000);
    let verdict = plugin.evaluate(request("GET").resource("path", "/a").now(now));
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(verdict.narrowing().lifetime, Some(minute));
}

#[test]
fn a_method_in_another_spelling_is_refused() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "create", "methods": ["POST"], "path": "/b" },
        { "name": "no deletion", "effect": "deny", "methods": ["DELETE"], "path": "/b" },
    ] }));
    let call = |method: &str| plugin.evaluate(request(method).resource("path", "/b"));
    for method in [
        "delete", "Delete", "DELETE/", "/DELETE", "DELETE.", "DELETE_", "DELETE-", "post",
    ] {
        assert!(call(method).has_reason("method-invalid"), "{method}");
    }
    assert!(call("DELETE").has_reason("rule-denies"));
    assert!(call("GET").has_reason("no-rule"));
    assert!(call("VERSION-CONTROL").has_reason("no-rule"));
    assert_eq!(call("POST").effect(), Effect::Permit);
}

#[test]
fn a_parameter_of_the_method_is_found_in_every_spelling() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "create", "methods": ["POST"], "path": "/a" },
        { "name": "named", "methods": ["POST"], "path": "/b", "only-query": ["_method"] },
    ] }));
    let post = |path: &str, arguments| {
        plugin.evaluate(request("POST").resource("path", path).arguments(arguments))
    };
    for name in [
        "_method",
        "_METHOD",
        ".method",
        " _method",
        "_method ",
        "+_method",
        "[method",
        "_method[]",
        "_method[0]",
        "x-http-method-override[]",
        "x_http_method_override",
        "X.HTTP.Method.Override",
        "_method\0x",
        "_met\u{200b}hod",
        "\u{ff3f}method",
    ] {
        let verdict = post("/a", json!({ "body": { name: "DELETE" } }));
        assert!(verdict.has_reason("query-not-allowed"), "body {name:?}");
        let verdict = post("/a", json!({ "query": { name: "DELETE" } }));
        assert_eq!(verdict.effect(), Effect::Deny, "query {name:?}");
    }
    for name in [
        "%5Fmethod",
        "%255Fmethod",
        "a&_method",
        "_method=DELETE&x",
        "a;_method",
        "x#",
        "a\r\nX-Admin",
        "a\u{200b}",
    ] {
        let verdict = post("/a", json!({ "query": { name: "DELETE" } }));
        assert!(verdict.has_reason("arguments-invalid"), "{name:?}");
    }
    for body in [
        json!("_method=DELETE"),
        json!("a=b&%5Fmethod=DELETE"),
        json!("a=b&_method%5B%5D=DELETE"),
        json!("{\"_method\":\"DELETE\"}"),
        json!("{\"\\u005fmethod\":\"DELETE\"}"),
        json!("--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE"),
        json!([{ "_method": "DELETE" }]),
        json!([[{ "_method": "DELETE" }]]),
        json!({ "data": { "_method": "DELETE" } }),
    ] {
        let verdict = post("/a", json!({ "body": body }));
        assert!(verdict.has_reason("query-not-allowed"), "{body}");
    }
    for arguments in [
        json!({ "body": { "method": "card", "payment_method": "card", "methods": [] } }),
        json!({ "body": "the method of payment = card, payment_method=card" }),
        json!({ "body": ["a", 1, { "b": null }] }),
        json!({ "query": { "filter[method]": "x", "payment-method": "card", "100%": 1 } }),
        json!({ "query": null, "headers": null, "body": null }),
    ] {
        let verdict = post("/a", arguments.clone());
        assert_eq!(verdict.effect(), Effect::Permit, "{arguments}");
    }
    let named = post("/b", json!({ "query": { "_method": "PATCH" } }));
    assert_eq!(named.effect(), Effect::Permit);
}

#[test]
fn a_header_that_makes_another_call_is_found_in_every_spelling() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "a", "methods": ["GET"], "path": "/a",
          "headers": [{ "path": "/x-source", "op": "equals", "value": "good" }] },
    ] }));
    let get = |name: &str, value: &str| {
        let headers = json!({ "x-source": "good", name: value });
        let call = request("GET").resource("path", "/a");
        plugin.evaluate(call.arguments(json!({ "headers": headers })))
    };
    for name in [
        "x.http.method.override",
        "X~HTTP~Method~Override",
        "x_forwarded.host",
        "Connection",
        "transfer-encoding",
        "content-length",
        "upgrade",
        "te",
        "x-original-host",
        "x-envoy-original-path",
        "x-rewrite-uri",
        "x-request-uri",
        "x-matched-path",
        "x-middleware-subrequest",
        "method-override",
        "x-http-methodoverride",
        "x-tunnel-method",
        "x-http-verb-override",
        "x-forwarded-proto",
        "x-forwarded-for",
    ] {
        assert!(get(name, "x").has_reason("header-not-allowed"), "{name}");
    }
    for name in ["x.source", "X_Source", "x~source"] {
        assert!(get(name, "evil").has_reason("header-ambiguous"), "{name}");
    }
    for name in [
        "accept",
        "accept-language",
        "user-agent",
        "content-type",
        "traceparent",
        "tracestate",
        "idempotency-key",
        "if-match",
        "range",
        "authorization",
        "x-request-id",
        "x-github-api-version",
        "access-control-request-method",
    ] {
        assert_eq!(get(name, "x").effect(), Effect::Permit, "{name}");
    }
}

#[test]
fn what_a_server_cuts_off_hides_no_denied_path() {
    let plugin = Plugin::<HttpApi>::load(json!({ "allow-colon": true, "rules": [
        { "name": "read", "methods": ["GET"], "path": "/{rest...}" },
        { "name": "no admin", "effect": "deny", "methods": ["GET"], "path": "/admin/{rest...}" },
        { "name": "no tenant", "effect": "deny", "methods": ["GET"], "path": "/t/{tenant}",
          "parameters": { "tenant": ["acme"] } },
    ] }));
    let get = |path| plugin.evaluate(request("GET").resource("path", path));
    for path in [
        "/admin/x",
        "/admin:x/y",
        "/Admin:x:z/y",
        "/admin%3Ax/y",
        "/admin@x/y",
        "/t/acme:x",
        "/t/ACME@x",
    ] {
        assert!(get(path).has_reason("rule-denies"), "{path}");
    }
    for path in [
        "/administration:x/y",
        "/x:admin/y",
        "/t/acme-2:x",
        "/jobs/7:cancel",
    ] {
        assert_eq!(get(path).effect(), Effect::Permit, "{path}");
    }
}

#[test]
fn a_rule_that_could_never_hold_is_refused() {
    let rule = |changes: Json| {
        let mut rule = json!({ "name": "a", "effect": "deny", "methods": ["GET"],
            "path": "/t/{tenant}/{rest...}" });
        if let (Some(rule), Json::Object(changes)) = (rule.as_object_mut(), changes) {
            rule.extend(changes);
        }
        Plugin::<HttpApi>::try_load(json!({ "rules": [rule] }))
    };
    for method in ["", "ANY", "ALL", "*", "DEL", "get", "GET "] {
        let refused = rule(json!({ "methods": [method] })).unwrap_err();
        assert_eq!(refused[0].path, "/rules/0/methods", "{method}");
    }
    for value in ["a/b", "a/*", "7#", "7;x", "a\\w+", "..", "7%20"] {
        let refused = rule(json!({ "parameters": { "tenant": [value] } })).unwrap_err();
        assert!(
            refused[0].path.starts_with("/rules/0/parameters/tenant"),
            "{value} {refused:?}"
        );
    }
    for environment in ["*", "prod ", "prod,dev", "prod|dev", "", "prod;"] {
        let refused = rule(json!({ "environments": [environment] })).unwrap_err();
        assert_eq!(refused[0].path, "/rules/0/environments/0", "{environment}");
    }
    for changes in [
        json!({ "methods": ["GET", "MKCOL", "VERSION-CONTROL", "PURGE"] }),
        json!({ "parameters": { "tenant": ["acme-*", "7"], "rest": ["a/b", "c/**"] } }),
        json!({ "environments": ["prod", "prod eu", "eu-west/1"] }),
    ] {
        assert!(rule(changes.clone()).is_ok(), "{changes}");
    }
}

#[test]
fn a_denying_rule_holds_in_another_spelling_of_its_environment() {
    let plugin = Plugin::<HttpApi>::load(json!({ "rules": [
        { "name": "all", "methods": ["GET"], "path": "/a" },
        { "name": "not in prod", "effect": "deny", "methods": ["GET"], "path": "/a",
          "environments": ["prod"] },
    ] }));
    let get = |environment: &str| {
        let request = request("GET").resource("path", "/a");
        let request = request.with(|request| request.resource.environment = environment.into());
        plugin.evaluate(request).effect()
    };
    for environment in ["prod", "Prod", "PROD", "prod ", "prod\u{200b}", "prod;x"] {
        assert_eq!(get(environment), Effect::Deny, "{environment:?}");
    }
    for environment in ["staging", "prod-eu"] {
        assert_eq!(get(environment), Effect::Permit, "{environment}");
    }
}
