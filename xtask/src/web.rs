//! `cargo xtask web`: the machine as WebAssembly, its bindings, and what a page loads.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use wasm_bindgen_cli_support::Bindgen;

use crate::process::{self, cargo};
use crate::{setup, workspace};

mod notices;

/// The crate of the module.
const PACKAGE: &str = "virtarium-wasm";
/// The name of the bindings.
const BINDINGS: &str = "virtarium_wasm";
/// What a page downloads before the guest's image.
const DOWNLOADS: [&str; 6] = [
    "virtarium.js",
    "worker.js",
    "virtarium.wasm",
    "page.js",
    "page.css",
    "icon.js",
];
/// What that may be by gzip -9, in bytes: less than what the page's peers need.
const MOST: usize = 400_000;

/// How the page is built.
#[derive(Args, Default)]
pub struct Options {
    /// Where the page goes [default: target/web]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Also the folder of the npm package
    #[arg(long)]
    npm: Option<PathBuf>,
    /// Readable scripts with source maps, and no optimiser behind the compiler's
    #[arg(long)]
    dev: bool,
}

/// Builds the page, and says how large it is.
///
/// # Errors
/// If a tool is missing or fails.
pub fn run(options: &Options) -> Result<()> {
    let target = workspace::target();
    let out = options.out.as_ref();
    let out = out.map_or_else(|| Ok(target.join("web")), workspace::absolute)?;
    let npm = options.npm.as_ref().map(workspace::absolute).transpose()?;
    setup::target(setup::WASM)?;
    setup::npm()?;
    let module = compile()?;
    let www = workspace::root().join("www");
    let bindings = www.join("wasm");
    bind(&module, &bindings)?;
    let licences = bindings.join("notices.txt");
    fs::write(&licences, notices::of(PACKAGE)?)
        .with_context(|| format!("cannot write {}", licences.display()))?;
    let mut module = bindings.join(format!("{BINDINGS}_bg.wasm"));
    if !options.dev {
        module = optimise(&www, &module)?;
    }
    let mut node = Command::new("node");
    node.current_dir(&www)
        .args(["build.mjs", "--single", "--out"])
        .arg(&out)
        .arg("--wasm")
        .arg(&module)
        .arg("--notices")
        .arg(&licences)
        .arg("--bindgen")
        .arg(bindings.join(format!("{BINDINGS}.js")));
    if let Some(npm) = &npm {
        node.arg("--npm").arg(npm);
    }
    if options.dev {
        node.arg("--dev");
    }
    process::run(&mut node)?;
    let bytes = report(&out)?;
    ensure!(
        options.dev || bytes <= MOST,
        "a page downloads {bytes} bytes before the guest's image, more than {MOST}"
    );
    Ok(())
}

/// Builds the page as `cargo xtask web` does without options.
///
/// # Errors
/// Those of [`run`].
pub fn build() -> Result<()> {
    run(&Options::default())
}

fn compile() -> Result<PathBuf> {
    let mut command = cargo();
    command.args([
        "build",
        "--package",
        PACKAGE,
        "--target",
        setup::WASM,
        "--profile",
        "browser",
    ]);
    // A panic names its place: where the sources of libraries are is nobody's business, and part
    // of the download.
    let flags: Vec<_> = registries()
        .into_iter()
        .map(|folder| format!("'--remap-path-prefix={}/='", folder.display()))
        .collect();
    command.arg("--config").arg(format!(
        "target.{}.rustflags=[{}]",
        setup::WASM,
        flags.join(",")
    ));
    process::run(&mut command)?;
    Ok(workspace::target().join("wasm32-unknown-unknown/browser/virtarium_wasm.wasm"))
}

/// Where Cargo keeps the sources of libraries: a folder for each registry.
fn registries() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let entries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let mut folders: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    folders
}

/// Generates the bindings. The generator is a library of the version that the module is built
/// with, so the two cannot differ.
fn bind(module: &Path, out: &Path) -> Result<()> {
    eprintln!("generating bindings in {}", out.display());
    Bindgen::new()
        .input_path(module)
        .out_name(BINDINGS)
        .web(true)
        .and_then(|bindgen| bindgen.typescript(true).generate(out))
        .map_err(|error| anyhow!("wasm-bindgen: {error:#}"))
}

/// Runs Binaryen's optimiser for what it takes off the download: the guest runs as fast with any of
/// its levels, or none, and this one packs best.
fn optimise(www: &Path, module: &Path) -> Result<PathBuf> {
    let out = module.with_extension("opt.wasm");
    process::run(
        Command::new("node")
            .current_dir(www)
            .arg("node_modules/binaryen/bin/wasm-opt")
            .args(["-O1", "--strip-producers", "--strip-target-features"])
            .args(FEATURES)
            .arg(module)
            .arg("-o")
            .arg(&out),
    )?;
    Ok(out)
}

/// What every browser of the last years has, and the compiler uses.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Prints what a page downloads; the sum of the packed bytes.
fn report(out: &Path) -> Result<usize> {
    let mut sum = 0;
    for name in DOWNLOADS {
        let path = out.join(name);
        let bytes = fs::read(&path).with_context(|| format!("{}", path.display()))?;
        let packed = gzip(&bytes)?;
        sum += packed;
        eprintln!("{name:16} {:>9} bytes {packed:>9} by gzip -9", bytes.len());
    }
    eprintln!("{:16} {:>15} {sum:>9} by gzip -9", "together", "");
    Ok(sum)
}

fn gzip(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).context("gzip")?;
    Ok(encoder.finish().context("gzip")?.len())
}
