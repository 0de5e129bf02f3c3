//! The generated device tree before other people's eyes: `dtc` reads it without a warning, and
//! QEMU's tree of its `virt` machine agrees with it about every chip that both have.

use std::io::Write;
use std::process::{Command, Stdio};

use virtarium_machine::fdt::{Description, Mmu, Node, Tree, View};
use virtarium_tests::notes::have;

fn description(harts: usize, view: View) -> Description<'static> {
    Description {
        harts,
        extensions: &[
            "i", "m", "a", "f", "d", "c", "zicbom", "zicbop", "zicboz", "zicntr", "zicsr",
            "zifencei", "zihpm", "sstc", "svadu",
        ],
        mmu: Mmu::Sv57,
        ram_size: 128 << 20,
        bootargs: "console=ttyS0 root=/dev/vda",
        initrd: Some(0x8400_0000..0x8410_0000),
        rng_seed: [7; 32],
        view,
    }
}

#[test]
fn dtc_reads_the_tree_without_a_warning() {
    if !have("dtc", "dtc_reads_the_tree_without_a_warning") {
        return;
    }
    for (harts, view) in [
        (1, View::Supervisor),
        (2, View::Machine),
        (8, View::Supervisor),
    ] {
        let blob = description(harts, view).tree().to_blob();
        let mut dtc = Command::new("dtc")
            .args(["-I", "dtb", "-O", "dts"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dtc runs");
        dtc.stdin
            .take()
            .expect("piped")
            .write_all(&blob)
            .expect("dtc reads");
        let output = dtc.wait_with_output().expect("dtc ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.is_empty(),
            "{harts} harts, {view:?}: {said}"
        );
        let source = String::from_utf8_lossy(&output.stdout);
        for line in [
            "virtio_mmio@10001000 {",
            "stdout-path = \"/soc/serial@10000000\";",
            "riscv,isa-base = \"rv64i\";",
        ] {
            assert!(source.contains(line), "{line}");
        }
    }
}

/// The properties of a node by name, without those that name other nodes by number.
fn plain(node: &Node) -> Vec<(&str, &[u8])> {
    const REFERENCES: [&str; 4] = [
        "phandle",
        "interrupt-parent",
        "interrupts-extended",
        "regmap",
    ];
    let mut properties: Vec<_> = node
        .properties()
        .filter(|(name, _)| !REFERENCES.contains(name))
        .collect();
    properties.sort();
    properties
}

#[test]
fn qemu_describes_the_same_chips() {
    const QEMU: &str = "qemu-system-riscv64";
    if !have(QEMU, "qemu_describes_the_same_chips") {
        return;
    }
    let file = std::env::temp_dir().join(format!("virtarium-{}.dtb", std::process::id()));
    let machine = format!("virt,dumpdtb={}", file.display());
    let dumped = Command::new(QEMU)
        .args(["-machine", &machine, "-smp", "2", "-m", "128M"])
        .args(["-display", "none", "-bios", "none"])
        .output()
        .expect("QEMU runs");
    let blob = std::fs::read(&file);
    let _ = std::fs::remove_file(&file);
    let Ok(blob) = blob else {
        panic!(
            "QEMU wrote no tree: {}",
            String::from_utf8_lossy(&dumped.stderr)
        );
    };
    let theirs = Tree::parse(&blob).expect("QEMU's tree is sound").root;
    let ours = description(2, View::Machine).tree().root;

    let mut paths: Vec<String> = [
        "memory@80000000",
        "poweroff",
        "reboot",
        "soc/rtc@101000",
        "soc/serial@10000000",
        "soc/test@100000",
        "soc/clint@2000000",
        "soc/plic@c000000",
        "cpus/cpu@0/interrupt-controller",
    ]
    .map(String::from)
    .to_vec();
    paths.extend((1..=8).map(|slot| format!("soc/virtio_mmio@1000{slot}000")));
    for path in &paths {
        let (ours, theirs) = (ours.find(path), theirs.find(path));
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            panic!(
                "{path}: {} here, {} there",
                ours.is_some(),
                theirs.is_some()
            );
        };
        // QEMU before 8.1 counted source 0 in, and its harts' controllers lack the other.
        let compared = |node| {
            let mut properties = plain(node);
            properties.retain(|(name, _)| !["riscv,ndev", "#address-cells"].contains(name));
            properties
        };
        assert_eq!(compared(ours), compared(theirs), "{path}");
    }

    let slots = |root: &Node| -> Vec<String> {
        root.find("soc")
            .into_iter()
            .flat_map(|soc| soc.children())
            .map(|node| node.name().to_owned())
            .filter(|name| name.starts_with("virtio_mmio@"))
            .collect()
    };
    assert_eq!(
        slots(&ours),
        slots(&theirs),
        "order decides the disks' names"
    );
}
