//! The results as text: one Markdown table, aligned so that a terminal shows it too, and one
//! file of single measurements.

use std::fmt::Write as _;

use super::programs::Class;
use super::results::{Column, Results};
use super::stats::Samples;
use super::subject::{NATIVE, QEMU};

/// The report: what was measured on what, the table, the means, the boot, the failures.
pub fn markdown(results: &Results, host: &str) -> String {
    let mut out = format!("# Benchmarks\n\n{host}\n");
    for column in &results.columns {
        push(&mut out, format!("- {}: {}", column.title, column.version));
    }
    out.push_str(
        "\nSeconds (median, and half the distance from least to greatest), ratios of medians, and\n\
         millions of guest instructions a second. The clock is the host's.\n\n",
    );
    out.push_str(&table(&programs(results)));
    out.push('\n');
    out.push_str(&table(&means(results)));
    if !results.failures.is_empty() {
        out.push_str("\n## Failures\n\n");
        for failure in &results.failures {
            push(&mut out, format!("- {failure}"));
        }
    }
    out
}

/// One line for each measurement: subject, what, number of the repetition, seconds.
pub fn csv(results: &Results) -> String {
    let mut out = String::from("subject,what,repetition,seconds\n");
    for column in &results.columns {
        let boots = [("boot", &column.boot), ("power-on", &column.power_on)];
        let times = column.times.iter().map(|(name, samples)| (*name, samples));
        for (what, samples) in times.chain(boots) {
            for (number, seconds) in samples.all().iter().enumerate() {
                push(
                    &mut out,
                    format!("{},{what},{number},{seconds:.6}", column.key),
                );
            }
        }
    }
    out
}

fn push(out: &mut String, line: String) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}

/// Whether a column is compared with QEMU.
fn against_qemu(results: &Results, column: &Column) -> bool {
    column.key != NATIVE && column.key != QEMU && results.column(QEMU).is_some()
}

fn programs(results: &Results) -> Vec<Vec<String>> {
    let native = results.column(NATIVE).is_some();
    let mut head = vec!["program".to_owned(), "Minsn".to_owned()];
    for column in &results.columns {
        let title = column.title;
        head.push(format!("{title} s"));
        if column.key != NATIVE {
            head.push("MIPS".to_owned());
            if native {
                head.push("x native".to_owned());
            }
            if against_qemu(results, column) {
                head.push("x QEMU".to_owned());
            }
        }
    }
    let mut rows = vec![head];
    for program in &results.programs {
        let minsn = results.minsn(program);
        let mut row = vec![program.name.to_owned(), figure(minsn, 0)];
        for column in &results.columns {
            row.push(seconds(column.times.get(program.name)));
            if column.key != NATIVE {
                let median = column.median(program.name);
                let speed = minsn.zip(median).map(|(minsn, seconds)| minsn / seconds);
                row.push(figure(speed, 0));
                if native {
                    row.push(figure(results.ratio(column, NATIVE, program.name), 2));
                }
                if against_qemu(results, column) {
                    row.push(figure(results.ratio(column, QEMU, program.name), 2));
                }
            }
        }
        rows.push(row);
    }
    rows
}

fn means(results: &Results) -> Vec<Vec<String>> {
    let words = ["geometric mean", "x native", "x QEMU"];
    let mut rows = vec![words.map(str::to_owned).to_vec()];
    for column in results.machines() {
        for class in Class::ALL {
            let count = results
                .programs
                .iter()
                .filter(|program| program.class == class)
                .count();
            if count > 0 {
                rows.push(vec![
                    format!("{}, {count} {}", column.title, class.title()),
                    figure(results.mean_ratio(column, NATIVE, class), 2),
                    figure(results.mean_ratio(column, QEMU, class), 2),
                ]);
            }
        }
    }
    for column in results.machines() {
        rows.push(vec![
            format!(
                "{}, kernel to first process: {} s ({} s from power on)",
                column.title,
                seconds(Some(&column.boot)),
                seconds(Some(&column.power_on))
            ),
            "-".to_owned(),
            figure(results.boot_ratio(column), 2),
        ]);
    }
    rows
}

/// Median and spread.
fn seconds(samples: Option<&Samples>) -> String {
    let figures = samples.and_then(|samples| Some((samples.median()?, samples.spread()?)));
    figures.map_or_else(
        || "-".to_owned(),
        |(median, spread)| format!("{median:.3} ±{:.0} %", 50.0 * spread),
    )
}

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// A Markdown table: the first row is the head, the first column is left-aligned.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
    let width = |at: usize| {
        let lengths = rows.iter().map(|row| cell(row, at).chars().count());
        lengths.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, width)| match at {
                0 => format!("{:<width$}", cell(row, at)),
                _ => format!("{:>width$}", cell(row, at)),
            })
            .collect();
        push(&mut out, format!("| {} |", cells.join(" | ")));
        if number == 0 {
            let rules: Vec<String> = widths
                .iter()
                .enumerate()
                .map(|(at, width)| match at {
                    0 => "-".repeat(width + 2),
                    _ => format!("{}:", "-".repeat(width + 1)),
                })
                .collect();
            push(&mut out, format!("|{}|", rules.join("|")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::example;

    #[test]
    fn the_report_has_the_means_of_both_classes() {
        let text = markdown(&example(), "a host");
        assert!(text.contains("| Virtarium, 9 integer "), "{text}");
        assert!(text.contains("| Virtarium, 3 floating point "), "{text}");
        let line = text
            .lines()
            .find(|line| line.contains("9 integer") && line.contains("Virt"));
        let cells: Vec<_> = line.unwrap().split('|').map(str::trim).collect();
        assert_eq!(cells.get(2..4).unwrap(), ["6.00", "3.00"]);
    }

    #[test]
    fn a_row_has_time_speed_and_ratios() {
        let text = markdown(&example(), "a host");
        let line = text.lines().find(|line| line.starts_with("| chase"));
        let cells: Vec<_> = line.unwrap().split('|').map(str::trim).collect();
        assert_eq!(
            cells,
            [
                "",
                "chase",
                "126",
                "1.000 ±0 %",
                "2.000 ±0 %",
                "63",
                "2.00",
                "6.000 ±0 %",
                "21",
                "6.00",
                "3.00",
                ""
            ]
        );
    }

    #[test]
    fn failures_are_listed() {
        let mut results = example();
        assert!(!markdown(&results, "").contains("Failures"));
        results.failures.push("fib on QEMU: exit status 1".into());
        assert!(markdown(&results, "").contains("- fib on QEMU: exit status 1"));
    }

    #[test]
    fn the_lines_of_a_table_are_equally_long() {
        let text = markdown(&example(), "a host");
        let mut lengths: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.chars().count())
            .collect();
        lengths.dedup();
        assert_eq!(lengths.len(), 2, "two tables: {text}");
    }

    #[test]
    fn each_measurement_is_a_line_of_the_csv() {
        let text = csv(&example());
        assert_eq!(text.lines().count(), 1 + 3 * 12);
        assert!(text.contains("qemu,fib,0,2.000000\n"));
    }
}
