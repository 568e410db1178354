//! The section `[serve]`: every problem with its place.

use crate::setting::Folder;
use portcullis_server::settings::{Address, Settings, check, read};

/// Problems of a configuration with these sections, as lines.
fn problems(folder: &Folder, sections: &str) -> String {
    folder.configure(sections);
    let problems = check(&folder.config());
    let lines = problems
        .iter()
        .map(|it| format!("{}: {}", it.line, it.message));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_configuration_without_the_section_listens_on_this_machine() {
    let folder = Folder::with("");
    assert_eq!(problems(&folder, ""), "");
    let settings = read(&folder.config()).unwrap();
    assert_eq!(settings.listen, Settings::default().listen);
    assert!(settings.listen.iter().all(Address::is_local));
    assert!(settings.admin.unwrap().is_local());
    assert!(settings.peps.is_local());
    assert!(settings.notices[0].contains("[[serve.pep]]"));
}

#[test]
fn every_problem_is_named_at_once() {
    let folder = Folder::with("");
    folder.write("short.token", "abc");
    folder.write("two.token", "0123456789abcdef 0123456789abcdef");
    let found = problems(
        &folder,
        r#"[serve]
listen = ["127.0.0.1:8181", "localhost:1", 7, "0.0.0.0:8181"]
admin = "8182"
url = "ftp://pdp"
socket-mode = "rw"
max-connections = 0
idle-timeout = "1s"
checkpoint-every = "20s"
admin-token-file = "short.token"
events-token-file = "missing.token"
lisen = "127.0.0.1:1"
[[serve.pep]]
id = "a b"
uid = 1
integrations = ["record"]
vouches-for = ["everything"]
[[serve.pep]]
id = "two"
token-file = "two.token"
spiffe-id = "spiffe://acme.example/two"
integrations = []
[[serve.pep]]
spiffe-id = "acme/gateway"
[[serve.resource]]
type = "record"
"#,
    );
    for problem in [
        "7: `localhost:1` is no address",
        "7: `listen` is an address",
        "8: `8182` is no address",
        "9: `ftp://pdp` is no base URL",
        "10: `socket-mode` is the mode",
        "11: `max-connections` is a whole number",
        "12: `idle-timeout` is at least `request-timeout`",
        "13: `checkpoint-every` needs a revocation list",
        "14: ",
        "the token has 3 characters",
        "15: ",
        "missing.token: cannot be read",
        "16: there is no `lisen` here",
        "18: `id` is a name of 1 to 64",
        "19: `uid` needs a Unix socket",
        "20: there is no integration `record`: did you mean `records`?",
        "21: `everything` is nothing to vouch for",
        "an enforcement point has one of `spiffe-id`",
        "two.token: it is not one token",
        "`spiffe-id` needs TLS",
        "`spiffe-id` needs the bundle",
        "26: `integrations` is empty",
        "28: `spiffe-id` is a SPIFFE ID",
        "`id` is missing here",
        "`integrations` is missing here",
    ] {
        assert!(found.contains(problem), "{problem}:\n{found}");
    }
}

#[test]
fn enforcement_points_that_cannot_be_told_apart_are_refused() {
    let folder = Folder::with("");
    folder.write("a.token", "0123456789abcdef0123456789abcdef");
    folder.write("b.token", "0123456789abcdef0123456789abcdef\n");
    folder.write("c.token", "fedcba9876543210fedcba9876543210");
    let pep = |id: &str, token: &str| {
        format!("[[serve.pep]]\nid = \"{id}\"\ntoken-file = \"{token}\"\nintegrations = [\"*\"]\n")
    };
    let both = |one: String, other: String| problems(&folder, &format!("[serve]\n{one}{other}"));
    assert_eq!(both(pep("a", "a.token"), pep("c", "c.token")), "");
    let same_token = both(pep("a", "a.token"), pep("b", "b.token"));
    assert!(
        same_token.contains("have the same bearer token"),
        "{same_token}"
    );
    let same_name = both(pep("a", "a.token"), pep("a", "c.token"));
    assert!(
        same_name.contains("two enforcement points `a`"),
        "{same_name}"
    );
}

#[test]
fn a_listener_that_others_can_reach_needs_tls_and_enforcement_points() {
    let folder = Folder::with("");
    folder.write("a.token", "0123456789abcdef0123456789abcdef");
    let pep = "[[serve.pep]]\nid = \"a\"\ntoken-file = \"a.token\"\nintegrations = [\"*\"]\n";
    let tls = "[serve.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("server.pem", certificate.cert.pem());
    folder.write("server.key", certificate.signing_key.serialize_pem());
    let open = |rest: &str| {
        problems(
            &folder,
            &format!("[serve]\nlisten = \"0.0.0.0:8181\"\n{rest}"),
        )
    };
    for incomplete in ["", pep, tls] {
        assert!(
            open(incomplete).contains("which other machines can reach"),
            "{incomplete}"
        );
    }
    assert_eq!(open(&format!("{pep}{tls}")), "");
    // A key that belongs to another certificate.
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("server.key", other.signing_key.serialize_pem());
    let mixed = open(&format!("{pep}{tls}"));
    assert!(mixed.contains("cannot be used together"), "{mixed}");
    folder.write("server.key", "no key");
    assert!(open(&format!("{pep}{tls}")).contains("no usable private key"));
    folder.write("server.pem", "no certificate");
    assert!(open(&format!("{pep}{tls}")).contains("no certificate in it"));
}

#[cfg(unix)]
#[test]
fn a_secret_that_other_users_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::with("");
    let token = folder.write("a.token", "0123456789abcdef0123456789abcdef");
    let pep =
        "[serve]\n[[serve.pep]]\nid = \"a\"\ntoken-file = \"a.token\"\nintegrations = [\"*\"]\n";
    assert_eq!(problems(&folder, pep), "");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = problems(&folder, pep);
    assert!(found.contains("has mode 0644"), "{found}");
    assert!(read(&folder.config()).is_ok());
}

#[test]
fn a_receiver_of_the_log_is_read_and_every_problem_of_it_is_named() {
    let folder = Folder::with("");
    folder.write("logs.token", "t0ken");
    let whole = r#"[serve.ship]
url = "https://logs.acme.example/portcullis"
format = "jsonl"
name = "pdp-1"
token-file = "logs.token"
cursor = "logs.cursor"
max-lines = 10
max-bytes = 2048
interval = "5s"
timeout = "3s""#;
    assert_eq!(problems(&folder, whole), "");
    let ship = read(&folder.config()).unwrap().ship.unwrap();
    assert_eq!((ship.max_lines, ship.max_bytes), (10, 2048));
    assert_eq!(ship.cursor, Some(folder.path().join("logs.cursor")));
    assert!(!format!("{ship:?}").contains("t0ken"), "{ship:?}");
    folder.write("other.headers", "no header: t0ken");
    let found = problems(
        &folder,
        r#"[serve.ship]
url = "http://logs.acme.example/?key=1"
format = "csv"
name = "a\nb"
token-file = "none.token"
headers-file = "other.headers"
authorities = "logs.token"
max-lines = 0
max-bytes = 1
interval = "0s"
password = "a""#,
    );
    for said in [
        "`url` is no URL without user",
        "`format` is `csv`",
        "`name` is sent as a header",
        "none.token: cannot be read",
        "other.headers:1: it is not `Name: value`",
        "logs.token: there is no certificate in it",
        "`max-lines`",
        "`max-bytes`",
        "`interval`",
        "`password`",
    ] {
        assert!(found.contains(said), "{said}:\n{found}");
    }
    assert!(!found.contains("t0ken"), "{found}");
    let plain = "[serve.ship]\nurl = \"http://logs.acme.example\"\nformat = \"otlp\"";
    assert!(problems(&folder, plain).contains("plain-http"));
    assert_eq!(
        problems(&folder, &format!("{plain}\nplain-http = true")),
        ""
    );
    let text = folder.read("portcullis.toml");
    let without_log: String = text
        .lines()
        .filter(|line| !line.starts_with("log = "))
        .fold(String::new(), |text, line| text + line + "\n");
    folder.write("portcullis.toml", without_log);
    let found = check(&folder.config());
    assert!(
        found.iter().any(|it| it.message.contains("add `[log]`")),
        "{found:?}"
    );
}

/// Traces that an operator counts on would be missing.
#[cfg(not(feature = "otlp"))]
#[test]
fn a_collector_is_refused_by_a_build_without_it() {
    let folder = Folder::with("");
    let found = problems(
        &folder,
        "[serve.otlp]\nendpoint = \"http://127.0.0.1:4318\"",
    );
    assert!(
        found.contains("`[serve.otlp]` is not supported by this build"),
        "{found}"
    );
    assert!(found.contains("--features otlp"), "{found}");
    assert_eq!(problems(&folder, "[serve]"), "");
}
