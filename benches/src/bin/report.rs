//! What was to be reached, measured: every row beside its peers, in one run on one machine. Prints a
//! table, and writes `target/bench/summary.json` and `target/bench/index.html`.

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use portcullis_benches::floor::Floor;
use portcullis_benches::peers::cedar::{self, Cedar};
use portcullis_benches::peers::rego::{self, Rego};
use portcullis_benches::report::{Arm, Latency, Row, Series, about, page, paired, print};
use portcullis_benches::scenery::{self, Folder};
use portcullis_benches::workload::{self, Variation};
use portcullis_host::{
    ActionClass, Fault, Lane, MAX_MEMORY_BYTES, MAX_TABLE_ELEMENTS, Pdp, Plugin, PluginLimits,
    PluginSource, Request, Timestamp,
};
use portcullis_tests::{guests, root};
use serde_json::json;
use std::hint::black_box;
use std::io::IsTerminal as _;
use std::num::NonZeroU32;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// For how long each group of arms is measured.
const TIME: Duration = Duration::from_secs(20);

const REUSED: Lane = Lane::Reused {
    max_uses: NonZeroU32::MIN.saturating_add(127),
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("resident") {
        let loaded = arguments.next().context("how many plugins")?.parse()?;
        return resident(loaded, arguments.next().context("which folder")?.as_ref());
    }
    agree()?;
    let bar = ProgressBar::new(9);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {msg} ({elapsed})",
    )?);
    bar.enable_steady_tick(Duration::from_millis(500));
    let step = |what: &'static str| {
        if !std::io::stderr().is_terminal() {
            eprintln!("    {what}");
        }
        bar.set_message(what);
        bar.inc(1);
    };
    let mut rows = Vec::new();
    step("a decision, beside the engines and the floor");
    let (arms, latencies) = decisions(&mut rows);
    step("from JSON to JSON, with every check of the host");
    whole_way(&mut rows);
    step("with a million identities and revocations");
    scale(&mut rows);
    step("Cedar inside the sandbox");
    inside(&mut rows)?;
    step("two threads");
    threads(&mut rows);
    step("a thousand plugins");
    many(&mut rows)?;
    step("loading what was compiled before");
    loading(&mut rows)?;
    step("memory");
    memory(&mut rows)?;
    step("a thousand that run away");
    runaways(&mut rows);
    bar.finish_and_clear();

    print(&rows);
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, text) in [
        ("summary.json", serde_json::to_string_pretty(&rows)?),
        ("index.html", page(&about(), &rows, &arms, &latencies)),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

/// Refuses to measure unless all engines decide alike, on every variation of the request.
fn agree() -> anyhow::Result<()> {
    let (now, pdp) = (Timestamp::now(), scenery::bare(Lane::Fresh));
    let (cedar, rego) = (Cedar::new(), Rego::new());
    let mut permits = 0;
    let variations = workload::variations();
    for it in &variations {
        let request = workload::request(7, *it, now);
        let json = request.to_authzen();
        let response = cedar.decide(&cedar::prepare(json.clone()));
        let answers = [
            workload::expected(*it),
            pdp.evaluate_at(&request, now).is_permit(),
            Cedar::permits(&response),
            rego.decide(&rego::prepare(&json)),
        ];
        ensure!(
            answers == [answers[0]; 4] && response.diagnostics().errors().count() == 0,
            "they differ on {it:?}: the rules, the plugin, Cedar and Rego say {answers:?}"
        );
        permits += usize::from(answers[0]);
    }
    eprintln!(
        "    the plugin, Cedar and Rego agree on {} requests, of which {permits} are permitted",
        variations.len()
    );
    Ok(())
}

/// Decisions of a request that was parsed before.
fn decisions(rows: &mut Vec<Row>) -> (Vec<Series>, Vec<(&'static str, Latency)>) {
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    let json = request.to_authzen();
    let (cedar, rego, floor) = (Cedar::new(), Rego::new(), Floor::new());
    let for_cedar = cedar::prepare(json.clone());
    let for_rego = rego::prepare(&json);
    let plugin = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
    let typed = Plugin::load(&scenery::typed_five_rules()).expect("the plugin loads");
    let ask = |lane| {
        let evaluation = plugin.evaluate_in(lane, &request, ActionClass::Write, now);
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
        Arm::new("fresh", || ask(Lane::Fresh)),
        Arm::new("warm", || ask(Lane::Warm)),
        Arm::new("reused", || ask(REUSED)),
        Arm::new("fresh, typed", || {
            let evaluation = typed.evaluate(&request, ActionClass::Write, now);
            assert!(evaluation.outcome.is_ok());
        }),
        Arm::new("reused, typed", || {
            let evaluation = typed.evaluate_in(REUSED, &request, ActionClass::Write, now);
            assert!(evaluation.outcome.is_ok());
        }),
    ];
    let series = paired(TIME * 2, &mut arms);
    drop(arms);
    let [cedars, regorus, floors, fresh, _, reused, ..] = &series[..] else {
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
    row("reused lane / native Cedar", 0.1, reused, cedars);
    for arm in &series {
        eprintln!(
            "    {}: {:.2} µs, {:.2} × Cedar, {:.2} × the floor",
            arm.name,
            arm.micros(),
            arm.over(cedars),
            arm.over(floors)
        );
    }

    let single = Latency::of(TIME / 2, || ask(Lane::Fresh));
    let (p50, p99) = (single.micros(50.0), single.micros(99.0));
    let measured = format!(
        "{p50:.2} µs, {p99:.2} µs, p99.9 {:.2} µs",
        single.micros(99.9)
    );
    rows.push(Row::at_most(
        "p99 / p50 of a fresh decision",
        3.0,
        "",
        p99 / p50,
        measured,
    ));
    // A gateway does something between two decisions, and a warm instance is made meanwhile.
    let mut warm = Vec::new();
    for _ in 0..20_000 {
        thread::sleep(Duration::from_micros(20));
        let started = Instant::now();
        ask(Lane::Warm);
        warm.push(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    let warm = Latency::from_nanos(warm);
    let of_cedar = Latency::of(TIME / 4, || {
        black_box(cedar.decide(&for_cedar));
    });
    eprintln!(
        "    single decisions, p50, p99, p99.9: fresh {}; warm, with 20 µs between {}; Cedar {}",
        three(&single),
        three(&warm),
        three(&of_cedar)
    );
    (
        series,
        vec![
            ("fresh", single),
            ("warm, with 20 µs between", warm),
            ("Cedar", of_cedar),
        ],
    )
}

fn three(latency: &Latency) -> String {
    let percentiles = [50.0, 99.0, 99.9].map(|it| format!("{:.2}", latency.micros(it)));
    format!("{} µs", percentiles.join(", "))
}

/// From JSON to JSON, with every check; and what of it is the host's.
fn whole_way(rows: &mut Vec<Row>) {
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
    let mut turns = [0_usize; 4].map(|_| (0..requests.len()).cycle());
    let [json_turn, cedar_turn, whole_turn, plugin_turn] = &mut turns;
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
    let [json, cedars, whole, alone] = &series[..] else {
        unreachable!("there are four arms");
    };
    rows.push(Row::at_most(
        "JSON to JSON, every check on / Cedar from JSON",
        0.5,
        "",
        json.over(cedars),
        format!("{:.1} µs, {:.1} µs", json.micros(), cedars.micros()),
    ));
    rows.push(Row::at_most(
        "the host around the plugin (checks, grant, record) / the fresh decision",
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

/// The whole way of a request, with a million identities and revocations and with a hundred.
fn scale(rows: &mut Vec<Row>) {
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

/// The price of the sandbox: the same engine, native and inside.
fn inside(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let source = PluginSource::new(guests::plugin("cedar")?)
        .settings(json!({ "policies": include_str!("../../rules/five.cedar") }))
        .limits(PluginLimits {
            configure_deadline: Duration::from_secs(60),
            memory_bytes: MAX_MEMORY_BYTES,
            table_elements: MAX_TABLE_ELEMENTS,
            ..guests::patient()
        });
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
            black_box(cedar.decide_json(black_box(&document)));
        }),
    ];
    let series = paired(TIME, &mut arms);
    drop(arms);
    let [inside, native] = &series[..] else {
        unreachable!("there are two arms");
    };
    rows.push(Row::at_most(
        "Cedar in a fresh sandbox / Cedar native, both from JSON",
        2.0,
        "",
        inside.over(native),
        format!("{:.1} µs, {:.1} µs", inside.micros(), native.micros()),
    ));
    Ok(())
}

/// How many fresh decisions two threads make, beside one, in turn; and how the machine does with what
/// shares nothing, which is the most that there is to be had.
fn threads(rows: &mut Vec<Row>) {
    let now = Timestamp::now();
    let plugin = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
    let request = workload::request(7, Variation::default(), now);
    let (one, two) = one_and_two(&|| {
        let answer = plugin.evaluate(&request, ActionClass::Write, now);
        assert!(answer.outcome.is_ok());
    });
    rows.push(Row::at_least(
        "two threads / one, fresh decisions per second",
        1.9,
        "",
        two / one,
        format!("{two:.0}, {one:.0} per second"),
    ));
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

/// How often one thread and two do `once` in a second: the pair whose ratio is the median.
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

/// Decisions of one plugin, beside those of a thousand in turn.
fn many(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let folder = Folder::new("many");
    let source = scenery::cached_five_rules(&folder);
    let plugins = (0..1000)
        .map(|_| Plugin::load(&source))
        .collect::<Result<Vec<_>, _>>()?;
    let request = workload::request(7, Variation::default(), now);
    let time = |plugin: &Plugin| {
        let started = Instant::now();
        assert!(
            plugin
                .evaluate(&request, ActionClass::Write, now)
                .outcome
                .is_ok()
        );
        u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    };
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        one.extend((0..2000).map(|_| time(&plugins[0])));
        // Once around first, so that each has been used.
        all.extend(plugins.iter().cycle().take(3000).map(time).skip(1000));
    }
    let (one, all) = (Latency::from_nanos(one), Latency::from_nanos(all));
    rows.push(Row::at_most(
        "a thousand plugins / one, p50 of a decision",
        1.1,
        "",
        all.micros(50.0) / one.micros(50.0),
        format!("{:.2} µs, {:.2} µs", all.micros(50.0), one.micros(50.0)),
    ));
    Ok(())
}

/// Loading a plugin that was compiled before.
fn loading(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let folder = Folder::new("loading");
    let source = scenery::cached_five_rules(&folder);
    Plugin::load(&source)?;
    let load = || Plugin::load(&source).expect("the plugin loads");
    let single = Latency::of(TIME / 8, || {
        black_box(load());
    });
    rows.push(Row::at_most(
        "loading a plugin that was compiled before",
        1.0,
        " ms",
        single.micros(50.0) / 1000.0,
        format!(
            "p50 {:.2} ms, p99 {:.2} ms",
            single.micros(50.0) / 1e3,
            single.micros(99.0) / 1e3
        ),
    ));
    let request = workload::request(7, Variation::default(), now);
    let hundred = Latency::from_nanos(
        (0..11)
            .map(|_| {
                let started = Instant::now();
                let plugins: Vec<_> = (0..100).map(|_| load()).collect();
                for plugin in &plugins {
                    let answer = plugin.evaluate(&request, ActionClass::Write, now);
                    assert!(answer.outcome.is_ok());
                }
                u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
            })
            .collect(),
    );
    let millis = hundred.micros(50.0) / 1000.0;
    rows.push(Row::at_most(
        "a hundred such plugins, to the first decision of each",
        150.0,
        " ms",
        millis,
        format!("{millis:.1} ms"),
    ));
    Ok(())
}

/// What each plugin adds to the resident memory of a process, in processes of their own.
fn memory(rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let folder = Folder::new("memory");
    Plugin::load(&scenery::cached_five_rules(&folder))?;
    let kib = |loaded: usize| -> anyhow::Result<f64> {
        let output = Command::new(std::env::current_exe()?)
            .args(["resident", &loaded.to_string()])
            .arg(folder.path())
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        Ok(text.trim().parse()?)
    };
    let each = (kib(1000)? - kib(1)?) / 999.0;
    rows.push(Row::at_most(
        "resident memory of a plugin beyond the first, of 1,000",
        256.0,
        " KiB",
        each,
        format!("{each:.0} KiB"),
    ));
    Ok(())
}

/// Loads plugins, has each decide once, and prints the process's resident memory in KiB.
fn resident(loaded: usize, folder: &std::path::Path) -> anyhow::Result<()> {
    let cache = portcullis_host::CompiledCache::open(folder.join("compiled"))?;
    let source = scenery::five_rules().cache(cache);
    let now = Timestamp::now();
    let request = workload::request(7, Variation::default(), now);
    let plugins = (0..loaded)
        .map(|_| Plugin::load(&source))
        .collect::<Result<Vec<_>, _>>()?;
    for plugin in &plugins {
        ensure!(
            plugin
                .evaluate(&request, ActionClass::Write, now)
                .outcome
                .is_ok()
        );
    }
    let status = std::fs::read_to_string("/proc/self/status")
        .context("resident memory is read from /proc, which Linux has")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    println!("{}", kib.context("/proc/self/status has no VmRSS")?);
    Ok(())
}

/// By how much guests that run for ever outlive their deadline, while every processor is busy.
fn runaways(rows: &mut Vec<Row>) {
    const DEADLINE: Duration = Duration::from_millis(2);
    let now = Timestamp::now();
    let limits = PluginLimits {
        deadline: DEADLINE,
        ..PluginLimits::default()
    };
    let looping = guests::hostile(json!({ "behaviour": "loop" }), limits);
    let busy = Plugin::load(&scenery::five_rules()).expect("the plugin loads");
    let request = workload::request(7, Variation::default(), now);
    let over = AtomicBool::new(false);
    let overshoot = thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        for _ in 1..processors {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    black_box(busy.evaluate(&request, ActionClass::Write, now));
                }
            });
        }
        let overshoot = (0..1000).map(|_| {
            let evaluation = looping.evaluate(&request, ActionClass::Write, now);
            assert_eq!(evaluation.outcome, Err(Fault::Deadline));
            let beyond = evaluation.time.saturating_sub(DEADLINE);
            u64::try_from(beyond.as_nanos()).unwrap_or(u64::MAX)
        });
        let overshoot = Latency::from_nanos(overshoot.collect());
        over.store(true, Ordering::Relaxed);
        overshoot
    });
    let p99 = overshoot.micros(99.0) / 1000.0;
    rows.push(Row::at_most(
        "beyond the deadline, p99 of 1,000 runaway guests under load",
        2.0,
        " ticks of 1 ms",
        p99,
        format!(
            "p50 {:.2} ms, p99 {p99:.2} ms",
            overshoot.micros(50.0) / 1000.0
        ),
    ));
}
