//! A case on two engines, digest by digest.

use std::time::{Duration, Instant};

use virtarium_machine::machine::Digest;
use virtarium_tests::notes;
use virtarium_tests_wasm::{Case, End, Engine, Session};

use crate::module::Module;

/// What can be told of a machine at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    pub end: End,
    pub instructions: u64,
    pub digest: Digest,
}

/// Runs to a count, and tells how it is there.
pub fn run_to(engine: &mut impl Engine, count: u64) -> State {
    let end = engine.run_to(count);
    state(engine, end)
}

/// How it is at this end.
pub fn state(engine: &mut (impl Engine + ?Sized), end: End) -> State {
    State {
        end,
        instructions: engine.instructions(),
        digest: engine.digest(),
    }
}

/// Runs a case on both engines up to `limit` instructions or its end, and compares every `step`.
/// Gives the last state and the native session, or the place of the first difference.
pub fn compare(
    name: &str,
    [here, there]: [&Case; 2],
    step: u64,
    limit: u64,
) -> Result<(State, Session), String> {
    let mut session = Session::new(here).map_err(|error| format!("{name}: {error}"))?;
    let mut module = Module::new(there);
    let mut times = [Duration::ZERO; 2];
    let (mut count, mut compared) = (0, 0);
    loop {
        let before = count;
        count = (count + step).min(limit);
        let start = Instant::now();
        let mine = run_to(&mut session, count);
        times[0] += start.elapsed();
        let start = Instant::now();
        let theirs = run_to(&mut module, count);
        times[1] += start.elapsed();
        if mine != theirs {
            let at = first_difference([here, there], before, count);
            return Err(format!(
                "{name}: equal up to {before}, different first at {at}:\n\
                 native {mine:?}\nwasm   {theirs:?}"
            ));
        }
        compared += 1;
        if mine.end != End::Count || count == limit {
            let printed = module.printed();
            assert_eq!(session.host.printed, printed, "{name}: what was printed");
            notes::counted("digests equal in wasm", compared);
            println!(
                "{name}: {} instructions, {compared} digests equal, native {:.2?}, wasm {:.2?}",
                mine.instructions, times[0], times[1]
            );
            return Ok((mine, session));
        }
    }
}

/// The lowest count at which the engines differ, by halving: they do at `high`, not at `low`.
fn first_difference([here, there]: [&Case; 2], mut low: u64, mut high: u64) -> u64 {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let Ok(mut session) = Session::new(here) else {
            break;
        };
        if run_to(&mut session, middle) == run_to(&mut Module::new(there), middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
