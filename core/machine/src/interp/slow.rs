//! Everything that the inner loop does not do itself: translation, devices, misaligned and
//! crossing accesses, reservations.

use super::{Bus, CodeCache, Cut};
use crate::arena::{DataTlb, PAGE_SIZE, PageFlags, Ram};
use crate::cpu::{Exception, Hart, Reservation};
use crate::isa::Inst;
use crate::mem::{RAM_BASE, Width};
use crate::mmu::{Access, Dropped};

/// Pages whose stores have to be seen are never cached for writing.
const SEEN: PageFlags = PageFlags::CODE.with(PageFlags::WATCHED);

/// Bytes in a cache block, as the device tree says.
const BLOCK: u64 = 64;

/// A trap: why, and the value for `tval`.
pub(super) type Fault = (Exception, u64);

pub(super) struct Slow<'s, 'a> {
    pub(super) hart: &'s mut Hart,
    pub(super) data: DataTlb<'a>,
    pub(super) ram: Ram<'a>,
    pub(super) code: &'s CodeCache,
    pub(super) bus: &'s mut dyn Bus,
    /// What the access that has been made gave, while its instruction is completed.
    pub(super) made: Option<u64>,
    /// Why the last instruction was cut short.
    pub(super) why: Cut,
}

/// The instruction was cut short; [`Slow`] knows why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interrupted;

/// Where an address leads.
enum Place {
    /// Offset in RAM.
    Ram(u64),
    /// Physical address.
    Device(u64),
}

impl Slow<'_, '_> {
    /// Notes why the instruction is cut short.
    #[inline(always)]
    pub(super) fn cut(&mut self, why: Cut) -> Interrupted {
        self.why = why;
        Interrupted
    }

    /// The value that completes an instruction whose access is made.
    #[cold]
    pub(super) fn keep(&mut self, value: u64) {
        if let Cut::Attention(kept) = &mut self.why {
            *kept = value;
        }
    }

    /// An access to `fflags`, `frm` or `fcsr`: what was there, if it is one and legal.
    #[inline(never)]
    pub(super) fn float_csr(&mut self, inst: &Inst, rs1: u64) -> Option<u64> {
        self.hart.float_csr_instruction(inst, rs1)
    }

    /// Loads. [`Cut::Attention`] when the load is made and the run loop has to look: the
    /// instruction is then carried out once more, with the value.
    #[cold]
    #[inline(never)]
    pub(super) fn load(&mut self, va: u64, width: Width, left: u64) -> Result<u64, Interrupted> {
        self.try_load(va, width, left).map_err(|cut| self.cut(cut))
    }

    fn try_load(&mut self, va: u64, width: Width, left: u64) -> Result<u64, Cut> {
        if let Some(value) = self.made {
            return Ok(value);
        }
        let len = width.bytes();
        if crosses(va, len) {
            let (value, seen) = self.load_crossing(va, width)?;
            return if seen {
                Err(Cut::Attention(value))
            } else {
                Ok(value)
            };
        }
        match self.place(va, len, Access::Load)? {
            Place::Ram(offset) => {
                let value = self
                    .load_ram(offset, width)
                    .ok_or((Exception::LoadAccessFault, va))?;
                if self.ram.flags(offset).contains(PageFlags::WATCHED) {
                    if self.bus.watched(offset, len, false) {
                        return Err(Cut::Attention(value));
                    }
                } else {
                    self.fill_read(va, offset);
                }
                Ok(value)
            }
            Place::Device(pa) => {
                let fault = (Exception::LoadAccessFault, va);
                if !va.is_multiple_of(len) {
                    return Err(fault.into());
                }
                let value = self.bus.read(pa, width, left).ok_or(fault)?;
                Err(Cut::Attention(value))
            }
        }
    }

    /// Stores; as [`Slow::load`].
    #[cold]
    #[inline(never)]
    pub(super) fn store(
        &mut self,
        va: u64,
        width: Width,
        value: u64,
        left: u64,
    ) -> Result<(), Interrupted> {
        self.try_store(va, width, value, left)
            .map_err(|cut| self.cut(cut))
    }

    fn try_store(&mut self, va: u64, width: Width, value: u64, left: u64) -> Result<(), Cut> {
        if self.made.is_some() {
            return Ok(());
        }
        let len = width.bytes();
        if crosses(va, len) {
            return attention(self.store_crossing(va, width, value)?);
        }
        match self.place(va, len, Access::Store)? {
            Place::Ram(offset) => {
                attention(self.store_ram(offset, width, value, va)?)?;
                self.fill_write(va, offset);
                Ok(())
            }
            Place::Device(pa) => {
                let fault = (Exception::StoreAccessFault, va);
                if !va.is_multiple_of(len) {
                    return Err(fault.into());
                }
                let done = self.bus.write(pa, width, value & width.mask(), left);
                done.ok_or(fault)?;
                attention(true)
            }
        }
    }

    /// The first half of an atomic operation: the old value, with permission to store.
    #[cold]
    #[inline(never)]
    pub(super) fn load_to_store(&mut self, va: u64, width: Width) -> Result<u64, Interrupted> {
        self.try_load_to_store(va, width)
            .map_err(|cut| self.cut(cut))
    }

    fn try_load_to_store(&mut self, va: u64, width: Width) -> Result<u64, Cut> {
        if let Some(old) = self.made {
            return Ok(old);
        }
        if !va.is_multiple_of(width.bytes()) {
            return Err((Exception::StoreMisaligned, va).into());
        }
        let fault = (Exception::StoreAccessFault, va);
        match self.place(va, width.bytes(), Access::Store)? {
            Place::Ram(offset) => {
                let old = self.load_ram(offset, width).ok_or(fault)?;
                // The store that follows, to the same bytes, answers for this too.
                let _ = self.seen(offset, width.bytes(), false);
                Ok(old)
            }
            // No device here takes atomic operations (PMA, privileged architecture 3.6.3.1).
            Place::Device(_) => Err(fault.into()),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn load_reserved(&mut self, va: u64, width: Width) -> Result<u64, Interrupted> {
        self.try_load_reserved(va, width)
            .map_err(|cut| self.cut(cut))
    }

    fn try_load_reserved(&mut self, va: u64, width: Width) -> Result<u64, Cut> {
        if let Some(value) = self.made {
            return Ok(value);
        }
        if !va.is_multiple_of(width.bytes()) {
            return Err((Exception::LoadMisaligned, va).into());
        }
        let fault = (Exception::LoadAccessFault, va);
        self.hart.reservation = None;
        match self.place(va, width.bytes(), Access::Load)? {
            Place::Ram(offset) => {
                let value = self.load_ram(offset, width).ok_or(fault)?;
                self.hart.reservation = Some(Reservation::of(RAM_BASE + offset));
                if self.seen(offset, width.bytes(), false) {
                    return Err(Cut::Attention(value));
                }
                Ok(value)
            }
            Place::Device(_) => Err(fault.into()),
        }
    }

    /// Gives 0 if the store was made, else 1.
    #[cold]
    #[inline(never)]
    pub(super) fn store_conditional(
        &mut self,
        va: u64,
        width: Width,
        value: u64,
    ) -> Result<u64, Interrupted> {
        self.try_store_conditional(va, width, value)
            .map_err(|cut| self.cut(cut))
    }

    fn try_store_conditional(&mut self, va: u64, width: Width, value: u64) -> Result<u64, Cut> {
        if let Some(failed) = self.made {
            return Ok(failed);
        }
        if !va.is_multiple_of(width.bytes()) {
            return Err((Exception::StoreMisaligned, va).into());
        }
        let Some(reservation) = self.hart.reservation.take() else {
            return Ok(1);
        };
        match self.place(va, width.bytes(), Access::Store)? {
            Place::Ram(offset) if reservation == Reservation::of(RAM_BASE + offset) => {
                attention(self.store_ram(offset, width, value, va)?)?;
                Ok(0)
            }
            Place::Ram(_) => Ok(1),
            Place::Device(_) => Err((Exception::StoreAccessFault, va).into()),
        }
    }

    /// CBO.ZERO.
    #[cold]
    pub(super) fn zero_block(&mut self, va: u64) -> Result<(), Fault> {
        let start = va & !(BLOCK - 1);
        let Place::Ram(offset) = self
            .place(start, BLOCK, Access::Store)
            .map_err(|(exception, _)| (exception, va))?
        else {
            return Err((Exception::StoreAccessFault, va));
        };
        for at in (offset..offset + BLOCK).step_by(8) {
            // The caller looks at what was watched; decoded code is dropped before the next run.
            let _ = self.store_ram(at, Width::B8, 0, va)?;
        }
        Ok(())
    }

    /// CBO.INVAL, CBO.CLEAN, CBO.FLUSH: permitted where a load or a store is (Zicbom, 2.5.2).
    #[cold]
    pub(super) fn probe_block(&mut self, va: u64) -> Result<(), Fault> {
        let start = va & !(BLOCK - 1);
        if self.place(start, BLOCK, Access::Load).is_ok() {
            return Ok(());
        }
        match self.place(start, BLOCK, Access::Store) {
            Ok(_) => Ok(()),
            Err((exception, _)) => Err((exception, va)),
        }
    }

    /// The bits of the instruction at `pc`, which has just been fetched, for `tval`.
    #[cold]
    #[inline(never)]
    pub(super) fn instruction_bits(&mut self, pc: u64) -> u64 {
        let mut half = |at: u64| {
            let pa = self.hart.translate(at, Access::Fetch, self.ram).ok()?.pa;
            let offset = pa.checked_sub(RAM_BASE);
            match offset.and_then(|offset| self.ram.load::<u16>(offset)) {
                Some(half) => Some(half),
                None => self.bus.fetch(pa),
            }
        };
        let low = u64::from(half(pc).unwrap_or(0));
        if crate::isa::decode::length(low as u32) == 2 {
            return low;
        }
        low | u64::from(half(pc.wrapping_add(2)).unwrap_or(0)) << 16
    }

    /// Translates and checks an access that stays in its page.
    fn place(&mut self, va: u64, len: u64, access: Access) -> Result<Place, Fault> {
        let translated = self
            .hart
            .translate(va, access, self.ram)
            .map_err(|exception| (exception, va))?;
        forget(self.data, translated.dropped);
        let pa = translated.pa;
        if !self.hart.pmp_allows(pa, len, access) {
            return Err((Exception::access_fault(access), va));
        }
        match pa.checked_sub(RAM_BASE) {
            Some(offset) if self.ram.contains(offset, len) => Ok(Place::Ram(offset)),
            _ => Ok(Place::Device(pa)),
        }
    }

    fn load_ram(&self, offset: u64, width: Width) -> Option<u64> {
        match width {
            Width::B1 => self.ram.load::<u8>(offset).map(u64::from),
            Width::B2 => self.ram.load::<u16>(offset).map(u64::from),
            Width::B4 => self.ram.load::<u32>(offset).map(u64::from),
            Width::B8 => self.ram.load::<u64>(offset),
        }
    }

    fn store_ram(&mut self, offset: u64, width: Width, value: u64, va: u64) -> Result<bool, Fault> {
        let ram = self.ram;
        let len = width.bytes();
        let flags = ram.flags(offset);
        let beside = !flags.contains(PageFlags::CODE) || !self.code.covers(offset, len);
        let done = match (width, beside) {
            (Width::B1, true) => ram.store_beside_code(offset, value as u8),
            (Width::B2, true) => ram.store_beside_code(offset, value as u16),
            (Width::B4, true) => ram.store_beside_code(offset, value as u32),
            (Width::B8, true) => ram.store_beside_code(offset, value),
            (Width::B1, false) => ram.store(offset, value as u8),
            (Width::B2, false) => ram.store(offset, value as u16),
            (Width::B4, false) => ram.store(offset, value as u32),
            (Width::B8, false) => ram.store(offset, value),
        };
        done.ok_or((Exception::StoreAccessFault, va))?;
        let seen = self.seen(offset, len, true);
        Ok(seen || !beside)
    }

    /// Tells of an access to bytes of one page. Returns whether the run loop has to look.
    fn seen(&mut self, offset: u64, len: u64, write: bool) -> bool {
        self.ram.flags(offset).contains(PageFlags::WATCHED) && self.bus.watched(offset, len, write)
    }

    fn fill_read(&mut self, va: u64, offset: u64) {
        if self.hart.pmp_page_uniform(RAM_BASE + offset, Access::Load) {
            let context = self.hart.data_context();
            self.data.fill_read(context, va, offset, self.ram.size());
        }
    }

    fn fill_write(&mut self, va: u64, offset: u64) {
        if self.ram.flags(offset).intersects(SEEN) {
            return;
        }
        if self.hart.pmp_page_uniform(RAM_BASE + offset, Access::Store) {
            self.ram.set_flags(offset, PageFlags::DIRTY);
            let context = self.hart.data_context();
            self.data.fill_write(context, va, offset, self.ram.size());
        }
    }

    /// A load across two pages, byte by byte, and whether the run loop has to look. A fault names
    /// the first byte that faults.
    fn load_crossing(&mut self, va: u64, width: Width) -> Result<(u64, bool), Fault> {
        let (mut value, mut seen) = (0, false);
        for byte in 0..width.bytes() {
            let at = va.wrapping_add(byte);
            let Place::Ram(offset) = self.place(at, 1, Access::Load)? else {
                return Err((Exception::LoadAccessFault, at));
            };
            let loaded = self.load_ram(offset, Width::B1);
            value |= loaded.ok_or((Exception::LoadAccessFault, at))? << (8 * byte);
            seen |= self.seen(offset, 1, false);
        }
        Ok((value, seen))
    }

    /// A store across two pages: both are checked before a byte is written.
    fn store_crossing(&mut self, va: u64, width: Width, value: u64) -> Result<bool, Fault> {
        let mut offsets = [0; 8];
        for (byte, slot) in (0..width.bytes()).zip(&mut offsets) {
            let at = va.wrapping_add(byte);
            let Place::Ram(offset) = self.place(at, 1, Access::Store)? else {
                return Err((Exception::StoreAccessFault, at));
            };
            *slot = offset;
        }
        let mut attention = false;
        for (byte, offset) in (0..width.bytes()).zip(offsets) {
            attention |= self.store_ram(offset, Width::B1, value >> (8 * byte), va)?;
        }
        Ok(attention)
    }
}

/// A store has been made: whether the run loop has to look.
fn attention(needed: bool) -> Result<(), Cut> {
    if needed {
        Err(Cut::Attention(0))
    } else {
        Ok(())
    }
}

fn crosses(va: u64, len: u64) -> bool {
    va % PAGE_SIZE + len > PAGE_SIZE
}

/// Drops the data shortcuts to what left the walk cache.
pub(super) fn forget(data: DataTlb<'_>, dropped: Dropped) {
    match dropped {
        Dropped::None => {}
        Dropped::Page(va) => data.drop_page(va),
        Dropped::Range { va, size } => data.drop_range(va, size),
        Dropped::All => data.clear(),
    }
}
