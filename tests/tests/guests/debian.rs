//! Guest (b): a Debian system with systemd, from its first boot to a package of its user's.
//!
//! Half a minute of a processor, so it is part of each run; two and a half more, once, where the
//! cache does not have the guest.

use std::path::Path;

use virtarium::args::{self, Command};
use virtarium::image::command::Source;
use virtarium::image::{convert, store::Store};
use virtarium::{run, suite};
use virtarium_tests::notes::counted;

const SUITE: &str = r#"
[[test]]
name = "Debian runs Python and installs a package"
guest = "debian"
# It comes before the guest's own disk, which thereby is another one than usual.
disks = ["packages.img,ro"]
script = [
  { expect = "virtarium login: " },
  { send = "root\n" },
  { expect = "root@virtarium:~# " },
  { send = "cat /proc/1/comm\n" },
  { expect = "^systemd\r?$" },
  { send = "findmnt -no SOURCE,FSTYPE /\n" },
  { expect = "^/dev/vdb *ext4\r?$" },
  { send = "python3 -c 'print(6*7)'\n" },
  { expect = "^42\r?$" },
  { send = "busybox; echo before=$?\n" },
  { expect = "^before=127\r?$" },
  { send = "mount -r /dev/vda /mnt && dpkg -i /mnt/*.deb; echo after=$?\n" },
  { expect = "^Setting up busybox-static" },
  { expect = "^after=0\r?$" },
  { send = "busybox uname -m; dpkg -s busybox-static\n" },
  { expect = "^riscv64\r?$" },
  { expect = "^Status: install ok installed\r?$" },
  { send = "dpkg --audit; systemctl is-system-running\n" },
  { expect = "^running\r?$" },
  { send = "poweroff\n" },
]
exit = 0
budget = { instructions = 10_000_000_000, seconds = 1200 }
"#;

/// A disk with a package that guest (a) is made of, and guest (b) does not have.
fn write_packages(disk: &Path) {
    let options = Source::default().options();
    let mut store = Store::open(&options).expect("the cache");
    let dir = tempfile::tempdir().expect("a folder");
    for (package, path) in store.fetch("busybox").expect("the package") {
        std::fs::copy(path, dir.path().join(package.file_name())).expect("a copy");
    }
    convert::ext4(dir.path(), 128 << 20, disk).expect("a file system");
}

#[test]
fn debian_logs_in_runs_python_and_installs_a_package() {
    let dir = tempfile::tempdir().expect("a folder");
    write_packages(&dir.path().join("packages.img"));
    let file = dir.path().join("suite.toml");
    std::fs::write(&file, SUITE).expect("the suite");
    let line = vec!["test".into(), file.into()];
    let Ok(Command::Test(args)) = args::parse(line).map(|cli| cli.command) else {
        panic!("not `test`");
    };
    let status = suite::run(&args, &run::start_case).expect("a suite that can be run");
    assert_eq!(status, 0);
    counted("sessions in a whole Debian", 1);
}
