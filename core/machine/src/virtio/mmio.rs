//! The virtio-mmio transport, version 2 (4.2): one for all devices.
//!
//! Registers, feature negotiation, device status and interrupts live here and nowhere else. A
//! device is reached only while the driver has it running.

use alloc::vec::Vec;

use super::device::{DeviceCtx, DeviceKind, MAX_QUEUES, VirtioDevice};
use super::queue::{Area, Queue, QueueError};
use super::regs::{CONFIG, Features, MAGIC, Register, VENDOR, VERSION, interrupt, status};
use crate::bus::{Ctx, Device};
use crate::host::BlockResult;
use crate::map::VIRTIO_IRQ;
use crate::mem::Width;

/// A virtio-mmio slot: the registers, with or without a device behind them.
#[derive(Clone, Debug, Hash)]
pub struct Slot {
    index: usize,
    device: Option<DeviceKind>,
    status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    /// As the driver wrote them, all 128, so that a bit that nobody offered is not lost.
    driver_features: u128,
    queue_sel: u32,
    queues: Vec<Queue>,
    interrupt_status: u32,
    config_generation: u32,
}

/// What the driver must have said before the device reads its rings. Not ACKNOWLEDGE, which tells
/// the device nothing: U-Boot leaves it out after its second reset, and other devices serve it.
const NEEDED: u32 = status::DRIVER | status::FEATURES_OK | status::DRIVER_OK;
/// What stops a device until its reset.
const STOPPED: u32 = status::DEVICE_NEEDS_RESET | status::FAILED;

impl Slot {
    /// A slot without a device: its device ID reads as zero, which drivers pass over (4.2.3.1.1).
    pub fn empty(index: usize) -> Self {
        Self {
            index,
            device: None,
            status: 0,
            device_features_sel: 0,
            driver_features_sel: 0,
            driver_features: 0,
            queue_sel: 0,
            queues: Vec::new(),
            interrupt_status: 0,
            config_generation: 0,
        }
    }

    /// A slot with a device, in the state after a reset.
    pub fn new(index: usize, device: DeviceKind) -> Self {
        let sizes = device.device().queue_sizes();
        debug_assert!(sizes.len() <= MAX_QUEUES);
        Self {
            queues: sizes.iter().map(|max| Queue::new(*max)).collect(),
            device: Some(device),
            ..Self::empty(index)
        }
    }

    /// The slot's number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The interrupt source of the slot: 1 for slot 0.
    pub fn irq(&self) -> u32 {
        VIRTIO_IRQ + self.index as u32
    }

    /// The device, if there is one.
    pub fn device(&self) -> Option<&DeviceKind> {
        self.device.as_ref()
    }

    /// Whether the driver has the device running.
    pub fn is_running(&self) -> bool {
        self.status & (NEEDED | STOPPED) == NEEDED
    }

    /// The machine is switched off and on again: the configuration stays, all else is gone.
    pub fn reset(&mut self, cx: &mut Ctx<'_>) {
        self.reset_device(cx);
        if let Some(device) = &mut self.device {
            device.device_mut().power_cycle();
        }
    }

    /// A request of this slot has its result. A tag that is not under way is ignored.
    pub fn complete(&mut self, tag: u32, result: BlockResult, cx: &mut Ctx<'_>) {
        self.serve(cx, |device, cx| device.complete(tag, result, cx));
    }

    /// Bytes for the guest to read from a console; returns how many were taken, zero if the
    /// device is none.
    pub fn console_input(&mut self, bytes: &[u8], cx: &mut Ctx<'_>) -> usize {
        let Some(DeviceKind::Console(console)) = &mut self.device else {
            return 0;
        };
        let taken = console.type_ahead(bytes);
        self.serve(cx, |device, cx| device.notify(super::console::RECEIVE, cx));
        taken
    }

    /// The terminal behind a console has a new size, in characters.
    pub fn resize(&mut self, cols: u16, rows: u16, cx: &mut Ctx<'_>) {
        if let Some(DeviceKind::Console(console)) = &mut self.device
            && console.resize(cols, rows)
        {
            // 4.2.2.1: a driver that read one field before and one after can tell.
            self.config_generation = self.config_generation.wrapping_add(1);
            self.announce_config_change();
            self.drive_line(cx);
        }
    }

    fn offered(&self) -> Features {
        match &self.device {
            Some(device) => device.device().features().with(Features::TRANSPORT),
            None => Features::default(),
        }
    }

    /// What was negotiated: FEATURES_OK saw to it that nothing is in it that was not offered.
    fn features(&self) -> Features {
        Features(self.driver_features as u64)
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::try_from(self.queue_sel).ok()?)
    }

    /// Lets the device work, if the driver has it running; then decides on interrupts.
    fn serve(
        &mut self,
        cx: &mut Ctx<'_>,
        work: impl FnOnce(&mut dyn VirtioDevice, &mut DeviceCtx<'_>) -> Result<(), QueueError>,
    ) {
        if !self.is_running() {
            return;
        }
        let features = self.features();
        let Some(device) = &mut self.device else {
            return;
        };
        let mut left = [0; MAX_QUEUES];
        for (left, queue) in left.iter_mut().zip(&self.queues) {
            *left = queue.entries();
        }
        let mut result = work(
            device.device_mut(),
            &mut DeviceCtx {
                memory: cx.memory,
                features,
                host: &mut *cx.host,
                slot: self.index,
                now: cx.now,
                pending: &mut *cx.pending,
                queues: &mut self.queues,
                left,
            },
        );
        // What was used before an error is announced as well.
        for queue in &mut self.queues {
            match queue.take_notification(&cx.memory, features) {
                Ok(true) => self.interrupt_status |= interrupt::USED_BUFFER,
                Ok(false) => {}
                Err(error) => result = Err(error),
            }
        }
        if result.is_err() {
            self.fail(cx);
        }
        self.drive_line(cx);
    }

    /// 2.1.2: the device cannot go on, and says so.
    fn fail(&mut self, cx: &mut Ctx<'_>) {
        self.status |= status::DEVICE_NEEDS_RESET;
        self.announce_config_change();
        self.cancel(cx);
        self.drive_line(cx);
    }

    /// No notification before DRIVER_OK (2.1.2).
    fn announce_config_change(&mut self) {
        if self.status & status::DRIVER_OK != 0 {
            self.interrupt_status |= interrupt::CONFIG_CHANGE;
        }
    }

    fn drive_line(&self, cx: &mut Ctx<'_>) {
        cx.lines.set(self.irq(), self.interrupt_status != 0);
    }

    /// Takes back all that is under way; results that come later find nobody.
    fn cancel(&mut self, cx: &mut Ctx<'_>) {
        cx.pending.cancel_slot(cx.host, self.index);
        if let Some(device) = &mut self.device {
            device.device_mut().reset();
        }
    }

    /// 2.4.1, 4.2.2.1: as the driver asks by writing zero to Status.
    fn reset_device(&mut self, cx: &mut Ctx<'_>) {
        self.cancel(cx);
        self.status = 0;
        self.device_features_sel = 0;
        self.driver_features_sel = 0;
        self.driver_features = 0;
        self.queue_sel = 0;
        self.interrupt_status = 0;
        for queue in &mut self.queues {
            queue.reset();
        }
        self.drive_line(cx);
    }

    fn write_status(&mut self, value: u32, cx: &mut Ctx<'_>) {
        if value == 0 {
            return self.reset_device(cx);
        }
        // 2.1.1: a driver sets bits, one step after the other, and clears none; what it leaves out
        // stays set, and a step whose predecessor is missing does not happen.
        let old = self.status;
        self.status |= value & (status::ACKNOWLEDGE | status::DRIVER | status::FAILED);
        if value & status::FEATURES_OK != 0
            && self.status & status::DRIVER != 0
            && self.features_are_acceptable()
        {
            self.status |= status::FEATURES_OK;
        }
        if value & status::DRIVER_OK != 0 && (self.status | status::DRIVER_OK) & NEEDED == NEEDED {
            self.status |= status::DRIVER_OK;
        }
        if (old ^ self.status) & status::FAILED != 0 {
            // 2.1: the driver has given up on the device, and so on what is under way.
            self.cancel(cx);
        }
        if (old ^ self.status) & status::DRIVER_OK != 0 {
            // Whatever the driver made available, and even notified, before it was time.
            for queue in 0..self.queues.len() {
                self.serve(cx, |device, cx| device.notify(queue, cx));
            }
        }
    }

    /// 2.2.2. A driver that leaves VERSION_1 out is served all the same, as 6.2 allows: there are
    /// many that only ever look at the first 32 bits, and over MMIO version 2 nothing differs.
    fn features_are_acceptable(&self) -> bool {
        self.driver_features & !u128::from(self.offered().0) == 0
    }

    fn write_driver_features(&mut self, value: u32) {
        // 3.1.1: negotiation ends with FEATURES_OK. Windows above the fourth hold no features.
        if self.status & status::FEATURES_OK == 0 && self.driver_features_sel < 4 {
            let shift = self.driver_features_sel * 32;
            self.driver_features &= !(u128::from(u32::MAX) << shift);
            self.driver_features |= u128::from(value) << shift;
        }
    }

    fn write_ready(&mut self, value: u32, cx: &mut Ctx<'_>) {
        let memory = cx.memory;
        let Some(queue) = self.queue() else {
            return;
        };
        if value & 1 == 0 {
            if queue.is_ready() {
                self.stop_queue(cx);
                if let Some(queue) = self.queue() {
                    queue.disable();
                }
            }
        } else if !queue.enable(&memory) {
            self.fail(cx);
        }
    }

    /// 2.6.1: back to the defaults at once, so that the register reads as zero again.
    fn write_queue_reset(&mut self, value: u32, cx: &mut Ctx<'_>) {
        if value & 1 == 0 || !self.features().contains(Features::RING_RESET) {
            return;
        }
        self.stop_queue(cx);
        if let Some(queue) = self.queue() {
            queue.reset();
        }
    }

    /// Takes back what the selected queue has under way.
    fn stop_queue(&mut self, cx: &mut Ctx<'_>) {
        let (Some(device), Ok(queue)) = (&mut self.device, usize::try_from(self.queue_sel)) else {
            return;
        };
        if queue >= self.queues.len() {
            return;
        }
        for tag in device.device_mut().reset_queue(queue) {
            cx.pending.cancel_tag(cx.host, self.index, tag);
        }
    }

    fn read_register(&mut self, register: Register) -> u32 {
        if self.device.is_none() {
            return match register {
                Register::MagicValue => MAGIC,
                Register::Version => VERSION,
                Register::VendorId => VENDOR,
                _ => 0,
            };
        }
        match register {
            Register::MagicValue => MAGIC,
            Register::Version => VERSION,
            Register::DeviceId => self.device.as_ref().map_or(0, |d| d.device().id()),
            Register::VendorId => VENDOR,
            Register::DeviceFeatures => match self.device_features_sel {
                0 => self.offered().0 as u32,
                1 => (self.offered().0 >> 32) as u32,
                _ => 0,
            },
            Register::QueueSizeMax => self.queue().map_or(0, |q| u32::from(q.max())),
            Register::QueueReady => self.queue().map_or(0, |q| u32::from(q.is_ready())),
            Register::InterruptStatus => self.interrupt_status,
            Register::Status => self.status,
            // 4.2.2: there are no shared memory regions.
            Register::ShmLenLow
            | Register::ShmLenHigh
            | Register::ShmBaseLow
            | Register::ShmBaseHigh => u32::MAX,
            // A queue reset is over when the write returns.
            Register::QueueReset => 0,
            Register::ConfigGeneration => self.config_generation,
            _ => 0,
        }
    }

    fn write_register(&mut self, register: Register, value: u32, cx: &mut Ctx<'_>) {
        match register {
            Register::DeviceFeaturesSel => self.device_features_sel = value,
            Register::DriverFeatures => self.write_driver_features(value),
            Register::DriverFeaturesSel => self.driver_features_sel = value,
            Register::QueueSel => self.queue_sel = value,
            Register::QueueSize => {
                if let Some(queue) = self.queue() {
                    queue.set_size(value);
                }
            }
            Register::QueueReady => self.write_ready(value, cx),
            Register::QueueNotify => {
                let queue = value as usize;
                if queue < self.queues.len() {
                    self.serve(cx, |device, cx| device.notify(queue, cx));
                }
            }
            Register::InterruptAck => {
                self.interrupt_status &= !value;
                self.drive_line(cx);
            }
            Register::Status => self.write_status(value, cx),
            Register::QueueDescLow => self.write_address(Area::Descriptors, false, value),
            Register::QueueDescHigh => self.write_address(Area::Descriptors, true, value),
            Register::QueueDriverLow => self.write_address(Area::Driver, false, value),
            Register::QueueDriverHigh => self.write_address(Area::Driver, true, value),
            Register::QueueDeviceLow => self.write_address(Area::Device, false, value),
            Register::QueueDeviceHigh => self.write_address(Area::Device, true, value),
            Register::QueueReset => self.write_queue_reset(value, cx),
            // ShmSel: no region, so none to select; the others cannot be written.
            _ => {}
        }
    }

    fn write_address(&mut self, area: Area, high: bool, value: u32) {
        if let Some(queue) = self.queue() {
            queue.set_address(area, high, value);
        }
    }
}

impl Device for Slot {
    fn read(&mut self, offset: u64, width: Width, _: &mut Ctx<'_>) -> u64 {
        if let Some(offset) = offset.checked_sub(CONFIG) {
            let mut bytes = [0; 8];
            if let Some(device) = &self.device
                && let Some(out) = bytes.get_mut(..width.bytes() as usize)
            {
                device.device().read_config(offset, out);
            }
            return u64::from_le_bytes(bytes);
        }
        // 4.2.2.2: control registers are accessed 32 bits at a time, aligned.
        match Register::readable(offset) {
            Some(register) if width == Width::B4 => u64::from(self.read_register(register)),
            _ => 0,
        }
    }

    fn write(&mut self, offset: u64, width: Width, value: u64, cx: &mut Ctx<'_>) {
        let Some(device) = &mut self.device else {
            return;
        };
        if let Some(offset) = offset.checked_sub(CONFIG) {
            let bytes = value.to_le_bytes();
            let bytes = bytes.get(..width.bytes() as usize).unwrap_or_default();
            device.device_mut().write_config(offset, bytes, cx.host);
            return;
        }
        match Register::writable(offset) {
            Some(register) if width == Width::B4 => self.write_register(register, value as u32, cx),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
