extern crate std;

use alloc::string::ToString;
use alloc::vec;

use super::*;

const EXTENSIONS: [&str; 10] = [
    "i", "m", "a", "f", "d", "c", "zicboz", "zicntr", "zicsr", "sstc",
];

fn description() -> Description<'static> {
    Description {
        harts: 2,
        extensions: &EXTENSIONS,
        mmu: Mmu::Sv57,
        ram_size: 128 << 20,
        bootargs: "console=ttyS0",
        initrd: Some(0x8400_0000..0x8400_1234),
        rng_seed: core::array::from_fn(|byte| byte as u8),
        view: View::Supervisor,
    }
}

fn cells(node: &Node, property: &str) -> Vec<u32> {
    node.property(property)
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|cell| u32::from_be_bytes(*cell))
        .collect()
}

fn text(node: &Node, property: &str) -> String {
    let bytes = node.property(property).unwrap();
    core::str::from_utf8(bytes).unwrap().to_string()
}

#[test]
fn flattened_tree_reads_back_as_it_was() {
    let mut tree = description().tree();
    tree.reserved = vec![(0x8000_0000, 0x20_0000)];
    tree.boot_hart = 1;
    assert_eq!(Tree::parse(&tree.to_blob()), Ok(tree));
}

#[test]
fn chosen_has_command_line_initrd_seed_and_console() {
    let root = description().tree().root;
    let chosen = root.find("chosen").unwrap();
    assert_eq!(text(chosen, "bootargs"), "console=ttyS0\0");
    assert_eq!(cells(chosen, "linux,initrd-start"), [0, 0x8400_0000]);
    assert_eq!(cells(chosen, "linux,initrd-end"), [0, 0x8400_1234]);
    assert_eq!(chosen.property("rng-seed").map(<[u8]>::len), Some(32));
    let stdout = text(chosen, "stdout-path");
    assert!(root.find(stdout.trim_end_matches('\0')).is_some());
}

#[test]
fn absent_command_line_and_initrd_leave_no_property() {
    let root = Description {
        bootargs: "",
        initrd: None,
        ..description()
    }
    .tree()
    .root;
    let chosen = root.find("chosen").unwrap();
    assert_eq!(chosen.property("bootargs"), None);
    assert_eq!(chosen.property("linux,initrd-start"), None);
}

#[test]
fn harts_announce_extensions_in_both_forms() {
    let root = description().tree().root;
    assert_eq!(root.find("cpus").unwrap().children().len(), 3);
    let hart = root.find("cpus/cpu@1").unwrap();
    assert_eq!(
        text(hart, "riscv,isa"),
        "rv64imafdc_zicboz_zicntr_zicsr_sstc\0"
    );
    assert_eq!(text(hart, "riscv,isa-base"), "rv64i\0");
    assert_eq!(
        text(hart, "riscv,isa-extensions"),
        "i\0m\0a\0f\0d\0c\0zicboz\0zicntr\0zicsr\0sstc\0"
    );
    assert_eq!(text(hart, "mmu-type"), "riscv,sv57\0");
    assert_eq!(cells(hart, "riscv,cboz-block-size"), [64]);
    assert_eq!(hart.property("riscv,cbom-block-size"), None);
}

#[test]
fn all_slots_are_listed_in_descending_order() {
    let root = description().tree().root;
    let slots: Vec<&Node> = root
        .find("soc")
        .unwrap()
        .children()
        .iter()
        .filter(|node| node.name().starts_with("virtio_mmio@"))
        .collect();
    let irqs: Vec<u32> = slots
        .iter()
        .map(|slot| cells(slot, "interrupts")[0])
        .collect();
    assert_eq!(irqs, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(slots[0].name(), "virtio_mmio@10008000");
    assert_eq!(cells(slots[0], "reg"), [0, 0x1000_8000, 0, 0x1000]);
}

#[test]
fn machine_contexts_of_the_plic_are_for_machine_mode_only() {
    let contexts = |view| {
        let root = Description {
            view,
            ..description()
        }
        .tree()
        .root;
        let cells = cells(
            root.find("soc/plic@c000000").unwrap(),
            "interrupts-extended",
        );
        cells.iter().skip(1).step_by(2).copied().collect::<Vec<_>>()
    };
    assert_eq!(contexts(View::Machine), [11, 9, 11, 9]);
    assert_eq!(contexts(View::Supervisor), [u32::MAX, 9, u32::MAX, 9]);
}

#[test]
fn references_point_at_nodes() {
    let root = description().tree().root;
    let phandle = |path: &str| cells(root.find(path).unwrap(), "phandle")[0];
    let plic = phandle("soc/plic@c000000");
    let serial = root.find("soc/serial@10000000").unwrap();
    assert_eq!(cells(serial, "interrupt-parent"), [plic]);
    let poweroff = root.find("poweroff").unwrap();
    assert_eq!(cells(poweroff, "regmap"), [phandle("soc/test@100000")]);
    let clint = cells(
        root.find("soc/clint@2000000").unwrap(),
        "interrupts-extended",
    );
    let first = phandle("cpus/cpu@0/interrupt-controller");
    let second = phandle("cpus/cpu@1/interrupt-controller");
    assert_eq!(clint, [first, 3, first, 7, second, 3, second, 7]);
    let core = root.find("cpus/cpu-map/cluster0/core1").unwrap();
    assert_eq!(cells(core, "cpu"), [phandle("cpus/cpu@1")]);
}

#[test]
fn zero_byte_in_a_string_ends_it() {
    let tree = Tree {
        root: Node::new("").string("bootargs", "a\0b"),
        ..Tree::default()
    };
    let back = Tree::parse(&tree.to_blob()).unwrap();
    assert_eq!(back.root.property("bootargs"), Some(&b"a\0"[..]));
}

#[test]
fn tree_of_the_users_keeps_all_but_the_command_line() {
    let mut own = description().tree();
    own.reserved = vec![(0x9000_0000, 0x1000)];
    let blob = with_chosen(&own.to_blob(), "quiet", Some(&(0x9000..0xa000))).unwrap();
    let changed = Tree::parse(&blob).unwrap();
    let chosen = changed.root.find("chosen").unwrap();
    assert_eq!(text(chosen, "bootargs"), "quiet\0");
    assert_eq!(cells(chosen, "linux,initrd-end"), [0, 0xa000]);
    assert_eq!(changed.reserved, own.reserved);
    assert_eq!(changed.root.find("soc"), own.root.find("soc"));
    let untouched = with_chosen(&own.to_blob(), "", None).unwrap();
    assert_eq!(untouched, own.to_blob());
}

#[test]
fn tree_without_chosen_gets_one() {
    let own = Tree::default().to_blob();
    let tree = Tree::parse(&with_chosen(&own, "quiet", None).unwrap()).unwrap();
    assert_eq!(
        text(tree.root.find("chosen").unwrap(), "bootargs"),
        "quiet\0"
    );
}

/// A blob whose structure block is `words`, with room for names.
fn blob(words: &[u32]) -> Vec<u8> {
    let structure: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let total = 56 + structure.len() + 8;
    let mut blob = Vec::new();
    let strings = 56 + structure.len();
    for word in [
        0xd00d_feed,
        total as u32,
        56,
        strings as u32,
        40,
        17,
        16,
        0,
        8,
        structure.len() as u32,
    ] {
        blob.extend_from_slice(&u32::to_be_bytes(word));
    }
    blob.extend_from_slice(&[0; 16]);
    blob.extend_from_slice(&structure);
    blob.extend_from_slice(b"abcdefg\0");
    blob
}

// Hostile inputs, V21.
#[test]
fn trees_that_lie_are_refused_with_the_place() {
    let reason = |blob: &[u8]| Tree::parse(blob).unwrap_err().to_string();
    assert_eq!(reason(b""), "is truncated (byte 0x0)");
    assert_eq!(reason(&[0; 64]), "has no device tree magic (byte 0x0)");
    assert_eq!(
        reason(&blob(&[2])),
        "closes a node that is not open (byte 0x38)"
    );
    assert_eq!(reason(&blob(&[9])), "ends within a node (byte 0x38)");
    assert_eq!(reason(&blob(&[7])), "has an unknown token (byte 0x38)");
    assert_eq!(
        reason(&blob(&[3, 0, 0])),
        "has a property outside any node (byte 0x38)"
    );
    assert_eq!(
        reason(&blob(&[1, 0, 3, u32::MAX, 0])),
        "has a property that ends outside (byte 0x40)"
    );
    assert_eq!(
        reason(&blob(&[1, 0, 3, 0, 100])),
        "has a name outside (byte 0x64)"
    );
    let endless = [&[1][..], &[0x6161_6161; 64]].concat();
    assert_eq!(
        reason(&blob(&endless)),
        "has a name without an end (byte 0x3c)"
    );
    let deep: Vec<u32> = [1, 0].repeat(MAX_DEPTH + 1);
    assert_eq!(
        reason(&blob(&deep)).split('(').next(),
        Some("is nested too deeply ")
    );
    let mut short = description().tree().to_blob();
    short.pop();
    assert_eq!(reason(&short), "is shorter than its header says (byte 0x4)");
}

// Hostile inputs, V21.
#[test]
fn every_truncation_and_bit_flip_of_a_tree_is_survived() {
    let good = Tree {
        root: Node::new("")
            .string("a", "b")
            .node(Node::new("c").cells("d", &[1, 2])),
        ..Tree::default()
    }
    .to_blob();
    for end in 0..good.len() {
        assert!(Tree::parse(&good[..end]).is_err());
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(tree) = Tree::parse(&bad) {
            // What was accepted can be written.
            tree.to_blob();
        }
    }
}

/// A blob with another word in its header.
fn with_header(blob: &[u8], word: usize, value: u32) -> Vec<u8> {
    let mut blob = blob.to_vec();
    blob[4 * word..4 * word + 4].copy_from_slice(&value.to_be_bytes());
    blob
}

// Hostile inputs, V21. Devicetree Specification 0.4, 5.2: the words of the header.
#[test]
fn header_of_a_tree_that_lies_about_its_parts_is_refused() {
    let good = description().tree().to_blob();
    let len = good.len() as u32;
    for (word, name) in [(2, "structure"), (3, "strings"), (4, "reserved")] {
        for value in [len, len + 1, len + 8, 1 << 31, u32::MAX - 7, u32::MAX] {
            // Strings may begin at the end, where there is room for none.
            let bad = with_header(&good, word, value);
            assert!(Tree::parse(&bad).is_err(), "{name} at {value:#x}");
        }
    }
    for total in [len + 1, 1 << 21 | 1, 1 << 31, u32::MAX, 39, 8, 0] {
        assert!(Tree::parse(&with_header(&good, 1, total)).is_err());
    }
    // Parts within one another are read as what they are then, or refused.
    for word in 2..=4 {
        for value in 0..len {
            if let Ok(tree) = Tree::parse(&with_header(&good, word, value)) {
                assert!(tree.to_blob().len() < 20 * good.len());
            }
        }
    }
}

// Hostile inputs, V21.
#[test]
fn reserved_memory_without_an_end_is_refused() {
    let good = description().tree().to_blob();
    let mut endless = good.clone();
    endless.extend([1; 4096]);
    let len = endless.len() as u32;
    let endless = with_header(&endless, 1, len);
    let endless = with_header(&endless, 4, good.len() as u32);
    let reason = Tree::parse(&endless).unwrap_err().to_string();
    assert!(reason.starts_with("is truncated"), "{reason}");
}

// Hostile inputs, V21.
#[test]
fn tree_of_a_hundred_thousand_names_costs_no_more_than_its_length() {
    // Each name is the end of another one. Each compared with each would take half a minute.
    let start = std::time::Instant::now();
    let mut structure = vec![1, 0];
    let count = 150_000;
    for nth in 0..count {
        structure.extend([3, 0, nth]);
    }
    structure.extend([2, 9]);
    let mut words = blob(&structure);
    words.truncate(words.len() - 8);
    let strings = (0..count + 256).map(|nth| match nth % 200 {
        199 => 0,
        _ => b'a' + (nth.wrapping_mul(2_654_435_761) >> 24) as u8 % 26,
    });
    words.extend(strings);
    let len = words.len() as u32;
    let tree = Tree::parse(&with_header(&words, 1, len)).unwrap();
    assert_eq!(tree.root.properties().count(), count as usize);
    assert!(tree.to_blob().len() < 128 * words.len());
    assert!(start.elapsed().as_secs() < 10);
}
