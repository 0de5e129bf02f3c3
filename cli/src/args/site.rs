//! `virtarium site`: what the command line says.

use std::path::PathBuf;

use clap::Args;

use crate::image::command::Source;
use crate::site::guests::NAMES;

const AFTER_HELP: &str = "\
The folder needs no server but one that hands out files, at any path and from any origin; \
`virtarium serve DIR` is one. What it has already is not written again.";

/// Options of `virtarium site`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct SiteArgs {
    /// The folder to write; it is made if need be
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// What goes into it.
    #[command(flatten)]
    pub content: Content,
    /// Where guest images come from.
    #[command(flatten)]
    pub source: Source,
}

/// What a site consists of.
#[derive(Clone, Debug, Default, Args)]
pub struct Content {
    /// Guests of the page; the first is the one it begins with [default: small and debian
    /// where they are built already, and busybox]
    #[arg(long = "guest", value_name = "NAME", value_parser = NAMES)]
    pub guests: Vec<String>,
    /// Folder of the page's own files [default: those that this program was built with]
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
}
