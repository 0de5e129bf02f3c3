//! The command line of `virtarium image`.

use std::path::PathBuf;

use anyhow::Result;

use super::cache::write_atomically;
use super::{GUESTS, Options, Progress, guest, new_lock};

/// Fetch and build guest images.
#[derive(Debug, clap::Args)]
pub struct ImageCommand {
    #[command(flatten)]
    source: Source,
    #[command(subcommand)]
    verb: Verb,
}

/// Where images come from and go to.
#[derive(Clone, Debug, clap::Args)]
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
            progress: Progress::auto(),
        }
    }
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Fetch the packages of guests and build what is not in the cache; print the files
    Build {
        /// Guests [default: busybox]
        #[arg(value_name = "NAME", value_parser = GUESTS)]
        names: Vec<String>,
    },
    /// Pin the newest packages of the mirror, from its signed index
    Lock {
        /// The lock file to write [default: the standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

impl ImageCommand {
    /// Does what the command line says.
    ///
    /// # Errors
    /// One line for the person.
    pub fn run(self) -> Result<()> {
        let options = self.source.options();
        match self.verb {
            Verb::Build { names } => {
                let names = if names.is_empty() {
                    vec!["busybox".to_owned()]
                } else {
                    names
                };
                for name in names {
                    let guest = guest(&options, &name)?;
                    println!("kernel={}", guest.kernel.display());
                    if let Some(initrd) = &guest.initrd {
                        println!("initrd={}", initrd.display());
                    }
                    if let Some(disk) = &guest.disk {
                        println!("disk={}", disk.display());
                    }
                    println!("append={}", guest.append);
                }
                Ok(())
            }
            Verb::Lock { output } => {
                let text = new_lock(&options)?.to_text()?;
                match output {
                    Some(path) => write_atomically(&path, text.as_bytes()),
                    None => {
                        print!("{text}");
                        Ok(())
                    }
                }
            }
        }
    }
}
