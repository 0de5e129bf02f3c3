//! Debian's stock kernel: the Image and the modules that an initramfs loads.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::deb::{Deb, clean, decompress, read_entry};
use super::strip::strip;

/// What a kernel Image may take.
const MAX_KERNEL: u64 = 256 << 20;
/// What one module may take, compressed or not.
const MAX_MODULE: u64 = 64 << 20;
/// Passes over the package that collect modules: each adds one level of dependencies that
/// the recipe does not name.
const MAX_PASSES: usize = 8;

/// What an initramfs needs of a kernel package.
pub struct Kernel {
    /// The Image, as the machine loads it.
    pub image: Vec<u8>,
    /// Modules, each after those that it depends on, decompressed and stripped.
    pub modules: Vec<Module>,
}

/// One module.
pub struct Module {
    /// Name as the kernel has it, with `_` for `-`.
    pub name: String,
    /// The `.ko` file.
    pub object: Vec<u8>,
}

/// Takes the Image and the `wanted` modules with their dependencies out of a package.
///
/// # Errors
/// If the package is damaged, has no RISC-V Image, or lacks a module.
pub fn unpack(package: &Path, wanted: &[&str]) -> Result<Kernel> {
    let deb = Deb::open(package)?;
    let mut image = None;
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut missing: BTreeSet<String> = wanted.iter().map(|name| canonical(name)).collect();
    for pass in 0.. {
        ensure!(
            pass < MAX_PASSES,
            "modules depend on one another too deeply: {missing:?}"
        );
        collect(&deb, &mut missing, &mut found, &mut image)
            .with_context(|| format!("{} is damaged", package.display()))?;
        if !missing.is_empty() {
            bail!("{} has no module {missing:?}", package.display());
        }
        for object in found.values() {
            let unknown = depends(object)
                .into_iter()
                .filter(|name| !found.contains_key(name));
            missing.extend(unknown);
        }
        if missing.is_empty() {
            break;
        }
    }
    let image = image.with_context(|| format!("{} has no boot/vmlinux", package.display()))?;
    ensure!(
        is_image(&image),
        "the kernel of {} is not a RISC-V Image",
        package.display()
    );
    let modules = in_order(wanted, &found)
        .into_iter()
        .map(|name| Module {
            object: found
                .get(&name)
                .map(|object| strip(object))
                .unwrap_or_default(),
            name,
        })
        .collect();
    Ok(Kernel { image, modules })
}

/// Whether this is an Image for RISC-V: "RSC\x05" at 0x38 (Linux,
/// Documentation/arch/riscv/boot-image-header.rst).
pub fn is_image(bytes: &[u8]) -> bool {
    bytes.get(0x38..0x3c) == Some(b"RSC\x05")
}

/// One pass over the package; moves what is found from `missing` to `found`.
fn collect(
    deb: &Deb,
    missing: &mut BTreeSet<String>,
    found: &mut BTreeMap<String, Vec<u8>>,
    image: &mut Option<Vec<u8>>,
) -> Result<()> {
    for entry in deb.data()?.entries()? {
        let mut entry = entry?;
        let size = entry.size();
        let path = clean(&entry.path()?)?;
        let file = path.rsplit('/').next().unwrap_or_default();
        if path.starts_with("boot/vmlinu") {
            if image.is_none() {
                *image = Some(read_entry(&mut entry, size, MAX_KERNEL)?);
            }
        } else if let Some((stem, _)) = file.split_once(".ko") {
            let name = canonical(stem);
            if missing.remove(&name) {
                let raw = read_entry(&mut entry, size, MAX_MODULE)?;
                let object = unpack_module(file, raw)
                    .with_context(|| format!("module {name} is damaged"))?;
                found.insert(name, object);
            }
        }
        if missing.is_empty() && image.is_some() {
            break;
        }
    }
    Ok(())
}

fn unpack_module(file: &str, raw: Vec<u8>) -> Result<Vec<u8>> {
    let mut object = Vec::new();
    decompress(file, Cursor::new(raw))?
        .take(MAX_MODULE + 1)
        .read_to_end(&mut object)?;
    ensure!(
        object.len() as u64 <= MAX_MODULE,
        "it unpacks to more than {MAX_MODULE} bytes"
    );
    Ok(object)
}

fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The modules that a module names in its `.modinfo`: `depends=a,b`.
fn depends(object: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(at) = object.windows(key.len()).position(|part| part == key) else {
        return Vec::new();
    };
    let value = object.get(at + key.len()..).unwrap_or_default();
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    let value = String::from_utf8_lossy(value.get(..end).unwrap_or_default());
    value
        .split(',')
        .filter(|name| !name.is_empty())
        .map(canonical)
        .collect()
}

/// The order of the recipe, with the dependencies of each before it. A circle, which the
/// kernel would refuse too, is cut where it is met.
fn in_order(wanted: &[&str], found: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    // Depth first without recursion: a name comes back, with `true`, after its dependencies.
    let mut stack: Vec<(String, bool)> = wanted
        .iter()
        .rev()
        .map(|name| (canonical(name), false))
        .collect();
    while let Some((name, done)) = stack.pop() {
        if done {
            order.push(name);
            continue;
        }
        if !seen.insert(name.clone()) {
            continue;
        }
        let before = found
            .get(&name)
            .map(|object| depends(object))
            .unwrap_or_default();
        stack.push((name, true));
        stack.extend(before.into_iter().rev().map(|name| (name, false)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{DebBuilder, directory};

    fn object(depends: &str) -> Vec<u8> {
        format!("\x7fELF\0license=GPL\0depends={depends}\0name=x\0").into_bytes()
    }

    fn image() -> Vec<u8> {
        let mut image = vec![0; 64];
        image[0x38..0x3c].copy_from_slice(b"RSC\x05");
        image
    }

    #[test]
    fn modules_come_after_what_they_depend_on() {
        let dir = directory("kernel-order");
        let path = dir.path().join("k.deb");
        DebBuilder::new("linux-image-x", "1")
            .file("boot/vmlinux-x", &image())
            .file(
                "usr/lib/modules/x/kernel/a/virtio-net.ko",
                &object("net_failover"),
            )
            .file(
                "usr/lib/modules/x/kernel/b/net_failover.ko",
                &object("failover"),
            )
            .file("usr/lib/modules/x/kernel/c/failover.ko", &object(""))
            .file("usr/lib/modules/x/kernel/c/other.ko", &object("absent"))
            .write(&path);
        let kernel = unpack(&path, &["virtio_net", "failover"]).unwrap();
        let names: Vec<_> = kernel.modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["failover", "net_failover", "virtio_net"]);
        assert_eq!(kernel.image, image());
        let error = unpack(&path, &["other"]).err().unwrap();
        assert!(format!("{error:#}").contains("absent"), "{error:#}");
    }

    #[test]
    fn a_kernel_of_another_architecture_is_refused() {
        let dir = directory("kernel-arch");
        let path = dir.path().join("k.deb");
        DebBuilder::new("linux-image-x", "1")
            .file("boot/vmlinuz-x", &[0; 4096])
            .write(&path);
        let error = unpack(&path, &[]).err().unwrap().to_string();
        assert!(error.contains("not a RISC-V Image"), "{error}");
    }

    #[test]
    fn circles_end() {
        let found = BTreeMap::from([("a".to_owned(), object("b")), ("b".to_owned(), object("a"))]);
        assert_eq!(in_order(&["a"], &found), ["b", "a"]);
    }
}
