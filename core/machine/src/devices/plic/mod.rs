//! The platform-level interrupt controller: SiFive's PLIC 1.0.0 as QEMU's `virt` wires it.
//!
//! Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.0. Context 2n is hart
//! n's machine mode, context 2n + 1 its supervisor mode. Where QEMU and the specification part,
//! QEMU is followed, because that is what guests were tried on: a claim returns only what is
//! above the context's threshold, and a completion counts whether or not the source is enabled.

use crate::arena::MAX_HARTS;
use crate::bus::{Ctx, Device};
use crate::irq::{Lines, SOURCES};
use crate::mem::Width;

/// The `riscv,ndev` of the device tree: the number of the highest source.
pub const NDEV: u32 = SOURCES as u32 - 1;
/// The highest priority; 0 means never.
pub const MAX_PRIORITY: u8 = 7;

const WORDS: usize = SOURCES / 32;
const CONTEXTS: usize = 2 * MAX_HARTS;

const PENDING: u64 = 0x1000;
const ENABLE: u64 = 0x2000;
const ENABLE_STRIDE: u64 = 0x80;
const ENABLE_END: u64 = ENABLE + CONTEXTS as u64 * ENABLE_STRIDE;
const CONTEXT: u64 = 0x20_0000;
const CONTEXT_STRIDE: u64 = 0x1000;

/// What a mode of a hart has set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
struct Target {
    enable: [u32; WORDS],
    threshold: u8,
}

/// The controller.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Plic {
    harts: usize,
    priority: [u8; SOURCES],
    /// Requests that a gateway has let through and no context has claimed yet.
    pending: [u32; WORDS],
    /// Sources between claim and completion, whose gateways are shut.
    claimed: [u32; WORDS],
    targets: [Target; CONTEXTS],
}

impl Plic {
    /// A controller for `harts` harts, at most [`MAX_HARTS`]; registers of others do not exist.
    pub fn new(harts: usize) -> Self {
        Self {
            harts: harts.min(MAX_HARTS),
            priority: [0; SOURCES],
            pending: [0; WORDS],
            claimed: [0; WORDS],
            targets: [Target::default(); CONTEXTS],
        }
    }

    /// Samples the wires. To be called whenever one has changed.
    ///
    /// A high wire whose gateway is open becomes a pending request; one that falls afterwards
    /// leaves the request standing (chapter 3, interrupt gateways).
    pub fn sample(&mut self, lines: &Lines) {
        for ((pending, claimed), level) in self
            .pending
            .iter_mut()
            .zip(&self.claimed)
            .zip(lines.levels())
        {
            *pending |= level & !claimed;
        }
    }

    /// The levels of `mip.MEIP` and `mip.SEIP` that the controller drives for a hart.
    pub fn external(&self, hart: usize) -> (bool, bool) {
        if hart >= self.harts {
            return (false, false);
        }
        (
            self.best(2 * hart).is_some(),
            self.best(2 * hart + 1).is_some(),
        )
    }

    /// The source that a context would claim: highest priority above the threshold, and of
    /// equals the lowest number.
    fn best(&self, context: usize) -> Option<u32> {
        let target = self.targets.get(context)?;
        let mut best = None;
        let mut above = target.threshold;
        for (word, ((pending, claimed), enable)) in self
            .pending
            .iter()
            .zip(&self.claimed)
            .zip(&target.enable)
            .enumerate()
        {
            let mut ready = pending & !claimed & enable;
            // At most 32 rounds: each clears a bit.
            while ready != 0 {
                let source = word as u32 * 32 + ready.trailing_zeros();
                ready &= ready - 1;
                let priority = self.priority.get(source as usize).copied().unwrap_or(0);
                if priority > above {
                    above = priority;
                    best = Some(source);
                }
            }
        }
        best
    }

    fn claim(&mut self, context: usize) -> u32 {
        let Some(source) = self.best(context) else {
            return 0;
        };
        let (word, bit) = position(source);
        if let (Some(pending), Some(claimed)) =
            (self.pending.get_mut(word), self.claimed.get_mut(word))
        {
            *pending &= !bit;
            *claimed |= bit;
        }
        source
    }

    fn complete(&mut self, source: u64) {
        if let Ok(source) = u32::try_from(source) {
            let (word, bit) = position(source);
            if let Some(claimed) = self.claimed.get_mut(word) {
                *claimed &= !bit;
            }
        }
    }

    /// The context whose registers lie at `offset` of an array with this stride, and the offset
    /// within them.
    fn context(&self, offset: u64, stride: u64) -> Option<(usize, u64)> {
        let context = (offset / stride) as usize;
        (context < 2 * self.harts).then_some((context, offset % stride))
    }
}

fn position(source: u32) -> (usize, u32) {
    (source as usize / 32, 1 << (source % 32))
}

impl Device for Plic {
    fn read(&mut self, offset: u64, _: Width, cx: &mut Ctx<'_>) -> u64 {
        self.sample(cx.lines);
        let value = match offset {
            0..PENDING => self
                .priority
                .get((offset / 4) as usize)
                .map(|priority| u32::from(*priority)),
            PENDING..ENABLE => self.pending.get(((offset - PENDING) / 4) as usize).copied(),
            ENABLE..ENABLE_END => {
                self.context(offset - ENABLE, ENABLE_STRIDE)
                    .and_then(|(context, at)| {
                        let target = self.targets.get(context)?;
                        target.enable.get((at / 4) as usize).copied()
                    })
            }
            CONTEXT.. => match self.context(offset - CONTEXT, CONTEXT_STRIDE) {
                Some((context, 0)) => self
                    .targets
                    .get(context)
                    .map(|target| u32::from(target.threshold)),
                Some((context, 4)) => Some(self.claim(context)),
                _ => None,
            },
            _ => None,
        };
        u64::from(value.unwrap_or(0))
    }

    fn write(&mut self, offset: u64, _: Width, value: u64, cx: &mut Ctx<'_>) {
        self.sample(cx.lines);
        // The priority field has three bits.
        let priority = value as u8 & MAX_PRIORITY;
        match offset {
            // Source 0 does not exist.
            4..PENDING => {
                if let Some(old) = self.priority.get_mut((offset / 4) as usize) {
                    *old = priority;
                }
            }
            ENABLE..ENABLE_END => {
                if let Some((context, at)) = self.context(offset - ENABLE, ENABLE_STRIDE)
                    && let Some(target) = self.targets.get_mut(context)
                    && let Some(word) = target.enable.get_mut((at / 4) as usize)
                {
                    let exists = if at < 4 { !1 } else { !0 };
                    *word = value as u32 & exists;
                }
            }
            CONTEXT.. => match self.context(offset - CONTEXT, CONTEXT_STRIDE) {
                Some((context, 0)) => {
                    if let Some(target) = self.targets.get_mut(context) {
                        target.threshold = priority;
                    }
                }
                Some((_, 4)) => {
                    self.complete(value);
                    // The gateway is open again, and the wire may still be high.
                    self.sample(cx.lines);
                }
                _ => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
