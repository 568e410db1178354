//! Tokens in `Authorization`.

use super::error::AuthErrorKind;
use crate::Call;
use http::header;

/// Scheme of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// A token, and the proof of possession that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Bearer(&'a str),
    Dpop {
        token: &'a str,
        proof: &'a str,
    },
    /// A credential of another scheme.
    Other,
}

impl Token<'_> {
    pub(super) const fn scheme(&self) -> Option<Scheme> {
        match self {
            Self::Bearer(_) => Some(Scheme::Bearer),
            Self::Dpop { .. } => Some(Scheme::Dpop),
            Self::Other => None,
        }
    }
}

/// Reads the token of a call. `None` if it has none.
///
/// # Errors
///
/// [`AuthErrorKind::Malformed`] if there are several, or if token and proof do not fit each other.
pub(super) fn read<'a>(call: &Call<'a>) -> Result<Option<Token<'a>>, AuthErrorKind> {
    const AUTHORIZATION: &str = "authorization";
    const DPOP: &str = "dpop";
    let wrong = |header, why| Err(AuthErrorKind::Malformed { header, why });
    let proofs = call.headers.get_all(DPOP).iter().count();
    let mut values = call.headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (Some(_), Some(_)) => return wrong(AUTHORIZATION, "it is there twice: send one"),
        (None, _) if proofs > 0 => {
            return wrong(
                DPOP,
                "a proof comes with a token: send `Authorization: DPoP …`",
            );
        }
        (None, _) => return Ok(None),
    };
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim_start_matches(' ');
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    if !is_bearer && !scheme.eq_ignore_ascii_case("dpop") {
        return Ok(Some(Token::Other));
    }
    if !is_token(token) {
        return wrong(AUTHORIZATION, "a scheme, one space and a token are needed");
    }
    match (is_bearer, proofs) {
        (true, 0) => Ok(Some(Token::Bearer(token))),
        (true, _) => wrong(
            DPOP,
            "a proof comes with the scheme `DPoP`, and the token has the scheme `Bearer`",
        ),
        (false, _) => match call.header(DPOP) {
            Some(proof) => Ok(Some(Token::Dpop { token, proof })),
            None => wrong(DPOP, "the scheme `DPoP` needs one proof"),
        },
    }
}

/// True for a `token68` (RFC 9110, section 11.2).
fn is_token(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    let is_character = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !unpadded.is_empty() && unpadded.bytes().all(is_character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName};

    fn read_from(list: &[(&'static str, &str)]) -> Result<String, ()> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let call = Call::stated("GET", "api.example", "/", &headers);
        read(&call).map(|read| format!("{read:?}")).map_err(|_| ())
    }

    #[test]
    fn reads_one_token() {
        for (list, found) in [
            (&[][..], "None"),
            (
                &[("authorization", "Bearer a.b-c")],
                "Some(Bearer(\"a.b-c\"))",
            ),
            (
                &[("authorization", "bEARER  abc==")],
                "Some(Bearer(\"abc==\"))",
            ),
            (
                &[("authorization", "DPoP a"), ("dpop", "b")],
                "Some(Dpop { token: \"a\", proof: \"b\" })",
            ),
            (&[("authorization", "Basic YTpi")], "Some(Other)"),
            (&[("authorization", "Negotiate")], "Some(Other)"),
        ] {
            assert_eq!(read_from(list), Ok(found.to_owned()));
        }
    }

    #[test]
    fn refuses_several_and_malformed_tokens() {
        for list in [
            &[("authorization", "Bearer a"), ("authorization", "Bearer a")][..],
            &[("authorization", "Bearer a, Bearer b")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer a b")],
            &[("authorization", "Bearer \"a\"")],
            &[("authorization", "Bearer a"), ("dpop", "b")],
            &[("authorization", "DPoP a")],
            &[("authorization", "DPoP a"), ("dpop", "b"), ("dpop", "c")],
            &[("dpop", "b")],
        ] {
            assert_eq!(read_from(list), Err(()), "{list:?}");
        }
    }
}
