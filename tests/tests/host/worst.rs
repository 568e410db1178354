//! The work of one decision is bounded, whatever the sizes of intents and requests.
//!
//! `cargo bench -p portcullis-benches --bench worst` measures the same requests.

use portcullis_tests::worst::{self, NOW, Worst};

#[test]
fn a_request_that_takes_too_many_steps_is_denied_for_that() {
    let mut too_complex = 0;
    for Worst { name, pdp, request } in worst::requests() {
        let decision = pdp.evaluate_at(&request, NOW);
        assert!(!decision.is_permit(), "{name}");
        if decision.cause().as_str() == "too-complex" {
            assert!(decision.detail().contains("in the intent"), "{name}");
            too_complex += 1;
        } else {
            println!("{name}: {} {}", decision.cause(), decision.detail());
        }
        // The same steps, each time and with every step explained.
        assert_eq!(
            pdp.explain_at(&request, NOW).0.cause(),
            decision.cause(),
            "{name}"
        );
    }
    assert!(too_complex >= 4, "only {too_complex} exceed the budget");
}
