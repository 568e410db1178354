//! Checks of the destination: the integration's tier and the destination's posture.

use super::{Checks, Requirement};
use portcullis_contract::ActionClass;
use portcullis_model::cause::{Cause, Refusal};
use portcullis_model::inputs::Sources;
use portcullis_model::trace::{Conclusion, Trace};
use portcullis_model::verdict::Obligation;
use portcullis_model::waiver::Waiver;
use portcullis_trust::posture::{Judged, OnStale, later};
use serde_json::json;

impl<T: Trace> Checks<'_, '_, T> {
    /// Checks that the integration's tier permits the class of the action.
    pub(super) fn tier(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "tier";
        let on = self.on;
        let Some(ceiling) = &on.integration.ceiling else {
            self.skip(NAME, || {
                "no ceiling is configured for the tier of the integration".to_owned()
            });
            return Ok(());
        };
        let (tier, class) = (on.integration.tier.as_str(), on.class);
        let finding = || {
            format!(
                "the integration is `{tier}`, and the action is {}",
                class.as_str()
            )
        };
        if !ceiling.classes.contains(&class) {
            let classes: Vec<_> = ceiling.classes.iter().map(|class| class.as_str()).collect();
            let refusal = (
                Cause::BeyondTier,
                format!(
                    "tier `{tier}` allows only actions that are {}, but this action is {}: correct its class under `actions`, or the classes under `[ceiling.{tier}]`",
                    classes.join(", "),
                    class.as_str()
                ),
            );
            return self.stop(NAME, finding, refusal);
        }
        self.trace
            .check(|| NAME.to_owned(), Conclusion::Pass, finding);
        self.obligations
            .extend(ceiling.obligations.iter().map(|kind| Obligation {
                id: "host:tier".to_owned(),
                kind: kind.clone(),
                properties: json!({ "tier": tier }),
            }));
        Ok(())
    }

    /// Checks that the destination's posture is recent and acceptable.
    pub(super) fn destination(&mut self) -> Result<(), Refusal> {
        const NAME: &str = "destination";
        let on = self.on;
        let own = match (on.sources, on.postures) {
            (Sources::Recorded(inputs, _), _) => match &inputs.posture_unusable {
                None => Ok(inputs.posture),
                Some(why) => Err(why.clone()),
            },
            (_, None) => Ok(None),
            (_, Some(postures)) => postures
                .of(on.request.resource(), on.request.naming())
                .map_err(|error| error.to_string()),
        };
        match own {
            Ok(own) => {
                self.inputs.posture = own;
                self.facts.posture = later(self.facts.posture, own);
            }
            Err(why) => {
                self.inputs.posture_unusable = Some(why.clone());
                // The request's own statement is not used without the host's facts.
                self.facts.posture = None;
                if on.integration.posture.is_some() && on.class != ActionClass::Read {
                    let refusal = (
                        Cause::DestinationUnfit,
                        format!(
                            "{why}: the destination's posture is unknown until this is corrected"
                        ),
                    );
                    let found = || "the observations of destinations cannot be read".to_owned();
                    return self.stop_unless_waived(NAME, Waiver::Destination, found, refusal);
                }
            }
        }
        let Some(rule) = &on.integration.posture else {
            self.skip(NAME, || "the integration does not require it".to_owned());
            return Ok(());
        };
        match rule.judge(on.class, self.facts.posture, on.now) {
            Judged::DoesNotMatter => self.skip(NAME, || "the action only reads".to_owned()),
            Judged::Well => self.pass(NAME, Requirement::Destination, || {
                "the destination was observed to be healthy".to_owned()
            }),
            Judged::Unfit(OnStale::Deny, what) => {
                let detail = format!("{what}: inspect it, and report a new observation");
                let refusal = (Cause::DestinationUnfit, detail);
                self.stop_unless_waived(NAME, Waiver::Destination, || what, refusal)?;
            }
            Judged::Unfit(OnStale::StepUp, what) => {
                // A step-up does not show the destination's posture, so nothing is established.
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
