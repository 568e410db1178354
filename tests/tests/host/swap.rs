//! A sandbox's page in swap is reset like any other page, with the host's default settings.
//!
//! The scan, which is wrong in wasmtime before 50, does not reset it, and the next instance in its place
//! reads it. So the operator must confirm that there is no swap before the scan is used.

#![cfg(target_os = "linux")]

use portcullis_host::{PagemapScan, engine_settings};
use portcullis_tests::swap::Swap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use wasmtime::{Engine, Instance, Linker, Module, PoolingAllocationConfig, Store};

const PAGE: usize = 4096;
const BYTES: usize = 2 * 64 * 1024;

/// Returns the number of secret bytes in a sandbox whose last instance wrote them and was swapped out.
///
/// `None` if the kernel swapped nothing out.
fn found_after_swapping(scan: PagemapScan) -> Option<usize> {
    let engine = Engine::new(&engine_settings(scan)).unwrap();
    let text = r#"(module (memory (export "m") 2)
        (func (export "write") (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 131072))))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let instance = || {
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1 << 40);
        let instance = Linker::new(&engine).instantiate(&mut store, &module);
        (instance.unwrap(), store)
    };
    let (writer, mut store) = instance();
    let write = writer.get_typed_func::<(), ()>(&mut store, "write");
    write.unwrap().call(&mut store, ()).unwrap();
    let place = memory(&writer, &mut store).as_ptr();
    let swapped = swap_out(memory(&writer, &mut store));
    drop(store);
    let (reader, mut store) = instance();
    let memory = memory(&reader, &mut store);
    assert_eq!(memory.as_ptr(), place, "it looks elsewhere");
    let found = memory.iter().filter(|byte| **byte == 0xa5).count();
    assert_eq!(found % PAGE, 0);
    swapped.then_some(found)
}

fn memory<'a>(instance: &Instance, store: &'a mut Store<()>) -> &'a [u8] {
    let memory = instance.get_memory(&mut *store, "m").unwrap().data(store);
    assert_eq!(memory.len(), BYTES);
    memory
}

/// Makes the kernel move `memory` to swap. Returns true if a part of it is there.
fn swap_out(memory: &[u8]) -> bool {
    // SAFETY: moving pages to swap does not change the data for its readers.
    let done = unsafe {
        libc::madvise(
            memory.as_ptr().cast_mut().cast(),
            memory.len(),
            libc::MADV_PAGEOUT,
        )
    };
    let pages = File::open("/proc/self/pagemap").unwrap();
    let mut entries = vec![0; memory.len() / PAGE * 8];
    let at = memory.as_ptr().addr() / PAGE * 8;
    pages.read_exact_at(&mut entries, at as u64).unwrap();
    // Bit 62 of an entry is set if the page is in swap.
    done == 0 && entries.chunks(8).any(|entry| entry[7] & 1 << 6 != 0)
}

#[test]
fn a_page_that_was_swapped_out_is_reset_unless_the_scan_is_on() {
    let swap = match Swap::on(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(swap) => swap,
        Err(error) => {
            println!("skipped: no swap can be made here: {error:#}");
            return;
        }
    };
    match found_after_swapping(PagemapScan::Off) {
        Some(found) => assert_eq!(found, 0),
        None => println!("skipped: the kernel swapped nothing out"),
    }
    if !PoolingAllocationConfig::is_pagemap_scan_available() {
        println!("skipped: this kernel has no scan");
    } else if let Some(found) = found_after_swapping(PagemapScan::NoSwap) {
        // The scan is not the default, because it leaves these pages. If this fails, the scan is safe.
        assert_ne!(
            found, 0,
            "the scan resets pages in swap: make it the default"
        );
    }
    drop(swap);
}
