//! Envoy with `ext_authz` over gRPC. It proves itself by a bearer token.

use crate::certificates::{self, Authority};
use crate::http::{self, Message};
use crate::setting::{self, Proxy, Setting, WORKLOAD};
use crate::suite::{self, Traits};
use crate::tools::Tool;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn envoy(program: &Path, setting: &Setting) -> Command {
    let file = setting.write("envoy", "envoy.yaml");
    let mut command = Command::new(program);
    command.arg("--config-path").arg(file);
    command.args([
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warn",
    ]);
    command
}

#[test]
fn lets_through_what_is_permitted_and_nothing_else() {
    let Some(program) = Tool::Envoy.program() else {
        return;
    };
    let setting = Setting::start("envoy");
    let mut validate = envoy(&program, &setting);
    setting::is_valid(validate.args(["--mode", "validate"]), setting.folder.path());
    let mut command = envoy(&program, &setting);
    let mut proxy = Proxy::start(setting, &mut command);
    let traits = Traits {
        passes_problems: true,
        while_down: 503,
    };
    suite::run(&proxy, traits);
    decides_about_the_body(&proxy);
    suite::fails_without_decisions(&mut proxy, traits);
}

#[test]
fn gets_no_permit_with_another_token() {
    let Some(program) = Tool::Envoy.program() else {
        return;
    };
    let mut setting = Setting::start("envoy");
    setting.replace("PEP-TOKEN", "another");
    let mut command = envoy(&program, &setting);
    suite::gets_no_permit(&Proxy::start(setting, &mut command));
}

#[test]
fn gets_no_permit_for_another_integration() {
    let Some(program) = Tool::Envoy.program() else {
        return;
    };
    let mut setting = Setting::start("envoy");
    setting.replace(
        "portcullis-integration: invoices",
        "portcullis-integration: payroll",
    );
    let mut command = envoy(&program, &setting);
    suite::gets_no_permit(&Proxy::start(setting, &mut command));
}

/// Every example of Envoy fails closed, also if the decision point cannot be reached.
#[test]
fn its_example_fails_closed() {
    let text = fs::read_to_string(setting::examples().join("envoy/envoy.yaml")).unwrap();
    let filters = text.matches("filters.http.ext_authz.v3.ExtAuthz\n").count();
    assert_eq!(filters, 1);
    assert_eq!(text.matches("failure_mode_allow: false").count(), filters);
    assert_eq!(text.matches("failure_mode_allow").count(), filters);
}

/// Envoy sends the body, so a call with one that cannot be decided is stopped.
fn decides_about_the_body(proxy: &Proxy) {
    let token = proxy.setting.token();
    let post = |media_type: &str, body: &str| {
        let answer = proxy.exchange(&format!(
            "POST /v1/invoices HTTP/1.1\r\nHost: api.acme.example\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        ));
        let reached = proxy.setting.api.received();
        (answer.map_or(0, |answer| answer.status()), reached)
    };
    let (status, reached) = post("application/json", r#"{"amount":100}"#);
    assert_eq!((status, reached.len()), (200, 1));
    assert_eq!(reached[0].body, r#"{"amount":100}"#);
    let large = format!(r#"{{"text":"{}"}}"#, "a".repeat(70_000));
    for (media_type, body) in [
        ("application/json", r#"{"amount":100,"_method":"DELETE"}"#),
        ("application/json", r#"{"amount":1,"amount":100}"#),
        ("application/json", r#"{"amount":"#),
        ("application/x-www-form-urlencoded", "_method=DELETE"),
        ("text/plain", "amount"),
        ("application/json", large.as_str()),
    ] {
        let (status, reached) = post(media_type, body);
        assert!(reached.is_empty(), "{media_type} {body}");
        assert!(
            (400..500).contains(&status),
            "{media_type} {body}: {status}"
        );
    }
}

/// The certificate that a client proves to Envoy, which the host verifies.
#[test]
fn states_the_certificate_of_its_client() {
    let Some(program) = Tool::Envoy.program() else {
        return;
    };
    let mut setting = Setting::start("envoy");
    let folder = setting.folder.path().to_owned();
    Authority::new("mallory", &folder).issue("mallory", certificates::id(WORKLOAD));
    // Envoy accepts every certificate, so that the host's verification is the one that counts.
    let tls = format!(
        "        - transport_socket:\n\
         \x20           name: envoy.transport_sockets.tls\n\
         \x20           typed_config:\n\
         \x20             \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n\
         \x20             common_tls_context:\n\
         \x20               tls_certificates: [{{ certificate_chain: {{ filename: {0}/portcullis.pem }}, private_key: {{ filename: {0}/portcullis.key }} }}]\n\
         \x20               validation_context: {{ trusted_ca: {{ filename: {0}/workloads-ca.pem }}, trust_chain_verification: ACCEPT_UNTRUSTED }}\n\
         \x20         filters:\n",
        folder.display()
    );
    setting.replace("        - filters:\n", &tls);
    let mut command = envoy(&program, &setting);
    let proxy = Proxy::start_with(setting, &mut command, |proxy| {
        let answer = over_tls(proxy, None, "");
        answer.map(|answer| answer.status())
    });
    let status = |client: Option<&str>, headers: &str| {
        let answer = over_tls(&proxy, client, headers);
        let reached = proxy.setting.api.received();
        let status = answer.map_or(0, |answer| answer.status());
        assert_eq!(
            reached.len(),
            usize::from(status == 200),
            "{client:?} {headers}"
        );
        status
    };
    assert_eq!(status(Some("client"), ""), 200);
    assert_eq!(status(None, ""), 401);
    assert_eq!(status(Some("mallory"), ""), 401);
    // A token has to be of the same principal; it is then the one that counts.
    let token = format!("Authorization: Bearer {}\r\n", proxy.setting.token());
    assert_eq!(status(Some("client"), &token), 200);
    assert_eq!(status(None, &token), 200);
    assert_eq!(status(Some("pep"), &token), 400);
    // Headers that claim a certificate are not read.
    let claim = format!("X-Forwarded-Client-Cert: By=spiffe://acme.example/a;URI={WORKLOAD}\r\n");
    assert_ne!(status(None, &claim), 200);
}

/// A permitted call over TLS, with the certificate and key of `client`.
fn over_tls(proxy: &Proxy, client: Option<&str>, headers: &str) -> Option<Message> {
    let folder = proxy.setting.folder.path();
    let certificate = |name: &str| {
        let file = folder.join(format!("{name}.pem"));
        CertificateDer::from_pem_file(file).unwrap()
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate("portcullis-ca")).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            config
                .with_client_auth_cert(vec![certificate(name)], key)
                .unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(tls, http::connect(proxy.setting.address)?);
    let message = format!(
        "GET /v1/invoices/7 HTTP/1.1\r\nHost: api.acme.example\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(message.as_bytes()).ok()?;
    Message::read(stream)
}
