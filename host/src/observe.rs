//! Observation without a configuration: a decision point that records what it is asked.
//!
//! It has no integrations, so it denies every request as `unknown-integration`; it permits none. Its mode is that of
//! an integration that is only observed, so no deny blocks ([`Decision::blocks`](crate::Decision::blocks)), and the log
//! has each request as it was asked. `portcullis propose` writes a configuration from such a log.

use crate::integration::Mode;
use crate::log::{DecisionLog, LogOptions};
use crate::pdp::{Pdp, PdpError};
use portcullis_model::request::DefaultIntegrations;

/// Integration of the AuthZEN evaluations that name none, while there is no configuration.
pub const UNNAMED: &str = "default";

impl Pdp {
    /// Makes a decision point that only observes: it denies every request, blocks none, and records all in `log`.
    ///
    /// Principals are recorded as they are stated, and none is verified. A request that cannot be read is an ordinary
    /// deny. One that cannot be recorded is denied as `not-recorded`, which does not block either.
    ///
    /// ```
    /// use portcullis_host::log::LogOptions;
    /// use portcullis_host::{Cause, Pdp, Principal, Request, Resource};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("portcullis-observe-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let pdp = Pdp::observing(LogOptions::new(folder.join("observed.jsonl")))?;
    /// let principal = Principal { id: "spiffe://acme.example/agent".into(), ..Principal::default() };
    /// let request = Request::builder("billing", principal, "GET", Resource::default())
    ///     .build(pdp.request_limits())?;
    /// let decision = pdp.evaluate(&request);
    /// assert_eq!(decision.cause(), Cause::UnknownIntegration);
    /// assert!(!decision.is_permit() && !decision.blocks());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PdpError::Log`] if the log cannot be written.
    pub fn observing(log: LogOptions) -> Result<Self, PdpError> {
        let log = DecisionLog::open(log)?;
        let defaults = DefaultIntegrations::default().any(UNNAMED);
        let builder = Self::builder().log(log).default_integrations(defaults);
        builder.mode_of_unknown(Mode::Observe).build()
    }

    /// True if the decision point only observes, see [`Pdp::observing`].
    pub fn only_observes(&self) -> bool {
        self.mode_of_unknown() == Mode::Observe
    }
}
