//! The results as a picture: bars of the time over native time, on a logarithmic scale.

use std::fmt::Write as _;

use super::results::{Column, Results};
use super::subject::NATIVE;

const LEFT: f64 = 110.0;
const TOP: f64 = 64.0;
const WIDTH: f64 = 720.0;
const BAR: f64 = 12.0;
const GAP: f64 = 10.0;

/// Colours of the machines in the order of the report; told apart without colour vision too
/// (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"];

/// An SVG document; None if nothing can be compared with native runs.
pub fn svg(results: &Results) -> Option<String> {
    let machines: Vec<&Column> = results.machines().collect();
    let ratio = |machine: &Column, name| results.ratio(machine, NATIVE, name);
    let ratios = results.programs.iter().flat_map(|program| {
        machines
            .iter()
            .filter_map(move |machine| ratio(machine, program.name))
    });
    let greatest = ratios.max_by(f64::total_cmp)?;
    let decades = greatest.log10().ceil().max(1.0);
    let x = |ratio: f64| ratio.log10().clamp(0.0, decades) / decades * WIDTH;

    let group = BAR * count(machines.len()) + GAP;
    let height = group * count(results.programs.len());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Time of each program over its native time</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 60.0,
        TOP + height + 20.0
    );
    legend(&mut out, &machines);
    axis(&mut out, decades, height, x);
    for (row, program) in results.programs.iter().enumerate() {
        let top = TOP + group * count(row);
        let middle = top + (group - GAP) / 2.0 + 4.0;
        text(&mut out, LEFT - 8.0, middle, "end", program.name);
        for (at, machine) in machines.iter().enumerate() {
            let Some(ratio) = ratio(machine, program.name) else {
                continue;
            };
            let y = top + BAR * count(at);
            let (width, height) = (x(ratio).max(1.0), BAR - 1.0);
            let fill = colour(at);
            line(
                &mut out,
                &format!(
                    "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\"/>"
                ),
            );
            text(
                &mut out,
                LEFT + width + 4.0,
                y + 10.0,
                "start",
                &format!("{ratio:.1}"),
            );
        }
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn legend(out: &mut String, machines: &[&Column]) {
    text(
        out,
        LEFT,
        18.0,
        "start",
        "time over native time (logarithmic; shorter is faster)",
    );
    for (at, machine) in machines.iter().enumerate() {
        let x = LEFT + 130.0 * count(at);
        let fill = colour(at);
        line(
            out,
            &format!("<rect x=\"{x}\" y=\"28\" width=\"12\" height=\"12\" fill=\"{fill}\"/>"),
        );
        text(out, x + 18.0, 38.0, "start", machine.title);
    }
}

/// A line for each power of ten.
fn axis(out: &mut String, decades: f64, height: f64, x: impl Fn(f64) -> f64) {
    let mut power = 1.0_f64;
    while power.log10() <= decades + 0.5 {
        let at = LEFT + x(power);
        let (top, bottom) = (TOP - 6.0, TOP + height);
        line(
            out,
            &format!(
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{bottom}\" stroke=\"#bbb\"/>"
            ),
        );
        text(out, at, TOP - 10.0, "middle", &format!("{power}"));
        power *= 10.0;
    }
}

fn colour(at: usize) -> &'static str {
    COLOURS.get(at % COLOURS.len()).copied().unwrap_or("black")
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(0.0, f64::from)
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    line(
        out,
        &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"),
    );
}

fn line(out: &mut String, words: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{words}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::example;

    #[test]
    fn each_program_has_a_bar_for_each_machine() {
        let text = svg(&example()).unwrap();
        let bars = text.matches("<rect").count();
        // The background, two in the legend, and twelve programs on two machines.
        assert_eq!(bars, 1 + 2 + 24);
        assert!(text.ends_with("</svg>\n"));
        assert_eq!(
            text.matches("<text").count(),
            text.matches("</text>").count()
        );
    }

    #[test]
    fn bars_are_as_long_as_the_logarithm() {
        let text = svg(&example()).unwrap();
        let width = 6.0_f64.log10() * WIDTH;
        assert!(text.contains(&format!("width=\"{width:.1}\"")), "{text}");
    }

    #[test]
    fn without_native_runs_there_is_no_picture() {
        let mut results = example();
        results.columns.remove(0);
        assert_eq!(svg(&results), None);
    }
}
