//! Trust bundles: the keys and certificates that a trust domain signs with.

use super::keys::{PublicKey, Purpose, Unfit, bytes, judge_certificate, read_set, without_zeros};
use crate::state::{State, StateError};
use crate::watched::{Bytes, Source, Unreadable, Watched};
use base64ct::{Base64, Encoding as _};
use portcullis_model::timestamp::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use serde_json::Value;
use spiffe::bundle::BundleSource;
use spiffe::bundle::jwt::JwtAuthority;
use spiffe::{JwtBundle, TrustDomain};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey as X509Key;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Bundles of trust domains, read from files.
///
/// The files are JWKS (SPIFFE Trust Domain and Bundle, section 4). The watcher of the host that the bundles
/// belong to reloads a file that changes; without a host, [`Bundles::refresh`] does. While a file is invalid,
/// its trust domain is invalid too. Operators replace a file by renaming another one over it: if the host finds
/// a file half written, it uses the previous content for at most three seconds more.
///
/// `spiffe_sequence` never decreases while the host runs. With a [`State`] from
/// [`Verifier::state`](super::Verifier::state), it does not decrease over a restart either.
#[derive(Debug)]
pub struct Bundles {
    domains: BTreeMap<TrustDomain, Domain>,
    state: OnceLock<Arc<dyn State>>,
}

/// Value of `Domain::mark` before the state was asked.
const NOT_ASKED: u64 = u64::MAX;

#[derive(Debug)]
struct Domain {
    followed: Arc<Watched<Bundle, BundleError>>,
    file: PathBuf,
    /// Highest `spiffe_sequence` in the state; [`NOT_ASKED`] before the first look-up.
    mark: AtomicU64,
}

/// Keys and certificates of one trust domain.
#[derive(Debug)]
pub(super) struct Bundle {
    jwt: Arc<JwtBundle>,
    pub(super) roots: Vec<Root>,
    sequence: Option<u64>,
}

/// A trust anchor: a certificate that paths end at.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) der: CertificateDer<'static>,
    pub(super) anchor: TrustAnchor<'static>,
    /// Maximum number of authorities' certificates below it, not counting self-issued ones.
    pub(super) path_len: Option<u32>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Root {
    pub(super) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// Reason why a trust domain has no usable keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The name is not a trust domain.
    #[error("`{0}` is no trust domain, such as `acme.example`")]
    Name(String),
    /// The configuration has two bundles of one trust domain.
    #[error("there are two bundles of the trust domain `{0}`")]
    Duplicate(String),
    /// The file cannot be read.
    #[error("cannot read the bundle {}: {message}", file.display())]
    Read {
        /// Path of the file.
        file: PathBuf,
        /// Message of the operating system.
        message: String,
    },
    /// The file is not a bundle.
    #[error("{}: {message}", file.display())]
    Shape {
        /// Path of the file.
        file: PathBuf,
        /// Reason why the file is not a bundle.
        message: String,
    },
    /// The bundle has no key, so that its trust domain is invalid.
    #[error("{} has no key (`use` is `jwt-svid`, with a `kid`, or `x509-svid`, with `x5c`): the trust domain is not valid", .0.display())]
    Empty(PathBuf),
    /// All roots of the bundle are expired, and it has no other key.
    #[error("{} has no currently valid root certificate, the last one expired at {ended}: have the trust domain publish its current bundle", file.display())]
    Ended {
        /// Path of the file.
        file: PathBuf,
        /// Time at which the last root expired.
        ended: Timestamp,
    },
    /// The bundle has no sequence number, and an earlier one had.
    #[error("{} has no `spiffe_sequence`, but the last accepted bundle had {known}: publish the bundle with a sequence number", file.display())]
    NoSequence {
        /// Path of the file.
        file: PathBuf,
        /// Earlier sequence number.
        known: u64,
    },
    /// The state could not report the earlier sequence number.
    #[error("cannot read the last accepted `spiffe_sequence` of {}: {why}", file.display())]
    State {
        /// Path of the file.
        file: PathBuf,
        /// Error of the state.
        why: StateError,
    },
    /// The bundle is older than an earlier one.
    #[error("{} has `spiffe_sequence` {found}, lower than the last accepted {known}: an older bundle could restore withdrawn keys", file.display())]
    Older {
        /// Path of the file.
        file: PathBuf,
        /// Sequence number of the file.
        found: u64,
        /// Earlier sequence number.
        known: u64,
    },
}

impl Unreadable for BundleError {
    fn unreadable(file: &Path, message: String) -> Self {
        Self::Shape {
            file: file.to_owned(),
            message,
        }
    }
}

impl Bundles {
    /// Reads the bundles of trust domains from files.
    ///
    /// # Errors
    ///
    /// [`BundleError`] at the first invalid bundle.
    pub fn from_files<N: AsRef<str>, P: Into<PathBuf>>(
        files: impl IntoIterator<Item = (N, P)>,
    ) -> Result<Self, BundleError> {
        let mut domains = BTreeMap::new();
        for (name, file) in files {
            let name = name.as_ref();
            let domain = TrustDomain::new(name).map_err(|_| BundleError::Name(name.to_owned()))?;
            let (of, file) = (domain.clone(), file.into());
            let followed = Watched::new(
                file.clone(),
                move |file: &Path, bytes: Bytes<'_>, before: Option<&Bundle>| {
                    Bundle::read(&of, file, bytes, before)
                },
            )?;
            let domain_of = Domain {
                followed: Arc::new(followed),
                file,
                mark: AtomicU64::new(NOT_ASKED),
            };
            if domains.insert(domain, domain_of).is_some() {
                return Err(BundleError::Duplicate(name.to_owned()));
            }
        }
        Ok(Self {
            domains,
            state: OnceLock::new(),
        })
    }

    /// The files, for a watcher.
    pub fn sources(&self) -> Vec<Source> {
        let domains = self.domains.values();
        domains.map(|domain| domain.followed.source()).collect()
    }

    /// The trust domains, each with the path of its bundle.
    pub fn files(&self) -> Vec<(String, PathBuf)> {
        let domains = self.domains.iter();
        domains
            .map(|(name, domain)| (name.to_string(), domain.file.clone()))
            .collect()
    }

    /// Reloads changed files now, in the calling thread.
    pub fn refresh(&self) {
        self.domains
            .values()
            .for_each(|domain| domain.followed.refresh());
    }

    /// Stores each `spiffe_sequence` in `state`, so that none decreases over a restart.
    pub(super) fn keep_sequences(&self, state: Arc<dyn State>) {
        // A second call has no effect: the first state stays.
        let _ = self.state.set(state);
    }

    /// Returns `Ok` if every bundle is valid and not older than the state records.
    ///
    /// # Errors
    ///
    /// [`BundleError`] at the first invalid bundle.
    pub fn are_valid(&self) -> Result<(), BundleError> {
        self.domains
            .keys()
            .try_for_each(|domain| self.of(domain).map(|_| ()))
    }

    /// As [`Bundles::are_valid`], compared with `state` and without changing it.
    pub fn are_newer_than(&self, state: &dyn State) -> Result<(), BundleError> {
        self.domains.iter().try_for_each(|(name, domain)| {
            let mark = domain.raise(state, name, 0)?;
            domain.bundle_from(mark).map(|_| ())
        })
    }

    /// Returns `Ok` unless a bundle has a lower sequence than the valid one of `before` of the same domain.
    ///
    /// # Errors
    ///
    /// [`BundleError`] of the first such bundle.
    pub fn are_not_older_than(&self, before: &Self) -> Result<(), BundleError> {
        self.domains.iter().try_for_each(|(name, domain)| {
            let known = before.domains.get(name);
            let known = known.and_then(|known| known.followed.get().ok()?.sequence);
            not_older(&domain.file, domain.followed.get()?.sequence, known)
        })
    }

    /// Paths of the bundles that have a `spiffe_sequence`.
    pub fn with_sequence(&self) -> impl Iterator<Item = &Path> {
        let domains = self.domains.values();
        domains
            .filter(|domain| domain.followed.get().is_ok_and(|it| it.sequence.is_some()))
            .map(|domain| domain.file.as_path())
    }

    /// Number of changes of all files together.
    pub(super) fn version(&self) -> u64 {
        let domains = self.domains.values();
        domains.map(|domain| domain.followed.version()).sum()
    }

    /// Returns the bundle of a trust domain, if the domain is known.
    pub(super) fn of(&self, name: &TrustDomain) -> Result<Option<Arc<Bundle>>, BundleError> {
        let Some(domain) = self.domains.get(name) else {
            return Ok(None);
        };
        let Some(state) = self.state.get() else {
            return domain.followed.get().map(Some);
        };
        let sequence = domain.followed.get()?.sequence.unwrap_or(0);
        let mark = match domain.mark.load(Ordering::Acquire) {
            // Hot path: the state is asked only if the sequence is higher than the known mark.
            known if known != NOT_ASKED && known >= sequence => known,
            known => {
                let mark = domain.raise(state.as_ref(), name, sequence)?;
                // If another thread was faster, its mark is at least as high.
                let _ =
                    domain
                        .mark
                        .compare_exchange(known, mark, Ordering::AcqRel, Ordering::Acquire);
                mark
            }
        };
        domain.bundle_from(mark).map(Some)
    }
}

impl Domain {
    fn raise(&self, state: &dyn State, name: &TrustDomain, to: u64) -> Result<u64, BundleError> {
        let name = format!("bundle {name}");
        state
            .raise_mark(&name, to)
            .map_err(|why| BundleError::State {
                file: self.file.clone(),
                why,
            })
    }

    /// Returns the bundle unless its sequence is lower than `mark`.
    fn bundle_from(&self, mark: u64) -> Result<Arc<Bundle>, BundleError> {
        let bundle = self.followed.get()?;
        not_older(
            &self.file,
            bundle.sequence,
            Some(mark).filter(|mark| *mark > 0),
        )?;
        Ok(bundle)
    }
}

/// Refuses a sequence number that is lower than `known`, or missing after `known`.
fn not_older(file: &Path, found: Option<u64>, known: Option<u64>) -> Result<(), BundleError> {
    let file = || file.to_owned();
    match (found, known) {
        (None, Some(known)) => Err(BundleError::NoSequence {
            file: file(),
            known,
        }),
        (Some(found), Some(known)) if found < known => Err(BundleError::Older {
            file: file(),
            found,
            known,
        }),
        _ => Ok(()),
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
    /// Reads a bundle.
    ///
    /// As the standard requires, keys of other uses and types are ignored.
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
        let set = read_set(bytes).map_err(shape)?;
        let sequence =
            match set.get("spiffe_sequence") {
                None => None,
                Some(number) => Some(number.as_u64().ok_or_else(|| {
                    shape("`/spiffe_sequence`: a whole number is needed".to_owned())
                })?),
            };
        not_older(file, sequence, before.and_then(|before| before.sequence))?;
        let keys = set.get("keys").and_then(Value::as_array);
        let mut jwt = JwtBundle::new(domain.clone());
        let (mut ids, mut roots) = (Vec::new(), Vec::new());
        for (index, key) in keys.into_iter().flatten().enumerate() {
            let at = |message: String| shape(format!("`/keys/{index}`: {message}"));
            match key.get("use").and_then(Value::as_str) {
                Some("jwt-svid") => {
                    match PublicKey::from_jwk(key, Purpose::JwtSvid) {
                        Ok(_) => {}
                        Err(Unfit::NotMeant(_)) => continue,
                        Err(Unfit::Refused(why)) => return Err(at(why)),
                    }
                    let authority = JwtAuthority::from_jwk_json(key.to_string().as_bytes())
                        .map_err(|error| at(error.to_string()))?;
                    let id = authority.key_id().to_owned();
                    if id.is_empty() {
                        return Err(shape(format!(
                            "`/keys/{index}/kid`: it is empty, and tokens name their key by it"
                        )));
                    }
                    if ids.contains(&id) {
                        return Err(shape(format!("`/keys/{index}/kid`: `{id}` is there twice")));
                    }
                    ids.push(id);
                    jwt.add_jwt_authority(authority);
                }
                Some("x509-svid") => match root(key) {
                    Ok(root) => roots.push(root),
                    Err(Unfit::NotMeant(_)) => {}
                    Err(Unfit::Refused(what)) => {
                        return Err(shape(format!("`/keys/{index}/x5c`: {what}")));
                    }
                },
                _ => {}
            }
        }
        if ids.is_empty() && roots.is_empty() {
            return Err(BundleError::Empty(file.to_owned()));
        }
        let now = Timestamp::now();
        if ids.is_empty()
            && let Some(ended) = roots.iter().map(|root| root.not_after).max()
            && ended < now
        {
            let file = file.to_owned();
            return Err(BundleError::Ended { file, ended });
        }
        Ok(Self {
            jwt: Arc::new(jwt),
            roots,
            sequence,
        })
    }
}

/// True if the certificate has the public key of the JWK.
///
/// Members of the JWK that are missing or unreadable are not compared.
fn is_key_of(certified: &SubjectPublicKeyInfo<'_>, jwk: &Value) -> bool {
    let member = |name: &str| bytes(jwk, name).ok();
    match certified.parsed() {
        Ok(X509Key::EC(point)) => match (member("x"), member("y")) {
            (Some(x), Some(y)) => point.data() == [&[4], &x[..], &y[..]].concat(),
            _ => true,
        },
        Ok(X509Key::RSA(key)) => match (member("n"), member("e")) {
            (Some(n), Some(e)) => {
                without_zeros(key.modulus) == without_zeros(&n)
                    && without_zeros(key.exponent) == without_zeros(&e)
            }
            _ => true,
        },
        _ => true,
    }
}

/// Reads the root certificate of a key.
///
/// `x5c` holds exactly one certificate (SPIFFE X509-SVID, section 6.1); an entry without one is ignored
/// (section 6.2). It belongs to an authority that may sign certificates (section 4.1; RFC 5280, section
/// 4.2.1.9). The checks are those of OpenSSL for the end of a path. Its validity period is checked at each
/// verification.
fn root(key: &Value) -> Result<Root, Unfit> {
    let refused = |message: &str| Unfit::Refused(message.to_owned());
    let text = match key.get("x5c") {
        None | Some(Value::Null) => {
            return Err(Unfit::NotMeant("it has no certificate".to_owned()));
        }
        Some(Value::Array(chain)) => match chain.as_slice() {
            [] => return Err(Unfit::NotMeant("it has no certificate".to_owned())),
            [Value::String(text)] => text,
            _ => return Err(refused("exactly one certificate is needed")),
        },
        Some(_) => return Err(refused("a list of one certificate is needed")),
    };
    let der = Base64::decode_vec(text)
        .map(CertificateDer::from)
        .map_err(|_| refused("base64 (not base64url) is needed"))?;
    let (rest, parsed) =
        X509Certificate::from_der(&der).map_err(|error| Unfit::Refused(error.to_string()))?;
    if !rest.is_empty() {
        return Err(refused("something follows the certificate"));
    }
    let constraints = parsed
        .basic_constraints()
        .map_err(|error| Unfit::Refused(error.to_string()))?
        .map(|constraints| constraints.value)
        .filter(|constraints| constraints.ca)
        .ok_or_else(|| {
            refused("the certificate is not an authority's (`CA:TRUE`): publish the root of the trust domain")
        })?;
    let usage = parsed
        .key_usage()
        .map_err(|error| Unfit::Refused(error.to_string()))?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(refused(
            "the certificate's key may not sign certificates (`keyCertSign`)",
        ));
    }
    let is_unknown = parsed.extensions().iter().any(|extension| {
        let parsed = extension.parsed_extension();
        extension.critical && matches!(parsed, ParsedExtension::UnsupportedExtension { .. })
    });
    if is_unknown {
        return Err(refused(
            "the certificate has a critical extension that is not known",
        ));
    }
    judge_certificate(parsed.public_key())?;
    if !is_key_of(parsed.public_key(), key) {
        return Err(refused(
            "the certificate's public key differs from the other members of the key (RFC 7517, section 4.7)",
        ));
    }
    let validity = parsed.validity();
    let (path_len, not_before, not_after) = (
        constraints.path_len_constraint,
        moment(validity.not_before.timestamp()),
        moment(validity.not_after.timestamp()),
    );
    let anchor = webpki::anchor_from_trusted_cert(&der)
        .map_err(|error| Unfit::Refused(error.to_string()))?
        .to_owned();
    Ok(Root {
        der: der.clone(),
        anchor,
        path_len,
        not_before,
        not_after,
    })
}

/// Converts a time of a certificate. Times before 1970 become 1970.
pub(super) fn moment(seconds: i64) -> Timestamp {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    Timestamp::from_millis(seconds.saturating_mul(1000))
}
