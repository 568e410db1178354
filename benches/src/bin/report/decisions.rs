//! Decisions of a parsed request: each mode, other engines, and the floor.

use super::TIME;
use portcullis_benches::floor::Floor;
use portcullis_benches::peers::cedar::{self, Cedar};
use portcullis_benches::peers::rego::{self, Rego};
use portcullis_benches::report::{Arm, Latency, Row, Series, paired};
use portcullis_benches::scenery;
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, Instances, PagemapScan, Plugin, Timestamp};
use std::hint::black_box;

/// Measures decisions of a parsed request.
pub(super) fn decisions(rows: &mut Vec<Row>) {
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    let json = request.to_authzen();
    let (cedar, rego, floor) = (Cedar::new(), Rego::new(), Floor::new());
    let scanning = Floor::with(PagemapScan::NoSwap);
    let for_cedar = cedar::prepare(json.clone());
    let for_rego = rego::prepare(&json);
    let plugin = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
    let ask_fresh = || {
        let evaluation = plugin.evaluate(&request, ActionClass::Write, now);
        assert!(evaluation.outcome.is_ok());
    };
    let resettable = Plugin::load(&scenery::five_rules().resettable()).expect("the plugin loads");
    assert!(resettable.is_resettable());
    let ask_reset = || {
        let evaluation =
            resettable.evaluate_in(Instances::Reset, &request, ActionClass::Write, now);
        assert!(evaluation.outcome.is_ok());
    };
    let mut arms = [
        Arm::new("Cedar", || {
            assert!(Cedar::permits(&cedar.decide(&for_cedar)));
        }),
        Arm::new("regorus", || {
            assert!(rego.decide(&for_rego));
        }),
        Arm::new("the floor", || floor.run()),
        Arm::new("the floor, with pagemap-scan", || scanning.run()),
        Arm::new("fresh", ask_fresh),
        Arm::new("reset", ask_reset),
    ];
    let series = paired(TIME * 2, &mut arms);
    drop(arms);
    let [cedars, regorus, floors, _, fresh, reset, ..] = &series[..] else {
        unreachable!("there are more arms");
    };
    let beside = |ours: &Series, theirs: &Series| {
        format!("{:.2} µs, {:.2} µs", ours.micros(), theirs.micros())
    };
    let mut row = |name: &str, goal, ours: &Series, theirs: &Series| {
        let ratio = ours.over(theirs);
        rows.push(Row::at_most(name, goal, "", ratio, beside(ours, theirs)));
    };
    row("fresh decision / native Cedar", 0.5, fresh, cedars);
    row("fresh decision / native regorus", 0.5, fresh, regorus);
    row("fresh decision / the floor", 1.3, fresh, floors);
    row("reset instances / native Cedar", 0.5, reset, cedars);
    row("reset instances / the floor", 1.3, reset, floors);
    for arm in &series {
        eprintln!(
            "    {}: {:.2} µs, {:.2} × Cedar, {:.2} × the floor",
            arm.name,
            arm.micros(),
            arm.over(cedars),
            arm.over(floors)
        );
    }

    let single = Latency::of(TIME / 2, ask_fresh);
    let single_reset = Latency::of(TIME / 4, ask_reset);
    for (name, single) in [
        ("p99 / p50 of a fresh decision", &single),
        ("p99 / p50 of the reset instances", &single_reset),
    ] {
        let (p50, p99) = (single.micros(50.0), single.micros(99.0));
        let measured = format!(
            "{p50:.2} µs, {p99:.2} µs, p99.9 {:.2} µs",
            single.micros(99.9)
        );
        rows.push(Row::at_most(name, 3.0, "", p99 / p50, measured));
    }
    let of_cedar = Latency::of(TIME / 4, || {
        black_box(cedar.decide(&for_cedar));
    });
    eprintln!(
        "    single decisions, p50, p99, p99.9: fresh {}; reset {}; Cedar {}",
        three(&single),
        three(&single_reset),
        three(&of_cedar)
    );
}

fn three(latency: &Latency) -> String {
    let percentiles = [50.0, 99.0, 99.9].map(|it| format!("{:.2}", latency.micros(it)));
    format!("{} µs", percentiles.join(", "))
}
