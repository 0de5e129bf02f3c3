//! Seeds that change by run, are printed and can be given again; and numbers that follow from one.

/// A number from the environment, decimal or with `0x`.
///
/// # Panics
/// Where the variable is set and is not a number.
#[must_use]
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let digits = text.strip_prefix("0x");
    let number = digits.map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// The seed of this run: `VIRTARIUM_SEED`, or one from the clock. Printed, with what it is for.
#[must_use]
pub fn seed(what: &str) -> u64 {
    let seed = setting("VIRTARIUM_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| since.as_nanos() as u64)
    });
    println!("{what}: VIRTARIUM_SEED={seed:#x}");
    seed
}

/// Whether the full counts are asked for (`VIRTARIUM_SOAK=1`).
#[must_use]
pub fn soak() -> bool {
    setting("VIRTARIUM_SOAK").is_some_and(|on| on != 0)
}

/// SplitMix64: short, and good enough to choose test cases.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers of the n-th case of a seed, which do not depend on the cases before it.
    #[must_use]
    pub fn case(seed: u64, n: u64) -> Self {
        let mut rng = Self(seed ^ n.wrapping_mul(0xd134_2543_de82_ef95));
        rng.next();
        rng
    }

    /// Any number.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator's `next` gives an Option, which here would never be None"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
