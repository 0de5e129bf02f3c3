//! Guests that a page can have, and what they look like there.

use anyhow::Result;

use crate::image::{self, Guest, Options};

/// Names of the guests.
pub const NAMES: [&str; 3] = ["small", "busybox", "debian"];

/// The disk of a guest that has none of its own: its name, and the size of the file system that
/// the guest writes to it.
pub const HOME: (&str, &str) = ("home", "64M");

/// What a page has to know of a guest that the guest's files do not say.
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The number that its kernel gives the first virtio console: the small kernel's `hvc0` is
    /// the console of the SBI.
    first_console: u32,
    /// What its terminal shows when it can be used.
    pub ready: &'static str,
}

/// In the order in which a page offers them: the quickest first.
pub const PROFILES: [Profile; 3] = [
    Profile {
        name: NAMES[0],
        title: "Linux with a shell (small kernel)",
        first_console: 1,
        ready: "virtarium:~# ",
    },
    Profile {
        name: NAMES[1],
        title: "Linux with a shell (Debian's kernel)",
        first_console: 0,
        ready: "virtarium:~# ",
    },
    Profile {
        name: NAMES[2],
        title: "Debian",
        first_console: 0,
        ready: "virtarium login: ",
    },
];

impl Profile {
    /// The kernel's command line: the terminal is the first virtio console, and the second has
    /// the shell for programs. A guest that has no disk of its own keeps what is in `/root` on
    /// [`HOME`].
    pub fn append(&self, guest: &Guest) -> String {
        let terminal = self.first_console;
        let line = guest
            .append
            .replace("console=ttyS0", &format!("console=hvc{terminal}"));
        let more = match guest.disk {
            // On a slow host its terminal may need longer than systemd's minute and a half.
            Some(_) => " systemd.default_device_timeout_sec=600",
            None => " virtarium.home=/dev/vda",
        };
        format!("{line} virtarium.agent=hvc{}{more}", terminal + 1)
    }
}

/// The guests of a page: those of these names, or else those that need no work but `busybox`,
/// which is quick to make.
///
/// # Errors
/// If the cache cannot be read.
pub fn choose(options: &Options, names: &[String]) -> Result<Vec<&'static Profile>> {
    let mut chosen: Vec<&Profile> = Vec::new();
    if names.is_empty() {
        for profile in &PROFILES {
            if profile.name == "busybox" || image::at_hand(options, profile.name)? {
                chosen.push(profile);
            }
        }
    }
    for name in names {
        let known = PROFILES.iter().find(|profile| profile.name == name);
        let new = known.filter(|known| chosen.iter().all(|other| other.name != known.name));
        chosen.extend(new);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Progress;
    use crate::image::testing::directory;

    #[test]
    fn guests_are_those_that_are_asked_for_or_at_hand() {
        let dir = directory("site-guests");
        let options = Options {
            cache: Some(dir.path().to_owned()),
            progress: Progress::silent(),
            ..Options::default()
        };
        let chosen = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let chosen = choose(&options, &names).unwrap();
            chosen
                .iter()
                .map(|profile| profile.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]), ["busybox"]);
        assert_eq!(
            chosen(&["debian", "busybox", "debian"]),
            ["debian", "busybox"]
        );
    }

    #[test]
    fn consoles_are_named_as_the_kernel_names_them() {
        let mut guest = Guest {
            bios: None,
            kernel: "k".into(),
            initrd: None,
            disk: None,
            append: "console=ttyS0 quiet".to_owned(),
            memory: 0,
        };
        let line = |n: usize, guest: &Guest| PROFILES[n].append(guest);
        let home = "virtarium.home=/dev/vda";
        assert_eq!(
            line(0, &guest),
            format!("console=hvc1 quiet virtarium.agent=hvc2 {home}")
        );
        assert_eq!(
            line(1, &guest),
            format!("console=hvc0 quiet virtarium.agent=hvc1 {home}")
        );
        guest.disk = Some("d".into());
        guest.append.push_str(" root=/dev/vda");
        assert_eq!(
            line(2, &guest),
            "console=hvc0 quiet root=/dev/vda virtarium.agent=hvc1 \
             systemd.default_device_timeout_sec=600"
        );
    }
}
