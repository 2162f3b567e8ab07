//! The chart of what an operation, a member and a start cost: an SVG without anything from elsewhere, readable on a light
//! page and on a dark one.

use std::fmt::Write as _;

use crate::report::{CPU, DISK, MEMORY, Report, Row, START, number};

const WIDTH: usize = 900;

/// Where bars begin, and the longest of each group ends.
const LEFT: usize = 390;
const RIGHT: usize = 830;

const TOP: usize = 44;
const BAR: usize = 14;
const GAP: usize = 12;

/// Of the daemon, then of peers; colours that carry on white and on black.
const CLASSES: [&str; 4] = ["ours", "first", "second", "second"];

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 11px; fill: #59636e }
.ours { fill: #0b7a75 } .first { fill: #a9b1ba } .second { fill: #c9ced4 } .kernel { fill: #ffffff; fill-opacity: .35 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 }
.ours { fill: #2aa79f } .first { fill: #656c76 } .second { fill: #464c54 } .kernel { fill: #000000 }
}";

/// A group of bars for each cost of which something is asked, as long as it is to the highest of the group.
pub(crate) fn draw(report: &Report) -> String {
    let is_drawn = |row: &&Row| {
        let is_cost = [CPU, MEMORY, DISK, START].iter().any(|figure| figure.name == row.figure.name);
        is_cost && !row.bars.is_empty() && !row.peers.is_empty()
    };
    let rows: Vec<&Row> = report.rows.iter().filter(is_drawn).collect();
    let group_height = (1 + report.peers.len()) * BAR + GAP;
    let height = TOP + rows.len() * group_height;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"What revoked costs beside its peers; shorter is better\">\n<style>{STYLE}</style>\n"
    );
    legend(&mut svg, report);
    for (index, row) in rows.iter().enumerate() {
        group(&mut svg, row, TOP + index * group_height);
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, report: &Report) {
    let names = std::iter::once("revoked").chain(report.peers.iter().map(String::as_str));
    let mut x = LEFT;
    for (name, class) in names.zip(CLASSES) {
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"10\" width=\"12\" height=\"12\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"20\">{}</text>", x + 18, escaped(name));
        x += 40 + name.len() * 7;
    }
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{x}\" y=\"20\">light: the kernel alone. Shorter is better</text>"
    );
}

fn group(svg: &mut String, row: &Row, y: usize) {
    let values: Vec<f64> = std::iter::once(row.ours).chain(row.peers.iter().copied()).collect();
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    let length = |value: f64| value / most * (RIGHT - LEFT) as f64;
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 10,
        y + 11,
        escaped(&row.work)
    );
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        LEFT - 10,
        y + BAR + 11,
        escaped(&row.figure())
    );
    for (index, (&value, class)) in values.iter().zip(CLASSES).enumerate() {
        let y = y + index * BAR;
        if !value.is_finite() {
            continue;
        }
        let bar = |svg: &mut String, class: &str, value: f64| {
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\"/>",
                length(value),
                BAR - 2
            );
        };
        bar(svg, class, value);
        if let Some(kernel) = row.kernel.filter(|_| index == 0) {
            bar(svg, "kernel", kernel.min(value));
        }
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{:.1}\" y=\"{}\">{}</text>",
            LEFT as f64 + length(value) + 6.0,
            y + 10,
            number(value)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
