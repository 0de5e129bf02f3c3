//! `virtarium serve`: what the command line says.

use std::path::PathBuf;

use clap::Args;

use super::site::Content;
use crate::image::command::Source;

const AFTER_HELP: &str = "\
Every page that a browser shows may read what is served: it is meant to be public. Hidden files and \
what a link names outside of DIR are not served. The page of this program runs under a policy; pages of \
DIR have what they say themselves. Ctrl-C ends it.";

/// Options of `virtarium serve`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ServeArgs {
    /// Serve this folder as it is [default: a site with the guests, made in the cache]
    #[arg(value_name = "DIR", conflicts_with_all = ["guests", "images", "page"])]
    pub dir: Option<PathBuf>,
    /// Where to listen (HOST:PORT, or a port alone; port 0 is any free one) [default: the first
    /// free port of this machine from 8080 on]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Open a browser (the default where there is a screen and a terminal)
    #[arg(long, overrides_with = "no_open")]
    pub open: bool,
    /// Open no browser
    #[arg(long, overrides_with = "open")]
    pub no_open: bool,
    /// Another origin that this program's page may fetch machines and images from; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub images: Vec<String>,
    /// What the site consists of.
    #[command(flatten)]
    pub content: Content,
    /// Where guest images come from.
    #[command(flatten)]
    pub source: Source,
}
