//! `virtarium site`: a static folder with the page, its machines, and where their sources are.
//!
//! ```text
//! index.html, ...          the page's own files
//! machines/NAME.json       what the page boots; index.json lists them
//! files/SHA256.gz          kernels and initial RAM file systems, by what they unpack to
//! disks/NAME/manifest.txt  disks, in chunks
//! chunks/HH/SHA256.gz      the chunks of all disks
//! SOURCES.md, sources/     where the sources are
//! ```

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::site::{Content, SiteArgs};
use crate::image::{self, Guest, Options, compile};

mod folder;
pub mod guests;
pub mod machine;
mod page;
mod record;
mod sources;

use folder::Folder;
use guests::Profile;
use machine::{DiskRef, Entry, MachineFile};
use sources::Sources;

/// Does what the command line says.
///
/// # Errors
/// What cannot be had or written.
pub fn command(args: SiteArgs) -> Result<()> {
    let options = args.source.options();
    let (written, kept) = write(&options, &args.content, &args.dir)?;
    options.progress.note(&format!(
        "{}: {written} files written, {kept} were there",
        args.dir.display()
    ));
    Ok(())
}

/// Writes a site. Gives the numbers of files that were written and that were there already.
///
/// # Errors
/// What cannot be had or written.
pub fn write(options: &Options, content: &Content, dir: &Path) -> Result<(u64, u64)> {
    // What is missing is said before anything is fetched.
    let page = page::files(content.page.as_deref())?;
    let chosen = guests::choose(options, &content.guests)?;
    let mut folder = Folder::open(dir, options.progress.clone())?;
    for (path, bytes) in &page {
        folder.put(path, bytes)?;
    }
    let mut sources = Sources::default();
    if page.iter().any(|(path, _)| path == sources::THIRD_PARTY) {
        sources.add_third_party();
    }
    let mut index = Vec::new();
    for profile in chosen {
        let guest = image::guest(options, profile.name)?;
        let machine = add(&mut folder, profile, &guest)?;
        name_sources(options, &mut folder, &mut sources, &guest, profile)?;
        let url = format!("{}.json", profile.name);
        folder.put(&format!("machines/{url}"), &json(&machine)?)?;
        index.push(Entry {
            name: profile.name.to_owned(),
            title: profile.title.to_owned(),
            url,
            disks: !machine.disks.is_empty(),
        });
    }
    folder.put(sources::FILE, sources.to_text().as_bytes())?;
    folder.put("machines/index.json", &json(&index)?)?;
    Ok(folder.counts())
}

/// Puts the files of a guest into the folder.
fn add(folder: &mut Folder, profile: &Profile, guest: &Guest) -> Result<MachineFile> {
    let name = profile.name;
    let kernel = folder.put_by_hash(&format!("{name}'s kernel"), &guest.kernel)?;
    let initrd = match &guest.initrd {
        Some(path) => Some(folder.put_by_hash(&format!("{name}'s initrd"), path)?),
        None => None,
    };
    let disk = match &guest.disk {
        Some(disk) => DiskRef {
            name: "root".to_owned(),
            manifest: Some(folder.put_disk(name, disk)?),
            size: None,
        },
        None => DiskRef {
            name: guests::HOME.0.to_owned(),
            manifest: None,
            size: Some(guests::HOME.1.to_owned()),
        },
    };
    Ok(MachineFile {
        virtarium: machine::VERSION,
        title: profile.title.to_owned(),
        memory: format!("{}M", guest.memory >> 20),
        cpus: 1,
        append: profile.append(guest),
        kernel,
        initrd,
        disks: vec![disk],
        consoles: 2,
        agent: Some(1),
        rng: true,
        ready: Some(profile.ready.to_owned()),
        sources: Some(format!("../{}", sources::FILE)),
    })
}

/// Notes the packages that the files of a guest were made of. A kernel that was compiled here has
/// its options and a notice beside it, which go with it.
fn name_sources(
    options: &Options,
    folder: &mut Folder,
    sources: &mut Sources,
    guest: &Guest,
    profile: &Profile,
) -> Result<()> {
    for (package, path) in image::packages_of(options, guest)? {
        sources.add(&package, &path);
    }
    let beside = |name| guest.kernel.with_file_name(name);
    if beside(compile::NOTICE).exists() {
        for name in [compile::NOTICE, compile::CONFIG] {
            let bytes = std::fs::read(beside(name))
                .with_context(|| format!("cannot read {}", beside(name).display()))?;
            folder.put(&format!("sources/{}/{name}", profile.name), &bytes)?;
        }
        sources.add_notice(format!("sources/{}/{}", profile.name, compile::NOTICE));
    }
    Ok(())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
