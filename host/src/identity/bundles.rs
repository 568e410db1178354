//! Trust bundles: the keys and certificates that a trust domain signs with.

use crate::followed::{Bytes, Followed};
use crate::json;
use crate::limits::RequestLimits;
use base64ct::{Base64, Encoding as _};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use serde_json::Value;
use spiffe::bundle::BundleSource;
use spiffe::bundle::jwt::JwtAuthority;
use spiffe::{JwtBundle, TrustDomain};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How large a bundle may be: 1 MiB, nested 8 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 1024 * 1024,
    depth: 8,
};

/// The bundles of trust domains, from files (JWKS, SPIFFE Trust Domain and Bundle, section 4). A file
/// that changes is read again; while it is not valid, its trust domain is not either. Replace it by
/// renaming another one: of one that is found half written, what it said before counts for at most three
/// seconds more.
#[derive(Debug)]
pub struct Bundles {
    domains: BTreeMap<TrustDomain, Followed<Bundle, BundleError>>,
}

/// What one trust domain signs with.
#[derive(Debug)]
pub(super) struct Bundle {
    jwt: Arc<JwtBundle>,
    pub(super) roots: Vec<TrustAnchor<'static>>,
    sequence: Option<u64>,
}

/// Why a trust domain has no usable keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The name is no trust domain.
    #[error("`{0}` is no trust domain, such as `acme.example`")]
    Name(String),
    /// There are two bundles of one trust domain.
    #[error("there are two bundles of the trust domain `{0}`")]
    Duplicate(String),
    /// The file cannot be read.
    #[error("cannot read the bundle {}: {message}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        message: String,
    },
    /// The file is no bundle.
    #[error("{}: {message}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The bundle has no key, so that its trust domain is not valid.
    #[error("{} has no key (`use` is `jwt-svid`, with a `kid`, or `x509-svid`, with `x5c`): the trust domain is not valid", .0.display())]
    Empty(PathBuf),
    /// The bundle is older than the one before it.
    #[error("{} has `spiffe_sequence` {found}, and {known} was there before: keys that were withdrawn are not taken back", file.display())]
    Older {
        /// The file.
        file: PathBuf,
        /// The sequence number that it has.
        found: u64,
        /// The one that it had.
        known: u64,
    },
}

impl Bundles {
    /// Reads the bundles of trust domains from files.
    ///
    /// # Errors
    ///
    /// [`BundleError`] at the first that is not valid.
    pub fn from_files<N: AsRef<str>, P: Into<PathBuf>>(
        files: impl IntoIterator<Item = (N, P)>,
    ) -> Result<Self, BundleError> {
        let mut domains = BTreeMap::new();
        for (name, file) in files {
            let name = name.as_ref();
            let domain = TrustDomain::new(name).map_err(|_| BundleError::Name(name.to_owned()))?;
            let of = domain.clone();
            let followed = Followed::new(
                file,
                move |file: &Path, bytes: Bytes<'_>, before: Option<&Bundle>| {
                    Bundle::read(&of, file, bytes, before)
                },
            )?;
            if domains.insert(domain, followed).is_some() {
                return Err(BundleError::Duplicate(name.to_owned()));
            }
        }
        Ok(Self { domains })
    }

    /// Reads files that changed again, now instead of within a second.
    pub fn refresh(&self) {
        self.domains.values().for_each(Followed::refresh);
    }

    /// How often any of the files changed.
    pub(super) fn version(&self) -> u64 {
        self.domains.values().map(Followed::version).sum()
    }

    /// What the trust domain signs with, if it is known.
    pub(super) fn of(&self, domain: &TrustDomain) -> Result<Option<Arc<Bundle>>, BundleError> {
        self.domains.get(domain).map(Followed::get).transpose()
    }
}

impl BundleSource for Bundles {
    type Item = JwtBundle;
    type Error = BundleError;

    fn bundle_for_trust_domain(
        &self,
        domain: &TrustDomain,
    ) -> Result<Option<Arc<JwtBundle>>, BundleError> {
        Ok(self.of(domain)?.map(|bundle| Arc::clone(&bundle.jwt)))
    }
}

impl Bundle {
    /// Reads a bundle. As the standard asks, keys of other uses and types are ignored.
    fn read(
        domain: &TrustDomain,
        file: &Path,
        bytes: Bytes<'_>,
        before: Option<&Self>,
    ) -> Result<Self, BundleError> {
        let shape = |message: String| BundleError::Shape {
            file: file.to_owned(),
            message,
        };
        let bytes = bytes.map_err(|error| BundleError::Read {
            file: file.to_owned(),
            message: error.to_string(),
        })?;
        // The strict reader: a key that is there twice is not read in two ways.
        let jwks = json::parse(bytes, &LIMITS).map_err(|error| shape(error.to_string()))?;
        let sequence =
            match jwks.get("spiffe_sequence") {
                None => None,
                Some(number) => Some(number.as_u64().ok_or_else(|| {
                    shape("`/spiffe_sequence`: a whole number is needed".to_owned())
                })?),
            };
        let known = before.and_then(|before| before.sequence).unwrap_or(0);
        if let Some(found) = sequence.filter(|found| *found < known) {
            let file = file.to_owned();
            return Err(BundleError::Older { file, found, known });
        }
        let keys = jwks
            .get("keys")
            .and_then(Value::as_array)
            .ok_or_else(|| shape("`/keys`: a list of keys is needed".to_owned()))?;
        let mut jwt = JwtBundle::new(domain.clone());
        let (mut ids, mut roots) = (Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            match key.get("use").and_then(Value::as_str) {
                Some("jwt-svid") => {
                    let authority = JwtAuthority::from_jwk_json(key.to_string().as_bytes())
                        .map_err(|error| shape(format!("`/keys/{index}`: {error}")))?;
                    let id = authority.key_id().to_owned();
                    if ids.contains(&id) {
                        return Err(shape(format!("`/keys/{index}/kid`: `{id}` is there twice")));
                    }
                    ids.push(id);
                    jwt.add_jwt_authority(authority);
                }
                Some("x509-svid") => {
                    let root =
                        root(key).map_err(|what| shape(format!("`/keys/{index}/x5c`: {what}")))?;
                    roots.push(root);
                }
                _ => {}
            }
        }
        if ids.is_empty() && roots.is_empty() {
            return Err(BundleError::Empty(file.to_owned()));
        }
        Ok(Self {
            jwt: Arc::new(jwt),
            roots,
            sequence,
        })
    }
}

/// The certificate of a key: `x5c` holds exactly one (SPIFFE X509-SVID, section 6.1).
fn root(key: &Value) -> Result<TrustAnchor<'static>, String> {
    let chain = key.get("x5c").and_then(Value::as_array);
    let Some([Value::String(text)]) = chain.map(Vec::as_slice) else {
        return Err("exactly one certificate is needed".to_owned());
    };
    let der = Base64::decode_vec(text).map_err(|error| error.to_string())?;
    let der = CertificateDer::from(der);
    let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|error| error.to_string())?;
    Ok(anchor.to_owned())
}
