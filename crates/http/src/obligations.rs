//! Handlers of obligations.

use crate::Decided;
use portcullis_host::Obligation;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

type Carried = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Handler = Arc<dyn Fn(&Obligation, &Decided) -> Carried + Send + Sync>;

/// Handlers of obligations, by kind.
///
/// On a permit, each obligation is carried out before the call is made. If one has no handler, if its properties do not
/// have the form that the handler reads, or if the handler fails, the call is not made, and the log has the outcome. On
/// a deny, the obligations that have a handler are carried out as well (AuthZEN obligations profile); the call is
/// refused in any case. Nothing is carried out for a deny of an integration that is only observed.
///
/// Obligations are carried out one after another, in the order of the plugins.
///
/// ```
/// use portcullis_http::{Decided, Obligations};
/// use serde::Deserialize;
///
/// /// `notification` of the AuthZEN obligations profile.
/// #[derive(Deserialize)]
/// struct Notification {
///     to: String,
///     body: String,
/// }
///
/// async fn notify(it: Notification, of: Decided) -> Result<(), std::io::Error> {
///     println!("to {}: {} ({})", it.to, it.body, of.principal().id);
///     Ok(())
/// }
///
/// let obligations = Obligations::new().handle("notification", notify);
/// assert_eq!(obligations.kinds(), ["notification"]);
/// ```
#[derive(Clone, Default)]
pub struct Obligations {
    handlers: BTreeMap<String, Handler>,
}

/// An obligation that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("obligation `{kind}` is not carried out: {why}")]
pub struct ObligationFailed {
    kind: String,
    why: String,
}

impl ObligationFailed {
    /// Kind of the obligation.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl Obligations {
    /// No handlers. A permit with an obligation is then denied.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the handler of `kind`, in place of an earlier one.
    ///
    /// `T` reads the properties of the obligation. The handler returns when the obligation is carried out.
    #[must_use]
    pub fn handle<T, F, Fut, E>(mut self, kind: impl Into<String>, handler: F) -> Self
    where
        T: DeserializeOwned,
        F: Fn(T, Decided) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let carry_out = move |obligation: &Obligation, of: &Decided| -> Carried {
            match T::deserialize(&obligation.properties) {
                Ok(properties) => {
                    let carried = handler(properties, of.clone());
                    Box::pin(async move { carried.await.map_err(|error| error.to_string()) })
                }
                Err(error) => {
                    let why = format!("its properties have another form: {error}");
                    Box::pin(std::future::ready(Err(why)))
                }
            }
        };
        self.handlers.insert(kind.into(), Arc::new(carry_out));
        self
    }

    /// Kinds that have a handler, sorted.
    pub fn kinds(&self) -> Vec<String> {
        self.handlers.keys().cloned().collect()
    }

    /// Carries out all obligations of a permit.
    ///
    /// # Errors
    ///
    /// [`ObligationFailed`] for the first one that is not carried out.
    pub(crate) async fn carry_out(&self, of: &Decided) -> Result<(), ObligationFailed> {
        for obligation in of.decision().obligations() {
            let failed = |why: String| ObligationFailed {
                kind: obligation.kind.clone(),
                why,
            };
            let handler = self.handlers.get(&obligation.kind);
            let handler = handler.ok_or_else(|| failed("it has no handler".to_owned()))?;
            handler(obligation, of).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Carries out the known obligations of a deny, and returns the failures.
    pub(crate) async fn carry_out_known(&self, of: &Decided) -> Vec<ObligationFailed> {
        let mut failed = Vec::new();
        for obligation in of.decision().obligations() {
            let Some(handler) = self.handlers.get(&obligation.kind) else {
                continue;
            };
            if let Err(why) = handler(obligation, of).await {
                let kind = obligation.kind.clone();
                failed.push(ObligationFailed { kind, why });
            }
        }
        failed
    }
}

impl fmt::Debug for Obligations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}
