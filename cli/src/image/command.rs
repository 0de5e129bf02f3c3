//! The command line of `virtarium image`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use virtarium_backends::disk::chunks::{DEFAULT_FOLDER, Encoding};

use super::cache::{unwritable, write_atomically};
use super::chunk::{Chunking, chunk, verify_chunks};
use super::exchange::{export, import};
use super::progress::megabytes;
use super::{
    GUESTS, Guest, Options, compile, convert, fetch, guest, image_name, list, new_lock, verify,
};
use crate::args::devices::ImageArg;
use crate::args::units::parse_memory;
use crate::host::block::chunked::is_manifest;
use crate::host::block::overlay::verify as verify_overlay;
use crate::run::configure::configure;

/// Fetch and build guest images.
#[derive(Debug, clap::Args)]
pub struct ImageCommand {
    #[command(flatten)]
    source: Source,
    #[command(subcommand)]
    verb: Verb,
}

/// Where images come from and go to.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Guest images")]
pub struct Source {
    /// Debian mirror (directory of dists/ and pool/) [default: VIRTARIUM_MIRROR, else what apt uses]
    #[arg(long, value_name = "URL", global = true)]
    mirror: Option<String>,
    /// Cache directory [default: VIRTARIUM_CACHE, else virtarium in the user's cache]
    #[arg(long, value_name = "DIR", global = true)]
    cache: Option<PathBuf>,
    /// Take exactly the packages of the lock, or fail
    #[arg(long, global = true)]
    locked: bool,
    /// A lock file in place of the built-in one
    #[arg(long, value_name = "FILE", global = true)]
    lock: Option<PathBuf>,
    /// Keys that sign the mirror's index, in place of Debian's
    #[arg(long, value_name = "FILE", global = true)]
    keyring: Option<PathBuf>,
}

impl Source {
    /// The settings with progress on stderr.
    pub fn options(self) -> Options {
        Options {
            mirror: self.mirror,
            cache: self.cache,
            lock: self.lock,
            locked: self.locked,
            keyring: self.keyring,
            compile: false,
            runner: Some(Arc::new(configure)),
            ..Options::default()
        }
    }
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Fetch packages into the cache, without building
    Fetch {
        /// Images of the lock [default: all but kernel-source]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Build guests out of their packages, fetching what is missing; print their files
    Build {
        /// Guests [default: busybox]; `small` compiles a kernel, once, with the host's tools
        #[arg(value_name = "NAME", value_parser = GUESTS)]
        names: Vec<String>,
        /// Copy the files into this directory, to be kept and written to
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// List images, their packages and what is in the cache
    List,
    /// Check everything in the cache against its hashes; or an image in chunks, or an overlay
    Verify {
        /// The manifest of an image in chunks, or an overlay [default: the cache]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Pin the newest packages of the mirror, from its signed index
    Lock {
        /// The lock file to write [default: the standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Pack a directory into an initramfs, as root's
    Initramfs {
        /// The directory
        #[arg(value_name = "DIR")]
        source: PathBuf,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Cut an image into chunks, to be fetched one by one; print the manifest and its identity
    Chunk {
        /// The raw image
        #[arg(value_name = "IMAGE", value_parser = ImageArg::parse)]
        image: ImageArg,
        /// Directory for the manifest, and for the chunks in it
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Size of a chunk, 128K to 4M
        #[arg(long, value_name = "SIZE", default_value = "256K", value_parser = parse_memory)]
        chunk: u64,
        /// How the chunks are packed
        #[arg(long, value_name = "NAME", default_value = "gzip", value_parser = ["gzip", "none"])]
        encoding: String,
        /// Where the chunks go, seen from the manifest, so that images can share them
        #[arg(long, value_name = "FOLDER/", default_value = DEFAULT_FOLDER)]
        at: String,
    },
    /// Make a raw image of an overlay and its base
    Export {
        /// The overlay
        #[arg(value_name = "OVERLAY")]
        overlay: PathBuf,
        /// The image that it was made on, or the manifest of one
        #[arg(long, value_name = "IMAGE", value_parser = ImageArg::parse)]
        base: ImageArg,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Make an overlay of what a raw image has that its base has not
    Import {
        /// The raw image
        #[arg(value_name = "IMAGE", value_parser = ImageArg::parse)]
        image: ImageArg,
        /// The image to make it on, or the manifest of one
        #[arg(long, value_name = "IMAGE", value_parser = ImageArg::parse)]
        base: ImageArg,
        /// The overlay to write, a new file
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Make an ext4 disk of a directory or a tar archive (.tar, .tar.gz, .tar.xz, .tar.zst)
    Ext4 {
        /// The directory or archive
        #[arg(value_name = "DIR|TAR")]
        source: PathBuf,
        /// Size of the file system, rounded up to 128M
        #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_memory)]
        size: u64,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

impl ImageCommand {
    /// Does what the command line says.
    ///
    /// # Errors
    /// One line for the person.
    pub fn run(self) -> Result<()> {
        let mut options = self.source.options();
        match self.verb {
            Verb::Fetch { names } => fetch(&options, &names),
            Verb::Build { names, output } => {
                options.compile = true;
                let names = match names.is_empty() {
                    true => vec!["busybox".to_owned()],
                    false => names,
                };
                for name in names {
                    let mut guest = guest(&options, &name)?;
                    if let Some(dir) = &output {
                        copy_out(&mut guest, dir)?;
                    }
                    print_guest(&guest)?;
                }
                Ok(())
            }
            Verb::List => print_list(&options),
            Verb::Verify { file: Some(file) } => verify_file(&file, &options),
            Verb::Verify { file: None } => {
                let wrong = verify(&options)?;
                let mut out = std::io::stdout().lock();
                for line in &wrong {
                    writeln!(out, "{line}")?;
                }
                ensure!(
                    wrong.is_empty(),
                    "{} in the cache is damaged; it is fetched or built again when it is used",
                    if wrong.len() == 1 {
                        "one thing"
                    } else {
                        "something"
                    }
                );
                Ok(())
            }
            Verb::Lock { output } => {
                let text = new_lock(&options)?.to_text()?;
                match output {
                    Some(path) => write_atomically(&path, text.as_bytes()),
                    None => Ok(std::io::stdout().write_all(text.as_bytes())?),
                }
            }
            Verb::Chunk {
                image,
                output,
                chunk: size,
                encoding,
                at,
            } => {
                let chunking = Chunking {
                    image,
                    manifest: output.join("manifest.txt"),
                    folder: at,
                    chunk_size: u32::try_from(size).unwrap_or(u32::MAX),
                    encoding: match encoding.as_str() {
                        "none" => Encoding::None,
                        _ => Encoding::Gzip,
                    },
                };
                let made = chunk(&chunking, &options.progress)?;
                let mut out = std::io::stdout().lock();
                writeln!(out, "manifest={}", chunking.manifest.display())?;
                Ok(writeln!(out, "identity={}", made.manifest.id())?)
            }
            Verb::Export {
                overlay,
                base,
                output,
            } => export(&overlay, &base, &output, &options.progress),
            Verb::Import {
                image,
                base,
                output,
            } => import(&image, &base, &output, &options.progress),
            Verb::Initramfs { source, output } => convert::initramfs(&source, &output),
            Verb::Ext4 {
                source,
                size,
                output,
            } => convert::ext4(&source, size, &output),
        }
    }
}

/// Checks a file that is not the cache's: what it begins with says what it should be.
fn verify_file(path: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if is_manifest(path) {
        let report = verify_chunks(path, &options.progress)?;
        for line in &report.wrong {
            writeln!(out, "{line}")?;
        }
        ensure!(
            report.wrong.is_empty(),
            "{} of {} chunks are missing or damaged; `virtarium image chunk` of the same image \
             writes them again",
            report.wrong.len(),
            report.checked
        );
        let (checked, id) = (report.checked, report.id);
        return Ok(writeln!(out, "{checked} chunks are right, identity={id}")?);
    }
    let Some(report) = verify_overlay(path)? else {
        bail!(
            "{} is neither the manifest of an image in chunks nor an overlay",
            path.display()
        );
    };
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    ensure!(
        report.problems.is_empty(),
        "overlay {} is damaged",
        path.display()
    );
    let summary = report.summary.context("an overlay has a header")?;
    Ok(writeln!(
        out,
        "{} clusters of {} bytes, base={}",
        summary.allocated, summary.cluster_size, summary.base
    )?)
}

/// Copies the files of a guest into a directory of the person's.
fn copy_out(guest: &mut Guest, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| unwritable(dir, error))?;
    let source = guest.kernel.parent().map(Path::to_path_buf);
    let files = [
        guest.bios.as_mut(),
        Some(&mut guest.kernel),
        guest.initrd.as_mut(),
        guest.disk.as_mut(),
    ];
    for path in files.into_iter().flatten() {
        let copy = dir.join(path.file_name().unwrap_or_default());
        convert::copy_sparse(path, &copy)?;
        *path = copy;
    }
    // Whoever gets a kernel that was compiled here gets to know where its source is.
    if let Some(from) = source {
        for name in [compile::NOTICE, compile::CONFIG] {
            if from.join(name).exists() {
                convert::copy_sparse(&from.join(name), &dir.join(name))?;
            }
        }
    }
    Ok(())
}

/// One `name=value` a line, for people and for scripts.
fn print_guest(guest: &Guest) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let files = [
        ("bios", guest.bios.as_ref()),
        ("kernel", Some(&guest.kernel)),
        ("initrd", guest.initrd.as_ref()),
        ("disk", guest.disk.as_ref()),
    ];
    for (name, path) in files {
        if let Some(path) = path {
            writeln!(out, "{name}={}", path.display())?;
        }
    }
    Ok(writeln!(out, "append={}", guest.append)?)
}

fn print_list(options: &Options) -> Result<()> {
    let (rows, built) = list(options)?;
    let mut out = std::io::stdout().lock();
    for row in rows {
        writeln!(
            out,
            "{:<14} {:>3} of {:>3} packages fetched  {:>8}",
            row.name,
            row.cached,
            row.packages,
            megabytes(row.size)
        )?;
    }
    for dir in built {
        writeln!(out, "{:<14} built: {}", image_name(&dir), dir.display())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::directory;

    #[test]
    fn a_kernel_that_was_compiled_here_takes_its_source_along() {
        let dir = directory("copy-out");
        let copy = |name: &str, files: &[&str]| {
            let (from, to) = (
                dir.path().join(name),
                dir.path().join(format!("{name}-copy")),
            );
            std::fs::create_dir(&from).unwrap();
            for file in files {
                std::fs::write(from.join(file), file).unwrap();
            }
            let mut guest = Guest {
                bios: None,
                kernel: from.join(compile::IMAGE),
                initrd: None,
                disk: None,
                append: String::new(),
                memory: 0,
            };
            copy_out(&mut guest, &to).unwrap();
            assert_eq!(guest.kernel, to.join(compile::IMAGE));
            let entries = std::fs::read_dir(&to).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let all = ["Image", "SOURCE", "config"];
        assert_eq!(
            copy("compiled", &["Image", "SOURCE", "config", "manifest.toml"]),
            all
        );
        assert_eq!(copy("other", &["Image", "manifest.toml"]), ["Image"]);
    }
}
