use super::*;

#[test]
fn a_resource_that_has_one_reading_passes() {
    for name in [
        "acme/billing",
        "acme/.github",
        "acme/My report, final (2).pdf",
        "arn:aws:s3:::bucket/key",
        "@scope/package",
        "café/größe",
        "বাংলা/文書",
        "a",
        "acme/v1.2",
        "acme/a+b=c&d",
        "registry:5000/image:tag",
        "/v1/users",
        "acme/payroll@sha256:abc",
        "acme/...x:y",
        "acme/p\u{e1}\u{327}yroll",
    ] {
        assert_eq!(check_resource(name), Ok(()), "{name}");
    }
}

#[test]
fn a_resource_that_has_two_readings_is_refused() {
    for name in [
        "",
        "/",
        "acme//x",
        "//acme",
        "acme/",
        "acme/.",
        "acme/..",
        "../acme",
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
        "acme/payroll ",
        " acme/payroll",
        "acme/payroll.",
        "acme./payroll",
        "acme/payroll\n",
        "acme/pay\u{200b}roll",
        "acme/pay\u{ad}roll",
        "acme\u{ff0f}payroll",
        "acme/\u{ff0e}\u{ff0e}",
        "acme/\u{2025}",
        "acme/\u{ff50}ayroll",
        "acme/payroll\u{a0}",
        "acme/cafe\u{301}",
        "acme/*",
        "acme/\u{9b}x",
        "acme/\u{2100}x",
        "acme/\u{fe0f}x",
        "acme/\u{2fa1d}",
        // White space that NFKC does not change.
        "acme/payroll\u{1680}",
        "secrets\u{1680}/key",
        "\u{1680}acme",
        "acme/pay\u{2028}roll",
        // Equal to the text with U+00E1 U+0327.
        "acme/pa\u{327}\u{301}yroll",
        "acme/pa\u{301}\u{327}yroll",
        "acme/o\u{328}\u{304}",
        "acme/a\u{323}\u{302}",
        // Cut at a `:` or an `@`, these leave a segment that some readers resolve.
        "acme/..:x",
        "acme/..::$DATA",
        "acme/.:x/y",
        "acme/..@x",
        "acme/.. :x",
    ] {
        assert!(check_resource(name).is_err(), "{name:?}");
    }
    assert!(check_resource(&"x".repeat(MAX_ID_BYTES)).is_ok());
    assert!(check_resource(&"x".repeat(MAX_ID_BYTES + 1)).is_err());
}

#[test]
fn a_path_is_decoded_once() {
    for path in [
        "/v1/a%20b",
        "/v1/caf%C3%A9",
        "workspace/.env",
        "https://api.example/v1/x?next=/../y#z",
        "https://api.example:8443/v1",
        "https://api.example",
        "http://[::1]/x",
        "http://10.0.0.1/x",
        "/v1/x:cancel",
    ] {
        assert_eq!(check_path(path), Ok(()), "{path}");
    }
    for path in [
        "",
        "//x",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a%2Fb",
        "/a%5cb",
        "/v1/..%20/admin",
        "/v1/..%3f",
        "/v1/a%3fb",
        "/v1/a%23b",
        "/v1/a%253fb",
        "/v1/admin./users",
        "/v1/admin%20/users",
        "/v1/%ff",
        "/v1/%C3",
        "/v1/%",
        "/v1/%4",
        "/v1/%+1",
        "/v1/a?b",
        "/v1/a#b",
        "/v1/a;b",
        "/v1/a%00",
        "/v1/%C2%85",
        "/v1/%E2%80%AE",
        "/v1/%EF%BC%8F",
        "/v1/\u{ff0e}\u{ff0e}/admin",
        "/v1/*",
        "https://user@api.example/v1",
        "https://API.example/v1",
        "https://api.example./v1",
        "https:///v1",
        "https://api.example:/v1",
        "https://api.example:080/v1",
        "http://0x7f.1/x",
        "http://127.1/x",
        "http://2130706433/x",
        "http://010.0.0.1/x",
        "http://[0:0::1]/x",
        "https://api.example/v1?\\x",
        "https://api.example%2f@x/",
    ] {
        assert!(check_path(path).is_err(), "{path:?}");
    }
}

#[test]
fn an_action_is_of_a_closed_set() {
    for name in ["delete_repo", "issues.create", "files/read", "GET", "a"] {
        assert_eq!(check_action(name), Ok(()), "{name}");
    }
    for name in [
        " delete_repo",
        "delete_repo ",
        "",
        "delete\u{200b}_repo",
        "d\u{435}lete",
        "a:b",
        "a b",
        "a\n",
        "a*",
    ] {
        assert!(check_action(name).is_err(), "{name:?}");
    }
    assert!(check_action(&"x".repeat(128)).is_ok() && check_action(&"x".repeat(129)).is_err());
}

#[test]
fn an_identifier_has_one_spelling() {
    for id in [
        "spiffe://acme.example/agent/fixer",
        "alice@example.com",
        "CiRmZDA2MTRkMy1jMzlhLTQ3ODE=",
        "01:02:ab",
        "user:alice",
        "spiffe-csi-driver-x7k2",
        "spiffe@acme.example",
        "100%",
        "//8AAECAwQ=",
        "https://id.acme.example/a%2Fb",
    ] {
        assert_eq!(check_identifier(id), Ok(()), "{id}");
    }
    for id in [
        "",
        " spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer ",
        "kid ",
        "a b",
        "a\tb",
        "a\u{a0}b",
        "\u{feff}spiffe://a/b",
        "SPIFFE://acme.example/x",
        "x-spiffe://acme.example/x",
        "\u{17f}piffe://acme.example/x",
        "spiffe:spiffe://a/b",
        "spiffe%3A//acme.example/x",
        "spiffe%3a%2F%2facme.example/x",
        "%73piffe://acme.example/x",
        "%2573piffe://acme.example/x",
        "spiffe//acme.example/x",
        "spiffe;//acme.example/x",
        "Spiffe/acme.example/x",
        "fixer\u{200d}",
        "fixer\u{7f}",
        "\u{ff46}ixer",
        "fi\u{301}xer\u{202e}",
        "pa\u{327}\u{301}yroll",
        "fixer\u{1680}",
        "*",
        "svc*1",
        "a*b@c",
    ] {
        assert!(check_identifier(id).is_err(), "{id:?}");
    }
}

#[test]
fn folding_is_that_of_readers_that_ignore_case() {
    for (one, other) in [
        ("Path", "pATH"),
        ("\u{212a}ind", "kind"),
        ("\u{17f}ubject", "subject"),
        ("STRASSE", "strasse"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\u{1e9e}", "ß"),
        ("É", "é"),
    ] {
        assert_eq!(fold(one), fold(other), "{one} {other}");
    }
    for (one, other) in [("straße", "strasse"), ("a_b", "a-b"), ("path", "pathe")] {
        assert_ne!(fold(one), fold(other), "{one} {other}");
    }
}

#[test]
fn keys_that_a_careless_reader_takes_for_one_are_alike() {
    for key in [
        "path",
        "Path",
        "PATH",
        "path ",
        " path",
        "path\u{200b}",
        "\u{ff50}ath",
        "path\0x",
        "path\n",
        "path\u{1680}",
        "path\u{a0}",
        "\u{3000}path",
    ] {
        assert_eq!(alike_key(key), "path", "{key:?}");
    }
    for key in ["paths", "pa th", "p\u{e1}th", "", "_path"] {
        assert_ne!(alike_key(key), "path", "{key:?}");
    }
}

#[test]
fn a_suffix_that_is_dropped_is_one_that_people_see() {
    for suffix in [".git", "-v1", "_old", ":latest", ".tar.gz", ".GIT"] {
        assert!(Naming::is_suffix(suffix), "{suffix}");
    }
    for suffix in [
        "", "*", "l", "git", ".", "$", ".git ", " .git", "\u{200b}", "[.]git", ".git/", "/", ".g*",
        "..git", ".größe",
    ] {
        assert!(!Naming::is_suffix(suffix), "{suffix:?}");
    }
}

#[test]
fn what_is_canonical_stays_as_it_is() {
    let naming = Naming {
        case: Some(Case::Insensitive),
        drop_suffix: Some(".Git".into()),
    };
    for (name, canonical) in [
        ("acme/Payroll.GIT", "acme/payroll"),
        ("acme/payroll.git.git", "acme/payroll"),
        ("acme/payroll", "acme/payroll"),
        ("acme/.git", "acme/"),
        ("ÉCOLE/x", "École/x"),
    ] {
        let found = naming.canonical(name);
        assert_eq!(found, canonical, "{name}");
        assert_eq!(naming.canonical(&found), found);
    }
    assert_eq!(Naming::default().canonical("A.git"), "A.git");
}
