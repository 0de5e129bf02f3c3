//! Which instruction set a machine has, and how it is announced.

/// Who sets the A and D bits of page table entries after reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum AdUpdate {
    /// The page walk (Svadu); `menvcfg.ADUE` is 1 after reset.
    #[default]
    Svadu,
    /// Software, after a page fault (Svade); `menvcfg.ADUE` is 0 after reset and can be set.
    Svade,
}

/// The choices in a machine's instruction set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct IsaConfig {
    /// Who sets A and D bits.
    pub ad_update: AdUpdate,
}

/// The single-letter extensions, in canonical order.
const LETTERS: [&str; 6] = ["i", "m", "a", "f", "d", "c"];

/// The extensions with longer names, in the same order.
const NAMED: [&str; 18] = [
    "zicbom",
    "zicbop",
    "zicboz",
    "zicntr",
    "zicond",
    "zicsr",
    "zifencei",
    "zihintpause",
    "zihpm",
    "zawrs",
    "zba",
    "zbb",
    "zbs",
    "sstc",
    "svadu",
    "svinval",
    "svnapot",
    "svpbmt",
];

impl IsaConfig {
    /// The extensions as `riscv,isa-extensions` lists them, `i` first.
    ///
    /// Under [`AdUpdate::Svade`] both `svade` and `svadu` are announced, which tells software
    /// that hardware updating is there and off until asked for.
    ///
    /// ```
    /// use virtarium_machine::cpu::IsaConfig;
    /// let extensions: Vec<_> = IsaConfig::default().extensions().collect();
    /// assert_eq!(extensions[..3], ["i", "m", "a"]);
    /// assert!(extensions.contains(&"svadu") && !extensions.contains(&"svade"));
    /// ```
    pub fn extensions(&self) -> impl Iterator<Item = &'static str> {
        let svade = self.ad_update == AdUpdate::Svade;
        LETTERS
            .into_iter()
            .chain(NAMED)
            .flat_map(move |name| [(svade && name == "svadu").then_some("svade"), Some(name)])
            .flatten()
    }
}

#[cfg(test)]
mod tests;
