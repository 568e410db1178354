//! An HTTP call as an enforcement point received it.

use crate::MapError;
use http::HeaderMap;
use http::request::Parts;

/// An HTTP call as an enforcement point received it, without its body.
///
/// An embedder makes it from the parts of a request ([`Call::of`]), and a decision point behind a proxy from
/// the statements of the proxy ([`Call::stated`]). Nothing is normalised.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) scheme: Option<&'a str>,
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// The body of a call, as far as the enforcement point has it.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// All bytes of the body. Empty if the call has none.
    Whole(&'a [u8]),
    /// The enforcement point did not read the body, or only a part of it.
    ///
    /// A proxy that forwards authentication does not send it. A mapper refuses the call unless its
    /// [`Bodies`](crate::Bodies) let bodies go on unread.
    Unread,
}

impl<'a> Call<'a> {
    /// The call of a request that a server of this process received.
    ///
    /// # Errors
    ///
    /// [`MapError`] if the target is not a path (`*`, an authority, or an absolute URL over HTTP/1), if no host or
    /// several are stated, or if `Host` differs from `:authority`.
    pub fn of(parts: &'a Parts) -> Result<Self, MapError> {
        todo!()
    }

    /// The call that a trusted proxy states.
    ///
    /// `target` is path and query exactly as the client sent them. `headers` are those of the client's call: the
    /// caller removes the headers by which the proxy states the call (`X-Forwarded-Method`, `X-Original-URL`),
    /// because the mapper refuses them.
    pub fn stated(method: &'a str, authority: &'a str, target: &'a str, headers: &'a HeaderMap) -> Self {
        Self { method, scheme: None, authority, target, headers }
    }

    /// Sets the scheme, `http` or `https`. Unknown by default for a stated call.
    #[must_use]
    pub fn scheme(mut self, scheme: &'a str) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// The one value of the header `name`; `None` if it is missing, repeated or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        todo!()
    }
}
