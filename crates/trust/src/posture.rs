//! Posture of destinations: recent observations that sensitive actions require.

use crate::watched::{Bytes, Source, Unreadable, Watched};
use portcullis_contract::name::{self, NameError, Naming};
use portcullis_contract::{ActionClass, Exposure, Health, Pattern, excerpt};
use portcullis_model::file_error::unread;
use portcullis_model::json;
use portcullis_model::limits::RequestLimits;
use portcullis_model::object::{Object, unexpected};
use portcullis_model::request::{Posture, Resource, might_mean};
use portcullis_model::secret::withheld;
use portcullis_model::timestamp::CLOCK_LEEWAY;
use portcullis_model::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Maximum size of a file of postures: 64 MiB, nested 8 deep.
const LIMITS: RequestLimits = RequestLimits {
    bytes: 64 * 1024 * 1024,
    depth: 8,
};

/// Required posture of the destination of a sensitive action.
///
/// Every action is sensitive unless it is classified as `read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostureRule {
    /// Maximum age of the observation.
    pub max_age: Duration,
    /// Weaknesses that the destination must not have. An unknown property counts as a weakness.
    pub weaknesses: Vec<Weakness>,
    /// Consequence if the destination does not meet the rule.
    pub otherwise: OnStale,
}

/// Weaknesses of a destination, besides being compromised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weakness {
    /// The internet can reach it.
    Internet,
    /// Acting on it gives power over other systems.
    Privileged,
    /// Its support has ended.
    Legacy,
    /// Its configuration differs from its baseline.
    Drifted,
    /// It is degraded.
    Degraded,
}

/// Consequence of a posture that is too old, unknown or weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// The request is denied.
    Deny,
    /// A permit obliges to a `step-up`, which the enforcement point must be able to carry out.
    StepUp,
}

/// Result of the rule for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The action is not sensitive, so that the posture is irrelevant.
    DoesNotMatter,
    /// The destination meets the rule.
    Well,
    /// The destination does not meet the rule, for the reason in the text.
    Unfit(OnStale, String),
}

impl PostureRule {
    /// Applies the rule to the last observation of a destination.
    ///
    /// A sensitive action on a compromised destination is denied, whatever [`PostureRule::otherwise`] is.
    pub fn judge(&self, class: ActionClass, posture: Option<Posture>, now: Timestamp) -> Judged {
        if class == ActionClass::Read {
            return Judged::DoesNotMatter;
        }
        let posture = posture.unwrap_or_default();
        if posture.health == Health::Compromised {
            let what = "the destination is known or suspected to be compromised".to_owned();
            return Judged::Unfit(OnStale::Deny, what);
        }
        // An observation in the future is ignored.
        let Some(at) = posture
            .observed_at
            .filter(|at| *at <= now.plus(CLOCK_LEEWAY))
        else {
            let what = "the destination's last observation is unknown".to_owned();
            return Judged::Unfit(self.otherwise, what);
        };
        let age = now.since(at);
        if age > self.max_age {
            let most = self.max_age;
            let what = format!(
                "the destination was last observed {age:?} ago, longer than the maximum {most:?}"
            );
            return Judged::Unfit(self.otherwise, what);
        }
        match self
            .weaknesses
            .iter()
            .find(|weakness| !weakness.is_absent(&posture))
        {
            None => Judged::Well,
            Some(weakness) => Judged::Unfit(
                self.otherwise,
                format!(
                    "the destination {}, or it is unknown whether it {}",
                    weakness.is(),
                    weakness.is()
                ),
            ),
        }
    }
}

impl Weakness {
    /// True if the destination is known not to have the weakness.
    fn is_absent(self, posture: &Posture) -> bool {
        match self {
            Self::Internet => matches!(posture.exposure, Exposure::Partner | Exposure::Internal),
            Self::Privileged => posture.privileged == Some(false),
            Self::Legacy => posture.legacy == Some(false),
            Self::Drifted => posture.drifted == Some(false),
            Self::Degraded => posture.health == Health::Healthy,
        }
    }

    const fn is(self) -> &'static str {
        match self {
            Self::Internet => "is on the internet",
            Self::Privileged => "is privileged",
            Self::Legacy => "is out of support",
            Self::Drifted => "has drifted from its baseline",
            Self::Degraded => "is degraded",
        }
    }
}

/// Last observations of destinations, from a file that is reloaded when it changes.
///
/// ```json
/// { "destinations": [
///     { "id": "acme/billing", "kind": "repository", "exposure": "internal", "health": "healthy",
///       "privileged": false, "legacy": false, "drifted": false, "observed-at": "2026-11-22T09:00:00Z" }
/// ] }
/// ```
///
/// A destination without `kind` applies to every kind. An `id` has the form of resource ids, and is compared
/// like the names of the request's integration. A compromised destination is found under every name that a
/// denial of its id would match.
#[derive(Debug)]
pub struct Postures {
    followed: Arc<Watched<Sightings, PosturesError>>,
}

/// Observations of all destinations.
#[derive(Debug, Default)]
struct Sightings {
    /// Observations by the folded id of the destination.
    by_id: HashMap<String, Vec<Sighting>>,
    /// Ids of compromised destinations.
    compromised: Vec<(Pattern, Posture)>,
}

/// Observation of one destination.
#[derive(Debug)]
struct Sighting {
    id: String,
    kind: String,
    posture: Posture,
}

/// Reason why a file of postures is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PosturesError {
    /// The file cannot be read.
    #[error("cannot read {}: {message}", file.display())]
    Read {
        /// Path of the file.
        file: PathBuf,
        /// Message of the operating system.
        message: String,
    },
    /// The file is not a file of postures.
    #[error("{}: {}", file.display(), withheld(&error.to_string()))]
    Shape {
        /// Path of the file.
        file: PathBuf,
        /// Error and its place.
        error: json::Error,
    },
    /// The id to look up could be read as that of another destination.
    #[error("`{id}` could name another destination, so its last observation is unknown: {why}")]
    Ambiguous {
        /// Id of the destination.
        id: String,
        /// Reason for the ambiguity.
        why: NameError,
    },
}

impl Unreadable for PosturesError {
    fn unreadable(file: &Path, message: String) -> Self {
        Self::Read {
            file: file.to_owned(),
            message,
        }
    }
}

impl Postures {
    /// Reads `file`, and reloads it when it changes.
    ///
    /// # Errors
    ///
    /// [`PosturesError`] if the file is unusable now.
    pub fn from_file(file: impl Into<PathBuf>) -> Result<Self, PosturesError> {
        let followed = Watched::new(
            file,
            |file: &Path, bytes: Bytes<'_>, _: Option<&Sightings>| {
                let json = bytes.map_err(|error| PosturesError::Read {
                    file: file.to_owned(),
                    message: unread(error),
                })?;
                read(json).map_err(|error| PosturesError::Shape {
                    file: file.to_owned(),
                    error,
                })
            },
        )?;
        Ok(Self {
            followed: Arc::new(followed),
        })
    }

    /// The file, for a watcher.
    pub fn source(&self) -> Source {
        self.followed.source()
    }

    /// Returns the observation of `resource`, whose id is canonical by `naming`.
    ///
    /// A compromised destination is found whatever kind a request states, and under every name that a denial
    /// of its id would match.
    ///
    /// # Errors
    ///
    /// [`PosturesError`] while the file is unusable: then no destination meets a rule.
    pub fn of(
        &self,
        resource: &Resource,
        naming: &Naming,
    ) -> Result<Option<Posture>, PosturesError> {
        let known = self.followed.get()?;
        if let Err(why) = name::check_resource(&resource.id) {
            let id = excerpt(&resource.id);
            return Err(PosturesError::Ambiguous { id, why });
        }
        let mut compromised = known.compromised.iter();
        let is_it = |pattern: &Pattern| might_mean(pattern, &resource.id, naming);
        if let Some((_, posture)) = compromised.find(|(pattern, _)| is_it(pattern)) {
            return Ok(Some(*posture));
        }
        let found: Vec<_> = known.named(resource, naming).collect();
        let of_kind = |kind: &str| found.iter().find(|one| one.kind == kind);
        let found = of_kind(&resource.kind).or_else(|| of_kind(""));
        Ok(found.map(|one| one.posture))
    }
}

impl Sightings {
    /// Observations of the resource, with and without the optional suffix of its name.
    fn named<'a>(
        &'a self,
        resource: &Resource,
        naming: &Naming,
    ) -> impl Iterator<Item = &'a Sighting> {
        let id = resource.id.as_str();
        let suffix = naming.drop_suffix.as_deref();
        let with_suffix = suffix.map(|suffix| Cow::Owned(format!("{id}{suffix}")));
        let spellings = std::iter::once(Cow::Borrowed(id)).chain(with_suffix);
        spellings
            .filter_map(|id| self.by_id.get(&*name::fold(&id)))
            .flatten()
            .filter(|one| naming.canonical(&one.id) == resource.id)
    }
}

/// Returns the later of two observations. It is compromised if either is.
pub fn later(one: Option<Posture>, other: Option<Posture>) -> Option<Posture> {
    let (Some(one), Some(other)) = (one, other) else {
        return one.or(other);
    };
    let later = if other.observed_at > one.observed_at {
        other
    } else {
        one
    };
    let is_compromised = [one, other]
        .iter()
        .any(|posture| posture.health == Health::Compromised);
    Some(Posture {
        health: if is_compromised {
            Health::Compromised
        } else {
            later.health
        },
        ..later
    })
}

fn read(json: &[u8]) -> Result<Sightings, json::Error> {
    let mut file = Object::new(json::parse(json, &LIMITS)?, "")?;
    let at = file.at("destinations");
    let list = match file.take("destinations") {
        Some(Value::Array(list)) => list,
        other => return Err(unexpected(at, "a list", &other.unwrap_or_default())),
    };
    file.end("`destinations`")?;
    let mut postures = Sightings::default();
    for (index, item) in list.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let mut destination = Object::new(item, at.as_str())?;
        let id = destination.text("id")?;
        let kind = destination.optional_text("kind")?.unwrap_or_default();
        let posture = destination.into_posture()?;
        let bad = |why| json::Error::Name {
            at: format!("{at}/id"),
            why,
        };
        name::check_resource(&id).map_err(bad)?;
        if posture.health == Health::Compromised {
            let pattern = Pattern::literal(&id).map_err(bad)?;
            postures.compromised.push((pattern, posture));
        }
        let by_id = &mut postures.by_id;
        let seen = by_id.entry(name::fold(&id).into_owned()).or_default();
        if seen.iter().any(|one| one.id == id && one.kind == kind) {
            return Err(json::Error::DuplicateKey { at });
        }
        seen.push(Sighting { id, kind, posture });
    }
    Ok(postures)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn judged(class: ActionClass, posture: Option<Posture>) -> Judged {
        let rule = PostureRule {
            max_age: Duration::from_secs(300),
            weaknesses: vec![Weakness::Legacy, Weakness::Internet],
            otherwise: OnStale::StepUp,
        };
        rule.judge(class, posture, NOW)
    }

    #[test]
    fn a_compromised_destination_is_denied_whenever_that_was_seen() {
        for observed_at in [None, Some(NOW), Some(Timestamp::from_millis(0))] {
            let posture = Posture {
                health: Health::Compromised,
                observed_at,
                ..Posture::default()
            };
            let judged = judged(ActionClass::Write, Some(posture));
            assert!(matches!(judged, Judged::Unfit(OnStale::Deny, _)));
        }
    }

    #[test]
    fn what_was_seen_in_the_future_was_not_seen() {
        let at = |at| {
            judged(
                ActionClass::Unclassified,
                Some(Posture {
                    observed_at: Some(at),
                    legacy: Some(false),
                    exposure: Exposure::Internal,
                    ..Posture::default()
                }),
            )
        };
        assert_eq!(at(NOW), Judged::Well);
        assert!(matches!(
            at(NOW.plus(Duration::from_secs(60))),
            Judged::Unfit(OnStale::StepUp, _)
        ));
        assert!(matches!(
            judged(ActionClass::Admin, None),
            Judged::Unfit(OnStale::StepUp, _)
        ));
        assert_eq!(judged(ActionClass::Read, None), Judged::DoesNotMatter);
    }

    #[test]
    fn a_weakness_is_known_to_be_absent() {
        let well = Posture {
            observed_at: Some(NOW),
            legacy: Some(false),
            exposure: Exposure::Partner,
            ..Posture::default()
        };
        assert_eq!(judged(ActionClass::Write, Some(well)), Judged::Well);
        for weak in [
            Posture {
                legacy: Some(true),
                ..well
            },
            Posture {
                legacy: None,
                ..well
            },
            Posture {
                exposure: Exposure::Internet,
                ..well
            },
            Posture {
                exposure: Exposure::Unknown,
                ..well
            },
        ] {
            let judged = judged(ActionClass::Write, Some(weak));
            assert!(
                matches!(judged, Judged::Unfit(OnStale::StepUp, _)),
                "{weak:?}"
            );
        }
    }

    #[test]
    fn the_later_sighting_counts_and_a_compromise_always() {
        let seen = |seconds: u64, health| {
            Some(Posture {
                observed_at: Some(NOW.plus(Duration::from_secs(seconds))),
                health,
                ..Posture::default()
            })
        };
        let (old, new) = (seen(0, Health::Degraded), seen(9, Health::Healthy));
        assert_eq!(later(old, new), new);
        assert_eq!(later(new, old), new);
        assert_eq!(later(None, old), old);
        let bad = seen(0, Health::Compromised);
        assert_eq!(later(bad, new).unwrap().health, Health::Compromised);
        assert_eq!(later(new, bad).unwrap().health, Health::Compromised);
    }

    #[test]
    fn a_file_says_what_destinations_are_like_and_not_twice() {
        let one = r#"{"id":"a","kind":"host","health":"healthy"}"#;
        let file = |items: &str| format!(r#"{{"destinations":[{items}]}}"#);
        assert_eq!(read(file(one).as_bytes()).unwrap().by_id.len(), 1);
        let twice = read(file(&format!("{one},{one}")).as_bytes()).unwrap_err();
        let at = "/destinations/1".to_owned();
        assert_eq!(twice, json::Error::DuplicateKey { at });
        assert!(read(file(r#"{"id":"a","healht":"healthy"}"#).as_bytes()).is_err());
        assert!(read(b"{}").is_err());
    }

    #[test]
    fn a_compromise_counts_whatever_kind_it_was_seen_as_and_what_cannot_be_read_is_not_well() {
        let file = std::env::temp_dir().join(format!("portcullis-postures-{}", std::process::id()));
        let one = r#"{"destinations":[{"id":"a","kind":"host","health":"compromised"},{"id":"a","kind":"repo","health":"healthy"}]}"#;
        std::fs::write(&file, one).unwrap();
        let postures = Postures::from_file(&file).unwrap();
        let seen_as = |kind: &str| {
            let resource = Resource {
                id: "a".into(),
                kind: kind.into(),
                ..Resource::default()
            };
            postures.of(&resource, &Naming::default())
        };
        for kind in ["host", "repo", "other"] {
            assert_eq!(seen_as(kind).unwrap().unwrap().health, Health::Compromised);
        }
        for id in ["A", "a%20", "a ", "x/../a", "a?x", "\u{ff41}"] {
            let resource = Resource {
                id: id.into(),
                ..Resource::default()
            };
            let seen = postures.of(&resource, &Naming::default());
            let bad = |it: Option<Posture>| it.is_some_and(|it| it.health == Health::Compromised);
            assert!(seen.is_err() || seen.is_ok_and(bad), "{id}");
        }
        let other = Resource {
            id: "b".into(),
            ..Resource::default()
        };
        assert_eq!(postures.of(&other, &Naming::default()).unwrap(), None);
        std::fs::write(&file, "{}").unwrap();
        postures.followed.refresh();
        assert!(seen_as("host").is_err());
        std::fs::remove_file(file).unwrap();
    }

    /// A4: the file is looked up with the comparison of names that denials use.
    #[test]
    fn a_destination_is_found_as_the_names_of_its_integration_compare() {
        let file = std::env::temp_dir().join(format!("portcullis-named-{}", std::process::id()));
        let postures = |seen: &[(&str, &str)]| {
            let seen: Vec<_> = seen
                .iter()
                .map(|(id, health)| serde_json::json!({ "id": id, "health": health }))
                .collect();
            let json = serde_json::json!({ "destinations": seen });
            std::fs::write(&file, json.to_string()).unwrap();
            Postures::from_file(&file)
        };
        let health = |postures: &Postures, id: &str, naming: &Naming| {
            let resource = Resource {
                id: naming.canonical(id).into_owned(),
                kind: "repository".into(),
                ..Resource::default()
            };
            let seen = postures.of(&resource, naming).unwrap();
            seen.map(|posture| posture.health)
        };
        let declared = Naming {
            case: Some(name::Case::Insensitive),
            drop_suffix: Some(".git".into()),
        };
        let bad = Some(Health::Compromised);
        for seen in ["acme/payroll.git", "acme/payroll", "Acme/Payroll.GIT"] {
            let postures = postures(&[(seen, "compromised"), ("zzz", "healthy")]).unwrap();
            for id in [
                "acme/payroll",
                "acme/payroll.git",
                "ACME/Payroll.Git",
                "acme/payroll:main",
                "/acme/payroll",
            ] {
                assert_eq!(health(&postures, id, &declared), bad, "{seen} {id}");
            }
            assert_eq!(health(&postures, "acme/payroll-archive", &declared), None);
        }
        let compromised = postures(&[("acme/payroll", "compromised")]).unwrap();
        for id in ["acme/payroll:main", "/acme/payroll", "Acme/Payroll"] {
            assert_eq!(health(&compromised, id, &Naming::default()), bad, "{id}");
        }
        let healthy = [("Acme/Billing", "healthy"), ("acme/hr.git", "healthy")];
        let healthy = postures(&healthy).unwrap();
        for id in ["acme/billing", "acme/billing.git", "acme/hr", "acme/HR.git"] {
            let found = health(&healthy, id, &declared);
            assert_eq!(found, Some(Health::Healthy), "{id}");
        }
        // Without a declaration, another spelling is another name.
        for id in ["acme/billing", "acme/hr", "acme/hr.git:main"] {
            assert_eq!(health(&healthy, id, &Naming::default()), None, "{id}");
        }
        for id in ["acme/payroll ", "acme//payroll", "acme/%70ayroll", "*", ""] {
            let error = postures(&[("acme/x", "healthy"), (id, "compromised")]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("`/destinations/1/id`"), "{error}");
        }
        // Characters of pattern languages have no meaning in an id.
        assert!(postures(&[("acme/[1] {x}.pdf", "compromised")]).is_ok());
        std::fs::remove_file(file).unwrap();
    }
}
