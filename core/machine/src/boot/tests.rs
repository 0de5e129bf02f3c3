use alloc::string::ToString;
use alloc::vec;

use super::samples::{EM_RISCV, elf, gzip, image as sample};
use super::*;
use crate::fdt::Tree;

const MIB: u64 = 1 << 20;
const ROM_ENTRY: usize = 24;
const ROM_DTB: usize = 32;
const ROM_NEXT: usize = 56;

fn inputs(boot: &Boot, mib: u64) -> BootInputs<'_> {
    BootInputs {
        boot,
        ram_size: mib * MIB,
        harts: 1,
        extensions: &["i", "m", "a", "c"],
        mmu: Mmu::Sv39,
        rng_seed: [1; 32],
    }
}

fn with_kernel(kernel: Vec<u8>) -> Boot {
    Boot {
        kernel: Some(kernel),
        ..Boot::default()
    }
}

/// Machine code that is neither text nor anything else known.
fn code(len: usize) -> Vec<u8> {
    vec![0x13; len]
}

fn reason(boot: &Boot, mib: u64) -> String {
    plan(&inputs(boot, mib)).unwrap_err().to_string()
}

fn find<'p>(plan: &'p Plan<'_>, what: &str) -> &'p Load<'p> {
    let segment = plan.segments.iter().find(|segment| segment.what == what);
    &segment.unwrap().load
}

fn rom_double(plan: &Plan<'_>, at: usize) -> u64 {
    u64::from_le_bytes(plan.rom[at..at + 8].try_into().unwrap())
}

fn chosen(plan: &Plan<'_>, property: &str) -> Vec<u8> {
    let tree = Tree::parse(&find(plan, "device tree").bytes).unwrap();
    let chosen = tree.root.find("chosen").unwrap();
    chosen.property(property).unwrap().to_vec()
}

/// What every plan promises.
fn check(plan: &Plan<'_>, mib: u64) {
    let mut ranges: Vec<(u64, u64)> = plan
        .segments
        .iter()
        .map(|segment| {
            let load = &segment.load;
            assert!(load.bytes.len() as u64 <= load.memory_size);
            (load.at, load.at + load.memory_size)
        })
        .collect();
    ranges.sort();
    for range in &ranges {
        assert!(range.0 >= RAM_BASE && range.1 <= RAM_BASE + mib * MIB);
    }
    for pair in ranges.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{pair:x?}");
    }
    assert_eq!(find(plan, "device tree").at, plan.dtb);
    assert!(plan.dtb < DTB_LIMIT);
}

#[test]
fn image_begins_in_supervisor_mode_with_hart_and_tree_in_registers() {
    let boot = with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000));
    let plan = plan(&inputs(&boot, 128)).unwrap();
    check(&plan, 128);
    assert_eq!(plan.mode, StartMode::Supervisor);
    assert_eq!(plan.entry, 0x8020_0000);
    assert_eq!(plan.registers, [(A0, 0), (A1, plan.dtb)]);
    let kernel = find(&plan, "kernel");
    assert_eq!((kernel.at, kernel.memory_size), (0x8020_0000, 0x8000));
    assert_eq!(plan.dtb, 0x87e0_0000);
}

#[test]
fn files_of_the_plan_are_not_copied() {
    let boot = Boot {
        initrd: Some(code(100)),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let plan = plan(&inputs(&boot, 64)).unwrap();
    for what in ["kernel", "initrd"] {
        assert!(matches!(find(&plan, what).bytes, Cow::Borrowed(_)));
    }
}

#[test]
fn initrd_lies_half_of_memory_above_the_kernel_and_the_tree_says_where() {
    let boot = Boot {
        initrd: Some(code(5000)),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let small = plan(&inputs(&boot, 128)).unwrap();
    check(&small, 128);
    assert_eq!(find(&small, "initrd").at, 0x8420_0000);
    let start = 0x8420_0000u64;
    assert_eq!(chosen(&small, "linux,initrd-start"), start.to_be_bytes());
    let end = start + 5000;
    assert_eq!(chosen(&small, "linux,initrd-end"), end.to_be_bytes());
    let large = plan(&inputs(&boot, 2048)).unwrap();
    check(&large, 2048);
    assert_eq!(find(&large, "initrd").at, 0xa020_0000);
    assert_eq!(large.dtb, DTB_LIMIT - BIG_PAGE);
}

#[test]
fn initrd_that_does_not_fit_in_the_upper_half_goes_elsewhere() {
    let boot = Boot {
        initrd: Some(code(70 << 20)),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let plan = plan(&inputs(&boot, 128)).unwrap();
    check(&plan, 128);
    let initrd = find(&plan, "initrd");
    assert!(initrd.at > 0x8020_8000 && initrd.at + (70 << 20) <= plan.dtb);
}

#[test]
fn initrd_without_room_is_refused_with_the_remedy() {
    let boot = Boot {
        initrd: Some(code(15 << 20)),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let reason = reason(&boot, 16);
    assert!(
        reason.starts_with("initrd: needs 15728640 bytes"),
        "{reason}"
    );
    assert!(reason.contains("more memory"), "{reason}");
}

#[test]
fn empty_initrd_is_none() {
    let boot = Boot {
        initrd: Some(Vec::new()),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let plan = plan(&inputs(&boot, 16)).unwrap();
    assert!(plan.segments.iter().all(|segment| segment.what != "initrd"));
}

// Hostile inputs, V21.
#[test]
fn kernel_larger_than_memory_is_refused_with_the_remedy() {
    let boot = with_kernel(sample(0x1000, KERNEL_OFFSET, 64 * MIB));
    let reason = reason(&boot, 64);
    assert!(reason.contains("more memory"), "{reason}");
    let boot = with_kernel(sample(0x1000, !0xfff, 0));
    assert!(plan(&inputs(&boot, 64)).is_err());
    let boot = with_kernel(sample(0x1000, KERNEL_OFFSET, u64::MAX));
    assert!(plan(&inputs(&boot, 64)).is_err());
}

#[test]
fn command_line_reaches_generated_and_given_trees() {
    let mut boot = Boot {
        append: "console=ttyS0 quiet".to_string(),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let text = b"console=ttyS0 quiet\0";
    assert_eq!(chosen(&plan(&inputs(&boot, 16)).unwrap(), "bootargs"), text);
    boot.dtb = Some(Tree::default().to_blob());
    let given = plan(&inputs(&boot, 16)).unwrap();
    assert_eq!(chosen(&given, "bootargs"), text);
    boot.dtb = Some(code(64));
    assert_eq!(
        reason(&boot, 16),
        "device tree: has no device tree magic (byte 0x0)"
    );
}

#[test]
fn elf_lies_at_its_own_addresses() {
    let file = elf(
        EM_RISCV,
        RAM_BASE + 0x10,
        &[samples::Load::at(RAM_BASE, 0x20, 0x3000)],
        &[("tohost", RAM_BASE + 0x1000)],
    );
    let boot = Boot {
        firmware: Firmware::None,
        ..with_kernel(gzip(&file))
    };
    let plan = plan(&inputs(&boot, 16)).unwrap();
    check(&plan, 16);
    assert_eq!(plan.mode, StartMode::Machine);
    assert_eq!(plan.entry, 0x1000);
    assert_eq!(rom_double(&plan, ROM_ENTRY), RAM_BASE + 0x10);
    assert_eq!(rom_double(&plan, ROM_DTB), plan.dtb);
    assert_eq!(plan.symbols.tohost, Some(RAM_BASE + 0x1000));
}

// Hostile inputs, V21.
#[test]
fn elf_segments_that_overlap_or_lie_outside_are_refused() {
    let with = |loads: &[samples::Load]| {
        let entry = loads[0].vaddr;
        reason(&with_kernel(elf(EM_RISCV, entry, loads, &[])), 16)
    };
    let overlap = with(&[
        samples::Load::at(RAM_BASE, 0x1000, 0x1000),
        samples::Load::at(RAM_BASE + 0xfff, 1, 1),
    ]);
    assert!(overlap.contains("where the kernel lies"), "{overlap}");
    let user = with(&[samples::Load::at(0x1_0000, 8, 8)]);
    assert!(user.contains("outside the memory"), "{user}");
    let huge = with(&[samples::Load::at(RAM_BASE, 8, u64::MAX - 8)]);
    assert!(huge.contains("outside the memory"), "{huge}");
}

#[test]
fn raw_kernel_begins_where_qemu_puts_it() {
    let mut boot = with_kernel(code(64));
    let entry = |boot: &Boot| plan(&inputs(boot, 16)).unwrap().entry;
    assert_eq!(entry(&boot), 0x8020_0000);
    boot.firmware = Firmware::None;
    assert_eq!(entry(&boot), 0x1000);
    let plan = plan(&inputs(&boot, 16)).unwrap();
    assert_eq!(rom_double(&plan, ROM_ENTRY), RAM_BASE);
}

#[test]
fn firmware_begins_at_the_rom_and_learns_where_the_kernel_is() {
    let boot = Boot {
        firmware: Firmware::Image(code(0x4_0000)),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let plan = plan(&inputs(&boot, 64)).unwrap();
    check(&plan, 64);
    assert_eq!((plan.mode, plan.entry), (StartMode::Machine, 0x1000));
    assert!(plan.registers.is_empty(), "the ROM sets them");
    assert_eq!(find(&plan, "firmware").at, RAM_BASE);
    assert_eq!(rom_double(&plan, ROM_ENTRY), RAM_BASE);
    assert_eq!(rom_double(&plan, ROM_NEXT), 0x8020_0000);
}

#[test]
fn kernel_lies_above_large_firmware() {
    let boot = Boot {
        firmware: Firmware::Image(code(0x20_0001)),
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let plan = plan(&inputs(&boot, 64)).unwrap();
    check(&plan, 64);
    assert_eq!(rom_double(&plan, ROM_NEXT), 0x8040_0000);
}

#[test]
fn file_loaded_where_a_kernel_would_be_is_the_kernel() {
    let mut boot = Boot {
        firmware: Firmware::Image(code(0x1000)),
        loads: vec![(0x8020_0000, code(0x1000))],
        ..Boot::default()
    };
    let below = plan(&inputs(&boot, 16)).unwrap();
    assert_eq!(rom_double(&below, ROM_NEXT), 0x8020_0000);
    boot.firmware = Firmware::BuiltIn;
    let built_in = plan(&inputs(&boot, 16)).unwrap();
    check(&built_in, 16);
    assert_eq!(built_in.entry, 0x8020_0000);
    boot.firmware = Firmware::None;
    assert!(reason(&boot, 16).starts_with("kernel: is missing"));
}

#[test]
fn nothing_to_run_is_an_error_unless_there_is_firmware() {
    assert!(reason(&Boot::default(), 16).starts_with("kernel: is missing"));
    let boot = Boot {
        firmware: Firmware::Image(code(0x1000)),
        ..Boot::default()
    };
    let plan = plan(&inputs(&boot, 16)).unwrap();
    assert_eq!(rom_double(&plan, ROM_NEXT), 0);
}

// Hostile inputs, V21.
#[test]
fn loaded_files_may_not_overlap() {
    let boot = Boot {
        loads: vec![(0x8020_0800, code(16))],
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    assert!(reason(&boot, 16).starts_with("file to load: needs 0x80200800"));
}

// Found by fuzzing: it lay in the middle of the device tree.
#[test]
fn empty_file_cannot_be_loaded() {
    let boot = Boot {
        loads: vec![(0x8060_002e, Vec::new())],
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let expected = "file to load: is empty: there is nothing to load";
    assert_eq!(reason(&boot, 16), expected);
}

#[test]
fn loaded_elf_lies_where_it_says() {
    let file = elf(
        EM_RISCV,
        0x8080_0000,
        &[samples::Load::at(0x8080_0000, 8, 8)],
        &[],
    );
    let boot = Boot {
        loads: vec![(0x10, file)],
        ..with_kernel(sample(0x1000, KERNEL_OFFSET, 0x8000))
    };
    let plan = plan(&inputs(&boot, 16)).unwrap();
    assert_eq!(find(&plan, "file to load").at, 0x8080_0000);
    assert_eq!(plan.entry, 0x8020_0000);
}

#[test]
fn memory_too_small_for_big_pages_still_takes_the_tree() {
    let boot = Boot {
        firmware: Firmware::None,
        ..with_kernel(code(64))
    };
    let plan = plan(&BootInputs {
        ram_size: 0x8000,
        ..inputs(&boot, 1)
    })
    .unwrap();
    assert!(plan.dtb > RAM_BASE && plan.dtb < RAM_BASE + 0x8000);
}
