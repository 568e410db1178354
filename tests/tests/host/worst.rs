//! The work of one decision is bounded, whatever the sizes of intents and requests.
//!
//! `cargo bench -p portcullis-benches --bench worst` measures the same requests.

use portcullis_host::Cause;
use portcullis_tests::worst::{self, NOW};

#[test]
fn a_request_that_takes_too_many_steps_is_denied_for_that() {
    let mut too_complex = 0;
    for worst in worst::requests() {
        let (name, pdp) = (worst.name, worst.pdp());
        let decision = pdp.evaluate_at(&worst.request, NOW);
        match decision.cause() {
            Cause::TooComplex => {
                // It says what to make simpler.
                assert!(decision.detail().contains("simpler patterns"), "{name}");
                too_complex += 1;
            }
            // It was compared to the end.
            Cause::OutsideIntent => {}
            cause => panic!("{name}: {cause} {}", decision.detail()),
        }
        // The same steps, each time and with every step explained.
        let explained = pdp.explain_at(&worst.request, NOW).0;
        assert_eq!(explained.cause(), decision.cause(), "{name}");
    }
    assert!(too_complex >= 4, "only {too_complex} exceed the budget");
}
