//! Checks of the destination: the integration's trust level and the destination's posture.

use super::{Checks, Requirement};
use portcullis_contract::ActionClass;
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::evidence::Sources;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::verdict::Obligation;
use portcullis_model::waiver::Waiver;
use portcullis_trust::posture::{Judged, OnStale, later};
use serde_json::json;

impl<T: Trace> Checks<'_, '_, T> {
    /// Checks that the integration's trust level permits the class of the action.
    pub(super) fn trust(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "trust";
        let on = self.on;
        let Some(ceiling) = &on.integration.ceiling else {
            self.skip(NAME, || {
                "no ceiling is configured for how far the integration is trusted".to_owned()
            });
            return Ok(());
        };
        let (trust, class) = (on.integration.trust.as_str(), on.class);
        let evidence = || {
            format!(
                "the integration is `{trust}`, and the action is {}",
                class.as_str()
            )
        };
        if !ceiling.classes.contains(&class) {
            let classes: Vec<_> = ceiling.classes.iter().map(|class| class.as_str()).collect();
            let refusal = (
                Cause::BeyondTrust,
                format!(
                    "an integration that is `{trust}` may be used for actions that are {}, and this one is {}: say otherwise under `actions`, if it is, or under `[ceiling.{trust}]`",
                    classes.join(", "),
                    class.as_str()
                ),
            );
            return self.stop(NAME, evidence, refusal);
        }
        self.trace
            .check(|| NAME.to_owned(), Conclusion::Pass, evidence);
        self.obligations
            .extend(ceiling.obligations.iter().map(|kind| Obligation {
                id: "host:trust".to_owned(),
                kind: kind.clone(),
                properties: json!({ "trust": trust }),
            }));
        Ok(())
    }

    /// Checks that the destination's posture is recent and acceptable.
    pub(super) fn posture(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "posture";
        let on = self.on;
        let own = match (on.sources, on.postures) {
            (Sources::Recorded(evidence, _), _) => match &evidence.posture_unusable {
                None => Ok(evidence.posture),
                Some(why) => Err(why.clone()),
            },
            (_, None) => Ok(None),
            (_, Some(postures)) => postures
                .of(on.request.resource(), on.request.naming())
                .map_err(|error| error.to_string()),
        };
        match own {
            Ok(own) => {
                self.evidence.posture = own;
                self.facts.posture = later(self.facts.posture, own);
            }
            Err(why) => {
                self.evidence.posture_unusable = Some(why.clone());
                // The request's own statement is not used without the host's facts.
                self.facts.posture = None;
                if on.integration.posture.is_some() && on.class != ActionClass::Read {
                    let refusal = (
                        Cause::PostureAmiss,
                        format!("{why}: nothing is known to be well until it is mended"),
                    );
                    let found = || "what was seen of destinations cannot be read".to_owned();
                    return self.stop_unless_waived(NAME, Waiver::Posture, found, refusal);
                }
            }
        }
        let Some(rule) = &on.integration.posture else {
            self.skip(NAME, || "the integration asks for none".to_owned());
            return Ok(());
        };
        match rule.judge(on.class, self.facts.posture, on.now) {
            Judged::DoesNotMatter => self.skip(NAME, || "the action only reads".to_owned()),
            Judged::Well => self.pass(NAME, Requirement::Posture, || {
                "the destination was seen to be well".to_owned()
            }),
            Judged::Amiss(OnStale::Deny, what) => {
                let detail = format!("{what}: have it looked at, and pass on what was seen");
                let refusal = (Cause::PostureAmiss, detail);
                self.stop_unless_waived(NAME, Waiver::Posture, || what, refusal)?;
            }
            Judged::Amiss(OnStale::StepUp, what) => {
                // A step-up is no evidence of the destination's posture, so nothing is established.
                self.trace.check(
                    || NAME.to_owned(),
                    Conclusion::Pass,
                    || format!("{what}, so a permit obliges to a step-up"),
                );
                self.obligations.push(Obligation {
                    id: "host:posture".to_owned(),
                    kind: "step-up".to_owned(),
                    // Phishing-resistant, as OpenID registers it (EAP ACR values 1.0).
                    properties: json!({ "acr_value": "phr", "reason": what }),
                });
            }
        }
        Ok(())
    }
}
