//! Runs a policy in `cargo test`, without WebAssembly.
//!
//! ```no_run
//! # use portcullis_sdk::{Policy, Request, Verdict};
//! # #[derive(serde::Deserialize)] struct Repositories {}
//! # impl Policy for Repositories {
//! #     fn evaluate(&self, _: &Request) -> Verdict { Verdict::not_applicable() }
//! # }
//! use portcullis_sdk::{Effect, json, testing::{Plugin, request}};
//!
//! let plugin = Plugin::<Repositories>::load(json!({ "allowed": ["acme/*"] }));
//! let verdict = plugin.evaluate(request("push").resource("repository", "acme/billing"));
//! assert_eq!(verdict.effect(), Effect::Permit);
//! ```
//!
//! The plugin is treated as the host treats it. Reading a field that its `plugin.toml` does not list fails
//! the test and names the field, and so does a verdict that the host would refuse.

use crate::request::field::Asked;
use crate::settings::{self, SettingsError};
use crate::{Attribute, Effect, Policy, Request, Timestamp, Value, Verdict};
use portcullis_contract::{Field, Manifest, Origins, check_obligation, is_token};
use std::path::Path;

/// A policy with its settings and its manifest.
#[derive(Debug)]
pub struct Plugin<P> {
    policy: P,
    manifest: Manifest,
    asked: Asked,
}

impl<P: Policy> Plugin<P> {
    /// Loads the policy with `settings`, and `plugin.toml` from the crate's folder.
    ///
    /// # Panics
    ///
    /// If the settings or the manifest are invalid.
    #[track_caller]
    pub fn load(settings: serde_json::Value) -> Self {
        match Self::try_load(settings) {
            Ok(plugin) => plugin,
            Err(errors) => panic!("the settings are not valid: {errors:#?}"),
        }
    }

    /// As [`Plugin::load`], but returns the errors in the settings.
    ///
    /// # Errors
    ///
    /// One [`SettingsError`] for each error.
    ///
    /// # Panics
    ///
    /// If `plugin.toml` is missing or invalid.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write `json!` in place"
    )]
    pub fn try_load(settings: serde_json::Value) -> Result<Self, Vec<SettingsError>> {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
        let file = Path::new(&folder).join("plugin.toml");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "cannot read {}: {error}: every plugin has one beside Cargo.toml",
                file.display()
            )
        });
        let manifest =
            Manifest::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if !settings.is_object() {
            return Err(vec![SettingsError::new("", "settings are an object")]);
        }
        let policy = settings::read(&settings.to_string())?;
        let asked = asked(&manifest);
        Ok(Self {
            policy,
            manifest,
            asked,
        })
    }

    /// Evaluates `request` with the policy.
    ///
    /// # Panics
    ///
    /// If the request's arguments are not an object, or if the host would refuse the verdict:
    ///
    /// - a permit without a reason,
    /// - an invalid code, id or kind,
    /// - an obligation that `plugin.toml` does not list,
    /// - a narrowing that permits nothing or excludes this call.
    #[track_caller]
    pub fn evaluate(&self, request: RequestBuilder) -> Verdict {
        let mut whole = request.0;
        let arguments: serde_json::Value = serde_json::from_str(&whole.action.arguments)
            .unwrap_or_else(|error| panic!("the arguments are not JSON: {error}"));
        assert!(arguments.is_object(), "arguments are an object");
        whole.action.arguments = serde_json_canonicalizer::to_string(&arguments)
            .unwrap_or_else(|error| panic!("the arguments have no canonical form: {error}"))
            .into();
        let verdict = self
            .policy
            .evaluate(&self.only_what_it_needs(whole.clone()));
        if verdict.effect == Effect::Permit && verdict.reasons.is_empty() {
            panic!("a permit needs a reason: add `.because(\"code\", \"message\")`");
        }
        for reason in &verdict.reasons {
            assert!(
                is_token(&reason.code),
                "`{}` is no reason code: it has 1 to 64 letters, digits, `-`, `_`, `.` and `:`",
                reason.code
            );
        }
        for obligation in verdict.obligations.iter().chain(&verdict.advice) {
            for text in [&obligation.id, &obligation.kind] {
                assert!(is_token(text), "`{text}` is no obligation's id or kind");
            }
            assert!(
                obligation.properties.is_object(),
                "the properties of `{}` are not a JSON object",
                obligation.kind
            );
        }
        for obligation in &verdict.obligations {
            assert!(
                self.manifest.obligations.contains(&obligation.kind),
                "plugin.toml does not list the obligation `{}`",
                obligation.kind
            );
            if let Err(error) = check_obligation(&obligation.kind, &obligation.properties) {
                panic!("obligation `{}`: {error}", obligation.id);
            }
        }
        let lifetime = verdict.narrowing.lifetime;
        assert!(
            lifetime.is_none_or(|lifetime| lifetime.as_millis() > 0),
            "a permit must last at least one millisecond"
        );
        assert!(
            verdict.narrowing.max_uses != Some(0),
            "a permit must allow at least one use"
        );
        for constraint in &verdict.narrowing.constraints {
            assert!(
                constraint.met_by(&arguments, Origins(&whole.action.origins)),
                "the verdict permits only `{constraint}`, which this call does not meet"
            );
        }
        verdict
    }

    /// Returns the request as the host would pass it. Reading a field that is not listed panics.
    fn only_what_it_needs(&self, mut request: Request) -> Request {
        let kind = request.principal.kind.as_str();
        let attributes = &mut request.principal.attributes;
        if attributes.get("type").is_none() {
            let at = attributes.partition_point(|it| it.name.as_str() < "type");
            let (name, value) = ("type".to_owned(), Value::Text(kind.to_owned()));
            attributes.insert(at, Attribute { name, value });
        }
        request.keep(self.asked);
        request
    }
}

/// Returns the fields that the manifest lists. It leaks their names, which a short-lived test can afford.
fn asked(manifest: &Manifest) -> Asked {
    let needs = manifest.fields();
    let whole: Vec<_> = Field::ALL
        .into_iter()
        .filter(|field| needs.has(*field))
        .collect();
    let names = manifest.needs.iter().map(|name| &*name.clone().leak());
    Asked::new(&whole, names.collect::<Vec<&'static str>>().leak())
}

/// A request of a test, made by [`request`].
#[derive(Debug, Clone)]
pub struct RequestBuilder(Request);

/// Returns a request for the action called `action`, without a principal, resource or arguments.
pub fn request(action: &str) -> RequestBuilder {
    let mut request = Request::default();
    request.action.name = action.into();
    request.action.arguments = "{}".into();
    RequestBuilder(request)
}

impl RequestBuilder {
    /// Sets the arguments, a JSON object.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write `json!` in place"
    )]
    pub fn arguments(mut self, arguments: serde_json::Value) -> Self {
        self.0.action.arguments = arguments.to_string().into();
        self
    }

    /// Sets the resource.
    #[must_use]
    pub fn resource(mut self, kind: &str, id: &str) -> Self {
        kind.clone_into(&mut self.0.resource.kind);
        id.clone_into(&mut self.0.resource.id);
        self
    }

    /// Sets the principal's SPIFFE ID and kind.
    #[must_use]
    pub fn principal(mut self, id: &str, kind: crate::PrincipalKind) -> Self {
        id.clone_into(&mut self.0.principal.id);
        self.0.principal.kind = kind.into();
        self
    }

    /// Sets the principal's type as sent, which is the name of its kind by default.
    #[must_use]
    pub fn principal_type(mut self, name: &str) -> Self {
        let attributes = &mut self.0.principal.attributes;
        attributes.retain(|it| it.name != "type");
        attributes.push(Attribute {
            name: "type".to_owned(),
            value: Value::Text(name.to_owned()),
        });
        self
    }

    /// Sets the host's clock, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(mut self, now: Timestamp) -> Self {
        self.0.now = Some(now).into();
        self
    }

    /// Adds a circumstance.
    #[must_use]
    pub fn context(mut self, name: &str, value: Value) -> Self {
        self.0.context.push(Attribute {
            name: name.to_owned(),
            value,
        });
        self
    }

    /// Changes anything else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Request)) -> Self {
        change(&mut self.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActionClass, Attestation, Constraint, Operator, PrincipalKind};
    use serde_json::json;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    struct Answers(fn(&Request) -> Verdict);

    impl<'de> serde::Deserialize<'de> for Answers {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self(|_| Verdict::not_applicable()))
        }
    }

    impl Policy for Answers {
        fn evaluate(&self, request: &Request) -> Verdict {
            self.0(request)
        }
    }

    fn plugin(needs: &str, answers: fn(&Request) -> Verdict) -> Plugin<Answers> {
        let manifest = format!(
            "name = \"p\"\nversion = \"0\"\ndescription = \"\"\ncontract = \"0.1.0\"\nneeds = [{needs}]\nobligations = [\"notification\"]\n"
        );
        let manifest = Manifest::parse(&manifest).unwrap();
        Plugin {
            policy: Answers(answers),
            asked: asked(&manifest),
            manifest,
        }
    }

    #[test]
    fn a_verdict_that_a_host_would_refuse_fails_the_test() {
        let good: fn(&Request) -> Verdict = |_| {
            Verdict::permit()
                .because("x", "")
                .oblige("notification", json!({ "to": "owner", "body": "x" }))
        };
        assert_eq!(
            plugin("", good).evaluate(request("a")).effect(),
            Effect::Permit
        );
        let refused: [fn(&Request) -> Verdict; 9] = [
            |_| {
                Verdict::permit()
                    .because("x", "")
                    .oblige("notification", json!({ "to": "owner" }))
            },
            |_| Verdict::permit(),
            |_| Verdict::deny().because("two words", ""),
            |_| {
                Verdict::permit()
                    .because("x", "")
                    .oblige("step-up", json!({}))
            },
            |_| {
                Verdict::permit()
                    .because("x", "")
                    .oblige("notification", json!(1))
            },
            |_| Verdict::deny().advise("two words", json!({})),
            |_| Verdict::permit().because("x", "").at_most(0),
            |_| {
                Verdict::permit()
                    .because("x", "")
                    .expires_in(Duration::from_micros(500))
            },
            |_| {
                let other = Constraint::new("/a", Operator::Equals, json!(1)).unwrap();
                Verdict::permit().because("x", "").only_if(other)
            },
        ];
        for (index, answers) in refused.into_iter().enumerate() {
            let plugin = plugin("", answers);
            let run = AssertUnwindSafe(|| plugin.evaluate(request("a")));
            assert!(catch_unwind(run).is_err(), "{index}");
        }
    }

    #[test]
    fn arguments_that_were_not_asked_for_cannot_be_read() {
        let reads: fn(&Request) -> Verdict =
            |request| match request.arguments::<serde_json::Value>() {
                Ok(arguments) => Verdict::deny().because("read", arguments.to_string()),
                Err(error) => error.into(),
            };
        let call = || request("a").arguments(json!({ "b": 1.0, "a": { "x/y": [1] } }));
        let told = plugin("\"action.arguments\"", reads).evaluate(call());
        assert_eq!(told.reasons()[0].message, r#"{"a":{"x/y":[1]},"b":1}"#);
        let untold = AssertUnwindSafe(|| plugin("", reads).evaluate(call()));
        assert!(catch_unwind(untold).is_err());
    }

    #[test]
    fn a_field_that_is_not_listed_is_named_when_it_is_read() {
        type Reads = fn(&Request) -> Verdict;
        let reads: [(&str, Reads); 9] = [
            ("principal.kind", |request| match *request.principal.kind {
                PrincipalKind::Agent => Verdict::deny(),
                _ => Verdict::permit().because("no-agent", ""),
            }),
            ("resource.environment", |request| {
                assert!(request.resource.environment != "prod");
                Verdict::not_applicable()
            }),
            ("action.class", |request| {
                assert!(request.action.class != ActionClass::Destructive);
                Verdict::not_applicable()
            }),
            ("principal.attestation", |request| {
                assert!(request.principal.attestation < Attestation::JwtSvid);
                Verdict::not_applicable()
            }),
            ("resource.attributes.tier", |request| {
                assert!(request.resource.attribute("tier").is_none());
                Verdict::not_applicable()
            }),
            ("context.ticket", |request| {
                assert!(request.context("ticket").is_none());
                Verdict::not_applicable()
            }),
            ("intent.id", |request| {
                assert!(request.intent.is_none());
                Verdict::not_applicable()
            }),
            ("now", |request| {
                assert!(request.now.is_none());
                Verdict::not_applicable()
            }),
            ("principal.id", |request| {
                let id: &str = &request.principal.id;
                Verdict::deny().because("id", id.to_owned())
            }),
        ];
        for (field, reads) in reads {
            let untold =
                AssertUnwindSafe(|| plugin("\"resource.id\"", reads).evaluate(request("a")));
            let panic = catch_unwind(untold).unwrap_err();
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(
                message.contains(&format!("`{field}`")),
                "{field}: {message}"
            );
        }
        let listed =
            |field: &str, reads| plugin(&format!("\"{field}\""), reads).evaluate(request("a"));
        assert_eq!(
            listed("principal.kind", reads[0].1).effect(),
            Effect::Permit
        );
        assert_eq!(listed("principal.id", reads[8].1).effect(), Effect::Deny);
        assert_eq!(
            listed("now", |request| {
                assert!(request.now.is_none());
                Verdict::not_applicable()
            })
            .effect(),
            Effect::NotApplicable
        );
    }

    #[test]
    fn an_argument_that_does_not_fit_is_named() {
        let reads: fn(&Request) -> Verdict =
            |request| match request.arguments::<std::collections::BTreeMap<String, Vec<u8>>>() {
                Ok(_) => Verdict::not_applicable(),
                Err(error) => error.into(),
            };
        let verdict = plugin("\"action.arguments\"", reads)
            .evaluate(request("a").arguments(json!({ "x/y": [1, 300] })));
        assert_eq!(verdict.reasons()[0].evidence, ["/action/arguments/x~1y/1"]);
    }
}
