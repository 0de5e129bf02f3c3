//! Level-triggered wires from devices to the interrupt controller.

/// Number of interrupt sources, including source 0, which does not exist.
pub const SOURCES: usize = 96;

/// The wires: one level a source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct Lines {
    levels: [u32; SOURCES / 32],
    changed: bool,
}

impl Lines {
    /// Drives the wire of `source`; source 0 and those beyond [`SOURCES`] are not connected.
    pub fn set(&mut self, source: u32, high: bool) {
        let bit = 1 << (source % 32);
        if source == 0 {
            return;
        }
        let Some(word) = self.levels.get_mut(source as usize / 32) else {
            return;
        };
        let old = *word;
        *word = if high { old | bit } else { old & !bit };
        self.changed |= *word != old;
    }

    /// Whether the wire of `source` is high.
    pub fn is_high(&self, source: u32) -> bool {
        self.levels
            .get(source as usize / 32)
            .is_some_and(|word| word & (1 << (source % 32)) != 0)
    }

    /// The levels, 32 sources a word, source 0 in bit 0 of word 0.
    pub fn levels(&self) -> &[u32; SOURCES / 32] {
        &self.levels
    }

    /// Whether a level changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }
}
