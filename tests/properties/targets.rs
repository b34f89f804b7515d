//! The fuzz targets, as far as they can be tried without a fuzzer.

use std::collections::BTreeSet;
use std::fs;

use crate::checks::TARGETS;
use crate::support::sqlite::project;

#[test]
fn each_check_of_bytes_is_a_fuzz_target_and_holds_of_its_seeds() {
    let fuzz = project().join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let named: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let bins = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""));
    let bins = bins.map(|name| name.trim_end_matches('"').to_owned());
    let bins: BTreeSet<_> = bins.filter(|name| name != "call-ledger-fuzz").collect();
    assert_eq!(bins, named);
    for (name, check) in TARGETS {
        let seeds = fs::read_dir(fuzz.join("seeds").join(name)).unwrap();
        let seeds: Vec<_> = seeds
            .map(|seed| fs::read(seed.unwrap().path()).unwrap())
            .collect();
        assert!(!seeds.is_empty(), "{name}");
        for seed in seeds {
            check(&seed);
        }
    }
}
