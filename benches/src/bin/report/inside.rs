//! Cedar inside the sandbox, and outside.

use super::TIME;
use anyhow::ensure;
use portcullis_benches::peers::cedar::Cedar;
use portcullis_benches::report::{Arm, Row, paired};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{Pdp, Plugin, PluginSource, Request, Timestamp};
use portcullis_tests::guests;
use serde_json::json;
use std::hint::black_box;

/// The price of the sandbox: the same engine, native and inside.
pub(super) fn inside(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let source = PluginSource::new(guests::plugin("cedar")?)
        .settings(json!({ "policies": include_str!("../../../rules/five.cedar") }))
        .limits(portcullis_cases::limits());
    let plugin = Plugin::load(&source)?;
    let pdp = Pdp::builder()
        .integration(workload::integration().plugin(plugin))
        .build()?;
    let cedar = Cedar::new();
    for it in workload::variations() {
        let request = workload::request(7, it, now);
        let decision = pdp.evaluate_at(&request, now);
        ensure!(
            decision.is_permit() == workload::expected(it),
            "Cedar in the sandbox decides otherwise: {it:?}: {}",
            decision.detail()
        );
    }
    let request = workload::request(7, Variation::default(), now);
    let document = serde_json::to_vec(&request.to_authzen())?;
    let mut arms = [
        Arm::new("Cedar inside", || {
            let request = Request::from_authzen(black_box(&document), pdp.request_limits());
            let decision = pdp.evaluate_at(&request.expect("a request"), now);
            assert!(decision.is_permit());
            black_box(serde_json::to_vec(&decision).expect("JSON"));
        }),
        Arm::new("Cedar native", || {
            black_box(cedar.decide_json_by_hand(black_box(&document)));
        }),
        Arm::new("Cedar native, which reads JSON itself", || {
            black_box(cedar.decide_json(black_box(&document)));
        }),
    ];
    let series = paired(TIME, &mut arms);
    drop(arms);
    let [inside, native, reading] = &series[..] else {
        unreachable!("there are three arms");
    };
    rows.push(Row::at_most(
        "Cedar in a fresh sandbox / Cedar native, both from JSON, with the same entities",
        2.0,
        "",
        inside.over(native),
        format!("{:.1} µs, {:.1} µs", inside.micros(), native.micros()),
    ));
    eprintln!(
        "    Cedar in a fresh sandbox / Cedar native, which reads JSON itself: {:.2} ({:.1} µs)",
        inside.over(reading),
        reading.micros()
    );
    Ok(())
}
