//! Component files.
//!
//! - A file is inspected without a panic, and what inspection refuses does not load.
//! - What loads decides the same twice, and by the rules of a verdict.

use crate::Read;
use portcullis_contract::check_verdict;
use portcullis_host::{
    ActionClass, Digest, Evaluation, Fault, Instances, LoadError, Plugin, PluginLimits,
    PluginSource, Principal, Request, RequestLimits, Resource, Timestamp, inspect,
};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;

/// The request that loaded components decide.
static REQUEST: LazyLock<Request> = LazyLock::new(|| {
    let principal = Principal {
        id: "spiffe://a.example/x".to_owned(),
        ..Principal::default()
    };
    let resource = Resource {
        kind: "repository".to_owned(),
        id: "acme/billing".to_owned(),
        ..Resource::default()
    };
    let builder = Request::builder("raw", principal, "issues.create", resource);
    let builder = builder.arguments(json!({ "title": "x", "labels": ["invoice"] }));
    builder.build(&RequestLimits::default()).expect("a request")
});

pub(super) fn run(input: &[u8]) -> Read {
    judge(input, json!({}))
}

/// Inspects the component in `bytes`, loads it with `settings`, and asks it.
pub(super) fn judge(bytes: &[u8], settings: Value) -> Read {
    let limits = PluginLimits {
        // Loops of a mutated component end soon.
        configure_deadline: Duration::from_millis(200),
        component_bytes: 2 * 1024 * 1024,
        ..PluginLimits::default()
    };
    let inspection = inspect(bytes, &limits);
    assert_eq!(inspection.bytes, bytes.len());
    assert_eq!(inspection.digest, Digest::of(bytes));
    for refusal in &inspection.refusals {
        expect_text(refusal);
    }
    let source = PluginSource::new(bytes)
        .compile_in_process()
        .settings(settings)
        .limits(limits);
    let plugin = match Plugin::load(&source) {
        Ok(plugin) => plugin,
        Err(error) => {
            expect_text(&error);
            return Read::Refused;
        }
    };
    assert!(
        inspection.refusals.is_empty(),
        "inspection refuses what loads: {:?}",
        inspection.refusals
    );
    assert!(inspection.imports.is_empty());
    assert_eq!(inspection.manifest.as_ref(), Some(plugin.manifest()));
    assert_eq!(plugin.digest(), inspection.digest);
    let ask = |plugin: &Plugin, instances| {
        let now = Timestamp::from_millis(1_795_000_000_000);
        plugin.evaluate_in(instances, &REQUEST, ActionClass::Write, now)
    };
    let first = ask(&plugin, Instances::Fresh);
    expect_verdict(&plugin, &first);
    expect_same(&first, &ask(&plugin, Instances::Fresh), "fresh");
    let resettable = match Plugin::load(&source.resettable().check_resets_every(1)) {
        Ok(plugin) => plugin,
        // The machine is busy.
        Err(LoadError::Unfinished { .. }) => return Read::Accepted,
        Err(error) => panic!("it loads only without a reset: {error}"),
    };
    for _ in 0..3 {
        let again = ask(&resettable, Instances::Reset);
        assert!(!again.reset_failed, "a reset was not complete");
        expect_same(&first, &again, "reset");
    }
    Read::Accepted
}

/// Panics if the text of the error names a panic, or is no text for people.
fn expect_text(error: &LoadError) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\0'), "{text:?}");
    assert!(
        !text.contains("the compiler failed on it"),
        "a panic while the component was loaded"
    );
}

fn expect_verdict(plugin: &Plugin, evaluation: &Evaluation) {
    if let Ok(verdict) = &evaluation.outcome {
        // The ids of obligations begin with the plugin's name by now.
        let mut as_given = verdict.clone();
        let prefix = format!("{}:", plugin.manifest().name);
        for obligation in as_given.obligations.iter_mut().chain(&mut as_given.advice) {
            let own = obligation.id.strip_prefix(&prefix);
            obligation.id = own.expect("an id of the plugin").to_owned();
        }
        assert_eq!(check_verdict(&as_given, plugin.manifest()), Ok(()));
    }
}

/// Panics if two evaluations differ, unless one of them depends on the machine.
fn expect_same(first: &Evaluation, second: &Evaluation, instances: &str) {
    let depends = |evaluation: &Evaluation| {
        matches!(evaluation.outcome, Err(Fault::Deadline | Fault::HostBusy))
    };
    if !depends(first) && !depends(second) {
        assert_eq!(first.outcome, second.outcome, "{instances}");
    }
}
