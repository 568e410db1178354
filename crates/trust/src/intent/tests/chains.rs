//! Tests of chain lengths, and of signed and carried chains.

use super::*;
use crate::identity::NewKey;
use crate::intent::store::{CARRIED_BYTES, MAX_DEPTH};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portcullis_contract::work::Budget;
use std::path::PathBuf;
use std::sync::Arc;

const ALICE: &str = "alice@acme.example";
const HERE: &str = "https://gateway.acme.example";

/// An intent at the position `place` of a chain.
pub(super) fn link(place: usize, parent: Option<&StoredIntent>) -> Value {
    let mut value = whole();
    value["id"] = json!(format!("int-{place}"));
    value["principal"] = json!(format!("spiffe://acme.example/{place}"));
    if let Some(parent) = parent {
        value["approved-by"]["who"] = json!(parent.principal);
        let digest = parent.digest().to_string();
        value["parent"] = json!({ "id": parent.id, "digest": digest });
    }
    value
}

#[test]
fn a_chain_has_so_many_links_and_no_more() {
    let intents = Intents::default();
    let mut parent: Option<Arc<StoredIntent>> = None;
    for place in 1..=MAX_DEPTH {
        let link = link(place, parent.as_deref());
        parent = Some(intents.insert(link.to_string().as_bytes()).unwrap());
    }
    let one_more = link(MAX_DEPTH + 1, parent.as_deref());
    let refused = intents.insert(one_more.to_string().as_bytes());
    let id = format!("int-{}", MAX_DEPTH + 1);
    assert_eq!(refused.unwrap_err(), IntentError::TooDeep(id));
    assert_eq!(intents.len(), MAX_DEPTH);
}

/// A signer, with the file of its public key.
pub(super) struct Signer {
    pem: String,
    pub(super) jwks: PathBuf,
}

impl Signer {
    pub(super) fn new(name: &str) -> Self {
        Self::with_key(name, 7)
    }

    pub(super) fn with_key(name: &str, seed: u8) -> Self {
        let key = NewKey::seeded(seed);
        let jwks =
            std::env::temp_dir().join(format!("portcullis-{name}-{}.json", std::process::id()));
        let signer = Self {
            pem: key.to_pem().unwrap(),
            jwks,
        };
        signer.publish(&key);
        signer
    }

    pub(super) fn publish(&self, key: &NewKey) {
        let mut jwk = key.to_jwk();
        jwk["use"] = json!("sig");
        jwk["alg"] = json!("ES256");
        // Renaming gives the file another identity: with a coarse clock, its time and length are the same.
        let beside = self.jwks.with_extension("new");
        std::fs::write(&beside, json!({ "keys": [jwk] }).to_string()).unwrap();
        std::fs::rename(&beside, &self.jwks).unwrap();
    }

    pub(super) fn signatures(&self) -> Signatures {
        Signatures::default().approver(ALICE, &self.jwks).unwrap()
    }

    pub(super) fn sign(&self, intent: &Value, audience: Option<&str>) -> String {
        sign(
            intent.to_string().as_bytes(),
            self.pem.as_bytes(),
            None,
            audience,
        )
        .unwrap()
    }

    /// Signs any claims in the form of a signed intent.
    fn sign_claims(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("intent+jwt".to_owned());
        let key = EncodingKey::from_ec_pem(self.pem.as_bytes()).unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.jwks);
    }
}

/// Reason why the token is refused.
fn refused(intents: &Intents, token: &str) -> String {
    match intents.insert(token.as_bytes()).unwrap_err() {
        IntentError::Signature(why) => why,
        other => panic!("it is not its signature that is refused: {other}"),
    }
}

#[test]
fn a_signed_intent_that_is_meant_for_another_host_is_none_here() {
    let signer = Signer::new("audience");
    let here = Intents::signed(signer.signatures().audience(HERE));
    for audience in [Some("https://elsewhere.example"), None] {
        let why = refused(&here, &signer.sign(&whole(), audience));
        assert!(why.contains("`aud`") && why.contains(HERE), "{why}");
    }
    let meant = signer.sign(&whole(), Some(HERE));
    assert!(here.insert(meant.as_bytes()).is_ok());
    let anywhere = Intents::signed(signer.signatures());
    let elsewhere = signer.sign(&whole(), Some("https://elsewhere.example"));
    assert!(anywhere.insert(elsewhere.as_bytes()).is_ok());
}

#[test]
fn a_signed_intent_whose_claims_say_something_else_is_none() {
    let signer = Signer::new("claims");
    let bob = "bob@acme.example";
    let his = Signer::with_key("claims-of-bob", 8);
    let signatures = signer.signatures().approver(bob, &his.jwks).unwrap();
    let intents = Intents::signed(signatures);
    let token = signer.sign(&whole(), None);
    let claims = token.split('.').nth(1).unwrap();
    let claims = Base64UrlUnpadded::decode_vec(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    // An approval by bob that alice signed in her own name.
    let mut of_bob = claims.clone();
    of_bob["authorization_details"][0]["approved-by"]["who"] = json!(bob);
    assert!(refused(&intents, &signer.sign_claims(&of_bob)).contains("`/iss`"));
    for (claim, value) in [
        ("sub", json!("spiffe://acme.example/b")),
        ("jti", json!("int-2")),
        ("iat", json!(1)),
        ("nbf", json!(1)),
        ("exp", json!(9_999_999_999_u64)),
    ] {
        let mut other = claims.clone();
        other[claim] = value;
        let why = refused(&intents, &signer.sign_claims(&other));
        assert!(why.contains(&format!("`/{claim}`")), "{why}");
    }
    for claim in ["sub", "jti", "iat", "nbf", "exp"] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(claim);
        let why = refused(&intents, &signer.sign_claims(&without));
        assert!(why.contains(&format!("`/{claim}`")), "{why}");
    }
    let mut twice = claims.clone();
    let details = twice["authorization_details"].as_array_mut().unwrap();
    details.push(details[0].clone());
    assert!(refused(&intents, &signer.sign_claims(&twice)).contains("exactly one"));
    let same = signer.sign_claims(&claims);
    assert!(intents.insert(same.as_bytes()).is_ok());
}

#[test]
fn a_chain_that_is_carried_is_in_order_and_hangs_together() {
    let signer = Signer::new("carried");
    let first = intent(&link(1, None));
    let lead = Signer::with_key("carried-by-lead", 8);
    let signatures = signer.signatures();
    let signatures = signatures.delegator(&first.principal, &lead.jwks);
    let intents = Intents::signed(signatures.unwrap());
    let root = signer.sign(&link(1, None), None);
    let child = lead.sign(&link(2, Some(&first)), None);
    let another_root = signer.sign(&link(9, None), None);
    let carried = |documents: [&String; 2]| intents.carried(&documents.map(String::clone));

    let chain = carried([&root, &child]).unwrap();
    let ids: Vec<_> = chain.iter().map(|intent| intent.id.as_str()).collect();
    assert_eq!(ids, ["int-1", "int-2"]);
    assert_eq!(
        carried([&root, &another_root]).unwrap_err(),
        IntentError::NotNext("int-9".to_owned())
    );
    assert_eq!(
        carried([&child, &root]).unwrap_err(),
        IntentError::NoParent {
            id: "int-2".to_owned(),
            parent: "int-1".to_owned()
        }
    );
    assert_eq!(
        carried([&another_root, &child]).unwrap_err(),
        IntentError::OtherParent {
            id: "int-2".to_owned(),
            parent: "int-1".to_owned()
        }
    );
    assert!(intents.is_empty(), "what is carried is not taken up");
}

/// The result is cached, so it must not depend on what the decision compared before.
#[test]
fn comparing_what_is_carried_has_a_budget_of_its_own() {
    let signer = Signer::new("complex");
    let lead = Signer::with_key("complex-of-lead", 8);
    let with = |place: usize, parent: Option<&StoredIntent>, resources: &[String]| {
        let mut value = link(place, parent);
        let allowance = value["allows"][0].clone();
        let allows = resources.iter().map(|resource| {
            let mut allowance = allowance.clone();
            allowance["resource"] = json!(resource);
            allowance
        });
        value["allows"] = allows.collect();
        value
    };
    let hosts = || {
        let delegator = intent(&link(1, None)).principal;
        let signatures = signer.signatures().delegator(&delegator, &lead.jwks);
        Intents::signed(signatures.unwrap())
    };
    let carried = |intents: &Intents, of_root: &[String], of_child: &[String]| {
        let root = with(1, None, of_root);
        let child = with(2, Some(&intent(&root)), of_child);
        intents.carried(&[signer.sign(&root, None), lead.sign(&child, None)])
    };

    // A decision that has no steps left verifies as any other, and is not charged for it.
    let plain = |text: &str| vec![format!("acme/{text}")];
    for before in [0, 1, 100] {
        let intents = hosts();
        let decision = Budget::begin(before);
        assert!(carried(&intents, &plain("**"), &plain("b*/**")).is_ok());
        assert_eq!(decision.taken(), 0);
        drop(decision);
        assert!(carried(&intents, &plain("**"), &plain("b*/**")).is_ok());
        let decision = Budget::begin(before);
        let wider = carried(&hosts(), &plain("b*/**"), &plain("**"));
        assert!(matches!(wider, Err(IntentError::Wider { .. })), "{wider:?}");
        drop(decision);
    }
    // Delegating many names of one parent is no work to speak of.
    let many: Vec<_> = (0..64).map(|n| format!("acme/team-{n}/**")).collect();
    assert!(carried(&hosts(), &many, &many).is_ok());

    let hard = |end: usize| format!("{}x{end}", "*a".repeat(12) + "/**/" + &"*b".repeat(12));
    let (of_root, of_child): (Vec<_>, Vec<_>) = (0..8).map(|n| (hard(n), hard(7 - n))).unzip();
    let intents = hosts();
    for _ in 0..2 {
        let refused = carried(&intents, &of_root, &of_child);
        assert_eq!(refused.unwrap_err(), IntentError::TooComplex);
    }
}

#[test]
fn an_id_is_used_once_in_what_is_carried_too() {
    let signer = Signer::new("ids");
    let lead = Signer::with_key("ids-of-lead", 8);
    let first = intent(&link(1, None));
    let signatures = signer.signatures();
    let signatures = signatures.delegator(&first.principal, &lead.jwks);
    let intents = Intents::signed(signatures.unwrap());
    let carried = |documents: &[&Value]| {
        let signed = documents.iter().map(|it| match it.get("parent") {
            None => signer.sign(it, None),
            Some(_) => lead.sign(it, None),
        });
        let signed: Vec<_> = signed.collect();
        intents.carried(&signed).map(|chain| chain.len())
    };
    let duplicate = |id: &str| Err(IntentError::Duplicate(id.to_owned()));
    let root = link(1, None);
    let child = link(2, Some(&first));
    assert_eq!(carried(&[&root, &child]), Ok(2));
    // The same documents, again and in another chain.
    assert_eq!(carried(&[&root, &child]), Ok(2));
    assert_eq!(carried(&[&root]), Ok(1));

    // The id of its parent.
    let mut of_parent = child.clone();
    of_parent["id"] = json!("int-1");
    assert_eq!(carried(&[&root, &of_parent]), duplicate("int-1"));
    // The id of another carried intent.
    let mut other = child;
    other["purpose"] = json!("something else");
    assert_eq!(carried(&[&root, &other]), duplicate("int-2"));
    // The id of a known intent, added before or afterwards.
    let mut known = link(7, None);
    let taken = intents.insert(signer.sign(&known, None).as_bytes());
    assert!(taken.is_ok());
    assert_eq!(carried(&[&known]), Ok(1), "it is that one");
    known["purpose"] = json!("something else");
    assert_eq!(carried(&[&known]), duplicate("int-7"));
    let mut later = link(8, None);
    assert_eq!(carried(&[&later]), Ok(1));
    let before = later.clone();
    later["purpose"] = json!("taken up");
    let taken = intents.insert(signer.sign(&later, None).as_bytes());
    assert!(taken.is_ok());
    assert_eq!(carried(&[&before]), duplicate("int-8"));
    // A chain is refused if one of its ids is.
    let known_root = intent(&link(7, None));
    let mut third = link(3, Some(&known_root));
    third["approved-by"]["who"] = json!(known_root.principal);
    assert!(carried(&[&known, &third]).is_err());
}

#[test]
fn a_chain_that_was_carried_before_is_none_once_its_key_is_withdrawn() {
    let signer = Signer::new("withdrawn");
    let intents = Intents::signed(signer.signatures());
    let documents = [signer.sign(&link(1, None), None)];
    assert!(intents.carried(&documents).is_ok());
    signer.publish(&NewKey::seeded(9));
    assert!(intents.carried(&documents).is_ok(), "only a look reads it");
    intents.refresh();
    assert!(intents.carried(&documents).is_err());
}

#[test]
fn what_is_carried_takes_no_more_memory_than_it_may() {
    let signer = Signer::new("weight");
    let lead = Signer::with_key("weight-of-lead", 8);
    let root = intent(&link(1, None));
    let signatures = signer
        .signatures()
        .delegator(&root.principal, &lead.jwks)
        .unwrap();
    let intents = Intents::signed(signatures);
    intents
        .insert(signer.sign(&link(1, None), None).as_bytes())
        .unwrap();
    let first = heavy(0, &root);
    let bytes = first.to_string().len() as u64;
    let weight = intent(&first).memory_bytes() as u64;
    assert!(weight > 4 * bytes, "{weight} for {bytes} bytes of text");
    let children = CARRIED_BYTES / weight * 5 / 4;
    for place in 0..children {
        let child = heavy(place, &root);
        assert!(intents.carried(&[lead.sign(&child, None)]).is_ok());
    }
    let (kept, of) = (intents.carried_bytes(), children * weight);
    assert!(kept <= CARRIED_BYTES, "{kept} bytes of {of}");
    assert!(kept > CARRIED_BYTES / 2, "{kept} bytes of {of}");

    // Listed arguments weigh what their tree takes: a node for each member of a pointer.
    let mut listed = first;
    listed["denies"] = link(2, Some(&root))["denies"].clone();
    let before = intent(&listed).memory_bytes();
    let pointers: Vec<_> = (0..64)
        .map(|n| format!("/{n}{}", "/a".repeat(200)))
        .collect();
    listed["allows"][0]["arguments"] = json!({ "required": pointers, "optional": [] });
    let added = intent(&listed).memory_bytes() - before;
    assert!(added > 64 * 200 * 11 * size_of::<String>(), "{added} bytes");
}

/// A short child intent that takes much memory when parsed.
fn heavy(place: u64, parent: &StoredIntent) -> Value {
    let mut child = link(2, Some(parent));
    child["id"] = json!(format!("int-heavy-{place}"));
    let segments = ["a"; 16].join("/");
    let denial = json!({ "integration": "github", "action": segments, "resource": segments });
    let mut denies = vec![denial; 63];
    // It repeats the denials of its parent.
    denies.push(child["denies"][0].clone());
    child["denies"] = json!(denies);
    child
}

#[test]
fn a_key_that_comes_to_be_shared_signs_nothing_any_more() {
    let signer = Signer::new("comes-to-be-shared");
    let bob = Signer::with_key("comes-to-be-shared-too", 8);
    let signatures = signer.signatures();
    let signatures = signatures.approver("bob@acme.example", &bob.jwks).unwrap();
    let intents = Intents::signed(signatures);
    let of = |id: &str| {
        let mut value = whole();
        value["id"] = json!(id);
        signer.sign(&value, None)
    };
    assert!(intents.insert(of("int-a").as_bytes()).is_ok());
    bob.publish(&NewKey::seeded(7));
    intents.refresh();
    match intents.insert(of("int-b").as_bytes()) {
        Err(IntentError::Signature(why)) => assert!(why.contains("one key"), "{why}"),
        other => panic!("it still counts: {other:?}"),
    }
    assert!(
        intents.is_empty(),
        "the intent that it signed before does not count either"
    );
}

#[test]
fn nobody_approves_for_itself_in_whatever_spelling() {
    let of = |who: &str| {
        let mut value = whole();
        value["principal"] = json!("spiffe://acme.example/agent/fixer");
        value["approved-by"]["who"] = json!(who);
        StoredIntent::from_json(value.to_string().as_bytes())
    };
    for who in [
        "spiffe://acme.example/agent/fixer",
        "SPIFFE://acme.example/agent/fixer",
        "spiffe://ACME.example/agent/fixer",
        "spiffe://acme.example/agent/fixer/",
        "spiffe://acme.example/agent//fixer",
        "spiffe://acme.example/agent/%66ixer",
        "spiffe://acme.example/agent/./fixer",
        "spiffe://acme.example/Agent/Fixer",
        "acme.example/agent/fixer",
        " spiffe://acme.example/agent/fixer",
        "spiffe://acme.example/agent/fixer\n",
    ] {
        assert!(of(who).is_err(), "{who:?}");
    }
    for who in ["alice@acme.example", "spiffe://acme.example/agent/lead"] {
        assert!(of(who).is_ok(), "{who}");
    }
}
