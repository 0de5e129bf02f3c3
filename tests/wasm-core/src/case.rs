//! A case as plain data, and its encoding: fields in order, numbers as 64 bits little-endian,
//! strings of bytes behind their lengths, lists behind their counts.

use virtarium_machine::boot::{Boot, Firmware};
use virtarium_machine::cpu::AdUpdate;
use virtarium_machine::machine::{Clock, DeviceConfig, MachineConfig, SlotConfig};
use virtarium_machine::pending::Latency;
use virtarium_machine::time::Ticks;
use virtarium_machine::virtio::{BlockConfig, ConsoleConfig};

/// A machine and its disk.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The machine.
    pub config: MachineConfig,
    /// Bytes of disk 0, a multiple of 512. What is on it at first follows from the size.
    pub disk: u64,
    /// For a [`Streamed`](crate::Streamed) session: the manifest of the image that is on disk 0 at
    /// first. Somebody else has its chunks.
    pub manifest: Option<String>,
}

impl Case {
    /// The bytes that [`Case::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Every field by name: one that is added must be added here.
        let MachineConfig {
            ram_size,
            harts,
            quantum,
            clock,
            instructions_per_tick,
            seed,
            epoch,
            ad_update,
            latency,
            slots,
            boot,
        } = &self.config;
        let mut out = Writer(Vec::new());
        out.number(*ram_size);
        out.number(*harts as u64);
        out.number(*quantum);
        out.number(u64::from(*clock == Clock::Host));
        out.number(*instructions_per_tick);
        out.number(*seed);
        out.number(*epoch);
        out.number(u64::from(*ad_update == AdUpdate::Svade));
        out.number(latency.base.0);
        out.number(latency.bytes_per_tick);
        out.number(slots.len() as u64);
        for SlotConfig { slot, device } in slots {
            out.number(*slot as u64);
            out.device(device);
        }
        out.boot(boot);
        out.number(self.disk);
        out.optional(self.manifest.as_deref().map(str::as_bytes));
        out.0
    }

    /// The case that these bytes stand for.
    ///
    /// # Errors
    /// Names the place where they end too early or mean nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut from = Reader { bytes, at: 0 };
        let config = MachineConfig {
            ram_size: from.number()?,
            harts: from.number()? as usize,
            quantum: from.number()?,
            clock: match from.number()? {
                0 => Clock::Deterministic,
                _ => Clock::Host,
            },
            instructions_per_tick: from.number()?,
            seed: from.number()?,
            epoch: from.number()?,
            ad_update: match from.number()? {
                0 => AdUpdate::Svadu,
                _ => AdUpdate::Svade,
            },
            latency: Latency {
                base: Ticks(from.number()?),
                bytes_per_tick: from.number()?,
            },
            slots: from.list(|from| {
                Ok(SlotConfig {
                    slot: from.number()? as usize,
                    device: from.device()?,
                })
            })?,
            boot: from.boot()?,
        };
        let disk = from.number()?;
        let manifest = from.optional()?.map(text).transpose()?;
        if from.at != bytes.len() {
            return Err(format!("byte {}: the case ends here", from.at));
        }
        Ok(Self {
            config,
            disk,
            manifest,
        })
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.number(u64::from(bytes.is_some()));
        if let Some(bytes) = bytes {
            self.bytes(bytes);
        }
    }

    fn device(&mut self, device: &DeviceConfig) {
        match device {
            DeviceConfig::Block(BlockConfig {
                disk,
                sectors,
                read_only,
                block_size,
                id,
            }) => {
                self.number(0);
                self.number(*disk as u64);
                self.number(*sectors);
                self.number(u64::from(*read_only));
                self.number(u64::from(*block_size));
                self.bytes(id.as_bytes());
            }
            DeviceConfig::Console(ConsoleConfig {
                console,
                cols,
                rows,
            }) => {
                self.number(1);
                self.number(*console as u64);
                self.number(u64::from(*cols));
                self.number(u64::from(*rows));
            }
            DeviceConfig::Entropy => self.number(2),
        }
    }

    fn boot(&mut self, boot: &Boot) {
        let Boot {
            kernel,
            initrd,
            append,
            dtb,
            firmware,
            loads,
        } = boot;
        self.optional(kernel.as_deref());
        self.optional(initrd.as_deref());
        self.bytes(append.as_bytes());
        self.optional(dtb.as_deref());
        match firmware {
            Firmware::BuiltIn => self.number(0),
            Firmware::None => self.number(1),
            Firmware::Image(image) => {
                self.number(2);
                self.bytes(image);
            }
        }
        self.number(loads.len() as u64);
        for (at, bytes) in loads {
            self.number(*at);
            self.bytes(bytes);
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(len);
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| format!("byte {}: {len} more are needed", self.at))?;
        self.at += len;
        Ok(found)
    }

    fn number(&mut self) -> Result<u64, String> {
        let mut value = [0; 8];
        value.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(value))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        let len = self.number()? as usize;
        Ok(self.take(len)?.to_vec())
    }

    fn text(&mut self) -> Result<String, String> {
        text(self.bytes()?)
    }

    fn optional(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.number()? {
            0 => Ok(None),
            _ => self.bytes().map(Some),
        }
    }

    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn device(&mut self) -> Result<DeviceConfig, String> {
        match self.number()? {
            0 => Ok(DeviceConfig::Block(BlockConfig {
                disk: self.number()? as usize,
                sectors: self.number()?,
                read_only: self.number()? != 0,
                block_size: self.number()? as u32,
                id: self.text()?,
            })),
            1 => Ok(DeviceConfig::Console(ConsoleConfig {
                console: self.number()? as usize,
                cols: self.number()? as u16,
                rows: self.number()? as u16,
            })),
            2 => Ok(DeviceConfig::Entropy),
            other => Err(format!("byte {}: there is no device {other}", self.at)),
        }
    }

    fn boot(&mut self) -> Result<Boot, String> {
        Ok(Boot {
            kernel: self.optional()?,
            initrd: self.optional()?,
            append: self.text()?,
            dtb: self.optional()?,
            firmware: match self.number()? {
                0 => Firmware::BuiltIn,
                1 => Firmware::None,
                _ => Firmware::Image(self.bytes()?),
            },
            loads: self.list(|from| Ok((from.number()?, from.bytes()?)))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_survives_its_encoding() {
        let config = MachineConfig {
            harts: 3,
            quantum: 777,
            ad_update: AdUpdate::Svade,
            slots: vec![
                SlotConfig {
                    slot: 7,
                    device: DeviceConfig::Block(BlockConfig {
                        sectors: 99,
                        id: String::from("disk"),
                        ..BlockConfig::default()
                    }),
                },
                SlotConfig {
                    slot: 0,
                    device: DeviceConfig::Console(ConsoleConfig {
                        console: 0,
                        cols: 80,
                        rows: 24,
                    }),
                },
                SlotConfig {
                    slot: 3,
                    device: DeviceConfig::Entropy,
                },
            ],
            boot: Boot {
                kernel: Some(vec![1, 2, 3]),
                append: String::from("console=ttyS0"),
                firmware: Firmware::Image(vec![7]),
                loads: vec![(0x8000_0000, vec![4; 5])],
                ..Boot::default()
            },
            ..MachineConfig::default()
        };
        let case = Case {
            config,
            disk: 99 * 512,
            manifest: Some(String::from("virtarium-chunks 1")),
        };
        let bytes = case.encode();
        let back = Case::decode(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{case:?}"));
        for len in 0..bytes.len() {
            assert!(Case::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
    }
}
