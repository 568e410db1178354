//! The written code is pinned together with the number that keys cached code.

use super::{BOUNDS, GLOBALS, module, stores};
use crate::{FORM, rewrite};
use sha2::{Digest as _, Sha256};

/// Digest of the rewritten modules below, for each [`FORM`] since the digest is recorded.
const DIGESTS: [(u32, &str); 1] = [(
    4,
    "57a9596d4fe2fa41f8fd76c4f6db83b22bc56725b0f487cb9b4aff311312d3a9",
)];

/// A module with each instruction that is treated apart, and globals of each type.
fn every_kind() -> Vec<u8> {
    let mut body = String::new();
    for (name, value, _) in stores() {
        let lane = if name.ends_with("_lane") { " 1" } else { "" };
        for offset in [0, 300] {
            body.push_str(&format!(
                "({name} offset={offset}{lane} (local.get 0) {value})\n"
            ));
        }
    }
    body.push_str(
        "(memory.fill (local.get 0) (i32.const 7) (local.get 1))
         (memory.copy (local.get 0) (i32.const 1001) (local.get 1))
         (memory.init $passive (local.get 0) (i32.const 1) (local.get 1))
         (drop (memory.grow (i32.const 0))) (drop (memory.size))
         (call_indirect (i32.const 0)) (drop (table.get (i32.const 0))) (drop (table.size))
         (global.set $i32 (local.get 0)) (i32.load (local.get 0))",
    );
    let table = "(table 2 funcref) (elem (i32.const 0) func $f) (func $f)";
    module(&format!("{GLOBALS} {table}"), &body)
}

#[test]
fn changed_code_has_another_form() {
    let mut digest = Sha256::new();
    for input in [every_kind(), module("", "(i32.const 0)")] {
        digest.update(rewrite(&input, &BOUNDS).unwrap());
    }
    let found = base16ct::lower::encode_string(&digest.finalize());
    let (form, recorded) = DIGESTS[DIGESTS.len() - 1];
    assert_eq!(form, FORM, "record the digest {found} for `FORM` {FORM}");
    assert_eq!(
        found, recorded,
        "the rewriting writes other code than with `FORM` {FORM}: raise `FORM`, so that code in a cache is compiled \
         again, and add the digest that was found to `DIGESTS`"
    );
}
