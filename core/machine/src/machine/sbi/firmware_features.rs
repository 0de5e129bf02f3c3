//! Firmware features, chapter 18: what the supervisor may have the firmware do differently.

use super::super::Machine;
use super::{Answer, Call, Error, set};
use crate::cpu::status;

/// Misaligned accesses never trap here, so delegating their exceptions changes nothing; the
/// setting is remembered because it may be read back.
const MISALIGNED_EXC_DELEG: u32 = 0;
/// Hardware updates of accessed and dirty bits.
const PTE_AD_HW_UPDATING: u32 = 4;

/// The flag of `fwft_set` that makes a setting final.
const LOCK: u64 = 1;

/// What was set on one hart.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(in super::super) struct Features {
    misaligned: bool,
    /// Locked settings by number.
    locked: u8,
}

impl Machine {
    pub(super) fn firmware_feature(&mut self, id: usize, call: &Call) -> Answer {
        let [feature, value, flags, ..] = call.arguments;
        let feature = feature as u32;
        match call.function {
            0 => self.feature_set(id, feature, value, flags),
            1 => self.feature_get(id, feature),
            _ => Err(Error::NotSupported),
        }
    }

    fn feature_set(&mut self, id: usize, feature: u32, value: u64, flags: u64) -> Answer {
        self.feature_get(id, feature)?;
        let features = self
            .sbi
            .as_mut()
            .and_then(|sbi| sbi.features.get_mut(id))
            .ok_or(Error::NotSupported)?;
        if value > 1 || flags & !LOCK != 0 {
            return Err(Error::InvalidParam);
        }
        if features.locked >> feature & 1 != 0 {
            return Err(Error::DeniedLocked);
        }
        if flags & LOCK != 0 {
            features.locked |= 1 << feature;
        }
        if feature == MISALIGNED_EXC_DELEG {
            features.misaligned = value != 0;
        } else if let Some(hart) = self.harts.get_mut(id) {
            let envcfg = hart.csr.menvcfg & !status::ADUE;
            let bit = if value != 0 { status::ADUE } else { 0 };
            set(hart, 0x30a, envcfg | bit);
        }
        Ok(0)
    }

    fn feature_get(&self, id: usize, feature: u32) -> Answer {
        match feature {
            MISALIGNED_EXC_DELEG => {
                let features = self.sbi.as_ref().and_then(|sbi| sbi.features.get(id));
                Ok(features.is_some_and(|features| features.misaligned).into())
            }
            PTE_AD_HW_UPDATING => {
                let hart = self.harts.get(id).ok_or(Error::NotSupported)?;
                Ok((hart.csr.menvcfg & status::ADUE != 0).into())
            }
            // Landing pads, shadow stacks, double traps, pointer masking: not there.
            1..=3 | 5 => Err(Error::NotSupported),
            // 18.2: the rest is reserved.
            _ => Err(Error::Denied),
        }
    }
}
