//! Rules by which public keys are accepted.
//!
//! The same rules apply to keys of approvers, delegators and issuers of events, and to keys in trust bundles,
//! SVIDs and proofs of possession. A key is one of:
//!
//! - *accepted*,
//! - *not meant* for signatures here, such as one with `use: enc` or on an unsupported curve: it is skipped,
//!   as RFC 7517, section 5, requires,
//! - *refused*: it makes the whole document unusable.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use curve25519_dalek::edwards::CompressedEdwardsY;
use jsonwebtoken::{Algorithm, DecodingKey};
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use x509_parser::public_key::PublicKey as X509Key;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Maximum size of a key set or bundle: 1 MiB, nested 8 deep.
const SET: RequestLimits = RequestLimits {
    bytes: 1024 * 1024,
    depth: 8,
};

/// Minimum number of bits of an RSA modulus (NIST SP 800-131A).
const MIN_RSA_BITS: usize = 2048;

/// Maximum number of bits of an RSA modulus in a JWK.
///
/// A larger key makes each signature slower to verify, and is of no use beside the other keys of a chain.
const MAX_RSA_BITS: usize = 4096;

/// Maximum number of bits of an RSA modulus in a certificate.
///
/// The signature library supports no larger modulus.
const MAX_CERTIFICATE_RSA_BITS: usize = 8192;

/// Range of accepted RSA exponents, which are also odd (FIPS 186-5, section 5.4).
const RSA_EXPONENTS: std::ops::RangeInclusive<u64> = 65_537..=(1 << 33) - 1;

/// Secret members of a JWK (RFC 7518, sections 6.2.2, 6.3.2 and 6.4; RFC 8037).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key for verifying signatures.
#[derive(Clone)]
pub(crate) struct PublicKey {
    pub(super) algorithms: &'static [Algorithm],
    pub(super) key: DecodingKey,
    thumbprint: Thumbprint,
}

/// Hash of a key's required members, independent of its `kid` (RFC 7638).
pub(crate) type Thumbprint = [u8; 32];

/// Reason why a key is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The key has another purpose or an unsupported type.
    NotMeant(String),
    /// The key must not be in the document.
    Refused(String),
}

impl Unfit {
    pub(crate) fn into_message(self) -> String {
        match self {
            Self::NotMeant(message) | Self::Refused(message) => message,
        }
    }
}

/// Purpose of a key in a JWK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signatures: `use` is `sig` or missing.
    Signatures,
    /// JWT-SVIDs of a trust domain: `use` is `jwt-svid` (SPIFFE JWT-SVID, section 4).
    JwtSvid,
}

/// Reads a key set or a bundle in JSON.
///
/// Duplicate members and parts of private keys are refused.
///
/// # Errors
///
/// The reason why the document is unusable.
pub(super) fn read_set(bytes: &[u8]) -> Result<Value, String> {
    refuse_pem(bytes)?;
    // The strict reader refuses duplicate members, which readers could resolve in two ways.
    let set = json::parse(bytes, &SET).map_err(|error| error.to_string())?;
    if let Some(member) = secret_member(&set) {
        return Err(private("", member));
    }
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("`/keys`: a list of keys is needed (a JWKS, RFC 7517)")?;
    for (index, key) in keys.iter().enumerate() {
        if !key.is_object() {
            return Err(format!("`/keys/{index}`: a key is an object"));
        }
        if let Some(member) = secret_member(key) {
            return Err(private(&format!("/keys/{index}"), member));
        }
    }
    Ok(set)
}

/// Refuses PEM: the document must be a JWKS, without private keys.
fn refuse_pem(bytes: &[u8]) -> Result<(), String> {
    let is_there = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    if !bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Ok(());
    }
    Err(match is_there("PRIVATE KEY-----") {
        true => "it is a private key in PEM: keep it elsewhere, and publish its public part as a JWKS (RFC 7517)",
        false => "it is PEM: publish the public key as a JWKS (RFC 7517), `{\"keys\": [...]}`",
    }
    .to_owned())
}

fn private(at: &str, member: &str) -> String {
    let what = match member {
        "k" => "a shared secret",
        _ => "a private key",
    };
    format!("`{at}/{member}`: it is {what}: keep it elsewhere, and publish the public part only")
}

/// First member that belongs to a private or symmetric key.
fn secret_member(jwk: &Value) -> Option<&'static str> {
    let mut members = SECRET_MEMBERS.into_iter();
    members.find(|member| jwk.get(member).is_some())
}

impl PublicKey {
    /// Accepts a public key in a JWK (RFC 7517).
    ///
    /// # Errors
    ///
    /// [`Unfit`], with the reason.
    pub(crate) fn from_jwk(jwk: &Value, purpose: Purpose) -> Result<Self, Unfit> {
        if let Some(member) = secret_member(jwk) {
            return Err(refused(private("", member)));
        }
        let kind = text(jwk, "kty")?.ok_or_else(|| refused("`/kty`: missing"))?;
        if kind.eq_ignore_ascii_case("oct") {
            let message = "`/kty` is `oct`: a shared secret lets every verifier sign, so it must not be published: use an EC, RSA or Ed25519 key";
            return Err(refused(message));
        }
        refuse_other_purposes(jwk, purpose)?;
        let key = match kind {
            "RSA" => rsa(jwk),
            "EC" => elliptic(jwk),
            "OKP" => edwards(jwk),
            other => Err(not_meant(format!(
                "`/kty` is `{}`, and `EC`, `RSA` and `OKP` are supported",
                excerpt(other)
            ))),
        }?;
        key.narrowed(text(jwk, "alg")?)
    }

    /// Thumbprint of the key.
    pub(crate) fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Restricts the key to the algorithm in `alg`, if there is one.
    fn narrowed(mut self, algorithm: Option<&str>) -> Result<Self, Unfit> {
        let Some(name) = algorithm else {
            return Ok(self);
        };
        let fitting = self
            .algorithms
            .iter()
            .position(|one| name.parse::<Algorithm>().ok() == Some(*one));
        if let Some(index) = fitting {
            self.algorithms = self.algorithms.get(index..=index).unwrap_or_default();
            return Ok(self);
        }
        Err(if is_for_encryption(name) {
            not_meant(format!("`/alg` is `{name}`, which does not sign"))
        } else {
            refused(format!(
                "`/alg` is `{}`, which is no algorithm of a key of this type",
                excerpt(name)
            ))
        })
    }
}

/// Refuses contradictory purposes, and skips keys of other purposes (RFC 7517, sections 4.2 and 4.3).
fn refuse_other_purposes(jwk: &Value, purpose: Purpose) -> Result<(), Unfit> {
    let needed = match purpose {
        Purpose::Signatures => "sig",
        Purpose::JwtSvid => "jwt-svid",
    };
    match text(jwk, "use")? {
        None if purpose == Purpose::Signatures => {}
        Some(found) if found == needed => {}
        found => {
            let found = excerpt(found.unwrap_or_default());
            return Err(not_meant(format!("`/use` is `{found}`, not `{needed}`")));
        }
    }
    let Some(operations) = jwk.get("key_ops") else {
        return Ok(());
    };
    let operations: Option<Vec<&str>> = operations
        .as_array()
        .and_then(|operations| operations.iter().map(Value::as_str).collect());
    let operations = operations.ok_or_else(|| refused("`/key_ops`: a list of texts is needed"))?;
    let is_repeated =
        |(index, one): (usize, &&str)| operations.iter().take(index).any(|it| it == one);
    if operations.iter().enumerate().any(is_repeated) {
        return Err(refused("`/key_ops`: an operation is there twice"));
    }
    if !operations.contains(&"verify") {
        return Err(not_meant("`/key_ops` does not have `verify`"));
    }
    let others = [
        "encrypt",
        "decrypt",
        "wrapKey",
        "unwrapKey",
        "deriveKey",
        "deriveBits",
    ];
    match operations.iter().find(|one| others.contains(*one)) {
        None => Ok(()),
        Some(other) => Err(refused(format!(
            "`/key_ops` has `{other}` beside `verify`: a key that verifies signatures does nothing else"
        ))),
    }
}

/// Reads an RSA key and checks its size and exponent (RFC 7518, section 6.3.1).
fn rsa(jwk: &Value) -> Result<PublicKey, Unfit> {
    const ALGORITHMS: &[Algorithm] = &[
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ];
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    for (at, number) in [("n", &n), ("e", &e)] {
        if number.first().is_none_or(|first| *first == 0) {
            return Err(refused(format!(
                "`/{at}`: a number without leading zeros is needed"
            )));
        }
    }
    judge_rsa(&n, &e, MAX_RSA_BITS)?;
    Ok(PublicKey {
        algorithms: ALGORITHMS,
        key: DecodingKey::from_rsa_raw_components(&n, &e),
        thumbprint: thumbprint(&[
            ("e", &Base64UrlUnpadded::encode_string(&e)),
            ("kty", "RSA"),
            ("n", &Base64UrlUnpadded::encode_string(&n)),
        ]),
    })
}

/// Checks modulus and exponent of an RSA key.
fn judge_rsa(modulus: &[u8], exponent: &[u8], most: usize) -> Result<(), Unfit> {
    let modulus = without_zeros(modulus);
    let bits = modulus.first().map_or(0, |first| {
        modulus.len() * 8 - first.leading_zeros() as usize
    });
    if !(MIN_RSA_BITS..=most).contains(&bits) {
        return Err(refused(format!(
            "the RSA key has {bits} bits, and {MIN_RSA_BITS} to {most} are accepted: make a new key"
        )));
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err(refused(
            "the modulus of the RSA key is even: make a new key",
        ));
    }
    let exponent = without_zeros(exponent);
    let number = exponent
        .iter()
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    if exponent.len() > 8 || !RSA_EXPONENTS.contains(&number) || number % 2 == 0 {
        return Err(refused(
            "the RSA key has an unsafe exponent: make a new key with the exponent 65537",
        ));
    }
    Ok(())
}

pub(super) fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Reads an EC key and checks that it lies on its curve (RFC 7518, section 6.2.1).
fn elliptic(jwk: &Value) -> Result<PublicKey, Unfit> {
    let curve = text(jwk, "crv")?.ok_or_else(|| refused("`/crv`: missing"))?;
    let (algorithms, width): (&'static [Algorithm], usize) = match curve {
        "P-256" => (&[Algorithm::ES256], 32),
        "P-384" => (&[Algorithm::ES384], 48),
        other => {
            return Err(not_meant(format!(
                "`/crv` is `{}`, and `P-256`, `P-384` and `Ed25519` are supported",
                excerpt(other)
            )));
        }
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != width || y.len() != width {
        return Err(refused(format!(
            "`/x`, `/y`: a point of `{curve}` has {width} bytes in each"
        )));
    }
    let point = [&[4][..], &x, &y].concat();
    judge_point(&point)?;
    Ok(PublicKey {
        algorithms,
        key: DecodingKey::from_ec_der(&point),
        thumbprint: thumbprint(&[
            ("crv", curve),
            ("kty", "EC"),
            ("x", &Base64UrlUnpadded::encode_string(&x)),
            ("y", &Base64UrlUnpadded::encode_string(&y)),
        ]),
    })
}

/// Checks a SEC 1 point of P-256 or P-384, chosen by its length.
fn judge_point(point: &[u8]) -> Result<(), Unfit> {
    // The first byte is the form: compressed, or both coordinates.
    let is_on_curve = match (point.len(), point.first()) {
        (33, Some(2 | 3)) | (65, Some(4)) => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).is_ok()
        }
        (49, Some(2 | 3)) | (97, Some(4)) => {
            ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point).is_ok()
        }
        _ => false,
    };
    match is_on_curve {
        true => Ok(()),
        false => Err(refused("the key is no point of its curve")),
    }
}

/// Reads an Ed25519 key (RFC 8037).
fn edwards(jwk: &Value) -> Result<PublicKey, Unfit> {
    let curve = text(jwk, "crv")?.ok_or_else(|| refused("`/crv`: missing"))?;
    if curve != "Ed25519" {
        return Err(not_meant(format!(
            "`/crv` is `{}`, and of `OKP` `Ed25519` is supported",
            excerpt(curve)
        )));
    }
    let x = bytes(jwk, "x")?;
    judge_edwards(&x)?;
    Ok(PublicKey {
        algorithms: &[Algorithm::EdDSA],
        key: DecodingKey::from_ed_der(&x),
        thumbprint: thumbprint(&[
            ("crv", curve),
            ("kty", "OKP"),
            ("x", &Base64UrlUnpadded::encode_string(&x)),
        ]),
    })
}

/// Checks an Ed25519 point.
///
/// For a point of small order, or with a component of small order, signatures can be forged without the key,
/// or more than one key verifies them.
fn judge_edwards(x: &[u8]) -> Result<(), Unfit> {
    let compressed = CompressedEdwardsY::from_slice(x)
        .map_err(|_| refused("`/x`: a point of `Ed25519` has 32 bytes"))?;
    let point = compressed
        .decompress()
        .filter(|point| point.compress() == compressed)
        .ok_or_else(|| refused("the key is no point of its curve"))?;
    // The signature library does not check the order.
    if point.is_small_order() || !point.is_torsion_free() {
        return Err(refused(
            "the Ed25519 key is a point of small order, so its signatures can be forged: make a new key",
        ));
    }
    Ok(())
}

/// Checks the key of a certificate (RFC 5280, section 4.1.2.7).
///
/// # Errors
///
/// [`Unfit`].
pub(super) fn judge_certificate(spki: &SubjectPublicKeyInfo<'_>) -> Result<(), Unfit> {
    match spki.parsed() {
        Ok(X509Key::RSA(key)) => judge_rsa(key.modulus, key.exponent, MAX_CERTIFICATE_RSA_BITS),
        Ok(X509Key::EC(point)) if matches!(point.data().len(), 33 | 49 | 65 | 97) => {
            judge_point(point.data())
        }
        Ok(X509Key::EC(_)) => Err(not_meant(
            "its curve is not supported: use P-256, P-384 or Ed25519",
        )),
        _ if spki.algorithm.algorithm == ED25519 => {
            judge_edwards(spki.subject_public_key.data.as_ref())
        }
        _ => Err(not_meant(
            "its key is of no supported type: use P-256, P-384, Ed25519 or RSA",
        )),
    }
}

/// Object identifier of Ed25519 (RFC 8410).
const ED25519: x509_parser::der_parser::oid::Oid<'static> =
    x509_parser::der_parser::oid!(1.3.101.112);

/// Reads a text member, if it is present.
fn text<'a>(jwk: &'a Value, name: &str) -> Result<Option<&'a str>, Unfit> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refused(format!("`/{name}`: a text is needed"))),
    }
}

/// Reads a required member with bytes in base64url.
pub(super) fn bytes(jwk: &Value, name: &str) -> Result<Vec<u8>, Unfit> {
    let text = text(jwk, name)?.ok_or_else(|| refused(format!("`/{name}`: missing")))?;
    Base64UrlUnpadded::decode_vec(text)
        .map_err(|_| refused(format!("`/{name}`: base64url without padding is needed")))
}

/// Hash of the required members, which are passed in order (RFC 7638, section 3).
///
/// No member has a character that JSON escapes.
fn thumbprint(members: &[(&str, &str)]) -> Thumbprint {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .collect();
    Sha256::digest(format!("{{{}}}", members.join(",")).as_bytes()).into()
}

fn is_for_encryption(algorithm: &str) -> bool {
    [
        "RSA-OAEP", "RSA1_5", "ECDH-ES", "A128", "A192", "A256", "dir",
    ]
    .iter()
    .any(|begin| algorithm.starts_with(begin))
}

fn excerpt(text: &str) -> String {
    portcullis_contract::excerpt(text)
}

fn refused(message: impl Into<String>) -> Unfit {
    Unfit::Refused(message.into())
}

fn not_meant(message: impl Into<String>) -> Unfit {
    Unfit::NotMeant(message.into())
}
