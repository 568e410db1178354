//! Pages of a search (section 8).

use crate::refusal::Refusal;
use serde_json::Value;

/// Maximum number of candidates that one request decides.
pub(super) const MOST_CANDIDATES: usize = 1000;

/// Part of the candidates that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// Number of candidates that earlier pages decided.
    pub(super) from: usize,
    /// Maximum number of results.
    pub(super) most: usize,
}

impl Page {
    /// Reads `page` of a search.
    pub(super) fn of(body: &Value) -> Result<Self, Refusal> {
        let mut read = Self {
            from: 0,
            most: MOST_CANDIDATES,
        };
        let page = match body.get("page") {
            None | Some(Value::Null) => return Ok(read),
            Some(Value::Object(page)) => page,
            Some(_) => return Err(Refusal::malformed("`/page`: expected an object")),
        };
        match page.get("token") {
            None => {}
            Some(Value::String(token)) if token.is_empty() => {}
            Some(token) => {
                let token = token.as_str().and_then(|token| token.parse().ok());
                read.from = token.ok_or_else(|| {
                    Refusal::malformed(
                        "`/page/token`: expected the `next_token` of the page before",
                    )
                })?;
            }
        }
        if let Some(limit) = page.get("limit") {
            let limit = limit.as_u64().filter(|limit| *limit > 0);
            let limit = limit.ok_or_else(|| {
                Refusal::malformed("`/page/limit`: expected a whole number of at least 1")
            })?;
            read.most = usize::try_from(limit)
                .unwrap_or(usize::MAX)
                .min(MOST_CANDIDATES);
        }
        Ok(read)
    }
}
