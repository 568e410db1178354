//! Measures the performance targets: every row beside its peers, in one run on one machine.
//!
//! It prints a table, and writes `target/bench/summary.json`.

mod decisions;
mod inside;
mod loading;
mod many;
mod runaways;
mod threads;
mod whole;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use portcullis_benches::peers::cedar::{self, Cedar};
use portcullis_benches::peers::rego::{self, Rego};
use portcullis_benches::report::print;
use portcullis_benches::{scenery, workload};
use portcullis_host::{Instances, Timestamp};
use portcullis_tests::root;
use std::io::IsTerminal as _;
use std::time::Duration;

/// Duration of the measurement of each group of arms.
const TIME: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("resident") {
        return many::resident(arguments);
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
    decisions::decisions(&mut rows);
    step("from JSON to JSON, with every check of the host");
    whole::whole_way(&mut rows);
    step("with a million identities and revocations");
    whole::scale(&mut rows);
    step("Cedar inside the sandbox");
    inside::inside(&mut rows)?;
    step("two threads");
    threads::threads(&mut rows);
    step("a thousand plugins");
    many::many(&mut rows)?;
    step("loading what was compiled before");
    loading::loading(&mut rows)?;
    step("memory");
    many::memory(&mut rows)?;
    step("guests that run away");
    runaways::runaways(&mut rows);
    bar.finish_and_clear();

    print(&rows);
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join("summary.json");
    std::fs::write(&file, serde_json::to_string_pretty(&rows)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("wrote {}", file.display());
    Ok(())
}

/// Fails unless all engines agree on every variation of the request.
fn agree() -> anyhow::Result<()> {
    let (now, pdp) = (Timestamp::now(), scenery::bare(Instances::Fresh));
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
            Cedar::permits(&cedar.decide(&cedar.prepare_by_hand(json.clone()))),
            rego.decide(&rego::prepare(&json)),
        ];
        ensure!(
            answers == [answers[0]; 5] && response.diagnostics().errors().count() == 0,
            "they differ on {it:?}: the rules, the plugin, Cedar, Cedar by hand and Rego say {answers:?}"
        );
        permits += usize::from(answers[0]);
    }
    eprintln!(
        "    the plugin, Cedar and Rego agree on {} requests, of which {permits} are permitted",
        variations.len()
    );
    Ok(())
}
