//! Operands: corners, and random ones shaped to reach the interesting cases.

use super::operations::Values;
use virtarium_tests::random::Rng;
use virtarium_tests::randoms::values::pick;

/// Numbers for one operation in one mode, whatever others there are.
pub fn stream(seed: u64, operation: &str, mode: u64) -> Rng {
    let name = operation.bytes().fold(mode, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    Rng::new(seed ^ name)
}

/// What an operand is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F32,
    F64,
    Int32,
    Int64,
}

/// A format by the widths of its fields.
#[derive(Clone, Copy)]
struct Layout {
    exponent: u32,
    fraction: u32,
}

const BINARY32: Layout = Layout {
    exponent: 8,
    fraction: 23,
};
const BINARY64: Layout = Layout {
    exponent: 11,
    fraction: 52,
};

impl Layout {
    fn sign(self) -> u64 {
        1 << (self.exponent + self.fraction)
    }

    fn bias(self) -> i64 {
        (1 << (self.exponent - 1)) - 1
    }

    fn infinity(self) -> u64 {
        ((1 << self.exponent) - 1) << self.fraction
    }

    /// Positive, with that exponent brought into range, and that fraction.
    fn with(self, exponent: i64, fraction: u64) -> u64 {
        let field = (exponent + self.bias()).clamp(0, 2 * self.bias()) as u64;
        field << self.fraction | fraction & ((1 << self.fraction) - 1)
    }

    fn exponent_of(self, bits: u64) -> i64 {
        ((bits & !self.sign()) >> self.fraction) as i64 - self.bias()
    }

    fn corners(self) -> Vec<u64> {
        let Self { fraction, .. } = self;
        let one = self.with(0, 0);
        let least_normal = 1 << fraction;
        let half_ulp_patterns = |bits: u64| {
            // Ends of a fraction that put products and sums on a tie, or next to one.
            let low = 1 << (fraction / 2);
            [bits | low, bits | (low << 1), bits | (low << 1) | 1]
        };
        let mut positive = vec![
            0,
            1,
            2,
            3,
            least_normal / 2,
            least_normal - 1,
            least_normal,
            least_normal + 1,
            least_normal * 2 - 1,
            least_normal * 2,
            self.infinity() - 1,
            self.infinity() - 2,
            self.infinity(),
            // NaNs: canonical, quiet with a payload, signalling with the least and the most.
            self.infinity() | 1 << (fraction - 1),
            self.infinity() | 3 << (fraction - 2) | 5,
            self.infinity() | 1,
            self.infinity() | ((1 << (fraction - 1)) - 1),
        ];
        let exponents = [
            1,
            2,
            fraction as i64 - 1,
            fraction as i64,
            fraction as i64 + 1,
            31,
            32,
            63,
            64,
            self.bias(),
            self.bias() / 2,
        ];
        for exponent in exponents.into_iter().flat_map(|e| [e, -e]).chain([0]) {
            let power = self.with(exponent, 0);
            positive.extend([power.saturating_sub(1), power, power + 1]);
        }
        // 1.5, 2.5, 3.5, 0.75: ties of conversions; the greatest below 2^31 and 2^32.
        let quarter = 1 << (fraction - 2);
        positive.extend([
            one + quarter * 2,
            one + quarter * 5,
            one + quarter * 7,
            one - quarter,
        ]);
        positive.extend([
            self.with(30, !0),
            self.with(31, !0),
            self.with(62, !0),
            self.with(63, !0),
        ]);
        positive.extend(half_ulp_patterns(one));
        positive.extend(half_ulp_patterns(self.with(-1, !0) & !0xff));
        positive.sort_unstable();
        positive.dedup();
        positive
            .iter()
            .flat_map(|&bits| [bits, bits | self.sign()])
            .collect()
    }

    /// A fraction: full, sparse, or close to the ends of its range.
    fn fraction(self, rng: &mut Rng) -> u64 {
        let full = rng.next();
        let bit = 1u64 << rng.below(self.fraction.into());
        match rng.below(6) {
            0 => bit,
            1 => bit.wrapping_sub(1 << rng.below(self.fraction.into())),
            2 => !bit,
            3 => full << rng.below(self.fraction.into()),
            _ => full,
        }
    }

    /// An operand; `before` are those that the tuple has already.
    fn random(self, rng: &mut Rng, corners: &[u64], before: &[u64]) -> u64 {
        let sign = rng.next() & self.sign();
        let near = |rng: &mut Rng, spread: u64| rng.below(2 * spread + 1) as i64 - spread as i64;
        let fraction = self.fraction(rng);
        let first = before.first().copied();
        let magnitude = match (rng.below(8), first) {
            (0, _) => return pick(rng, corners),
            (1, _) => return rng.next() & (self.sign() | (self.sign() - 1)),
            (2, _) => self.with(near(rng, 40), fraction),
            (3, Some(a)) => self.with(self.exponent_of(a) + near(rng, 3), fraction),
            // Cancellation: the same value but for a few units in the last place.
            (4, Some(a)) => (a & !self.sign()).wrapping_add_signed(near(rng, 3)) & !self.sign(),
            // Products, then quotients, at the ends of the range.
            (5, Some(a)) => {
                let end = pick(
                    rng,
                    &[
                        self.bias(),
                        -self.bias(),
                        -self.bias() - i64::from(self.fraction),
                    ],
                );
                let exponent = self.exponent_of(a);
                let target = if rng.below(2) == 0 {
                    end - exponent
                } else {
                    exponent - end
                };
                self.with(target + near(rng, 3), fraction)
            }
            // A term far below or far above the other.
            (6, Some(a)) => {
                let far = i64::from(self.fraction) + near(rng, 3);
                self.with(
                    self.exponent_of(a) + pick(rng, &[far, -far, 2 * far, -2 * far]),
                    fraction,
                )
            }
            // Small whole numbers and their halves.
            _ => {
                let n = rng.next() >> (64 - 1 - rng.below(self.fraction.into()));
                let top = 63 - i64::from(n.max(1).leading_zeros());
                let fraction = if n == 0 {
                    0
                } else {
                    n << (64 - 1 - top) << 1 >> (64 - self.fraction)
                };
                self.with(top - rng.below(2) as i64, fraction)
            }
        };
        sign | magnitude
    }

    /// An addend close to minus or plus the product of two.
    fn addend(self, rng: &mut Rng, a: u64, b: u64) -> u64 {
        let product = match self.fraction {
            23 => u64::from((f32::from_bits(a as u32) * f32::from_bits(b as u32)).to_bits()),
            _ => (f64::from_bits(a) * f64::from_bits(b)).to_bits(),
        };
        let magnitude = product & !self.sign();
        let scaled = match rng.below(3) {
            // Cancels all but the rounding error.
            0 => magnitude.wrapping_add_signed(rng.below(5) as i64 - 2) & !self.sign(),
            // Makes the product a small correction, on or beside a tie.
            1 => {
                let far = i64::from(self.fraction) + rng.below(5) as i64 - 1;
                self.with(self.exponent_of(magnitude) + far, self.fraction(rng))
            }
            _ => self.with(
                self.exponent_of(magnitude) + rng.below(9) as i64 - 4,
                self.fraction(rng),
            ),
        };
        scaled | rng.next() & self.sign()
    }
}

/// Where the operands of one operation come from.
pub struct Operands {
    kinds: &'static [Kind],
    corners: Vec<Vec<u64>>,
}

impl Operands {
    pub fn new(kinds: &'static [Kind]) -> Self {
        let corners = kinds.iter().map(|kind| {
            let mut corners = kind.corners();
            if kinds.len() == 3 {
                // All triples of a third of them: the first, and each one that comes third.
                corners = corners.into_iter().step_by(3).collect();
            }
            corners
        });
        Self {
            kinds,
            corners: corners.collect(),
        }
    }

    /// Every combination of corners.
    pub fn for_each_corner(&self, mut visit: impl FnMut(Values)) {
        let none = vec![0];
        let list = |place: usize| self.corners.get(place).unwrap_or(&none);
        for &a in list(0) {
            for &b in list(1) {
                for &c in list(2) {
                    visit([a, b, c]);
                }
            }
        }
    }

    pub fn random(&self, rng: &mut Rng) -> Values {
        let mut values = [0; 3];
        for (place, &kind) in self.kinds.iter().enumerate() {
            let (before, _) = values.split_at(place);
            let corners = &self.corners[place];
            values[place] = match (kind.layout(), before) {
                (Some(layout), &[a, b]) if rng.below(2) == 0 => layout.addend(rng, a, b),
                (Some(layout), _) => layout.random(rng, corners, before),
                (None, _) => kind.random_integer(rng, corners),
            };
        }
        values
    }
}

impl Kind {
    fn layout(self) -> Option<Layout> {
        match self {
            Self::F32 => Some(BINARY32),
            Self::F64 => Some(BINARY64),
            Self::Int32 | Self::Int64 => None,
        }
    }

    fn integer_mask(self) -> u64 {
        if self == Self::Int32 {
            u32::MAX.into()
        } else {
            u64::MAX
        }
    }

    fn corners(self) -> Vec<u64> {
        if let Some(layout) = self.layout() {
            return layout.corners();
        }
        let powers = (0..64).map(|bit| 1u64 << bit).chain([0]);
        let around =
            powers.flat_map(|p| [p.wrapping_sub(2), p.wrapping_sub(1), p, p.wrapping_add(1)]);
        let both = around.flat_map(|n| [n, n.wrapping_neg()]);
        let mut corners: Vec<u64> = both.map(|n| n & self.integer_mask()).collect();
        corners.sort_unstable();
        corners.dedup();
        corners
    }

    fn random_integer(self, rng: &mut Rng, corners: &[u64]) -> u64 {
        let n = match rng.below(4) {
            0 => pick(rng, corners),
            // On or beside a tie of 24 or 53 bits.
            1 => {
                let upper = rng.next() >> 40 | 1 << 23;
                let upper = if rng.below(2) == 0 {
                    upper
                } else {
                    upper << 29 | rng.next() >> 35
                };
                let room = upper.leading_zeros() as u64;
                let shift = rng.below(room + 1);
                let tie = 1u64.checked_shl(shift as u32).unwrap_or(0) >> 1;
                (upper << shift | tie)
                    .wrapping_add(rng.below(3))
                    .wrapping_sub(1)
            }
            _ => rng.next() >> rng.below(64),
        };
        let n = if rng.below(2) == 0 {
            n
        } else {
            n.wrapping_neg()
        };
        n & self.integer_mask()
    }
}
