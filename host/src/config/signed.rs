//! Reads what verifies signatures: `[trust-domains]` and `[credentials]`, the signers of `[intents]`, and the
//! signers and event issuers of `[revocation]`.

use super::checks::token_in;
use super::{all, in_revocation};
use crate::pdp::{Pdp, PdpBuilder};
use portcullis_contract::excerpt;
use portcullis_model::document::{ConfigError, Problem, Section, Source, Span};
use portcullis_model::file_error::unread;
use portcullis_model::secret::has_well_known_token;
use portcullis_model::spiffe_id::is_spiffe_id;
use portcullis_trust::identity::{Bundles, Verifier};
use portcullis_trust::intent::{Intents, Signatures};
pub(super) use portcullis_trust::revocation::EventIssuers;
use portcullis_trust::revocation::{HeadKey, ListError, Revocations, Signers};
use portcullis_trust::state::State;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// Verification of credentials, as configured.
pub(super) struct Verification {
    bundles: Bundles,
    audience: String,
    lifetime: Duration,
}

impl Verification {
    /// Warns of bundles whose sequence would be forgotten without a state.
    pub(super) fn warn_of_sequences(&self, source: &Source<'_>) {
        for bundle in self.bundles.with_sequence() {
            let message = "it has a `spiffe_sequence`, but there is no state to store it in: after a restart, an older bundle would be accepted; add `[state]`";
            source.add(vec![Problem::warning(bundle, message.to_owned())]);
        }
    }

    /// Compares the bundles with the state, without changing it.
    ///
    /// # Errors
    ///
    /// The message for the first bundle that is older.
    pub(super) fn is_newer_than(&self, state: &dyn State) -> Result<(), String> {
        let valid = self.bundles.are_newer_than(state);
        valid.map_err(|error| error.to_string())
    }

    /// Adds the verifier to a builder.
    pub(super) fn add_to(self, builder: PdpBuilder, state: Option<Arc<dyn State>>) -> PdpBuilder {
        let mut verifier = Verifier::new(self.bundles, self.audience).max_lifetime(self.lifetime);
        if let Some(state) = state {
            verifier = verifier.state(state);
        }
        builder.verifier(verifier)
    }
}

/// Checks the bundles of a decision point against its state.
///
/// # Errors
///
/// The message for the first invalid bundle.
pub(super) fn are_valid(pdp: &Pdp) -> Result<(), String> {
    let valid = pdp.verifier().map(|it| it.bundles().are_valid());
    valid.unwrap_or(Ok(())).map_err(|error| error.to_string())
}

/// Checks that no bundle of a decision point is older than that of the one before.
///
/// # Errors
///
/// The message for the first older bundle.
pub(super) fn are_not_older(pdp: &Pdp, before: &Pdp) -> Result<(), String> {
    let (Some(new), Some(old)) = (pdp.verifier(), before.verifier()) else {
        return Ok(());
    };
    let valid = new.bundles().are_not_older_than(old.bundles());
    valid.map_err(|error| error.to_string())
}

/// Adds event issuers to a builder.
pub(super) fn add_issuers(builder: PdpBuilder, issuers: EventIssuers) -> PdpBuilder {
    builder.event_issuers(issuers)
}

/// Permitted signers of the revocation list's head, by the configuration in `file`.
///
/// `None` if the head need not be signed. The rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML, or a signer has no usable key.
pub fn revocation_signers(file: &Path) -> Result<Option<Signers>, ConfigError> {
    in_revocation(file, signers)
}

/// Issuers of accepted security events, by the configuration in `file`.
///
/// `None` if it names none. The rest of the configuration may be invalid.
///
/// # Errors
///
/// [`ConfigError`] if the file is not TOML, or an issuer is not usable.
pub fn event_issuers(file: &Path) -> Result<Option<EventIssuers>, ConfigError> {
    in_revocation(file, |section, folder| {
        all(section
            .section("events")
            .map(|events| issuers(events, folder)))
    })
}

/// Signers, key and event issuers of a revocation list.
pub(super) struct ForList {
    pub(super) signed: SignedList,
    pub(super) events: Option<EventIssuers>,
}

/// Permitted signers of a list, and the key of the host.
pub(super) struct SignedList {
    signers: Option<Signers>,
    key: Option<HeadKey>,
}

impl SignedList {
    /// Reads the list in `file`.
    pub(super) fn follow(
        self,
        file: &Path,
        max_staleness: Duration,
    ) -> Result<Revocations, ListError> {
        match self.signers {
            None => Revocations::follow(file, max_staleness),
            Some(signers) => Revocations::follow_signed(file, max_staleness, signers, self.key),
        }
    }
}

/// Reads the signers, the key and the event issuers of `[revocation]`.
pub(super) fn for_list(section: &mut Section<'_, '_>, folder: &Path) -> Option<ForList> {
    let source = section.source();
    let is_signed = section.has("signers");
    let signers = signers(section, folder);
    let key = match section.text("key") {
        None => Some(None),
        Some((_, span)) if !is_signed => {
            source.error(span, "`key` signs lines that the host adds to the list, and needs `signers`: add `signers`, or remove `key`");
            None
        }
        Some((file, span)) => {
            let file = folder.join(file);
            let pem =
                std::fs::read(&file).map_err(|error| format!("cannot be read: {}", unread(&error)));
            let key =
                pem.and_then(|pem| HeadKey::new(&pem, None).map_err(|error| error.to_string()));
            key.map(Some)
                .map_err(|error| source.error(span, format!("{}: {error}", file.display())))
                .ok()
        }
    };
    let has_key = section.has("key");
    let events = section.section("events").map(|events| {
        let span = events.span();
        let issuers = issuers(events, folder);
        if is_signed && !has_key {
            source.error(span, "the host must sign the revocations that it adds for events: add `key` to `[revocation]`, a private key of one of `signers`");
            return None;
        }
        issuers
    });
    let events = all(events);
    Some(ForList {
        signed: SignedList {
            signers: signers?,
            key: key?,
        },
        events: events?,
    })
}

/// Reads `[revocation.signers]`: the permitted signers of the list's head.
///
/// The inner value is `None` if the list need not be signed.
fn signers(section: &mut Section<'_, '_>, folder: &Path) -> Option<Option<Signers>> {
    let source = section.source();
    let is_stated = section.has("signers");
    let files = files(section, "signers", folder);
    if !is_stated {
        return Some(None);
    }
    if files.is_empty() {
        let message = "`signers` is empty, so no list would be accepted: name one, such as `signers = { \"alice@acme.example\" = \"keys/alice.json\" }`, or remove `signers` if lists need not be signed";
        source.error(section.span(), message);
        return None;
    }
    let mut signers = Signers::default();
    let mut wrong = false;
    for (who, file, span) in &files {
        match std::mem::take(&mut signers).signer(who, file) {
            Ok(more) => signers = more,
            Err(error) => {
                source.error(span.clone(), error.to_string());
                wrong = true;
            }
        }
    }
    (!wrong).then_some(Some(signers))
}

/// Reads `[revocation.events]`.
fn issuers(mut section: Section<'_, '_>, folder: &Path) -> Option<EventIssuers> {
    let source = section.source();
    let audience = section.required_text("audience");
    let issuers = section.entries("issuers");
    section.end();
    let audience = audience.map_or("", |(audience, _)| audience);
    let mut events = EventIssuers::new(audience);
    let mut wrong = audience.is_empty();
    for (issuer, value) in issuers {
        let Some((key, domains)) = event_issuer(source, issuer, value) else {
            wrong = true;
            continue;
        };
        let file = folder.join(key);
        let before = std::mem::replace(&mut events, EventIssuers::new(audience));
        match before.issuer(issuer, &file, domains) {
            Ok(more) => events = more,
            Err(error) => {
                source.error(value.span(), error.to_string());
                wrong = true;
            }
        }
    }
    (!wrong).then_some(events)
}

/// Path of an issuer's keys, and the trust domains that it covers.
fn event_issuer<'a>(
    source: &Source<'_>,
    issuer: &str,
    value: &'a Spanned<DeValue<'_>>,
) -> Option<(&'a str, Vec<String>)> {
    const FORM: &str = "{ key = \"keys/idp.json\", domains = [\"acme.example\"] }";
    let wrong = |message: &str| {
        let issuer = excerpt(issuer);
        source.error(
            value.span(),
            format!("under `issuers`, `{issuer}` {message}: write `\"{issuer}\" = {FORM}`"),
        );
        None
    };
    let Some(table) = value.get_ref().as_table() else {
        return wrong("has only a key file, but needs the trust domains that it may revoke in");
    };
    let get = |name: &str| {
        table
            .iter()
            .find_map(|(key, value)| (key.get_ref() == name).then_some(value.get_ref()))
    };
    if let Some((key, _)) = table
        .iter()
        .find(|(key, _)| !["key", "domains"].contains(&key.get_ref().as_ref()))
    {
        return wrong(&format!("has the unknown key `{}`", excerpt(key.get_ref())));
    }
    let Some(key) = get("key").and_then(|key| key.as_str()) else {
        return wrong("has no `key`, the file of its public keys");
    };
    let domains = get("domains").and_then(|domains| domains.as_array());
    let domains: Option<Vec<String>> = domains.and_then(|domains| {
        domains
            .iter()
            .map(|domain| domain.get_ref().as_str().map(str::to_owned))
            .collect()
    });
    match domains {
        Some(domains) if domains.is_empty() => {
            wrong("has an empty `domains`, so it revokes nothing")
        }
        Some(domains) => match domains.iter().find(|domain| !is_trust_domain(domain)) {
            Some(domain) => wrong(&format!(
                "has `{}` in `domains`, which is no trust domain",
                excerpt(domain)
            )),
            None => Some((key, domains)),
        },
        None => wrong("has no `domains`, the trust domains whose principals it revokes"),
    }
}

/// True if the text is the name of a SPIFFE trust domain.
fn is_trust_domain(name: &str) -> bool {
    is_spiffe_id(&format!("spiffe://{name}/x"))
}

/// Reads the signers of `[intents]`, and returns a store without intents; false if they are unusable.
pub(super) fn intents(section: &mut Section<'_, '_>, folder: &Path) -> (Intents, bool) {
    match signatures(section, folder) {
        Some(None) => (Intents::default(), true),
        Some(Some(signatures)) => (Intents::signed(signatures), true),
        None => (Intents::signed(Signatures::default()), false),
    }
}

/// Signatures that intents need: none if they need not be signed, and `None` if they are unusable.
fn signatures(section: &mut Section<'_, '_>, folder: &Path) -> Option<Option<Signatures>> {
    let source = section.source();
    let audience = section.text("audience");
    let states_approvers = section.has("approvers");
    let approvers = files(section, "approvers", folder);
    let delegators = files(section, "delegators", folder);
    if approvers.is_empty() {
        if states_approvers {
            let message = "`approvers` is empty, so no intent would be accepted: name an approver with a key file, or remove `approvers` if intents need not be signed";
            source.error(section.span(), message);
            return None;
        }
        if let Some((_, _, span)) = delegators.first() {
            let message =
                "delegators can delegate only intents that an approver signed: add `approvers`";
            source.error(span.clone(), message);
            return None;
        }
        return Some(None);
    }
    let mut signatures = Signatures::default();
    if let Some((audience, _)) = audience {
        signatures = signatures.audience(audience);
    }
    let mut wrong = false;
    for (who, file, span) in &approvers {
        match std::mem::take(&mut signatures).approver(who, file) {
            Ok(more) => signatures = more,
            Err(error) => {
                source.error(span.clone(), error.to_string());
                wrong = true;
            }
        }
    }
    for (who, file, span) in &delegators {
        if !is_spiffe_id(who) {
            source.error(
                span.clone(),
                format!("`{who}` is no SPIFFE ID: only principals delegate"),
            );
            wrong = true;
            continue;
        }
        match std::mem::take(&mut signatures).delegator(who, file) {
            Ok(more) => signatures = more,
            Err(error) => {
                source.error(span.clone(), error.to_string());
                wrong = true;
            }
        }
    }
    (!wrong).then_some(Some(signatures))
}

/// Reads a table of names and files.
fn files(
    section: &mut Section<'_, '_>,
    key: &'static str,
    folder: &Path,
) -> Vec<(String, PathBuf, Span)> {
    let source = section.source();
    let entries = section.entries(key);
    entries
        .into_iter()
        .filter_map(|(name, value)| match value.get_ref().as_str() {
            Some(file) => {
                let file = folder.join(file);
                // Key ids may be hexadecimal digits, so only well-known token formats are reported.
                if std::fs::read_to_string(&file).is_ok_and(|text| has_well_known_token(&text)) {
                    source.add(vec![token_in(&file, 0)]);
                }
                Some((name.to_owned(), file, value.span()))
            }
            None => {
                source.error(value.span(), format!("under `{key}`, `{name}` is a file"));
                None
            }
        })
        .collect()
}

/// Reads `[trust-domains]` and `[credentials]`: bundles, audience and maximum credential lifetime.
pub(super) fn verifier(root: &mut Section<'_, '_>, folder: &Path) -> Option<Option<Verification>> {
    let source = root.source();
    let bundles = files(root, "trust-domains", folder);
    let credentials = root.section("credentials").map(|mut section| {
        let span = section.span();
        let audience = section.required_text("audience");
        let range = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
        let lifetime = section.duration("max-lifetime", range);
        section.end();
        let lifetime = lifetime.unwrap_or(Duration::from_secs(60 * 60));
        (audience.map(|(text, _)| text.to_owned()), lifetime, span)
    });
    let span = bundles.first().map(|(_, _, span)| span.clone());
    let (span, (audience, lifetime)) = match (span, credentials) {
        (None, None) => return None,
        (Some(span), None) => {
            let message =
                "credentials are verified for an audience: add `[credentials]` with `audience`";
            source.error(span, message);
            return Some(None);
        }
        (None, Some((_, _, span))) => {
            let message = "no credential can be verified without bundles: add `[trust-domains]`";
            source.error(span, message);
            return Some(None);
        }
        (Some(span), Some((audience, lifetime, _))) => (span, (audience, lifetime)),
    };
    let mut wrong = false;
    for (domain, file, span) in &bundles {
        if let Err(error) = Bundles::from_files([(domain, file)]) {
            source.error(span.clone(), error.to_string());
            wrong = true;
        }
    }
    if wrong {
        return Some(None);
    }
    let files = bundles.into_iter().map(|(domain, file, _)| (domain, file));
    let verifier = match Bundles::from_files(files) {
        Ok(bundles) => audience.map(|audience| Verification {
            bundles,
            audience,
            lifetime,
        }),
        Err(error) => {
            source.error(span, error.to_string());
            None
        }
    };
    Some(verifier)
}
