//! Rules of enforcement points: integrations that they may ask about, and facts that they may state.

use crate::pep::{Fact, Pep};
use crate::refusal::Refusal;
use portcullis_host::{Attestation, Pdp, Principal, Request, RequestBuilder, excerpt};

/// Returns the request to decide, or the reason why the enforcement point may not ask for it.
///
/// With a `credential`, the principal is the verified one, and the statements of the request must agree with it.
///
/// # Errors
///
/// [`Refusal`], which names the statement and the remedy.
pub(crate) fn admit(
    pep: &Pep,
    pdp: &Pdp,
    stated: Request,
    credential: Option<&str>,
) -> Result<Request, Refusal> {
    refuse_beyond(pep, &stated).map_err(|refusal| refusal.of(&stated))?;
    match credential {
        None if pep.vouches_for(Fact::Principal) => Ok(stated),
        None => Err(Refusal::beyond_pep(format!(
            "enforcement point `{}` may not vouch for a principal: pass the workload's JWT-SVID in the header `Portcullis-Credential`, or add `principal` to its `vouches-for`",
            pep.id
        ))
        .of(&stated)),
        Some(credential) => {
            let Some(verifier) = pdp.verifier() else {
                return Err(Refusal::credential(
                    "the host cannot verify the credential: it has no `[trust-domains]`",
                )
                .of(&stated));
            };
            let verified = verifier
                .verify(credential)
                .map_err(|error| Refusal::credential(error.to_string()).of(&stated))?;
            let principal = agreed(pep, stated.principal(), verified)
                .map_err(|refusal| refusal.of(&stated))?;
            with_principal(&stated, principal)
                .build(pdp.request_limits())
                .map_err(|error| Refusal::from(error).of(&stated))
        }
    }
}

/// Refuses an integration or a statement that the enforcement point is not trusted with.
fn refuse_beyond(pep: &Pep, stated: &Request) -> Result<(), Refusal> {
    if !pep.may_use(stated.integration()) {
        return Err(Refusal::beyond_pep(format!(
            "enforcement point `{}` may not ask about integration `{}`: add it to its `integrations`",
            pep.id,
            excerpt(stated.integration())
        )));
    }
    let principal = stated.principal();
    let statements = [
        (
            Fact::Instance,
            "/subject/properties/instance",
            !principal.instance.is_empty(),
        ),
        (
            Fact::Instance,
            "/subject/properties/workload-digest",
            !principal.workload_digest.is_empty(),
        ),
        (
            Fact::Posture,
            "/resource/properties/posture",
            stated.resource().posture.is_some(),
        ),
        (
            Fact::Origins,
            "/context/argument-origins",
            !stated.origins().0.is_empty(),
        ),
        (
            Fact::Principal,
            "/context/session-path",
            stated.session_path().is_some(),
        ),
    ];
    for (fact, at, is_stated) in statements {
        if is_stated && !pep.vouches_for(fact) {
            return Err(beyond(pep, fact, at));
        }
    }
    Ok(())
}

fn beyond(pep: &Pep, fact: Fact, at: &str) -> Refusal {
    Refusal::beyond_pep(format!(
        "`{at}`: enforcement point `{}` may not state it: leave it out, or add `{}` to its `vouches-for`",
        pep.id,
        fact.as_str()
    ))
}

/// Returns the principal of the credential, with the statements that the enforcement point may add.
///
/// A statement about the credential itself has to agree with it.
fn agreed(pep: &Pep, stated: &Principal, verified: Principal) -> Result<Principal, Refusal> {
    let same_time = |time: Option<_>, verified: Option<_>| time.is_none() || time == verified;
    let agrees = [
        ("/subject/id", stated.id == verified.id),
        (
            "/subject/properties/attestation",
            [Attestation::None, verified.attestation].contains(&stated.attestation),
        ),
        (
            "/subject/properties/credential-id",
            stated.credential_id.is_empty() || stated.credential_id == verified.credential_id,
        ),
        (
            "/subject/properties/credential-issued-at",
            same_time(stated.credential_issued_at, verified.credential_issued_at),
        ),
        (
            "/subject/properties/credential-expires-at",
            same_time(stated.credential_expires_at, verified.credential_expires_at),
        ),
    ];
    if let Some((at, _)) = agrees.iter().find(|(_, agrees)| !agrees) {
        return Err(Refusal::beyond_pep(format!(
            "`{at}`: it is not that of the credential, which is of `{}`: state what the credential has, or leave it out",
            excerpt(&verified.id)
        )));
    }
    let mut principal = Principal {
        instance: stated.instance.clone(),
        workload_digest: stated.workload_digest.clone(),
        ..verified
    };
    let own = [
        ("/subject/properties/owner", stated.owner.is_empty()),
        ("/subject/properties/purpose", stated.purpose.is_empty()),
        (
            "/subject/properties/environment",
            stated.environment.is_empty(),
        ),
        (
            "/subject/properties/delegated-by",
            stated.delegated_by.is_empty(),
        ),
        ("/subject/properties", stated.attributes.is_empty()),
    ];
    if !pep.vouches_for(Fact::Principal) {
        // The kind of a principal comes from the registry, or is unknown.
        return match own.iter().find(|(_, is_empty)| !is_empty) {
            None => Ok(principal),
            Some((at, _)) => Err(beyond(pep, Fact::Principal, at)),
        };
    }
    principal.kind = stated.kind;
    principal.type_name.clone_from(&stated.type_name);
    principal.owner.clone_from(&stated.owner);
    principal.purpose.clone_from(&stated.purpose);
    principal.environment.clone_from(&stated.environment);
    principal.delegated_by.clone_from(&stated.delegated_by);
    principal.attributes.clone_from(&stated.attributes);
    Ok(principal)
}

/// Starts the same request with another principal.
fn with_principal(stated: &Request, principal: Principal) -> RequestBuilder {
    let mut builder = Request::builder(
        stated.integration(),
        principal,
        stated.action(),
        stated.resource().clone(),
    )
    .arguments(stated.arguments().clone())
    .argument_origins(stated.origins().0.to_vec())
    .round_trip(stated.round_trip().clone());
    if let Some(intent) = stated.intent() {
        builder = builder.intent(intent.clone());
    }
    if let Some(path) = stated.session_path() {
        builder = builder.session_path(path);
    }
    if let Some(kinds) = stated.supported_obligations() {
        builder = builder.supported_obligations(kinds.to_vec());
    }
    for (name, value) in stated.context() {
        builder = builder.context(name, value.clone());
    }
    builder
}
