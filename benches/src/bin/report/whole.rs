//! The whole path of a request, with every check of the host.

use super::TIME;
use portcullis_benches::peers::cedar::Cedar;
use portcullis_benches::report::{Arm, Row, paired};
use portcullis_benches::scenery::{self, Folder};
use portcullis_host::{ActionClass, Plugin, Timestamp};
use std::hint::black_box;

/// Measures JSON to JSON with every check, and the host's share of it.
pub(super) fn whole_way(rows: &mut Vec<Row>) {
    let now = Timestamp::now();
    let folder = Folder::new("whole-way");
    let pdp = scenery::checked(&folder, scenery::SIZE, now);
    let requests = scenery::requests(scenery::SIZE, now);
    let documents: Vec<_> = requests
        .iter()
        .map(|request| serde_json::to_vec(&request.to_authzen()).expect("JSON"))
        .collect();
    for document in &documents {
        let decision = pdp.evaluate_authzen(document);
        assert!(decision.is_permit(), "{}", decision.detail());
    }
    let cedar = Cedar::new();
    let plugin = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
    let mut turns = [0_usize; 5].map(|_| (0..requests.len()).cycle());
    let [json_turn, cedar_turn, by_hand_turn, whole_turn, plugin_turn] = &mut turns;
    let mut arms = [
        Arm::new("JSON to JSON, checked and recorded", || {
            let document = &documents[json_turn.next().unwrap_or_default()];
            let decision = pdp.evaluate_authzen(black_box(document));
            black_box(serde_json::to_vec(&decision).expect("JSON"));
        }),
        Arm::new("Cedar, JSON to JSON", || {
            let document = &documents[cedar_turn.next().unwrap_or_default()];
            black_box(cedar.decide_json(black_box(document)));
        }),
        Arm::new("Cedar, JSON to JSON, entities by hand", || {
            let document = &documents[by_hand_turn.next().unwrap_or_default()];
            black_box(cedar.decide_json_by_hand(black_box(document)));
        }),
        Arm::new("checked and recorded", || {
            let request = &requests[whole_turn.next().unwrap_or_default()];
            assert!(pdp.evaluate(black_box(request)).is_permit());
        }),
        Arm::new("the plugin alone", || {
            let request = &requests[plugin_turn.next().unwrap_or_default()];
            let evaluation = plugin.evaluate(black_box(request), ActionClass::Write, now);
            assert!(evaluation.outcome.is_ok());
        }),
    ];
    let series = paired(TIME, &mut arms);
    drop(arms);
    let [json, cedars, by_hand, whole, alone] = &series[..] else {
        unreachable!("there are five arms");
    };
    for (name, peer) in [
        ("JSON to JSON, every check on / Cedar from JSON", cedars),
        (
            "JSON to JSON, every check on / Cedar from JSON, entities made by hand",
            by_hand,
        ),
    ] {
        rows.push(Row::at_most(
            name,
            0.5,
            "",
            json.over(peer),
            format!("{:.1} µs, {:.1} µs", json.micros(), peer.micros()),
        ));
    }
    rows.push(Row::at_most(
        "the host around the plugin, without JSON (checks, grant, record) / the fresh decision",
        1.0,
        "",
        whole.ratio(alone, |whole, alone| (whole - alone) / alone),
        format!(
            "{:.2} µs more than {:.2} µs",
            whole.micros() - alone.micros(),
            alone.micros()
        ),
    ));
}

/// Measures the whole path with a hundred and with a million identities and revocations.
pub(super) fn scale(rows: &mut Vec<Row>) {
    const SIZES: [usize; 2] = [100, 1_000_000];
    let now = Timestamp::now();
    let folder = Folder::new("scale");
    let made = SIZES.map(|size| {
        let pdp = scenery::checked(&folder, size, now);
        (pdp, scenery::requests(size, now))
    });
    let mut turns = SIZES.map(|_| (0..scenery::ASKED).cycle());
    let mut arms: Vec<_> = made
        .iter()
        .zip(&mut turns)
        .zip(["a hundred", "a million"])
        .map(|(((pdp, requests), turn), name)| {
            Arm::new(name, move || {
                let request = &requests[turn.next().unwrap_or_default()];
                assert!(pdp.evaluate(black_box(request)).is_permit());
            })
        })
        .collect();
    let series = paired(TIME / 2, &mut arms);
    drop(arms);
    let [hundred, million] = &series[..] else {
        unreachable!("there are two arms");
    };
    rows.push(Row::at_most(
        "a million identities and revocations / a hundred, checked and recorded",
        1.2,
        "",
        million.over(hundred),
        format!("{:.1} µs, {:.1} µs", million.micros(), hundred.micros()),
    ));
}
