//! `cargo xtask cast`: records a boot in the terminal and draws it as an SVG that plays.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::workspace;

/// Columns and lines of the picture.
const COLUMNS: usize = 100;
const ROWS: usize = 26;
/// Units of the picture for a line and a character.
const LINE: f64 = 17.0;
const CHARACTER: f64 = 8.0;
/// Nobody watches a pause that is longer, in seconds.
const PAUSE: f64 = 0.3;

/// What is typed at the prompt, and what is waited for before it.
const SCRIPT: [(&str, &str); 5] = [
    (":~# ", "uname -a\\n"),
    (":~# ", "ls /sys/bus/virtio/devices\\n"),
    (":~# ", "grep -m1 isa /proc/cpuinfo\\n"),
    (":~# ", "mount | head -3\\n"),
    (":~# ", "poweroff\\n"),
];

/// Where the picture goes.
#[derive(Args)]
pub struct Options {
    /// The SVG to write
    #[arg(long, value_name = "FILE", default_value = "docs/boot.svg")]
    out: PathBuf,
    /// A program that is built already [default: builds the release]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// A line of the terminal and the second at which it was complete.
#[derive(Debug, PartialEq)]
struct Line {
    at: f64,
    text: String,
}

/// Boots the default guest, types the script, and draws what was to be seen.
///
/// # Errors
/// If the program cannot be built or run, the guest does not do as the script expects, or the
/// picture cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => workspace::release_program()?,
    };
    let mut command = Command::new(&program);
    command.args(["run", "--quiet", "--clock", "host", "--rng"]);
    for (expect, send) in SCRIPT {
        command.args(["--expect", expect, "--send", send]);
    }
    command.args(["--expect", "Power down"]);
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    let mut output = child.stdout.take().context("no output")?;
    let mut pieces = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = output.read(&mut buffer).context("the output broke off")?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        pieces.push((start.elapsed().as_secs_f64(), bytes.to_vec()));
    }
    let status = child.wait().context("the program is gone")?;
    ensure!(
        status.success(),
        "the guest did not do as expected ({status})"
    );
    let lines = lines(&pieces);
    let out = workspace::root().join(&options.out);
    fs::write(&out, svg(&lines)).with_context(|| format!("{}", out.display()))?;
    eprintln!("{}: {} lines", out.display(), lines.len());
    Ok(())
}

/// Puts together lines out of what came at a time; control sequences are left out.
fn lines(pieces: &[(f64, Vec<u8>)]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut text = Vec::new();
    let mut escape = false;
    let mut shown = 0.0;
    let mut last = pieces.first().map_or(0.0, |(at, _)| *at);
    for (at, bytes) in pieces {
        shown += (at - last).min(PAUSE);
        last = *at;
        for &byte in bytes {
            match byte {
                0x1b => escape = true,
                b'[' if escape => {}
                _ if escape => escape = !byte.is_ascii_alphabetic(),
                b'\n' => lines.push(line(shown, &mut text)),
                b'\r' => {}
                _ => text.push(byte),
            }
        }
    }
    if !text.is_empty() {
        lines.push(line(shown, &mut text));
    }
    lines
}

fn line(at: f64, bytes: &mut Vec<u8>) -> Line {
    let text = String::from_utf8_lossy(bytes);
    let text = text.chars().filter(|c| !c.is_control());
    let text = text.take(COLUMNS).collect();
    bytes.clear();
    Line { at, text }
}

/// The picture: lines appear when they came, and the text moves up as in a terminal. Where
/// motion is not wanted, it is the end.
fn svg(lines: &[Line]) -> String {
    let (width, height) = (COLUMNS as f64 * CHARACTER + 24.0, ROWS as f64 * LINE + 24.0);
    let end = lines.last().map_or(1.0, |line| line.at).max(1.0);
    let scroll = |count: usize| -(count.saturating_sub(ROWS) as f64) * LINE;
    let mut frames = String::new();
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1).map_or(f64::MAX, |next| next.at);
        // One frame for lines that came together.
        if next - line.at < 0.03 {
            continue;
        }
        let (percent, y) = (line.at / end * 100.0, scroll(index + 1));
        write!(frames, "{percent:.2}%{{transform:translateY({y}px)}}").expect("a string takes all");
    }
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"Linux boots in a terminal\">\n<style>\
         text{{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#d8dee9;white-space:pre}}\
         #s{{transform:translateY({}px)}}@keyframes s{{0%{{transform:translateY(0)}}{frames}}}\
         @keyframes v{{from{{visibility:hidden}}to{{visibility:visible}}}}\
         @media(prefers-reduced-motion:no-preference){{\
         #s{{animation:s {end:.2}s step-end forwards}}\
         text{{animation:v 0s step-end both}}}}</style>\n\
         <clipPath id=\"c\"><rect x=\"0\" y=\"8\" width=\"{width}\" height=\"{}\"/></clipPath>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1c2128\"/>\n\
         <g clip-path=\"url(#c)\"><g id=\"s\">\n",
        scroll(lines.len()),
        height - 16.0
    );
    for (index, line) in lines.iter().enumerate() {
        let y = 24.0 + index as f64 * LINE;
        writeln!(
            text,
            "<text x=\"12\" y=\"{y}\" style=\"animation-delay:{:.2}s\">{}</text>",
            line.at,
            escaped(&line.text)
        )
        .expect("a string takes all");
    }
    text.push_str("</g></g>\n</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_left_out_and_pauses_are_cut() {
        let pieces = [
            (5.0, b"one\r\nt".to_vec()),
            (5.25, b"wo\x1b[6n\x1b[1;31m!\n".to_vec()),
            (60.0, b"end".to_vec()),
        ];
        let lines = lines(&pieces);
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["one", "two!", "end"]);
        assert_eq!(lines[2].at, 0.25 + PAUSE);
    }

    #[test]
    fn text_is_no_markup() {
        let line = Line {
            at: 0.0,
            text: "<a&b>".to_owned(),
        };
        assert!(svg(&[line]).contains("&lt;a&amp;b&gt;"));
    }
}
