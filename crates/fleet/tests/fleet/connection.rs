//! Credentials, TLS, and buckets that others made.

use crate::common::{Settings, report, server, server_with, spends, until, until_it_answers};
use portcullis_fleet::JetStreamState;
use portcullis_trust::state::shared::{SharedOptions, SharedState as _};
use portcullis_trust::state::{State as _, StateError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};

fn error_of(options: &SharedOptions) -> String {
    let error = JetStreamState::open(options).unwrap_err();
    assert!(matches!(error, StateError::Store { .. }), "{error:?}");
    error.to_string()
}

const USERS: &str = "authorization { users: [ { user: host, password: first } ] }";

#[test]
fn credentials_are_required_and_read_again_for_each_connection() {
    let settings = Settings {
        lines: USERS.to_owned(),
        ..Settings::default()
    };
    let Some(mut server) = server_with(settings) else {
        return;
    };
    let mut options = server.options();
    let refused = error_of(&options);
    assert!(refused.contains("authorization violation"), "{refused}");
    let file = server.folder().join("credentials.json");
    options.credentials = Some(file.clone());
    assert!(error_of(&options).contains("cannot be read"));
    std::fs::write(&file, r#"{"user": "host", "password": "wrong"}"#).unwrap();
    let refused = error_of(&options);
    assert!(refused.contains("authorization violation"), "{refused}");
    std::fs::write(&file, r#"{"user": "host", "password": "first"}"#).unwrap();
    let state = JetStreamState::open(&options).unwrap();
    assert!(spends(&state, "a", 3));
    // The password is replaced while the host runs.
    server.kill();
    server.set_lines(&USERS.replace("first", "second"));
    server.start();
    std::fs::write(&file, r#"{"user": "host", "password": "second"}"#).unwrap();
    until_it_answers(&state);
    assert!(spends(&state, "a", 3));
}

/// An authority, and the files of a server's and a host's certificate that it issued.
struct Certificates {
    authority: PathBuf,
    server: (PathBuf, PathBuf),
    host: (PathBuf, PathBuf),
}

fn certificates(folder: &Path) -> Certificates {
    let write = |name: &str, pem: &str| {
        let file = folder.join(name);
        std::fs::write(&file, pem).unwrap();
        file
    };
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str, host: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (
            write(&format!("{name}.pem"), &certificate.pem()),
            write(&format!("{name}.key"), &key.serialize_pem()),
        )
    };
    Certificates {
        server: issue("server", "127.0.0.1"),
        host: issue("host", "host.acme.example"),
        authority: write("authority.pem", &issuer.pem()),
    }
}

#[test]
fn tls_proves_the_server_and_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let ours = certificates(folder.path());
    let others = tempfile::tempdir().unwrap();
    let theirs = certificates(others.path());
    let settings = Settings {
        lines: format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
            ours.server.0.display(),
            ours.server.1.display(),
            ours.authority.display(),
        ),
        ..Settings::default()
    };
    let Some(server) = server_with(settings) else {
        return;
    };
    let mut options = server.options();
    options.servers = vec![server.url().replace("nats://", "tls://")];
    let with = |authority: &Path, host: Option<&(PathBuf, PathBuf)>| {
        let mut options = options.clone();
        options.tls.authorities = Some(authority.to_owned());
        options.tls.identity = host.cloned();
        options
    };
    let trusted = with(&ours.authority, Some(&ours.host));
    let state = JetStreamState::open(&trusted).unwrap();
    assert!(spends(&state, "a", 3));
    for refused in [
        with(&theirs.authority, Some(&ours.host)),
        with(&ours.authority, Some(&theirs.host)),
        with(&ours.authority, None),
        with(&folder.path().join("missing.pem"), Some(&ours.host)),
    ] {
        assert!(error_of(&refused).contains("cannot connect"));
    }
}

#[test]
fn a_server_without_tls_is_refused_if_certificates_are_configured() {
    let Some(server) = server() else { return };
    let ours = certificates(server.folder());
    let mut options = server.options();
    options.tls.authorities = Some(ours.authority);
    assert!(error_of(&options).contains("cannot connect"));
}

#[test]
fn a_bucket_that_would_lose_counts_is_refused() {
    let Some(server) = server() else { return };
    let create = |name: &str, change: serde_json::Value| {
        let mut config = serde_json::json!({
            "name": format!("KV_{name}"),
            "subjects": [format!("$KV.{name}.>")],
            "storage": "file",
            "max_msgs_per_subject": 1,
            "discard": "new",
            "allow_direct": true,
            "allow_msg_ttl": true,
            "deny_delete": true,
            "deny_purge": true,
        });
        let config = config.as_object_mut().unwrap();
        config.extend(change.as_object().unwrap().clone());
        crate::common::api(
            &server,
            &format!("STREAM.CREATE.KV_{name}"),
            &serde_json::json!(config),
        );
        SharedOptions::new(vec![server.url()], name)
    };
    let fits = create("fits", serde_json::json!({}));
    let state = JetStreamState::open(&fits).unwrap();
    assert!(spends(&state, "a", 3));
    for (name, change, why) in [
        ("memory", r#"{"storage": "memory"}"#, "in memory"),
        (
            "age",
            r#"{"max_age": 60000000000, "duplicate_window": 60000000000}"#,
            "drops old",
        ),
        ("few", r#"{"max_msgs": 100, "discard": "old"}"#, "drops old"),
        (
            "small",
            r#"{"max_bytes": 100000, "discard": "old"}"#,
            "drops old",
        ),
        (
            "history",
            r#"{"max_msgs_per_subject": 5}"#,
            "earlier values",
        ),
        ("endless", r#"{"allow_msg_ttl": false}"#, "never end"),
        ("purged", r#"{"deny_purge": false}"#, "can be deleted"),
        ("deleted", r#"{"deny_delete": false}"#, "can be deleted"),
        (
            "queue",
            r#"{"retention": "workqueue"}"#,
            "once they are read",
        ),
    ] {
        let options = create(name, serde_json::from_str(change).unwrap());
        let error = error_of(&options);
        assert!(error.contains(why), "{name}: {error}");
    }
}

#[test]
fn values_live_as_long_as_what_they_count() {
    let Some(server) = server() else { return };
    let state = server.open();
    assert!(spends(&state, "a", 3));
    let asked = serde_json::json!({ "last_by_subj": "$KV.test.use.*" });
    let got = crate::common::api(&server, "STREAM.MSG.GET.KV_test", &asked);
    let headers = got["message"]["hdrs"].as_str().unwrap();
    let headers = crate::common::decoded(headers);
    let seconds: u64 = headers
        .lines()
        .find_map(|line| line.strip_prefix("Nats-TTL: "))
        .and_then(|ttl| ttl.trim_end_matches('s').parse().ok())
        .unwrap();
    // Ten minutes, and five for clocks that differ.
    assert!((895..=900).contains(&seconds), "{seconds}");
}

#[test]
fn a_bucket_that_is_deleted_is_not_created_again_by_a_host_that_runs() {
    let Some(server) = server() else { return };
    let state = server.open();
    assert!(spends(&state, "a", 3));
    crate::common::api(&server, "STREAM.DELETE.KV_test", &serde_json::Value::Null);
    assert!(!spends(&state, "a", 3));
    until("it is noticed", || {
        let problems = state.problems();
        problems
            .iter()
            .any(|it| it.contains("deleted"))
            .then_some(())
    });
    let streams = report(&server, "jsz")["streams"].as_u64();
    assert_eq!(streams, Some(1), "that of presented credentials");
    // Another host starts, and creates it: the counts of the first are lost.
    let again = server.open();
    until("it is another one", || state.lacks());
    assert!(!spends(&state, "a", 3));
    assert!(spends(&again, "a", 3));
}
