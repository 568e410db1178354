//! Tests of proofs of possession.

use super::*;
use crate::identity::proof;
use portcullis_model::request::Principal;
use sha2::{Digest as _, Sha256};

const URL: &str = "https://gateway.acme.example/mcp";

/// A client's key, and a verifier with a state.
struct Client {
    key: NewKey,
    verifier: Verifier,
    issuer: Issuer,
    state: PathBuf,
}

impl Client {
    fn new(name: &str) -> Self {
        let issuer = Issuer::new(name, 7);
        let state =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.redb", std::process::id()));
        let _ = fs::remove_file(&state);
        let opened = EmbeddedState::open(&state, Duration::from_secs(60)).unwrap();
        Self {
            key: NewKey::seeded(42),
            verifier: issuer.verifier().state(Arc::new(opened)),
            issuer,
            state,
        }
    }

    fn jwk(&self) -> Value {
        self.key.to_jwk()
    }

    fn token(&self) -> String {
        let jwk = self.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
        // RFC 7638: the required members in order.
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            text("x"),
            text("y")
        );
        let mut claims = claims();
        claims["cnf"] = json!({ "jkt": encode(Sha256::digest(canonical.as_bytes())) });
        self.issuer.sign(&claims.to_string())
    }

    fn claims(&self, token: &str) -> Value {
        json!({
            "htm": "POST", "htu": URL, "iat": now(), "jti": "proof-1",
            "ath": encode(Sha256::digest(token.as_bytes())),
        })
    }

    fn prove(&self, key: &NewKey, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    fn present(&self, token: &str, claims: &Value) -> Result<Principal, SvidError> {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.jwk() });
        self.present_as(token, &self.prove(&self.key, &header, claims))
    }

    fn present_as(&self, token: &str, jwt: &str) -> Result<Principal, SvidError> {
        let proof = Proof {
            jwt,
            method: "POST",
            url: URL,
        };
        self.verifier.verify_with_proof(token, &proof)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.state);
    }
}

#[test]
fn who_has_the_key_is_believed_once_per_proof() {
    let client = Client::new("possession");
    let token = client.token();
    let claims = client.claims(&token);
    let principal = client.present(&token, &claims).unwrap();
    assert_eq!(principal.attestation, Attestation::ProofOfPossession);
    assert_eq!(principal.credential_id, "jti-17");
    let again = client.present(&token, &claims).unwrap_err();
    assert!(matches!(again, SvidError::ProofReplayed), "{again}");
    let mut next = claims;
    next["jti"] = json!("proof-2");
    assert!(client.present(&token, &next).is_ok());
}

#[test]
fn a_stolen_token_is_worth_nothing_without_its_key() {
    let client = Client::new("stolen");
    let token = client.token();
    assert!(matches!(
        client.verifier.verify(&token),
        Err(SvidError::ProofNeeded)
    ));
    let thief = NewKey::seeded(43);
    let claims = client.claims(&token);
    for jwk in [thief.to_jwk(), client.jwk()] {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
        let forged = client.prove(&thief, &header, &claims);
        assert!(matches!(
            client.present_as(&token, &forged),
            Err(SvidError::Proof(_))
        ));
    }
}

#[test]
fn a_proof_is_for_one_request_made_now() {
    let client = Client::new("one-request");
    let token = client.token();
    for (name, value) in [
        ("htm", json!("GET")),
        ("htu", json!("https://gateway.acme.example/other")),
        ("ath", json!("another")),
        ("iat", json!(now() - 3600)),
        ("iat", json!(now() + 3600)),
        ("jti", json!("")),
        ("jti", json!(7)),
    ] {
        let mut claims = client.claims(&token);
        claims[name] = value.clone();
        let refused = client.present(&token, &claims);
        assert!(
            matches!(refused, Err(SvidError::Proof(_))),
            "{name} {value}"
        );
    }
    let claims = client.claims(&token);
    for header in [
        json!({ "alg": "ES256", "typ": "JWT", "jwk": client.jwk() }),
        json!({ "alg": "ES256", "typ": "dpop+jwt" }),
        json!({ "alg": "ES384", "typ": "dpop+jwt", "jwk": client.jwk() }),
        json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": client.jwk(), "crit": ["x"] }),
    ] {
        let proof = client.prove(&client.key, &header, &claims);
        let refused = client.present_as(&token, &proof);
        assert!(matches!(refused, Err(SvidError::Proof(_))), "{header}");
    }
    assert!(client.present(&token, &claims).is_ok());
}

#[test]
fn a_token_that_is_bound_to_nothing_has_nothing_to_prove() {
    let client = Client::new("unbound");
    let token = client.issuer.sign(&claims().to_string());
    assert!(client.verifier.verify(&token).is_ok());
    let refused = client.present(&token, &client.claims(&token));
    assert!(matches!(refused, Err(SvidError::NotBound)));
    let mut claims = claims();
    claims["cnf"] = json!({ "x5t#S256": "…" });
    let bound_otherwise = client.issuer.sign(&claims.to_string());
    assert!(client.verifier.verify(&bound_otherwise).is_err());
}

/// The proof of RFC 9449, figure 12 (section 7.1).
///
/// Its token, and the thumbprint of section 6.1, belong to it.
#[test]
fn the_example_of_the_standard_is_valid() {
    const JWT: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
    let verify = |url, now| {
        let proof = Proof {
            jwt: JWT,
            method: "GET",
            url,
        };
        proof::verify(&proof, TOKEN, THUMBPRINT, now).map(|proved| proved.id)
    };
    let made = at(1_562_262_618);
    let proved = verify("https://resource.example.org/protectedresource", made).unwrap();
    assert_eq!(proved, format!("{THUMBPRINT} e1j3V_bKic8-LAEB"));
    assert!(verify("https://resource.example.org/other", made).is_err());
    assert!(
        verify(
            "https://resource.example.org/protectedresource",
            at(1_562_262_618 + 120)
        )
        .is_err()
    );
}

#[test]
fn a_proof_says_for_what_it_is_and_until_when() {
    let client = Client::new("says");
    let token = client.token();
    for name in ["htm", "htu", "jti", "iat", "ath"] {
        let mut claims = client.claims(&token);
        claims.as_object_mut().unwrap().remove(name);
        let refused = client.present(&token, &claims).unwrap_err().to_string();
        assert!(refused.contains(&format!("no `{name}`")), "{refused}");
        // A missing claim does not equal an empty method or URL.
        let jwt = {
            let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": client.jwk() });
            client.prove(&client.key, &header, &claims)
        };
        let nothing = Proof {
            jwt: &jwt,
            method: "",
            url: "",
        };
        assert!(client.verifier.verify_with_proof(&token, &nothing).is_err());
    }
    for (name, value, is_valid) in [
        ("exp", json!(now() - 60), false),
        ("exp", json!(now() + 60), true),
        ("exp", json!("later"), false),
        ("nbf", json!(now() + 60), false),
        ("nbf", json!(now() - 60), true),
        ("nbf", Value::Null, false),
        ("iat", json!(now() as f64 - 0.5), true),
        ("iat", json!(now().to_string()), false),
        ("htm", json!("post"), false),
        ("htm", json!(["POST"]), false),
    ] {
        let mut claims = client.claims(&token);
        claims["jti"] = json!(format!("{name} {value}"));
        claims[name] = value.clone();
        let came = client.present(&token, &claims);
        assert_eq!(came.is_ok(), is_valid, "{name} {value}: {came:?}");
    }
}

#[test]
fn the_key_of_a_proof_is_held_to_what_every_key_is() {
    let client = Client::new("proof-key");
    let token = client.token();
    let claims = client.claims(&token);
    let mut private = client.jwk();
    private["d"] = json!(encode([42; 32]));
    let mut encrypts = client.jwk();
    encrypts["use"] = json!("enc");
    let mut derives = client.jwk();
    derives["key_ops"] = json!(["deriveKey"]);
    let mut other = client.jwk();
    other["alg"] = json!("RS256");
    for (jwk, said) in [
        (private, "private key"),
        (encrypts, "`/use`"),
        (derives, "`/key_ops`"),
        (other, "`/alg`"),
        (
            json!({ "kty": "RSA", "n": encode([0xff; 128]), "e": "AQAB" }),
            "1024 bits",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }),
            "32 bytes",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([0; 32]) }),
            "small order",
        ),
        (json!({ "kty": "oct", "k": "c2VjcmV0" }), "shared secret"),
        (
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
            "32 bytes",
        ),
    ] {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
        let proof = client.prove(&client.key, &header, &claims);
        let refused = client.present_as(&token, &proof).unwrap_err().to_string();
        // Some members of the key do not have the type of a JWT header's member.
        let is_said = refused.contains(said) || refused.contains("it is not a JWT");
        assert!(is_said, "{header}: {refused}");
    }
    let mut signs = client.jwk();
    signs["use"] = json!("sig");
    signs["alg"] = json!("ES256");
    let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": signs });
    let proof = client.prove(&client.key, &header, &claims);
    assert!(client.present_as(&token, &proof).is_ok());
}

#[test]
fn a_url_is_compared_in_normal_form() {
    let client = Client::new("normal");
    let token = client.token();
    let mut number = 0;
    let mut present = |stated: &str, asked: &str| {
        number += 1;
        let mut claims = client.claims(&token);
        claims["htu"] = json!(stated);
        claims["jti"] = json!(format!("proof-{number}"));
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": client.jwk() });
        let jwt = client.prove(&client.key, &header, &claims);
        let proof = Proof {
            jwt: &jwt,
            method: "POST",
            url: asked,
        };
        client.verifier.verify_with_proof(&token, &proof).is_ok()
    };
    for same in [
        "https://gateway.acme.example/mcp",
        "HTTPS://gateway.acme.example/mcp",
        "https://GATEWAY.acme.Example/mcp",
        "https://gateway.acme.example:443/mcp",
        "https://gateway.acme.example:/mcp",
        "https://gateway.acme.example/%6dcp",
        "https://gateway.acme.example/%6Dcp",
        "https://gateway.acme.example/./mcp",
        "https://gateway.acme.example/a/../mcp",
        "https://gateway.acme.example/%2e/mcp",
        "https://gateway.acme.example/a/%2E%2e/mcp",
        "https://gateway.acme.example/mcp?query=1",
        "https://gateway.acme.example/mcp#fragment",
        "https://gateway.acme.example/mcp?a=/../b#c",
    ] {
        assert!(present(same, URL), "{same}");
        assert!(present(URL, same), "{same}, asked for");
    }
    assert!(present("http://[::1]:80/a%2fb", "http://[::1]/a%2Fb"));
    assert!(present("https://a.example", "https://a.example/"));
    for other in [
        "http://gateway.acme.example/mcp",
        "https://gateway.acme.example:8443/mcp",
        "https://gateway.acme.example:80/mcp",
        "https://gateway.acme.example/mcp/",
        "https://gateway.acme.example/MCP",
        "https://gateway.acme.example//mcp",
        "https://gateway.acme.example/mcp%2F",
        "https://gateway.acme.example/mc%70%",
        "https://gateway.acme.example/mcp%zz",
        "https://gateway.acme.example\\mcp",
        "https://gateway.acme.example /mcp",
        "https://user@gateway.acme.example/mcp",
        "https://gateway.acme.example@mallory.example/mcp",
        "https://gateway.acme.example.mallory.example/mcp",
        "https:/gateway.acme.example/mcp",
        "//gateway.acme.example/mcp",
        "gateway.acme.example/mcp",
        "ftp://gateway.acme.example/mcp",
        "/mcp",
        "https:///mcp",
        "https://gateway.acme.example:x/mcp",
    ] {
        assert!(!present(other, URL), "{other}");
    }
}
