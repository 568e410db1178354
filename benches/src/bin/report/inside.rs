//! Cedar inside and outside of the sandbox.

use super::TIME;
use anyhow::ensure;
use portcullis_benches::peers::cedar::Cedar;
use portcullis_benches::report::{Arm, Row, paired};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{Instances, Pdp, Plugin, PluginSource, Request, Timestamp};
use portcullis_tests::guests;
use serde_json::json;
use std::hint::black_box;

/// Measures the cost of the sandbox: the same engine, native and in a plugin.
pub(super) fn inside(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let source = PluginSource::new(guests::plugin("cedar")?)
        .compile_in_process()
        .settings(json!({
            "policies": include_str!("../../../rules/five.cedar"),
            "types": {
                "principal": { "agent": "Agent", "service": "Service" },
                "resource": { "repository": "Repository" },
            },
        }))
        .limits(portcullis_cases::limits());
    let pdp = |source: PluginSource, instances| -> anyhow::Result<Pdp> {
        let integration = workload::integration().instances(instances);
        let integration = integration.plugin(Plugin::load(&source)?);
        Ok(Pdp::builder().integration(integration).build()?)
    };
    let fresh = pdp(source.clone(), Instances::Fresh)?;
    let reset = pdp(source.resettable(), Instances::Reset)?;
    let cedar = Cedar::new();
    for it in workload::variations() {
        let request = workload::request(7, it, now);
        for pdp in [&fresh, &reset] {
            let decision = pdp.evaluate_at(&request, now);
            ensure!(
                decision.is_permit() == workload::expected(it),
                "Cedar in the sandbox decides otherwise: {it:?}: {}",
                decision.detail()
            );
        }
    }
    let request = workload::request(7, Variation::default(), now);
    let document = serde_json::to_vec(&request.to_authzen())?;
    let inside = |pdp: &Pdp| {
        let request = Request::from_authzen(black_box(&document), pdp.request_limits());
        let decision = pdp.evaluate_at(&request.expect("a request"), now);
        assert!(decision.is_permit());
        black_box(serde_json::to_vec(&decision).expect("JSON"));
    };
    let mut arms = [
        Arm::new("Cedar inside, fresh", || inside(&fresh)),
        Arm::new("Cedar inside, reset", || inside(&reset)),
        Arm::new("Cedar native", || {
            black_box(cedar.decide_json_by_hand(black_box(&document)));
        }),
        Arm::new("Cedar native, which reads JSON itself", || {
            black_box(cedar.decide_json(black_box(&document)));
        }),
    ];
    let series = paired(TIME, &mut arms);
    drop(arms);
    let [in_fresh, in_reset, native, reading] = &series[..] else {
        unreachable!("there are four arms");
    };
    for (name, inside) in [
        (
            "Cedar in a fresh sandbox / Cedar native, both from JSON, with the same entities",
            in_fresh,
        ),
        (
            "Cedar with reset instances / Cedar native, both from JSON, with the same entities",
            in_reset,
        ),
    ] {
        rows.push(Row::at_most(
            name,
            2.0,
            "",
            inside.over(native),
            format!("{:.1} µs, {:.1} µs", inside.micros(), native.micros()),
        ));
    }
    eprintln!(
        "    Cedar in a fresh sandbox / Cedar native, which reads JSON itself: {:.2} ({:.1} µs)",
        in_fresh.over(reading),
        reading.micros()
    );
    Ok(())
}
