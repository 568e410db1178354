//! Target `log` of `tests/fuzzed`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portcullis_fuzzed::run_in_fuzzer("log", input));
