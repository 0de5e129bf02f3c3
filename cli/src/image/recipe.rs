//! The recipes of `guest/images`, which are part of this program.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One file of `guest/images`: its name there, and its text.
pub type Text = (&'static str, &'static str);

macro_rules! texts {
    ($($constant:ident = $name:literal, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub const $constant: Text =
            ($name, include_str!(concat!("../../../guest/images/", $name)));
    )*};
}

texts! {
    IMAGES = "images.toml", "What each image is made of.";
    LOCK = "debian.lock", "The committed lock.";
    KEYS = "debian-archive-trixie.asc", "Keys that sign Debian's archive.";
    SMALL_CONFIG = "kernel/small.config", "Options of the small kernel.";
    MODULES = "kernel/modules", "Modules of the initramfs in load order.";
    BUSYBOX_INIT = "busybox/init", "First process of the initramfs.";
    BUSYBOX_INITTAB = "busybox/inittab", "What busybox's init starts.";
    BUSYBOX_HOME = "busybox/home", "Puts /root on a disk.";
    BUSYBOX_PROFILE = "busybox/profile", "Profile of the shell.";
    DEBIAN_FILES = "debian/files.toml", "Files of the Debian system that no package brings.";
    DEBIAN_SECOND_STAGE = "debian/second-stage", "Configures the packages, in the machine.";
}

/// The parsed `images.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Suite of the archive.
    pub suite: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// The images by name.
    pub images: BTreeMap<String, Seeds>,
}

/// What one image begins with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// Names of packages; one `*` each may stand for anything.
    pub packages: Vec<String>,
    /// Whether what they depend on belongs to the image, and all essential packages.
    #[serde(default)]
    pub resolve: bool,
    /// Packages that are never taken, although something depends on them.
    #[serde(default)]
    pub without: Vec<String>,
}

impl Images {
    /// The images of this program.
    ///
    /// # Errors
    /// If the file in `guest/images` is wrong, which a test rules out.
    pub fn own() -> Result<Self> {
        toml::from_str(IMAGES.1).with_context(|| format!("{} is wrong", IMAGES.0))
    }
}

/// Lines of a list, without comments and empty ones.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::lock::Lock;

    #[test]
    fn the_committed_lock_fits_the_images() {
        let images = Images::own().unwrap();
        let lock = Lock::parse(LOCK.1).unwrap();
        assert_eq!(lock.suite, images.suite);
        assert_eq!(lock.architecture, images.architecture);
        for (name, seeds) in &images.images {
            let packages = lock.packages_of(name).unwrap();
            assert!(packages.len() >= seeds.packages.len(), "{name}");
        }
    }

    #[test]
    fn lists_may_have_comments() {
        let text = "# head\na\n\n b # tail\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["a", "b"]);
    }
}
