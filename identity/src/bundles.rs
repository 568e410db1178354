//! Trust bundles: the keys that a trust domain signs with.

use portcullis_host::{RequestError, RequestLimits, json};
use serde_json::Value;
use spiffe::bundle::BundleSource;
use spiffe::bundle::jwt::JwtAuthority;
use spiffe::{JwtBundle, TrustDomain};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// How large a bundle may be: 1 MiB, nested 8 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 1024 * 1024,
    depth: 8,
};

/// How often files are looked at, at most.
const LOOKED_AT: Duration = Duration::from_secs(1);

/// The JWT keys of trust domains, from files (JWKS, SPIFFE Trust Domain and Bundle, section 4). A file
/// that changes is read again; while it is not valid, its trust domain is not either.
#[derive(Debug)]
pub struct Bundles {
    domains: BTreeMap<TrustDomain, Domain>,
    looked_at: RwLock<Instant>,
}

#[derive(Debug)]
struct Domain {
    file: PathBuf,
    read: RwLock<Read>,
}

/// What was read of a file, and when that was changed.
#[derive(Debug)]
struct Read {
    changed: Option<(SystemTime, u64)>,
    bundle: Result<Arc<JwtBundle>, BundleError>,
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
    /// The bundle has no key for JWT-SVIDs, so that its trust domain is not valid.
    #[error("{} has no key for JWT-SVIDs (`use` is `jwt-svid`, with a `kid`): the trust domain is not valid", .0.display())]
    Empty(PathBuf),
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
            let file = file.into();
            let read = Read::new(&domain, &file);
            read.bundle.clone()?;
            let entry = Domain {
                file,
                read: RwLock::new(read),
            };
            if domains.insert(domain, entry).is_some() {
                return Err(BundleError::Duplicate(name.to_owned()));
            }
        }
        Ok(Self {
            domains,
            looked_at: RwLock::new(Instant::now()),
        })
    }

    /// Reads files that changed again, now instead of within a second.
    pub fn refresh(&self) {
        for (domain, entry) in &self.domains {
            let changed = changed(&entry.file);
            let known = entry
                .read
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .changed;
            if changed.is_none() || changed != known {
                let read = Read::new(domain, &entry.file);
                *entry.read.write().unwrap_or_else(PoisonError::into_inner) = read;
            }
        }
    }

    fn refresh_in_time(&self) {
        let looked_at = *self
            .looked_at
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if looked_at.elapsed() >= LOOKED_AT {
            *self
                .looked_at
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.refresh();
        }
    }
}

impl BundleSource for Bundles {
    type Item = JwtBundle;
    type Error = BundleError;

    fn bundle_for_trust_domain(
        &self,
        domain: &TrustDomain,
    ) -> Result<Option<Arc<JwtBundle>>, BundleError> {
        self.refresh_in_time();
        match self.domains.get(domain) {
            None => Ok(None),
            Some(entry) => {
                let read = entry.read.read().unwrap_or_else(PoisonError::into_inner);
                read.bundle.clone().map(Some)
            }
        }
    }
}

impl Read {
    fn new(domain: &TrustDomain, file: &Path) -> Self {
        // Looked at first: a change while it is read is seen the next time.
        let changed = changed(file);
        let bundle = fs::read(file)
            .map_err(|error| BundleError::Read {
                file: file.to_owned(),
                message: error.to_string(),
            })
            .and_then(|json| bundle(domain, file, &json));
        Self { changed, bundle }
    }
}

fn changed(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads the JWT keys of a bundle. As the standard asks, keys of other uses and types are ignored.
fn bundle(domain: &TrustDomain, file: &Path, json: &[u8]) -> Result<Arc<JwtBundle>, BundleError> {
    let shape = |message: String| BundleError::Shape {
        file: file.to_owned(),
        message,
    };
    // The strict reader: a key that is there twice is not read in two ways.
    let jwks =
        json::parse(json, &LIMITS).map_err(|error: RequestError| shape(error.to_string()))?;
    let keys = jwks
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(|| shape("`/keys`: a list of keys is needed".to_owned()))?;
    let mut bundle = JwtBundle::new(domain.clone());
    let mut ids = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        if key.get("use").and_then(Value::as_str) != Some("jwt-svid") {
            continue;
        }
        let authority = JwtAuthority::from_jwk_json(key.to_string().as_bytes())
            .map_err(|error| shape(format!("`/keys/{index}`: {error}")))?;
        if ids.contains(&authority.key_id().to_owned()) {
            let message = format!(
                "`/keys/{index}/kid`: `{}` is there twice",
                authority.key_id()
            );
            return Err(shape(message));
        }
        ids.push(authority.key_id().to_owned());
        bundle.add_jwt_authority(authority);
    }
    if ids.is_empty() {
        return Err(BundleError::Empty(file.to_owned()));
    }
    Ok(Arc::new(bundle))
}
