use std::ffi::OsString;

use super::rewrite;

fn line(text: &str) -> Result<String, String> {
    let words = text.split_whitespace().map(OsString::from).collect();
    let words = rewrite(words).map_err(|error| format!("{error:#}"))?;
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    Ok(words.join(" "))
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    assert_eq!(line(text).as_deref(), Ok(expected));
}

#[track_caller]
fn refused(text: &str, hint: &str) {
    let error = line(text).unwrap_err();
    assert!(error.contains(hint), "{error}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn line_of_a_teaching_kernel_without_firmware() {
    becomes(
        "run qemu-system-riscv64 -machine virt -bios none -kernel K -m 128M -smp 3 -nographic \
         -global virtio-mmio.force-legacy=false -drive file=F,if=none,format=raw,id=x0 \
         -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0",
        "run --bios=none --kernel=K --memory=128M --cpus=3 --block=path=F,format=raw,slot=0",
    );
}

#[test]
fn line_of_a_teaching_kernel_with_firmware_and_loader() {
    becomes(
        "qemu-system-riscv64 -machine virt -nographic -bios B \
         -device loader,file=K,addr=0x80200000 -drive file=F,if=none,format=raw,id=x0 \
         -device virtio-blk-device,drive=x0",
        "run --bios=B --load=file=K,addr=0x80200000 --block=path=F,format=raw",
    );
}

#[test]
fn options_alone_and_two_dashes_mean_run_too() {
    becomes("-M virt -kernel K", "run --kernel=K");
    becomes("--machine virt --nographic --kernel K", "run --kernel K");
    becomes("--kernel K --block F", "run --kernel K --block F");
    becomes("/usr/bin/qemu-system-riscv64 -kernel K", "run --kernel=K");
}

#[test]
fn what_starts_no_machine_is_left_alone() {
    for text in [
        "",
        "--help",
        "--version",
        "test -nographic",
        "completions bash",
    ] {
        becomes(text, text);
    }
}

#[test]
fn value_of_an_option_of_ours_is_never_read_as_an_option() {
    becomes("run --send -nographic", "run --send -nographic");
    becomes("run --append -kernel -nographic", "run --append -kernel");
    becomes("run --console -nographic", "run --console");
    becomes("run -m 128M -m128M -s -S", "run --memory=128M -m128M -s -S");
}

#[test]
fn drive_may_follow_its_device_and_carries_its_properties() {
    becomes(
        "run -device virtio-blk-device,drive=a,serial=S1,id=blk0 -drive id=a,file=x,,y,if=none,readonly=on,cache=none",
        "run --block=path=x,,y,ro,id=S1",
    );
    becomes(
        "run -drive file=F,format=raw",
        "run --block=path=F,format=raw",
    );
    becomes("run -drive file=F,if=virtio", "run --block=path=F");
}

#[test]
fn devices_keep_their_order() {
    becomes(
        "run -drive file=A,if=none,id=a -drive file=B,if=none,id=b -device virtio-rng-device \
         -device virtio-blk-device,drive=b -device virtio-blk-device,drive=a",
        "run --rng --block=path=B --block=path=A",
    );
}

#[test]
fn console_and_serial_port_go_where_they_are_told() {
    becomes(
        "run -chardev stdio,id=c,mux=on -serial none -mon chardev=c,mode=readline \
         -device virtio-serial-device,id=vs,bus=virtio-mmio-bus.2 -device virtconsole,chardev=c,bus=vs.0",
        "run --serial=null --console=stdio,slot=2",
    );
    becomes(
        "run -serial mon:stdio -monitor none -display none",
        "run --serial=stdio",
    );
    becomes("run -serial file:out,1", "run --serial=file=out,,1");
    refused("run -serial stdio -serial stdio", "one serial port");
    refused("run -device virtconsole,chardev=c", "virtio-serial-device");
    refused("run -device virtio-serial-device", "virtconsole");
    refused(
        "run -device virtio-serial-device -device virtconsole",
        "--console",
    );
}

#[test]
fn memory_and_harts_are_read_as_qemu_reads_them() {
    becomes("run -m size=1G -smp cpus=2", "run --memory=1G --cpus=2");
    becomes("run -smp 4,sockets=1,cores=4,threads=1", "run --cpus=4");
    becomes("run -smp cores=2,threads=2", "run --cpus=4");
    refused("run -smp 2,maxcpus=4", "--cpus 2");
    refused("run -smp x", "number");
}

#[test]
fn cpu_chooses_who_updates_accessed_bits() {
    becomes("run -cpu rv64", "run");
    becomes("run -cpu max,zba=on,v=off -kernel K", "run --kernel=K");
    becomes("run -cpu rv64,svadu=off,svade=on", "run --ad-update=svade");
    becomes("run -cpu rv64,svadu=on", "run");
    refused("run -cpu rv64,zba=off", "always there");
    refused("run -cpu rv64,v=on", "v=on");
    refused("run -cpu sifive-u54", "-cpu rv64");
}

#[test]
fn debugging_switches_and_the_rest_of_the_list() {
    becomes(
        "run -s -S -no-reboot -snapshot -gdb tcp::1234 -initrd I -dtb D -accel tcg",
        "run -s -S --no-reboot --snapshot --gdb=tcp::1234 --initrd=I --dtb=D",
    );
}

#[test]
fn what_is_not_there_names_what_to_use() {
    refused("run -netdev user,id=n0", "no network yet");
    refused("run -hda disk.img", "--block FILE");
    refused("run -machine sifive_u", "virt");
    refused("run -machine virt,aia=aplic", "PLIC");
    refused("run -device virtio-blk-pci,drive=a", "virtio-blk-device");
    refused("run -device virtio-net-device,netdev=n0", "no network");
    refused("run -device foo", "virtio-rng-device");
    refused(
        "run -global virtio-mmio.force-legacy=true",
        "force-legacy=false",
    );
    refused("run -global x.y=z", "leave it out");
    refused("run -icount shift=1", "--clock deterministic");
    refused("run -d in_asm", "--trace FILE");
    refused("run -drive file=F,format=qcow2", "qemu-img convert");
    refused("run -drive file=F,if=ide", "if=virtio");
    refused("run -kernal K", "did you mean -kernel");
    refused("run -xyzzy", "--help");
    refused("run -kernel", "needs a value");
    refused("qemu-system-x86_64 -kernel K", "riscv64");
    refused("run -monitor stdio", "no monitor");
}

#[test]
fn references_that_lead_nowhere_are_refused() {
    refused(
        "run -device virtio-blk-device,drive=a",
        "no -drive has id=a",
    );
    refused(
        "run -drive file=F,if=none,id=a",
        "virtio-blk-device,drive=a",
    );
    refused("run -drive file=F,if=none", "needs id=");
    refused("run -drive file=F,id=a -drive file=G,id=a", "two drives");
    refused(
        "run -drive file=F,if=none,id=a -device virtio-blk-device,drive=a \
         -device virtio-blk-device,drive=a",
        "another device",
    );
    refused(
        "run -drive file=F,if=none,id=a -device virtio-blk-device,drive=a,bus=virtio-mmio-bus.8",
        "virtio-mmio-bus.7",
    );
    refused("run -serial chardev:c", "no -chardev has id=c");
}
