//! What gdb sees of a machine: its harts as threads, registers, memory by virtual address.

use std::collections::BTreeSet;
use std::time::Instant;

use gdbstub::common::Tid;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{MultiThreadBase, MultiThreadResumeOps};
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use gdbstub_arch::riscv::Riscv64;
use gdbstub_arch::riscv::reg::RiscvCoreRegs;
use gdbstub_arch::riscv::reg::id::RiscvRegId;
use virtarium_machine::machine::{Activity, Machine, Pace};

use super::description;
use super::session::tid;
use crate::run::end::End;
use crate::run::engine::Engine;

/// A machine under gdb's control.
pub struct Debugged<'a, 'b> {
    /// The machine and what is around it.
    pub engine: &'a mut Engine<'b, Machine>,
    /// The hart that gdb looked at last, or that stopped.
    pub shown: usize,
    /// How the machine ended, once it has.
    pub ended: Option<End>,
    /// What gdb wants of each hart when the machine goes on.
    pub(super) paces: Vec<Option<Pace>>,
    /// Whether the harts of which it wants nothing stay where they are.
    pub(super) locked: bool,
    /// The hart that has stopped behind a watched access. gdb for RISC-V takes it to stand
    /// before the access, and steps over that before it looks at the values.
    pub(super) watched: Option<usize>,
    /// The hart whose step is made already: that one.
    pub(super) stepped: Option<usize>,
    /// Breakpoints of either kind.
    pub(super) software: BTreeSet<u64>,
    pub(super) hardware: BTreeSet<u64>,
    /// Since when the machine is stopped.
    stopped: Option<Instant>,
    description: String,
}

impl<'a, 'b> Debugged<'a, 'b> {
    /// A machine that gdb finds stopped.
    pub fn new(engine: &'a mut Engine<'b, Machine>) -> Self {
        let description = description::xml(engine.guest);
        Self {
            shown: engine.guest.current_hart(),
            ended: None,
            paces: vec![None; engine.guest.harts().len()],
            locked: false,
            watched: None,
            stepped: None,
            software: BTreeSet::new(),
            hardware: BTreeSet::new(),
            stopped: Some(Instant::now()),
            description,
            engine,
        }
    }

    /// The machine has stopped because of this hart.
    pub fn stop(&mut self, hart: usize) {
        self.shown = hart;
        self.stopped = Some(Instant::now());
    }

    /// The machine goes on: the time in between is none of the guest's.
    pub(super) fn go(&mut self) {
        if let Some(stopped) = self.stopped.take() {
            self.engine.leave_out(stopped.elapsed());
        }
    }

    /// Whether the machine has not stopped since it last went on.
    pub fn is_running(&self) -> bool {
        self.stopped.is_none()
    }

    /// gdb has left: nothing of it stays in the machine.
    pub fn release(&mut self) {
        self.engine.guest.release();
        self.go();
    }

    /// Whether the breakpoint before which a hart stands is a hardware breakpoint to gdb.
    pub fn is_hardware(&self, hart: usize) -> bool {
        let pc = self.engine.guest.hart(hart).map(|hart| hart.pc);
        pc.is_some_and(|pc| !self.software.contains(&pc))
    }

    pub(super) fn set_pace(&mut self, tid: Tid, pace: Pace) -> Result<(), &'static str> {
        let place = self.paces.get_mut(tid.get() - 1);
        *place.ok_or("there is no such hart")? = Some(pace);
        Ok(())
    }

    /// The hart that gdb asks for, and its machine.
    fn hart(&mut self, tid: Tid) -> TargetResult<(usize, &mut Machine), Self> {
        let hart = tid.get() - 1;
        if hart >= self.paces.len() {
            return Err(TargetError::NonFatal);
        }
        self.shown = hart;
        Ok((hart, self.engine.guest))
    }
}

impl Target for Debugged<'_, '_> {
    type Arch = Riscv64;
    type Error = &'static str;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
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

impl MultiThreadBase for Debugged<'_, '_> {
    fn read_registers(
        &mut self,
        registers: &mut RiscvCoreRegs<u64>,
        tid: Tid,
    ) -> TargetResult<(), Self> {
        let (hart, machine) = self.hart(tid)?;
        registers.x = machine.registers(hart).ok_or(TargetError::NonFatal)?;
        registers.pc = machine.hart(hart).ok_or(TargetError::NonFatal)?.pc;
        Ok(())
    }

    fn write_registers(
        &mut self,
        registers: &RiscvCoreRegs<u64>,
        tid: Tid,
    ) -> TargetResult<(), Self> {
        let (hart, machine) = self.hart(tid)?;
        for (number, value) in (0..).zip(registers.x) {
            machine.set_register(hart, number, value);
        }
        machine.set_pc(hart, registers.pc);
        Ok(())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(
        &mut self,
        address: u64,
        bytes: &mut [u8],
        tid: Tid,
    ) -> TargetResult<usize, Self> {
        let (hart, machine) = self.hart(tid)?;
        match machine.read_virtual(hart, address, bytes) {
            0 if !bytes.is_empty() => Err(TargetError::NonFatal),
            read => Ok(read),
        }
    }

    fn write_addrs(&mut self, address: u64, bytes: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let (hart, machine) = self.hart(tid)?;
        match machine.write_virtual(hart, address, bytes) == bytes.len() {
            true => Ok(()),
            false => Err(TargetError::NonFatal),
        }
    }

    fn list_active_threads(&mut self, each: &mut dyn FnMut(Tid)) -> Result<(), Self::Error> {
        (0..self.paces.len()).for_each(|hart| each(tid(hart)));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl ThreadExtraInfo for Debugged<'_, '_> {
    fn thread_extra_info(&self, tid: Tid, out: &mut [u8]) -> Result<usize, Self::Error> {
        let (id, machine) = (tid.get() - 1, &*self.engine.guest);
        let (Some(hart), Some(activity)) = (machine.hart(id), machine.activity(id)) else {
            return Ok(0);
        };
        let activity = match activity {
            Activity::Running => "running",
            Activity::Waiting => "waits for an interrupt",
            Activity::Suspended => "suspended",
            Activity::Stopped => "stopped",
        };
        let text = format!("hart {id}, {:?} mode, {activity}", hart.privilege);
        let len = text.len().min(out.len());
        out[..len].copy_from_slice(&text.as_bytes()[..len]);
        Ok(len)
    }
}

impl SingleRegisterAccess<Tid> for Debugged<'_, '_> {
    fn read_register(
        &mut self,
        tid: Tid,
        id: RiscvRegId<u64>,
        out: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let (hart, machine) = self.hart(tid)?;
        let bytes = register(machine, hart, id).ok_or(TargetError::NonFatal)?;
        let place = out.get_mut(..bytes.len()).ok_or(TargetError::NonFatal)?;
        place.copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_register(
        &mut self,
        tid: Tid,
        id: RiscvRegId<u64>,
        bytes: &[u8],
    ) -> TargetResult<(), Self> {
        let mut wide = [0; 8];
        let place = wide.get_mut(..bytes.len()).ok_or(TargetError::NonFatal)?;
        place.copy_from_slice(bytes);
        let value = u64::from_le_bytes(wide);
        let (hart, machine) = self.hart(tid)?;
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

/// A register of a hart, little-endian.
fn register(machine: &mut Machine, hart: usize, id: RiscvRegId<u64>) -> Option<Vec<u8>> {
    let value = match id {
        RiscvRegId::Gpr(number) => machine.registers(hart)?.get(usize::from(number)).copied()?,
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
