//! The state of a host, for operators.

use super::Live;
use crate::integration::{Mode, Tier};
use crate::pdp::Pdp;
use crate::quarantine::Quarantined;
use portcullis_contract::CONTRACT_VERSION;
use portcullis_model::timestamp::Timestamp;
use portcullis_sandbox::CodeSource;
use portcullis_trust::revocation::Revocations;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// State of a host that follows its configuration, see [`Live::status`].
///
/// It names files and identities, and is for operators only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Status {
    /// Version of Portcullis.
    pub version: String,
    /// Version of the contract with plugins.
    pub contract: String,
    /// Time of this status.
    pub at: Timestamp,
    /// Time at which the host started.
    pub started: Timestamp,
    /// The configuration file; `None` for a decision point that was built in code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Digest of the configuration in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Time at which it was put in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Timestamp>,
    /// Number of configurations that were put in force since the start, without the first.
    pub reloads: u64,
    /// A later configuration that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedConfiguration>,
    /// Reasons why requests are denied that should not be; none if the host is ready.
    pub unready: Vec<String>,
    /// Problems of the configuration in force, and of files that changed since.
    pub problems: Vec<String>,
    /// The integrations, by name.
    pub integrations: Vec<IntegrationStatus>,
    /// Bundles of trust domains, by domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_domains: Vec<BundleStatus>,
    /// The registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryStatus>,
    /// The revocation list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<RevocationStatus>,
    /// The intents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intents: Option<IntentsStatus>,
    /// The decision log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogStatus>,
}

/// A configuration that was refused; the one before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct RefusedConfiguration {
    /// Time at which it was refused for these problems first.
    pub at: Timestamp,
    /// The problems, each with its file and place.
    pub problems: Vec<String>,
}

/// An integration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct IntegrationStatus {
    /// Its name.
    pub name: String,
    /// Its tier.
    pub tier: Tier,
    /// True if its denies are recorded and do not block.
    pub observed: bool,
    /// Number of its decisions in flight.
    pub in_flight: u32,
    /// Its plugins.
    pub plugins: Vec<PluginStatus>,
}

/// A plugin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its file.
    pub digest: String,
    /// Digest of its settings in canonical form.
    pub settings_digest: String,
    /// True if its code came from the cache.
    pub cached: bool,
    /// Its quarantine, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Quarantined>,
}

/// A followed file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct FileStatus {
    /// Its path.
    pub path: PathBuf,
    /// Time since its last modification, in seconds; `None` if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

/// The bundle of a trust domain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct BundleStatus {
    /// Name of the trust domain.
    pub domain: String,
    /// The bundle.
    #[serde(flatten)]
    pub file: FileStatus,
}

/// The registry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct RegistryStatus {
    /// Number of registered identities.
    pub identities: usize,
    /// Its file or folder.
    #[serde(flatten)]
    pub file: FileStatus,
}

/// The revocation list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct RevocationStatus {
    /// Path of the list.
    pub path: PathBuf,
    /// Number of revocations and lifts in the list.
    pub epoch: u64,
    /// Time of its last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Age of its last line, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Age from which on every request is denied, in seconds.
    pub max_age_seconds: u64,
}

/// The known intents.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct IntentsStatus {
    /// Number of intents.
    pub known: usize,
    /// True if intents must be signed.
    pub signed: bool,
}

/// The decision log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct LogStatus {
    /// Path of the latest file.
    pub path: PathBuf,
    /// Number of its last line.
    pub sequence: u64,
}

/// The state of `live` now.
pub(super) fn of(live: &Live) -> Status {
    let pdp = live.pdp();
    let at = Timestamp::now();
    let (digest, loaded, reloads, refused) = {
        let known = live.shared.known();
        (
            known.digest.map(|digest| digest.to_string()),
            known.loaded,
            known.reloads,
            known.refused.clone(),
        )
    };
    let quarantined = pdp.quarantined();
    let integrations = pdp.integrations().into_iter().map(|integration| {
        let plugins = integration.plugins().iter().map(|plugin| {
            let name = &plugin.manifest().name;
            let mut quarantined = quarantined.iter();
            PluginStatus {
                name: name.clone(),
                version: plugin.manifest().version.clone(),
                digest: plugin.digest_text().to_owned(),
                settings_digest: plugin.settings_digest().to_string(),
                cached: matches!(plugin.code_source(), CodeSource::Cached),
                quarantined: quarantined
                    .find(|it| it.integration == integration.name() && it.plugin == *name)
                    .cloned(),
            }
        });
        IntegrationStatus {
            name: integration.name().to_owned(),
            tier: integration.tier,
            observed: integration.mode == Mode::Observe,
            in_flight: integration.in_flight.now(),
            plugins: plugins.collect(),
        }
    });
    let integrations = integrations.collect();
    let problems = pdp.notices().iter().cloned().chain(pdp.file_problems());
    let mut problems: Vec<_> = problems.map(|problem| problem.to_string()).collect();
    problems.extend(pdp.state_problems());
    problems.dedup();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        contract: CONTRACT_VERSION.to_owned(),
        at,
        started: live.shared.started,
        file: live.file().map(Path::to_owned),
        digest,
        loaded,
        reloads,
        refused,
        unready: pdp.unready(),
        problems,
        integrations,
        trust_domains: bundles(&pdp),
        registry: pdp.followed_registry().map(|registry| RegistryStatus {
            identities: registry.last_valid().len(),
            file: FileStatus::of(&registry.source().path()),
        }),
        revocations: pdp.revocations().map(|list| revocations(list, at)),
        intents: pdp.intents().map(|intents| IntentsStatus {
            known: intents.len(),
            signed: intents.are_signed(),
        }),
        log: pdp.log().map(|log| LogStatus {
            path: log.path().to_owned(),
            sequence: log.sequence(),
        }),
    }
}

fn revocations(list: &Revocations, now: Timestamp) -> RevocationStatus {
    let seen = list.seen();
    let age = |at: Timestamp| now.as_millis().saturating_sub(at.as_millis()) / 1000;
    RevocationStatus {
        path: list.file().to_owned(),
        epoch: seen.epoch,
        as_of: seen.as_of,
        age_seconds: seen.as_of.map(age),
        max_age_seconds: list.max_staleness().as_secs(),
    }
}

#[cfg(feature = "identity")]
fn bundles(pdp: &Pdp) -> Vec<BundleStatus> {
    let bundles = pdp.verifier().map(|verifier| verifier.bundles().files());
    let bundles = bundles.into_iter().flatten();
    let status = bundles.map(|(domain, file)| BundleStatus {
        domain,
        file: FileStatus::of(&file),
    });
    status.collect()
}

#[cfg(not(feature = "identity"))]
fn bundles(_: &Pdp) -> Vec<BundleStatus> {
    Vec::new()
}

impl FileStatus {
    fn of(path: &Path) -> Self {
        let modified = std::fs::metadata(path).and_then(|it| it.modified()).ok();
        let age = modified.and_then(|at| SystemTime::now().duration_since(at).ok());
        Self {
            path: path.to_owned(),
            age_seconds: age.map(|age| age.as_secs()),
        }
    }
}
