//! Proof of possession (DPoP, RFC 9449): the presenter of a token has its key.

use super::jwt::{self, JwtError};
use super::keys::{PublicKey, Purpose, Unfit};
use super::verifier::SvidError;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use portcullis_model::limits::RequestLimits;
use portcullis_model::timestamp::{CLOCK_LEEWAY, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// Maximum size of a proof's claims: 4 KiB, nested 4 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 4 * 1024,
    depth: 4,
};

/// Maximum age of a proof when it is presented.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A DPoP proof and the HTTP request that carries it.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// Value of the `DPoP` header.
    pub jwt: &'a str,
    /// Method of the request, such as `POST`.
    pub method: &'a str,
    /// URL of the request as the client sees it.
    ///
    /// Query and fragment are ignored. This URL and the one in the proof are normalised (RFC 3986, sections
    /// 6.2.2 and 6.2.3) before they are compared.
    pub url: &'a str,
}

/// A verified proof. It may be presented once.
pub(super) struct Proved {
    /// Thumbprint of the key, followed by the `jti` of the proof.
    pub(super) id: String,
    /// Time until which the proof could be presented again.
    pub(super) until: Timestamp,
}

/// Verifies that `proof` was made for `token` with the key of `thumbprint` (section 4.3).
pub(super) fn verify(
    proof: &Proof<'_>,
    token: &str,
    thumbprint: &str,
    now: Timestamp,
) -> Result<Proved, SvidError> {
    let wrong = |what: &str| SvidError::Proof(what.to_owned());
    let (header, written) = jwt::header(proof.jwt, "dpop+jwt").map_err(not_a_proof)?;
    let jwk = written
        .get("jwk")
        .ok_or_else(|| wrong("its header has no `jwk`"))?;
    let key = PublicKey::from_jwk(jwk, Purpose::Signatures)
        .map_err(|unfit| SvidError::Proof(format!("`/jwk`: {}", Unfit::into_message(unfit))))?;
    if !key.algorithms.contains(&header.alg) {
        return Err(wrong("its algorithm does not fit its key"));
    }
    let found = Base64UrlUnpadded::encode_string(key.thumbprint());
    if found != thumbprint {
        return Err(wrong(
            "its key is not the one that the token was issued for",
        ));
    }
    if !jwt::is_signed_by(proof.jwt, header.alg, &key) {
        return Err(wrong("its signature is invalid"));
    }
    let claims = jwt::claims(proof.jwt, &LIMITS).map_err(not_a_proof)?;
    let text = |name: &str| match claims.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        Some(_) => Err(SvidError::Proof(format!("`/{name}`: a text is needed"))),
        None => Err(SvidError::Proof(format!("it has no `{name}`"))),
    };
    let moment = |name: &str| {
        jwt::numeric_date(&claims, name).map_err(|what| SvidError::Proof(what.to_string()))
    };
    if text("htm")? != proof.method {
        return Err(wrong("it is for another method (`htm`)"));
    }
    let asked = normal_url(proof.url)
        .ok_or_else(|| wrong("the request's URL is no `http` or `https` URL"))?;
    let stated = normal_url(text("htu")?)
        .ok_or_else(|| wrong("`/htu`: an `http` or `https` URL is needed"))?;
    if stated != asked {
        return Err(wrong("it is for another URL (`htu`)"));
    }
    let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(token.as_bytes()));
    if text("ath")? != hash {
        return Err(wrong("it is for another token (`ath`)"));
    }
    let id = text("jti")?;
    let made_at = moment("iat")?.ok_or_else(|| wrong("it has no `iat`"))?;
    if made_at > now.plus(CLOCK_LEEWAY) || now.since(made_at) > MAX_AGE {
        return Err(wrong("it is too old, or issued in the future (`iat`)"));
    }
    if moment("exp")?.is_some_and(|end| end <= now) {
        return Err(wrong("it has expired (`exp`)"));
    }
    if moment("nbf")?.is_some_and(|begin| begin > now) {
        return Err(wrong("it is not valid yet (`nbf`)"));
    }
    Ok(Proved {
        id: format!("{found} {id}"),
        until: made_at.plus(MAX_AGE).plus(CLOCK_LEEWAY),
    })
}

fn not_a_proof(error: JwtError) -> SvidError {
    SvidError::Proof(error.to_string())
}

/// Normal form of an `http` or `https` URL, without query and fragment.
///
/// RFC 9449, section 4.3, step 9. Case of scheme and host, default port, percent-encoding and dot segments
/// are normalised (RFC 3986, sections 6.2.2 and 6.2.3). `None` if `url` has another form or contains a user.
fn normal_url(url: &str) -> Option<String> {
    let is_plain = url
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b));
    let url = url.split(['?', '#']).next().filter(|_| is_plain)?;
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        _ => return None,
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if authority.contains('@') {
        return None;
    }
    // The port follows the last colon, unless that colon is inside brackets, as in `[::1]`.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    if host.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let host = normal_escapes(host)?.to_ascii_lowercase();
    let port = match port.trim_start_matches('0') {
        digits if port.is_empty() || digits == default_port => String::new(),
        digits => format!(":{digits}"),
    };
    let path = without_dots(&normal_escapes(path)?);
    Some(format!("{scheme}://{host}{port}{path}"))
}

/// Decodes escaped unreserved characters, and writes the other escapes in upper case.
fn normal_escapes(text: &str) -> Option<String> {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('%') {
        normal.push_str(before);
        let digits = escaped.get(..2)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        rest = escaped.get(2..)?;
    }
    normal.push_str(rest);
    Some(normal)
}

/// Removes dot segments from a path that begins with `/` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}
