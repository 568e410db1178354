//! Two threads compared with one.

use portcullis_benches::floor::Floor;
use portcullis_benches::peers::cedar::{self, Cedar};
use portcullis_benches::report::Row;
use portcullis_benches::scenery;
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{ActionClass, Instances, Plugin, Timestamp};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Measures the decisions of two threads and of one, in turn.
///
/// It also prints the ratio for work that shares nothing, which is the maximum on this machine.
pub(super) fn threads(rows: &mut Vec<Row>) {
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    for (name, instances, source) in [
        (
            "two threads / one, fresh decisions per second",
            Instances::Fresh,
            scenery::five_rules(),
        ),
        (
            "two threads / one, reset instances",
            Instances::Reset,
            scenery::five_rules().resettable(),
        ),
    ] {
        let plugin = Plugin::load(&source).expect("the plugin loads");
        let (one, two) = one_and_two(&|| {
            let answer = plugin.evaluate_in(instances, &request, ActionClass::Write, now);
            assert!(answer.outcome.is_ok());
        });
        rows.push(Row::at_least(
            name,
            1.9,
            "",
            two / one,
            format!("{two:.0}, {one:.0} per second"),
        ));
    }
    let (floor, cedar) = (Floor::new(), Cedar::new());
    let prepared = cedar::prepare(request.to_authzen());
    for (name, once) in [
        ("the floor", &(|| floor.run()) as &(dyn Fn() + Sync)),
        ("native Cedar", &|| {
            black_box(cedar.decide(&prepared));
        }),
        ("sums in registers", &|| {
            black_box((0..4000_u64).fold(0, |sum, number| black_box(sum ^ number)));
        }),
    ] {
        let (one, two) = one_and_two(once);
        eprintln!("    two threads / one: {name} {:.2}", two / one);
    }
}

/// Returns how often one and two threads run `once` per second: the pair with the median ratio.
fn one_and_two(once: &(dyn Fn() + Sync)) -> (f64, f64) {
    const SLICE: Duration = Duration::from_millis(250);
    let per_second = |threads: usize| {
        let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut own = 0;
                    while !over.load(Ordering::Relaxed) {
                        once();
                        own += 1;
                    }
                    done.fetch_add(own, Ordering::Relaxed);
                });
            }
            thread::sleep(SLICE);
            over.store(true, Ordering::Relaxed);
        });
        done.into_inner() as f64 / started.elapsed().as_secs_f64()
    };
    let mut pairs: Vec<_> = (0..16).map(|_| (per_second(1), per_second(2))).collect();
    pairs.sort_by(|(a, b), (c, d)| (b / a).total_cmp(&(d / c)));
    pairs[pairs.len() / 2]
}
