//! The five rules as a plugin that takes its requests as the records of the contract, a call for each
//! text: what packing them saves is measured beside it.

use portcullis_guest_five_rules::FiveRules;

portcullis_sdk::export!(FiveRules);
