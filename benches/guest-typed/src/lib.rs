//! The five rules as a plugin that receives its requests as the contract's records.
//!
//! Each text costs a call into the sandbox. The benches measure how much packing saves.

use portcullis_guest_five_rules::FiveRules;

portcullis_sdk::export!(FiveRules);
