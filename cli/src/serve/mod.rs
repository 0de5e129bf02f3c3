//! `virtarium serve`: the page and its machines over HTTP, for this machine's browser.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use hyper::header::HeaderValue;

use crate::args::serve::ServeArgs;
use crate::image::cache::Cache;
use crate::image::{Options, Progress};
use crate::site;

mod answer;
mod body;
mod files;
mod listen;
mod path;
mod range;
mod server;

use answer::Site;
use files::Folder;

/// Does what the command line says, until it is told to end.
///
/// # Errors
/// What cannot be had or served.
pub fn command(args: ServeArgs) -> Result<()> {
    let own_policy = policy(&args.images)?;
    // Before something is fetched for minutes, in vain.
    let listener = listen::bind(args.listen.as_deref())?;
    let address = listener
        .local_addr()
        .context("the address that is listened on")?;
    let options = args.source.clone().options();
    // What is in somebody's folder is theirs, and so is what their pages may do.
    let (dir, policy) = match &args.dir {
        Some(dir) => (dir.clone(), None),
        None => (own(&options, &args)?, Some(own_policy)),
    };
    let folder = Folder::open(&dir).with_context(|| format!("cannot serve {}", dir.display()))?;
    let url = format!("http://{}/", listen::reachable(address));
    if !address.ip().is_loopback() {
        options.progress.warn(
            "browsers give pages of other machines no place to keep a disk in, unless they come \
             by https",
        );
    }
    if args.dir.is_some() && !dir.join("index.html").is_file() {
        let text = format!("{} has no index.html: there is no page at", dir.display());
        options.progress.note(&format!("{text} {url}"));
    }
    writeln!(std::io::stdout(), "{url}").context("cannot say the URL")?;
    open_browser(&args, &url, &options.progress);
    server::run(listener, Site::new(folder, policy), told_to_end()).context("cannot serve")
}

/// The site of this program's own, made in the cache.
fn own(options: &Options, args: &ServeArgs) -> Result<PathBuf> {
    let cache = Cache::find(options.cache.as_deref())?;
    let guard = cache.lock("site", &options.progress)?;
    let dir = cache.path("site");
    site::write(options, &args.content, &dir)?;
    drop(guard);
    Ok(dir)
}

fn policy(images: &[String]) -> Result<HeaderValue> {
    for origin in images {
        // What the policy would take for the end of its value, or for another source.
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]*".contains(&b);
        ensure!(
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)),
            "--images {origin}: an origin is https://HOST or https://HOST:PORT"
        );
    }
    Ok(HeaderValue::from_str(&answer::policy(images))?)
}

/// Opens a browser where somebody can see it.
fn open_browser(args: &ServeArgs, url: &str, progress: &Progress) {
    let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let screen =
        !cfg!(all(unix, not(target_os = "macos"))) || named("DISPLAY") || named("WAYLAND_DISPLAY");
    let wanted = args.open || (screen && std::io::stderr().is_terminal());
    if wanted
        && !args.no_open
        && let Err(error) = open::that_detached(url)
    {
        progress.note(&format!(
            "no browser could be opened ({error}): open {url} in one"
        ));
    }
}

/// Waits for Ctrl-C, or for whatever else ends a program.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut hup)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        ) else {
            let _ = tokio::signal::ctrl_c().await;
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
}
