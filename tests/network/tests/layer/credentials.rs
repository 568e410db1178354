//! Authentication: what is accepted, and what is refused with which challenge.

use crate::setting::{
    AGENT, Answer, GATEWAY, Gateway, INVOICES, ORIGIN, OTHER, Setting, bearer, empty,
    foreign_certificate, mapper,
};
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{Request, StatusCode};
use portcullis_host::{Attestation, Live, Pdp};
use portcullis_http::{Authenticator, Peer, PortcullisLayer, TrustedPeer, UnixCredentials};

const TARGET: &str = "/v1/customers/acme-eu/invoices?limit=5";

fn get() -> http::request::Builder {
    Request::get(TARGET).header("host", "api.acme.example")
}

fn over(certificates: Vec<Bytes>) -> Peer {
    Peer {
        certificates,
        ..Peer::default()
    }
}

/// A header of a proxy about the client with this certificate.
fn forwarded(certificate: &[u8]) -> String {
    let pem = format!(
        "-----BEGIN%20CERTIFICATE-----%0A{}%0A-----END%20CERTIFICATE-----%0A",
        Base64::encode_string(certificate).replace('+', "%2B")
    );
    format!("Cert=\"{pem}\"")
}

fn attestation(gateway: &Gateway) -> Attestation {
    let mut reached = gateway.reached.lock().unwrap();
    let (authorized, _) = reached.pop().unwrap();
    assert_eq!(authorized.principal().id, AGENT);
    authorized.principal().attestation
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all("www-authenticate").iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_bearer_token_is_accepted_and_its_absence_is_challenged() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    assert_eq!(gateway.answer(empty(setting.get(TARGET))).await.status, 200);
    assert_eq!(attestation(&gateway), Attestation::JwtSvid);

    let answer = gateway.answer(empty(get())).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(&answer), ["Bearer realm=\"portcullis\""]);
    assert_eq!(answer.json()["kind"], "credential");
    assert_eq!(gateway.calls(), 0);
    let line = &setting.lines("refused")[0];
    assert_eq!(line["reason"], "authentication");
    assert_eq!(line["integration"], "billing-api");
    assert_eq!(answer.header("portcullis-decision-id"), line["id"].as_str());
}

#[tokio::test]
async fn an_invalid_token_is_refused_without_its_reason() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let of_another_issuer = Setting::new().token(AGENT);
    let token = setting.token(AGENT);
    let (signed, _) = token.rsplit_once('.').unwrap();
    for bad in [
        of_another_issuer,
        format!("{signed}.AAAA"),
        "abc".to_owned(),
        setting.bound_token(AGENT),
    ] {
        let request = get().header("authorization", format!("Bearer {bad}"));
        let answer = gateway.answer(empty(request)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            challenges(&answer),
            ["Bearer realm=\"portcullis\", error=\"invalid_token\""]
        );
        assert_eq!(
            answer.json()["detail"],
            "the caller is not authenticated: present a valid credential"
        );
    }
    let lines = setting.lines("refused");
    assert_eq!(lines.len(), 4);
    assert!(lines[0]["detail"].as_str().unwrap().contains("signature"));
    assert!(!lines.iter().any(|line| line.to_string().contains(signed)));
}

#[tokio::test]
async fn several_or_malformed_tokens_are_refused() {
    let setting = Setting::new();
    let gateway = setting.gateway();
    let token = format!("Bearer {}", setting.token(AGENT));
    for request in [
        get()
            .header("authorization", &token)
            .header("authorization", &token),
        get().header("authorization", format!("{token}, {token}")),
        get().header("authorization", "Bearer "),
        get().header("authorization", &token).header("dpop", "a"),
    ] {
        let answer = gateway.answer(empty(request)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(challenges(&answer)[0].contains("error=\"invalid_request\""));
    }
    let basic = get().header("authorization", "Basic YTpi");
    let answer = gateway.answer(empty(basic)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let in_query = setting.get(&format!("{TARGET}&access_token=a"));
    let answer = gateway.answer(empty(in_query)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(gateway.calls(), 0);
}

#[tokio::test]
async fn a_proof_of_possession_is_accepted_once_and_for_this_server() {
    let setting = Setting::new();
    let authenticator = Authenticator::builder().bearer().dpop([ORIGIN]);
    let gateway = setting.gateway_with(mapper(), authenticator.build().unwrap());
    let token = setting.bound_token(AGENT);
    let url = format!("{ORIGIN}{INVOICES}");
    let request = |host: &str, proof: &str| {
        let request = Request::get(TARGET).header("host", host);
        let request = request.header("authorization", format!("DPoP {token}"));
        empty(request.header("dpop", proof))
    };
    let proof = setting.proof(&token, "GET", &url, "proof-1");
    let answer = gateway.answer(request("api.acme.example", &proof)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(attestation(&gateway), Attestation::ProofOfPossession);

    let elsewhere = format!("https://evil.example{INVOICES}");
    let for_elsewhere = setting.proof(&token, "GET", &elsewhere, "proof-2");
    for (host, proof) in [
        ("api.acme.example", proof),
        ("api.acme.example", for_elsewhere.clone()),
        // The host of the call is the caller's statement, and changes neither way.
        ("evil.example", for_elsewhere),
        (
            "evil.example",
            setting.proof(&token, "GET", &url, "proof-4"),
        ),
        (
            "api.acme.example",
            setting.proof(&token, "POST", &url, "proof-3"),
        ),
        ("api.acme.example", "a.b.c".to_owned()),
    ] {
        let answer = gateway.answer(request(host, &proof)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let challenges = challenges(&answer);
        assert_eq!(challenges[0], "Bearer realm=\"portcullis\"");
        assert!(
            challenges[1]
                .starts_with("DPoP realm=\"portcullis\", error=\"invalid_dpop_proof\", algs=\"")
        );
    }
    let bearer = get().header("authorization", format!("Bearer {token}"));
    let answer = gateway.answer(empty(bearer)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.calls(), 0);
}

#[tokio::test]
async fn a_scheme_is_accepted_if_it_is_asked_for() {
    let setting = Setting::new();
    let only_dpop = Authenticator::builder().dpop([ORIGIN]).build().unwrap();
    let gateway = setting.gateway_with(mapper(), only_dpop);
    let answer = gateway.answer(empty(setting.get(TARGET))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(challenges(&answer)[0].starts_with("DPoP "));
    let other = Setting::new();
    let only_bearer = other.gateway();
    let token = other.bound_token(AGENT);
    let proof = other.proof(&token, "GET", &format!("{ORIGIN}{INVOICES}"), "proof-1");
    let request = get()
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof);
    let answer = only_bearer.answer(empty(request)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.calls() + only_bearer.calls(), 0);
}

#[tokio::test]
async fn a_client_certificate_is_accepted_if_it_is_asked_for() {
    let setting = Setting::new();
    let authenticator = Authenticator::builder().certificates().build().unwrap();
    let gateway = setting.gateway_with(mapper(), authenticator);
    let with = |peer: Peer| empty(get().extension(peer));
    let chain = vec![setting.certificate(AGENT)];
    assert_eq!(gateway.answer(with(over(chain.clone()))).await.status, 200);
    assert_eq!(attestation(&gateway), Attestation::X509Svid);
    for peer in [
        over(vec![foreign_certificate(AGENT)]),
        over(vec![Bytes::from_static(b"not a certificate")]),
        over(Vec::new()),
        // A verified id is that of a proxy, not of a caller.
        Peer {
            spiffe_id: Some(AGENT.to_owned()),
            ..Peer::default()
        },
    ] {
        let answer = gateway.answer(with(peer)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(challenges(&answer).is_empty());
    }
    // `Authorization` belongs to the server behind the gateway.
    let request = get().extension(over(chain.clone()));
    let request = request.header("authorization", "Basic YTpi");
    assert_eq!(gateway.answer(empty(request)).await.status, 200);

    let bearer = Setting::new();
    let tokens = bearer.gateway();
    let request = get().extension(over(vec![bearer.certificate(AGENT)]));
    let answer = tokens.answer(empty(request)).await;
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "it is not asked for"
    );
}

#[tokio::test]
async fn two_credentials_are_those_of_one_principal() {
    let setting = Setting::new();
    let authenticator = Authenticator::builder().bearer().certificates();
    let gateway = setting.gateway_with(mapper(), authenticator.build().unwrap());
    let with = |token: &str, certificate: &str| {
        let peer = over(vec![setting.certificate(certificate)]);
        let token = setting.token(token);
        let request = get().header("authorization", format!("Bearer {token}"));
        empty(request.extension(peer))
    };
    for (token, certificate) in [(AGENT, OTHER), (OTHER, AGENT)] {
        let answer = gateway.answer(with(token, certificate)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    // An invalid credential beside a valid one.
    let foreign = over(vec![foreign_certificate(AGENT)]);
    let request = setting.get(TARGET).extension(foreign);
    let answer = gateway.answer(empty(request)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let peer = over(vec![setting.certificate(AGENT)]);
    let request = get().header("authorization", "Bearer abc").extension(peer);
    let answer = gateway.answer(empty(request)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.calls(), 0);
    assert_eq!(gateway.answer(with(AGENT, AGENT)).await.status, 200);
    assert_eq!(
        attestation(&gateway),
        Attestation::X509Svid,
        "the stronger one"
    );
}

#[tokio::test]
async fn a_client_certificate_is_stated_only_by_a_trusted_proxy() {
    let setting = Setting::new();
    let trusted = [
        TrustedPeer::SpiffeId(GATEWAY.to_owned()),
        TrustedPeer::UnixUser(33),
        TrustedPeer::Address([127, 0, 0, 6].into()),
    ];
    let authenticator = Authenticator::builder()
        .bearer()
        .certificates()
        .forwarded_certificates(trusted);
    let gateway = setting.gateway_with(mapper(), authenticator.build().unwrap());
    let agent = setting.certificate(AGENT);
    let header = forwarded(&agent);
    let with = |peer: Peer, header: &str| {
        let request = get().header("x-forwarded-client-cert", header);
        empty(request.extension(peer))
    };
    let unix = |user| Peer {
        unix: Some(UnixCredentials { user, group: 0 }),
        ..Peer::default()
    };
    let at = |address: [u8; 4]| Peer {
        address: Some(address.into()),
        ..Peer::default()
    };
    let verified = |id: &str| Peer {
        spiffe_id: Some(id.to_owned()),
        ..Peer::default()
    };
    let proxy = || over(vec![setting.certificate(GATEWAY)]);
    for peer in [proxy(), verified(GATEWAY), unix(33), at([127, 0, 0, 6])] {
        assert_eq!(gateway.answer(with(peer, &header)).await.status, 200);
        assert_eq!(attestation(&gateway), Attestation::X509Svid);
    }
    // A peer that is not trusted, also with a valid certificate or token of its own.
    let with_token = setting
        .get(TARGET)
        .header("x-forwarded-client-cert", &header);
    for request in [
        with(Peer::default(), &header),
        with(over(vec![agent.clone()]), &header),
        with(over(vec![foreign_certificate(GATEWAY)]), &header),
        with(verified(OTHER), &header),
        with(unix(34), &header),
        with(at([127, 0, 0, 1]), &header),
        empty(with_token),
    ] {
        let answer = gateway.answer(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    // A trusted proxy that passes on what its client wrote, or states what cannot be verified.
    let of_other = forwarded(&setting.certificate(OTHER));
    for (header, status) in [
        (format!("{of_other},{header}"), 400),
        (format!("URI={OTHER},{header}"), 400),
        (format!("{header};URI={OTHER}"), 400),
        (format!("{header};Hash=00"), 400),
        (format!("URI={AGENT}"), 400),
        (forwarded(&foreign_certificate(AGENT)), 401),
        (String::new(), 400),
    ] {
        let answer = gateway.answer(with(proxy(), &header)).await;
        assert_eq!(answer.status.as_u16(), status, "{header}");
    }
    let twice = get()
        .header("x-forwarded-client-cert", &header)
        .header("x-forwarded-client-cert", &header);
    let answer = gateway.answer(empty(twice.extension(proxy()))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    // The proxy itself is no caller.
    let answer = gateway.answer(empty(get().extension(proxy()))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gateway.calls(), 0);
    let stated = format!("{header};URI={AGENT};Subject=\"CN=\\\"a,b;c\\\"\"");
    assert_eq!(gateway.answer(with(proxy(), &stated)).await.status, 200);
}

#[tokio::test]
async fn a_decision_point_that_verifies_nothing_refuses() {
    let live = Live::fixed(Pdp::builder().build().unwrap());
    let gateway = Gateway::new(PortcullisLayer::new(live, mapper(), bearer()));
    let answer = gateway
        .answer(empty(get().header("authorization", "Bearer a")))
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["kind"], "host");
}

#[test]
fn an_authenticator_accepts_something() {
    assert!(Authenticator::builder().build().is_err());
    assert!(
        Authenticator::builder()
            .dpop(["api.example"])
            .build()
            .is_err()
    );
    assert!(
        Authenticator::builder()
            .bearer()
            .realm("a\"b")
            .build()
            .is_err()
    );
    assert!(Authenticator::builder().certificates().build().is_ok());
}
