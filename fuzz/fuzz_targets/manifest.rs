#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virtarium_tests::fuzz::fuzz_manifest(data));
