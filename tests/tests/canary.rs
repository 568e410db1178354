//! Two tenants: one writes a secret over all the memory that it can reach, the other looks for it in
//! all that it can reach. In every lane that promises isolation, and with every way in which the
//! runtime's pool takes a sandbox back, no byte of it is ever found.

use portcullis_host::{
    ActionClass, Effect, Lane, Plugin, PluginLimits, PluginSource, Principal, Request,
    RequestLimits, Resource, Timestamp,
};
use portcullis_tests::{guests, raw};
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};

/// What a tenant can reach, in pages of 64 KiB: more than the pool keeps for the next one.
const PAGES: usize = 6;
const BYTES: usize = PAGES * 64 * 1024;

/// Takes all the memory that it may.
const GROW: &str = "(drop (memory.grow (i32.const 4)))";

/// Leaves the secret everywhere from `from` on.
fn write(from: usize) -> String {
    write_to(from, BYTES)
}

fn write_to(from: usize, to: usize) -> String {
    let length = to - from;
    format!(
        "(memory.fill (i32.const {from}) (i32.const 0xa5) (i32.const {length}))
         (global.set $secret (i64.const 0x5a5a5a5a5a5a5a5a))"
    )
}

/// Branches to `$found` if anything is there from `from` on that it did not write: a byte that is not 0.
fn look(from: usize) -> String {
    look_to(from, BYTES)
}

fn look_to(from: usize, to: usize) -> String {
    format!(
        "(br_if $found (i64.ne (global.get $secret) (i64.const 0)))
         (local.set $at (i32.const {from}))
         (loop $next
           (br_if $found (i64.ne (i64.load (local.get $at)) (i64.const 0)))
           (local.set $at (i32.add (local.get $at) (i32.const 8)))
           (br_if $next (i32.lt_u (local.get $at) (i32.const {to}))))"
    )
}

/// As a plugin: it answers `not-applicable`, or `deny` if it finds something. What it is passed lies
/// below 4096.
fn tenant(does: &str) -> Plugin {
    let module = raw::module(
        "(global $secret (mut i64) (i64.const 0))",
        &format!(
            "(local $at i32)
             (i32.store8 (i32.const 1024) (i32.const 1))
             {GROW} (block $found {does} (i32.store8 (i32.const 1024) (i32.const 2)))
             (i32.const 1024)"
        ),
    )
    .replace("i32) (i32.const 65536)", "i32) (i32.const 2048)");
    let limits = PluginLimits {
        memory_bytes: BYTES,
        ..guests::patient()
    };
    let source = PluginSource::new(raw::component(&module)).limits(limits);
    Plugin::load(&source).unwrap()
}

/// As [`tenant`], of the form that can be put back: it has the memory that it begins with, since what grows
/// is thrown away, and finds its own verdict below 4096. It looks where its request is to be before that is
/// there, and behind it once it is.
fn restorable_tenant(does: &str) -> Plugin {
    let module = raw::packed_module(
        // Effect, no reasons, no obligations, no advice, no narrowing.
        "(global $secret (mut i64) (i64.const 0))
         (data (i32.const 1000) \"\\00\\04\\00\\00\\05\")",
        &format!(
            "(local $at i32)
             (i32.store8 (i32.const 1024) (i32.const 1))
             (block $found
               (local.set $at (i32.add (local.get 0) (local.get 1)))
               (loop $behind
                 (br_if $found (i32.load8_u (local.get $at)))
                 (local.set $at (i32.add (local.get $at) (i32.const 1)))
                 (br_if $behind (i32.lt_u (local.get $at) (i32.const 4096))))
               {does} (i32.store8 (i32.const 1024) (i32.const 2)))
             (i32.const 1000)"
        ),
    )
    .replace("i32) (i32.const 65536)", "i32) (i32.const 3072)")
    .replace(
        "(local.get $at))\n",
        "(global.set $secret (i64.or (global.get $secret) (i64.load (local.get $at))))
         (local.get $at))\n",
    );
    assert!(module.contains("(i64.or (global.get $secret)"));
    let source = PluginSource::new(raw::packed_component(&module, "\"principal.id\""))
        .limits(guests::patient())
        .restorable();
    let plugin = Plugin::load(&source).unwrap();
    assert!(plugin.is_restorable());
    plugin
}

/// What one that does not grow can reach, in bytes.
const UNGROWN: usize = 2 * 64 * 1024;

fn run(writer: &Plugin, reader: &Plugin, lane: Lane, rounds: usize) {
    // The second is shorter than the first.
    let [long, short] = ["a tenant whose name is long", "b"].map(|id| {
        let principal = Principal {
            id: id.into(),
            ..Principal::default()
        };
        Request::builder("x", principal, "a", Resource::default())
            .build(&RequestLimits::default())
            .unwrap()
    });
    let answer = |plugin: &Plugin, request: &Request| {
        let evaluation = plugin.evaluate_in(lane, request, ActionClass::Read, Timestamp::now());
        evaluation.outcome.map(|verdict| verdict.effect)
    };
    for round in 0..rounds {
        assert_eq!(
            answer(writer, &long),
            Ok(Effect::NotApplicable),
            "{lane:?} {round}"
        );
        assert_eq!(
            answer(reader, &short),
            Ok(Effect::NotApplicable),
            "{lane:?} {round}"
        );
    }
}

#[test]
fn no_decision_reads_a_byte_of_another_one_in_a_hundred_thousand() {
    let writer = tenant(&write(4096));
    let reader = tenant(&look(4096));
    // One that does both finds it if nothing is taken back.
    let both = tenant(&format!("{} {}", write(4096), look(4096)));
    let request = Request::builder("x", Principal::default(), "a", Resource::default())
        .build(&RequestLimits::default())
        .unwrap();
    let found = both.evaluate(&request, ActionClass::Read, Timestamp::now());
    assert_eq!(found.outcome.unwrap().effect, Effect::Deny);

    let restorable_both = restorable_tenant(&format!(
        "{} {}",
        write_to(4096, UNGROWN),
        look_to(4096, UNGROWN)
    ));
    let found = restorable_both.evaluate_in(
        Lane::Restored,
        &request,
        ActionClass::Read,
        Timestamp::now(),
    );
    assert_eq!(found.outcome.unwrap().effect, Effect::Deny);

    // One instance serves both tenants: it looks, and then it writes.
    let restored = restorable_tenant(&format!(
        "{} {}",
        look_to(4096, UNGROWN),
        write_to(4096, UNGROWN)
    ));
    std::thread::scope(|scope| {
        let restored = &restored;
        scope.spawn(move || run(restored, restored, Lane::Restored, 50_000));
        for lane in [Lane::Fresh, Lane::Warm] {
            let (writer, reader) = (&writer, &reader);
            // Two decisions a round.
            scope.spawn(move || run(writer, reader, lane, 25_000));
        }
    });
}

/// The ways in which a pool can take a sandbox back.
fn settings() -> Vec<(&'static str, Config)> {
    let with = |change: fn(&mut Config, &mut PoolingAllocationConfig)| {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(4)
            .total_core_instances(4)
            .total_memories(4)
            .max_memory_size(BYTES);
        let mut config = Config::new();
        config.concurrency_support(false);
        change(&mut config, &mut pool);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    };
    vec![
        ("nothing is kept", with(|_, _| {})),
        (
            "part is kept",
            with(|_, pool| {
                pool.linear_memory_keep_resident(128 * 1024);
            }),
        ),
        (
            "all is kept",
            with(|_, pool| {
                pool.linear_memory_keep_resident(BYTES);
            }),
        ),
        (
            "part is kept, and the kernel says what was written where it can",
            with(|_, pool| {
                pool.linear_memory_keep_resident(128 * 1024)
                    .pagemap_scan(Enabled::Auto);
            }),
        ),
        (
            "without images",
            with(|config, pool| {
                config.memory_init_cow(false);
                pool.linear_memory_keep_resident(128 * 1024)
                    .pagemap_scan(Enabled::Auto);
            }),
        ),
        (
            "several are taken back at once",
            with(|_, pool| {
                pool.linear_memory_keep_resident(128 * 1024)
                    .decommit_batch_size(3);
            }),
        ),
    ]
}

#[test]
fn no_way_of_taking_a_sandbox_back_leaves_a_byte() {
    for (name, config) in settings() {
        let engine = Engine::new(&config).unwrap();
        let tenant = |does: &str| {
            let text = format!(
                r#"(component
                  (core module $m
                    (memory (export "m") 2)
                    (global $secret (mut i64) (i64.const 0))
                    (data (i32.const 16) "an image")
                    (func (export "f") (result i32)
                      (local $at i32)
                      {GROW} (block $found {does} (return (i32.const 0)))
                      (i32.const 1)))
                  (core instance $i (instantiate $m))
                  (func (export "f") (result u32) (canon lift (core func $i "f"))))"#
            );
            let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
            Linker::<()>::new(&engine)
                .instantiate_pre(&component)
                .unwrap()
        };
        let (writer, reader) = (tenant(&write(4096)), tenant(&look(4096)));
        for round in 0..5_000 {
            for tenant in [&writer, &reader] {
                let mut store = Store::new(&engine, ());
                let instance = tenant.instantiate(&mut store).unwrap();
                let f = instance
                    .get_typed_func::<(), (u32,)>(&mut store, "f")
                    .unwrap();
                assert_eq!(f.call(&mut store, ()).unwrap(), (0,), "{name}, {round}");
            }
        }
    }
}
