//! The same case under a host that cuts slices anywhere, drops every cache now and then, and
//! takes its time over completions.

use virtarium_machine::arena::Heap;
use virtarium_machine::host::{BlockRequest, ConsoleId, Host, Submitted, Token};
use virtarium_machine::machine::{Exit, Machine};
use virtarium_machine::time::Nanos;
use virtarium_tests::notes;
use virtarium_tests::random::Rng;
use virtarium_tests_wasm::{Case, End, MemoryHost, Session};

use crate::compare::{State, run_to};

/// Answers some requests at once, and others when it is asked to, in any order.
struct LateHost {
    memory: MemoryHost,
    rng: Rng,
    late: Vec<(Token, BlockRequest)>,
}

impl Host for LateHost {
    fn block(&mut self, _: usize, token: Token, request: &BlockRequest) -> Submitted {
        if self.rng.once_in(4) {
            return Submitted::Done(self.memory.perform(request));
        }
        self.late.push((token, request.clone()));
        Submitted::Pending
    }

    fn abandon(&mut self, token: Token) {
        self.late.retain(|(late, _)| *late != token);
    }

    fn console(&mut self, console: ConsoleId, bytes: &[u8]) {
        self.memory.console(console, bytes);
    }
}

/// What a disturbed run has met.
#[derive(Clone, Copy, Default, Debug)]
pub struct Met {
    pub slices: u64,
    pub drops: u64,
    pub waits: u64,
    pub late: u64,
}

struct Disturbed {
    machine: Machine,
    host: LateHost,
    /// The longest slice is 2 to the power of this.
    longest: u64,
    met: Met,
}

impl Disturbed {
    fn new(case: &Case, seed: u64, longest: u64) -> Self {
        let storage = Heap::for_ram(case.config.ram_size).expect("memory");
        Self {
            machine: Machine::new(case.config.clone(), storage).expect("the case is valid"),
            host: LateHost {
                memory: MemoryHost::new(case.disk),
                rng: Rng::new(seed),
                late: Vec::new(),
            },
            longest,
            met: Met::default(),
        }
    }

    fn run_to(&mut self, count: u64) -> State {
        let end = loop {
            let left = count.saturating_sub(self.machine.instructions());
            let rng = &mut self.host.rng;
            let longest = 1 << rng.below(self.longest + 1);
            let budget = rng.below(longest + 1).min(left);
            if rng.once_in(5) {
                self.machine.drop_caches();
                self.met.drops += 1;
            }
            self.met.slices += 1;
            match self.machine.run(budget, Nanos(0), &mut self.host) {
                Exit::Budget if budget == left => break End::Count,
                Exit::Budget => {}
                Exit::Waiting => {
                    self.met.waits += 1;
                    assert!(!self.host.late.is_empty(), "nothing to wait for");
                }
                Exit::Idle { .. } => break End::Idle,
                Exit::PowerOff { code } => break End::Off(code),
                Exit::Reset => break End::Reset,
                Exit::Halted(halt) => panic!("{halt:?} without a debugger"),
            }
            self.complete_some();
        };
        State {
            end,
            instructions: self.machine.instructions(),
            digest: self.machine.digest(),
        }
    }

    fn complete_some(&mut self) {
        for _ in 0..self.host.rng.below(3) {
            let waiting = self.host.late.len() as u64;
            if waiting == 0 {
                return;
            }
            let chosen = self.host.rng.below(waiting) as usize;
            let (token, request) = self.host.late.swap_remove(chosen);
            let result = self.host.memory.perform(&request);
            self.machine.complete(token, result);
            self.met.late += 1;
        }
    }
}

/// Runs a case undisturbed and disturbed, and compares every `step` instructions.
///
/// # Panics
/// Where the two differ, with the seed.
pub fn check(name: &str, case: &Case, seed: u64, step: u64, limit: u64, longest: u64) -> Met {
    let mut plain = Session::new(case).expect("the case is valid");
    let mut disturbed = Disturbed::new(case, seed, longest);
    let mut count = 0;
    loop {
        count = (count + step).min(limit);
        let expected = run_to(&mut plain, count);
        let state = disturbed.run_to(count);
        assert_eq!(
            state, expected,
            "{name}: a schedule shows before {count} instructions; VIRTARIUM_SEED={seed:#x}"
        );
        if expected.end != End::Count || count == limit {
            break;
        }
    }
    assert!(
        plain.host.disk == disturbed.host.memory.disk,
        "{name}: what is on the disk; VIRTARIUM_SEED={seed:#x}"
    );
    assert_eq!(
        plain.host.printed, disturbed.host.memory.printed,
        "{name}: what was printed"
    );
    notes::counted("random slices", disturbed.met.slices);
    println!("{name}: {count} instructions, {:?}", disturbed.met);
    disturbed.met
}
