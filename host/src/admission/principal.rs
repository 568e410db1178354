//! Checks of the principal: registration, attestation, environment, credential, instance, workload.

use super::{Checks, Requirement, unusable};
use crate::combine::tighter;
use portcullis_contract::{Attestation, excerpt};
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::inputs::Sources;
use portcullis_model::request::SessionPath;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::waiver::Waiver;
use portcullis_trust::revocation::normal_credential;
use portcullis_trust::state::{Seen, Use};

impl<T: Trace> Checks<'_, '_, T> {
    pub(super) fn registry(&mut self) -> Result<(), Refusal> {
        let on = self.on;
        let principal = on.request.principal();
        let Some(registry) = on.registry else {
            self.skip("registry", || "no registry is configured".to_owned());
            return Ok(());
        };
        let id = &principal.id;
        let recorded = match on.sources {
            Sources::Recorded(inputs, _) => inputs.registry_unusable.clone(),
            Sources::Live | Sources::DryRun => None,
        };
        let registry = match (recorded, registry) {
            (None, Ok(registry)) => registry,
            (Some(why), _) => return self.unusable_registry(why),
            (None, Err(error)) => return self.unusable_registry(error.to_string()),
        };
        let Some(identity) = registry.get(id) else {
            let refusal = (
                Cause::PrincipalUnregistered,
                format!(
                    "`{id}` is not registered: have it registered with an owner, a purpose and an end"
                ),
            );
            return self.stop(
                "registry",
                || format!("`{id}` is not in the registry"),
                refusal,
            );
        };
        let path = on.request.session_path();
        let kind = identity.kind.as_str();
        let found = || {
            let path = path.map_or("not stated", SessionPath::as_str);
            format!(
                "`{id}` is registered until {} by {} as `{kind}`, for {}, in {}, and its session path is {path}",
                identity.expires,
                identity.owner,
                identity.integrations.join(", "),
                identity.environment
            )
        };
        if let Some(refusal) = identity.refuse(principal, on.request.integration(), path, on.now) {
            let cause = refusal.0;
            let looked_at = || match cause {
                Cause::RegistrationExpired => {
                    let (ends, now) = (identity.ends(), on.now);
                    format!("`{id}` is registered until {ends}, and it is {now}")
                }
                Cause::RegistrationMismatch => {
                    let stated = |text: &str, what: &str| match text {
                        "" => format!("no {what}"),
                        text => format!("{what} `{}`", excerpt(text)),
                    };
                    format!(
                        "`{id}` is registered as `{kind}`, of {}, in {}, and the request states `{}`, {}, {}",
                        identity.owner,
                        identity.environment,
                        principal.kind.as_str(),
                        stated(&principal.owner, "owner"),
                        stated(&principal.environment, "environment")
                    )
                }
                Cause::IntegrationNotRegistered => {
                    let integrations = identity.integrations.join(", ");
                    let asked = on.request.integration();
                    format!(
                        "`{id}` is registered for {integrations}, and the request is for `{asked}`"
                    )
                }
                Cause::WrongSessionPath => {
                    let path = path.map_or("not stated", SessionPath::as_str);
                    format!("`{id}` is registered as `{kind}`, and the session's path is `{path}`")
                }
                _ => found(),
            };
            return self.stop("registry", looked_at, refusal);
        }
        self.pass("registry", Requirement::Registry, found);
        if path.is_some() {
            self.established.push(Requirement::SessionPath);
        }
        self.ceiling.expires_at = tighter(self.ceiling.expires_at, Some(identity.ends()));
        self.identity = Some(identity);
        self.facts.kind = identity.kind;
        self.facts.owner = &identity.owner;
        self.facts.purpose = &identity.purpose;
        self.facts.environment = &identity.environment;
        Ok(())
    }

    /// Denies the request, because no identity is registered while the registry is unusable.
    fn unusable_registry(&mut self, why: String) -> Result<(), Refusal> {
        self.inputs.registry_unusable = Some(why.clone());
        let found = || "the registry is unusable".to_owned();
        self.stop("registry", found, (Cause::PrincipalUnregistered, why))
    }

    pub(super) fn attestation(&mut self) -> Result<(), Refusal> {
        let found = self.on.request.principal().attestation;
        let text = |attestation: Attestation| attestation.as_str();
        let Some(least) = self.on.integration.min_attestation else {
            if found >= Attestation::JwtSvid {
                self.pass("attestation", Requirement::Attestation, || {
                    format!("`{}`; the integration has no minimum", text(found))
                });
            } else {
                self.skip("attestation", || {
                    "the integration does not require it".to_owned()
                });
            }
            return Ok(());
        };
        let finding = || format!("`{}`; the minimum is `{}`", text(found), text(least));
        if found >= least {
            if found >= Attestation::JwtSvid {
                self.established.push(Requirement::Attestation);
            }
            self.trace
                .check(|| "attestation".to_owned(), Conclusion::Pass, finding);
            return Ok(());
        }
        let refusal = (
            Cause::AttestationTooWeak,
            format!(
                "the principal authenticated with `{}`, but the integration requires at least `{}`: present a stronger credential",
                text(found),
                text(least)
            ),
        );
        self.stop_unless_waived("attestation", Waiver::Attestation, finding, refusal)
    }

    pub(super) fn environment(&mut self) -> Result<(), Refusal> {
        let on = self.on;
        let (from, to) = (
            self.facts.environment,
            on.request.resource().environment.as_str(),
        );
        if let Some(unreadable) = self.unreadable_environment(from, to) {
            let finding = || format!("the environment of the {unreadable} is not text");
            let refusal = (
                Cause::EnvironmentCrossed,
                format!(
                    "the `environment` of the {unreadable} is not text, so it cannot be compared: state it as text, or set `cross-environment` for the integration"
                ),
            );
            return self.stop_unless_waived("environment", Waiver::Environment, finding, refusal);
        }
        if from.is_empty() || to.is_empty() {
            self.skip("environment", || {
                "the environment of the principal or the resource is unknown".to_owned()
            });
            return Ok(());
        }
        let finding = || format!("from `{from}` to `{to}`");
        if from == to || on.integration.cross_environment {
            self.pass("environment", Requirement::Environment, finding);
            return Ok(());
        }
        let refusal = (
            Cause::EnvironmentCrossed,
            format!(
                "a principal of `{from}` acts on a resource of `{to}`: use one of `{to}`, or set `cross-environment` for the integration"
            ),
        );
        self.stop_unless_waived("environment", Waiver::Environment, finding, refusal)
    }

    /// The side whose environment is stated, but not as text.
    ///
    /// `None` unless the other side's environment is known and has to be the same.
    fn unreadable_environment(&self, from: &str, to: &str) -> Option<&'static str> {
        if self.on.integration.cross_environment || from.is_empty() == to.is_empty() {
            return None;
        }
        let request = self.on.request;
        let (side, attributes) = match from.is_empty() {
            true => ("principal", &request.principal().attributes),
            false => ("resource", &request.resource().attributes),
        };
        attributes
            .iter()
            .any(|(name, value)| name == "environment" && !value.is_null())
            .then_some(side)
    }

    pub(super) fn credential(&mut self) -> Result<(), Refusal> {
        let on = self.on;
        let (principal, now) = (on.request.principal(), on.now);
        if let Some(at) = principal.credential_expires_at
            && at <= now
        {
            let finding = || format!("it expires at {at}, and it is {now}");
            let detail = format!("the credential expired at {at}: present a fresh one");
            return self.stop("credential", finding, (Cause::CredentialExpired, detail));
        }
        let too_long = self
            .identity
            .and_then(|identity| identity.refuse_credential(principal, now));
        let finding = || match principal.credential_expires_at {
            Some(at) => format!("it expires at {at}, and it is {now}"),
            None => "the request does not state its expiry".to_owned(),
        };
        match (too_long, principal.credential_expires_at) {
            (Some(refusal), _) => {
                self.stop_unless_waived(
                    "credential",
                    Waiver::CredentialLifetime,
                    finding,
                    refusal,
                )?;
            }
            (None, Some(_)) => self.pass("credential", Requirement::Credential, finding),
            (None, None) => self.skip("credential", finding),
        }
        if on.integration.single_use_credentials {
            self.single_use()?;
        }
        Ok(())
    }

    /// Checks that a single-use credential was not used before.
    fn single_use(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "credential, used once";
        let principal = self.on.request.principal();
        let id = &principal.credential_id;
        let until = principal.credential_expires_at;
        let Some(until) = until.filter(|_| !id.is_empty()) else {
            let refusal = (
                Cause::CredentialReplayed,
                "the credential's id or expiry is missing, so the host cannot know whether it was used: state `credential-id` and `credential-expires-at`".to_owned(),
            );
            return self.stop(NAME, || "it has no id or no expiry".to_owned(), refusal);
        };
        let once = Use {
            // Normalised, so that another spelling is the same credential.
            key: self.on.counted(format!(
                "credential {} {}",
                principal.id,
                normal_credential(id)
            )),
            limit: 1,
            until,
        };
        if self.spent(NAME, &once.key)? > 0 {
            let detail =
                "the credential was used before, and may be used once: present a fresh one";
            let refusal = (Cause::CredentialReplayed, detail.to_owned());
            return self.stop(NAME, || format!("`{}` was used", excerpt(id)), refusal);
        }
        self.pass(NAME, Requirement::Credential, || {
            format!("`{}` was not used before", excerpt(id))
        });
        self.spends([once]);
        Ok(())
    }

    /// Number of uses of `key` so far.
    pub(super) fn spent(&mut self, check: &'static str, key: &str) -> Result<u64, Refusal> {
        let spent = match (self.on.state, self.on.sources) {
            (None, _) => Err("no `[state]` is configured to count uses in".to_owned()),
            (_, Sources::Recorded(inputs, _)) => match &inputs.state_unusable {
                None => Ok(inputs.spent.get(key).copied().unwrap_or(0)),
                Some(why) => Err(why.clone()),
            },
            (Some(state), _) => state.spent(key).map_err(|error| error.to_string()),
        };
        match spent {
            Ok(spent) => {
                self.inputs.spent.insert(key.to_owned(), spent);
                Ok(spent)
            }
            Err(why) => {
                self.inputs.state_unusable = Some(why.clone());
                let found = || "its uses are unknown".to_owned();
                self.stop(check, found, unusable(why))
            }
        }
    }

    /// Checks that only one instance of the workload presents the credential.
    pub(super) fn instance(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "instance";
        let on = self.on;
        let principal = on.request.principal();
        let (credential, instance) = (&principal.credential_id, &principal.instance);
        if credential.is_empty() || instance.is_empty() {
            self.skip(NAME, || {
                "the credential's id or the presenting instance is missing".to_owned()
            });
            return Ok(());
        }
        let normal = normal_credential(credential);
        let seen = |notes| Seen {
            principal: &principal.id,
            credential: &normal,
            instance,
            now: on.now,
            expires_at: principal.credential_expires_at,
            notes,
        };
        let elsewhere = match (on.state, on.sources) {
            (_, Sources::Recorded(inputs, _)) => match &inputs.state_unusable {
                None => Ok(inputs.seen_elsewhere.clone()),
                Some(why) => Err(why.clone()),
            },
            (state, sources) => {
                let seen = seen(matches!(sources, Sources::Live));
                match state {
                    Some(state) => state.seen_elsewhere(&seen),
                    None => on.instances.seen_elsewhere(&seen),
                }
                .map_err(|error| error.to_string())
            }
        };
        let elsewhere = match elsewhere {
            Ok(elsewhere) => elsewhere,
            Err(why) => {
                self.inputs.state_unusable = Some(why.clone());
                let found = || "its earlier presentations are unknown".to_owned();
                return self.stop(NAME, found, unusable(why));
            }
        };
        let Some(other) = elsewhere else {
            self.pass(NAME, Requirement::Instance, || {
                format!("only `{}` presents it", excerpt(instance))
            });
            return Ok(());
        };
        let refusal = (
            Cause::CredentialCloned,
            format!(
                "the credential is presented by `{}` and by `{}`: revoke it, and find out who copied it",
                excerpt(&other),
                excerpt(instance)
            ),
        );
        self.inputs.seen_elsewhere = Some(other.clone());
        let finding = || {
            format!(
                "`{}` presents it, and `{}` presented it before",
                excerpt(instance),
                excerpt(&other)
            )
        };
        self.stop(NAME, finding, refusal)
    }

    /// Checks that the workload runs the registered code (`workload-digest`).
    pub(super) fn workload(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "workload";
        let registered = self
            .identity
            .and_then(|identity| identity.workload_digest.as_deref());
        let Some(registered) = registered else {
            self.skip(NAME, || "no workload digest is registered".to_owned());
            return Ok(());
        };
        let found = &self.on.request.principal().workload_digest;
        let finding = || {
            let found = if found.is_empty() {
                "something unknown".to_owned()
            } else {
                format!("`{}`", excerpt(found))
            };
            format!("it runs {found}, and `{registered}` is registered")
        };
        if found == registered {
            self.pass(NAME, Requirement::Workload, finding);
            return Ok(());
        }
        let refusal = (
            Cause::WorkloadDrifted,
            "the workload runs other code than registered: deploy the registered code, have the running code attested (`workload-digest`), or register it".to_owned(),
        );
        self.stop(NAME, finding, refusal)
    }
}
