//! No sandbox reads memory that another one wrote.
//!
//! A tenant writes a secret to all the memory that it can reach, and the next one searches all that it can
//! reach. No byte is ever found, in every mode and with every way of resetting a sandbox in the runtime's
//! pool. For two tenants of the same plugin, the memory is in the same place; for different plugins, the test
//! ensures it.

use portcullis_host::{
    ActionClass, Effect, Fault, Instances, PagemapScan, Plugin, PluginLimits, PluginSource,
    Principal, Request, RequestLimits, Resource, Timestamp, engine_settings,
};
use portcullis_tests::{guests, raw};
use std::collections::BTreeSet;
use wasmtime::{
    Config, Enabled, Engine, Instance, InstanceAllocationStrategy, Linker, Module,
    PoolingAllocationConfig, Store,
};

/// Reachable memory of a tenant in pages of 64 KiB: more than the pool keeps for the next one.
const PAGES: usize = 6;
const BYTES: usize = PAGES * 64 * 1024;

/// Grows memory to the limit.
const GROW: &str = "(drop (memory.grow (i32.const 4)))";

/// Returns code that writes the secret to all memory from `from` on.
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

/// Returns code that branches to `$found` at the first byte from `from` on that is not 0.
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

/// Loads a plugin that answers `not-applicable`, or `deny` if it finds a byte.
///
/// Its request is below address 4096.
fn tenant(does: &str) -> Plugin {
    let module = raw::module(
        "(global $secret (mut i64) (i64.const 0)) (data (i32.const 16) \"an image\")",
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
    let source = PluginSource::new(raw::component(&module))
        .compile_in_process()
        .limits(limits);
    Plugin::load(&source).unwrap()
}

/// As [`tenant`], in the resettable form.
///
/// It uses only its initial memory, since grown memory is discarded, and its verdict is below 4096. It
/// searches the place of its request before the request is there, and the memory after it once it is.
fn restorable_tenant(does: &str) -> Plugin {
    let module = raw::packed_module(
        // Effect, and no reasons, obligations, advice, narrowing or request for approval.
        "(global $secret (mut i64) (i64.const 0))
         (data (i32.const 1000) \"\\00\\04\\00\\00\\06\")",
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
        .compile_in_process()
        .limits(guests::patient())
        .resettable();
    let plugin = Plugin::load(&source).unwrap();
    assert!(plugin.is_resettable());
    plugin
}

/// Reachable memory in bytes of a tenant that does not grow.
const UNGROWN: usize = 2 * 64 * 1024;

/// Returns the answers of `tenant` to requests of two principals in turn, the second one shorter.
fn answers(tenant: &Plugin, instances: Instances) -> impl Iterator<Item = Result<Effect, Fault>> {
    let requests = ["a-tenant-whose-name-is-long", "b"].map(|id| {
        let principal = Principal {
            id: id.into(),
            ..Principal::default()
        };
        Request::builder("x", principal, "a", Resource::default())
            .build(&RequestLimits::default())
            .unwrap()
    });
    (0..).map(move |round| {
        let request = &requests[round % 2];
        let evaluation =
            tenant.evaluate_in(instances, request, ActionClass::Read, Timestamp::now());
        evaluation.outcome.map(|verdict| verdict.effect)
    })
}

#[test]
fn no_decision_reads_a_byte_of_another_one_in_a_hundred_thousand() {
    // Each tenant searches first and then writes, so that the next one would find the secret.
    let tenant_of_a_component = tenant(&format!("{} {}", look(4096), write(4096)));
    let tenant_that_can_be_put_back = restorable_tenant(&format!(
        "{} {}",
        look_to(4096, UNGROWN),
        write_to(4096, UNGROWN)
    ));
    let (nothing, something) = (Ok(Effect::NotApplicable), Ok(Effect::Deny));
    // Tenants that write first do find the secret.
    let both = tenant(&format!("{} {}", write(4096), look(4096)));
    assert_eq!(
        answers(&both, Instances::Fresh).next(),
        Some(something.clone())
    );
    let both = restorable_tenant(&format!(
        "{} {}",
        write_to(4096, UNGROWN),
        look_to(4096, UNGROWN)
    ));
    assert_eq!(answers(&both, Instances::Reset).next(), Some(something));

    std::thread::scope(|scope| {
        for (tenant, instances) in [
            (&tenant_of_a_component, Instances::Fresh),
            (&tenant_that_can_be_put_back, Instances::Fresh),
            (&tenant_that_can_be_put_back, Instances::Reset),
        ] {
            let nothing = &nothing;
            scope.spawn(move || {
                for (round, answer) in answers(tenant, instances).take(34_000).enumerate() {
                    assert_eq!(&answer, nothing, "{instances:?} {round}");
                }
            });
        }
    });
}

/// Returns the ways in which the pool can reset a sandbox.
fn settings() -> Vec<(&'static str, Config)> {
    let with = |change: fn(&mut Config, &mut PoolingAllocationConfig)| {
        let mut pool = PoolingAllocationConfig::new();
        let places = PLACES.try_into().unwrap();
        pool.total_core_instances(places)
            .total_memories(places)
            .max_memory_size(BYTES);
        let mut config = Config::new();
        change(&mut config, &mut pool);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    };
    vec![
        ("the host's own", engine_settings(PagemapScan::Off)),
        (
            "the host's own, where there is no swap",
            engine_settings(PagemapScan::NoSwap),
        ),
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
                    .decommit_batch_size(PLACES);
            }),
        ),
    ]
}

/// Number of free places for the memory of a tenant.
const PLACES: usize = 2;

/// Creates an instance in a store of its own.
fn instance(engine: &Engine, module: &Module) -> wasmtime::Result<(Store<()>, Instance)> {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(1 << 40);
    let instance = Linker::new(engine).instantiate(&mut store, module)?;
    Ok((store, instance))
}

/// Creates instances until only [`PLACES`] are free.
fn fill(engine: &Engine) -> Vec<(Store<()>, Instance)> {
    let module = Module::new(engine, wat::parse_str("(module (memory 1))").unwrap()).unwrap();
    let mut all: Vec<_> = std::iter::from_fn(|| instance(engine, &module).ok()).collect();
    all.truncate(all.len() - PLACES);
    all
}

#[test]
fn no_way_of_taking_a_sandbox_back_leaves_a_byte() {
    for (name, config) in settings() {
        let engine = Engine::new(&config).unwrap();
        let tenant = |does: &str| {
            let text = format!(
                r#"(module
                  (memory (export "m") 2)
                  (global $secret (mut i64) (i64.const 0))
                  (data (i32.const 16) "an image")
                  (func (export "f") (result i32)
                    (local $at i32)
                    {GROW} (block $found {does} (return (i32.const 0)))
                    (i32.const 1)))"#
            );
            Module::new(&engine, wat::parse_str(text).unwrap()).unwrap()
        };
        let image =
            "(br_if $found (i64.ne (i64.load (i32.const 16)) (i64.const 0x6567616d69206e61)))";
        let look = format!("{} {image} {}", look_to(0, 16), look(24));
        let (writer, reader) = (tenant(&write(0)), tenant(&look));
        let filled = fill(&engine);
        for round in 0..1_500 {
            // All places are in use at a time, so that the reader gets those of the writer.
            let [written, read] = [&writer, &reader].map(|tenant| {
                let live: Vec<_> = (0..PLACES)
                    .map(|_| {
                        let (mut store, instance) = instance(&engine, tenant).unwrap();
                        let f = instance.get_typed_func::<(), u32>(&mut store, "f").unwrap();
                        assert_eq!(f.call(&mut store, ()).unwrap(), 0, "{name}, {round}");
                        let memory = instance.get_memory(&mut store, "m").unwrap();
                        (memory.data_ptr(&store).addr(), store)
                    })
                    .collect();
                live.iter().map(|(at, _)| *at).collect::<BTreeSet<_>>()
            });
            assert_eq!(written, read, "{name}, {round}: it looked elsewhere");
        }
        drop(filled);
    }
}
