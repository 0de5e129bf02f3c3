//! What gdb asks of a machine: registers, memory by virtual address, breakpoints, watchpoints.

use std::time::Instant;

use gdbstub::common::Signal;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::base::singlethread::{
    SingleThreadBase, SingleThreadResume, SingleThreadResumeOps, SingleThreadSingleStep,
    SingleThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind as GdbWatch,
};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::{Target, TargetError, TargetResult};
use gdbstub_arch::riscv::Riscv64;
use gdbstub_arch::riscv::reg::RiscvCoreRegs;
use gdbstub_arch::riscv::reg::id::RiscvRegId;
use virtarium_machine::machine::{Machine, WatchKind};

use super::description;
use crate::run::end::End;
use crate::run::engine::Engine;

/// A machine under gdb's control.
pub struct Debugged<'a, 'b> {
    /// The machine and what is around it.
    pub engine: &'a mut Engine<'b, Machine>,
    /// The hart that is shown: the one that stopped last.
    pub hart: usize,
    /// Whether gdb wants one instruction only.
    pub stepping: bool,
    /// How the machine ended, once it has.
    pub ended: Option<End>,
    /// Since when it is stopped.
    stopped: Option<Instant>,
    description: String,
    breakpoints: Vec<u64>,
    watchpoints: Vec<(u64, u64, WatchKind)>,
}

impl<'a, 'b> Debugged<'a, 'b> {
    /// A machine that gdb finds stopped.
    pub fn new(engine: &'a mut Engine<'b, Machine>) -> Self {
        let hart = engine.guest.current_hart();
        let description = description::xml(engine.guest);
        Self {
            engine,
            hart,
            stepping: false,
            ended: None,
            stopped: Some(Instant::now()),
            description,
            breakpoints: Vec::new(),
            watchpoints: Vec::new(),
        }
    }

    /// The machine has stopped.
    pub fn stop(&mut self) {
        self.stopped = Some(Instant::now());
        self.stepping = false;
    }

    /// The machine goes on: the time in between is none of the guest's.
    fn go(&mut self) {
        if let Some(stopped) = self.stopped.take() {
            self.engine.clock.leave_out(stopped.elapsed());
        }
    }

    /// gdb has left: nothing of it stays in the machine.
    pub fn release(&mut self) {
        for address in std::mem::take(&mut self.breakpoints) {
            self.engine.guest.remove_breakpoint(address);
        }
        for (address, len, kind) in std::mem::take(&mut self.watchpoints) {
            self.engine.guest.remove_watchpoint(address, len, kind);
        }
        self.go();
    }

    fn register(&mut self, id: RiscvRegId<u64>) -> Option<Vec<u8>> {
        let hart = self.hart;
        let machine = &mut *self.engine.guest;
        let value = match id {
            RiscvRegId::Gpr(number) => {
                machine.registers(hart)?.get(usize::from(number)).copied()?
            }
            RiscvRegId::Fpr(number) => machine
                .float_registers(hart)?
                .get(usize::from(number))
                .copied()?,
            RiscvRegId::Pc => machine.hart(hart)?.pc,
            RiscvRegId::Csr(number) => machine.csr(hart, number)?,
            RiscvRegId::Priv => return Some(vec![machine.hart(hart)?.privilege as u8]),
            _ => return None,
        };
        Some(value.to_le_bytes().to_vec())
    }
}

impl Target for Debugged<'_, '_> {
    type Arch = Riscv64;
    type Error = &'static str;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadBase for Debugged<'_, '_> {
    fn read_registers(&mut self, registers: &mut RiscvCoreRegs<u64>) -> TargetResult<(), Self> {
        let machine = &mut *self.engine.guest;
        registers.x = machine.registers(self.hart).ok_or(TargetError::NonFatal)?;
        registers.pc = machine.hart(self.hart).ok_or(TargetError::NonFatal)?.pc;
        Ok(())
    }

    fn write_registers(&mut self, registers: &RiscvCoreRegs<u64>) -> TargetResult<(), Self> {
        let machine = &mut *self.engine.guest;
        for (number, value) in (0..).zip(registers.x) {
            machine.set_register(self.hart, number, value);
        }
        machine.set_pc(self.hart, registers.pc);
        Ok(())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, (), Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, address: u64, bytes: &mut [u8]) -> TargetResult<usize, Self> {
        match self.engine.guest.read_virtual(self.hart, address, bytes) {
            0 if !bytes.is_empty() => Err(TargetError::NonFatal),
            read => Ok(read),
        }
    }

    fn write_addrs(&mut self, address: u64, bytes: &[u8]) -> TargetResult<(), Self> {
        let written = self.engine.guest.write_virtual(self.hart, address, bytes);
        match written == bytes.len() {
            true => Ok(()),
            false => Err(TargetError::NonFatal),
        }
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<()> for Debugged<'_, '_> {
    fn read_register(
        &mut self,
        (): (),
        id: RiscvRegId<u64>,
        out: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let bytes = self.register(id).ok_or(TargetError::NonFatal)?;
        let place = out.get_mut(..bytes.len()).ok_or(TargetError::NonFatal)?;
        place.copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_register(
        &mut self,
        (): (),
        id: RiscvRegId<u64>,
        bytes: &[u8],
    ) -> TargetResult<(), Self> {
        let mut wide = [0; 8];
        let place = wide.get_mut(..bytes.len()).ok_or(TargetError::NonFatal)?;
        place.copy_from_slice(bytes);
        let value = u64::from_le_bytes(wide);
        let (hart, machine) = (self.hart, &mut *self.engine.guest);
        match id {
            RiscvRegId::Gpr(number) => machine.set_register(hart, number, value),
            RiscvRegId::Fpr(number) => machine.set_float_register(hart, number, value),
            RiscvRegId::Pc => machine.set_pc(hart, value),
            RiscvRegId::Csr(number) => machine
                .set_csr(hart, number, value)
                .ok_or(TargetError::NonFatal)?,
            _ => return Err(TargetError::NonFatal),
        }
        Ok(())
    }
}

impl SingleThreadResume for Debugged<'_, '_> {
    fn resume(&mut self, _: Option<Signal>) -> Result<(), Self::Error> {
        self.stepping = false;
        self.go();
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Debugged<'_, '_> {
    fn step(&mut self, _: Option<Signal>) -> Result<(), Self::Error> {
        self.stepping = true;
        self.go();
        Ok(())
    }
}

impl Breakpoints for Debugged<'_, '_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Debugged<'_, '_> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.engine.guest.add_breakpoint(address);
        self.breakpoints.push(address);
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.breakpoints.retain(|other| *other != address);
        Ok(self.engine.guest.remove_breakpoint(address))
    }
}

fn watch_kind(kind: GdbWatch) -> WatchKind {
    match kind {
        GdbWatch::Write => WatchKind::Write,
        GdbWatch::Read => WatchKind::Read,
        GdbWatch::ReadWrite => WatchKind::Access,
    }
}

impl HwWatchpoint for Debugged<'_, '_> {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        len: u64,
        kind: GdbWatch,
    ) -> TargetResult<bool, Self> {
        let kind = watch_kind(kind);
        let added = self
            .engine
            .guest
            .add_watchpoint(self.hart, address, len, kind)
            .is_some();
        if added {
            self.watchpoints.push((address, len, kind));
        }
        Ok(added)
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        len: u64,
        kind: GdbWatch,
    ) -> TargetResult<bool, Self> {
        let gone = (address, len, watch_kind(kind));
        self.watchpoints.retain(|other| *other != gone);
        Ok(self.engine.guest.remove_watchpoint(gone.0, gone.1, gone.2))
    }
}

impl TargetDescriptionXmlOverride for Debugged<'_, '_> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        out: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let text = self.description.as_bytes();
        let start = usize::try_from(offset)
            .unwrap_or(text.len())
            .min(text.len());
        let len = length.min(out.len()).min(text.len() - start);
        out[..len].copy_from_slice(&text[start..start + len]);
        Ok(len)
    }
}
