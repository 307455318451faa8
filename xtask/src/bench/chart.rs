//! The comparisons as one SVG bar chart.

use std::fmt::Write;

use super::stats::Comparison;

/// Sizes in pixels.
const WIDTH: f64 = 760.0;
const LABEL_WIDTH: f64 = 240.0;
const VALUE_WIDTH: f64 = 70.0;
const ROW: f64 = 28.0;
const BAR: f64 = 16.0;
const HEADER: f64 = 56.0;
const FOOTER: f64 = 28.0;

/// Colours by class, so that one file reads well on a light and on a dark page.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}.note{fill:#57606a}\
.bar{fill:#2f6feb}.worse{fill:#bf8700}.line{stroke:#57606a;stroke-width:1}.range{stroke:#24292f;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.bar{fill:#4c8dff}.worse{fill:#d29922}\
.line{stroke:#9198a1}.range{stroke:#e6edf3}}";

/// Draws how many times better or worse than the baseline each metric is, with the span of its rounds.
pub(crate) fn svg(comparisons: &[Comparison]) -> String {
    let height = HEADER + ROW * comparisons.len() as f64 + FOOTER;
    let longest =
        comparisons.iter().map(|comparison| comparison.advantage().max).fold(1.0, f64::max);
    let scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / longest;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">
<style>{STYLE}</style>
<text class="title" id="title" x="8" y="22">Blaze against a hand-written JavaScript Durable Object</text>
<text class="note" x="8" y="42">Times as good, so longer is better: rates are Blaze ÷ baseline; latencies and memory are baseline ÷ Blaze.</text>
"#
    );
    for (index, comparison) in comparisons.iter().enumerate() {
        svg.push_str(&row(comparison, HEADER + ROW * index as f64, scale));
    }
    let one = LABEL_WIDTH + scale;
    let bottom = height - FOOTER;
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        r#"<line class="line" x1="{one:.1}" y1="{HEADER}" x2="{one:.1}" y2="{bottom}"/>
<text class="note" x="{one:.1}" y="{:.1}" text-anchor="middle">1 = the baseline</text>
</svg>
"#,
        bottom + 18.0
    );
    svg
}

/// One metric: its name, a bar to the median, a thin line from the worst round to the best, the median as text.
fn row(comparison: &Comparison, top: f64, scale: f64) -> String {
    let advantage = comparison.advantage();
    let class = if advantage.median < 1.0 { "worse" } else { "bar" };
    let (middle, text) = (top + ROW / 2.0, top + ROW / 2.0 + 4.5);
    let at = |value: f64| LABEL_WIDTH + value * scale;
    format!(
        r#"<text x="{:.1}" y="{text:.1}" text-anchor="end">{}</text>
<rect class="{class}" x="{LABEL_WIDTH}" y="{:.1}" width="{:.1}" height="{BAR}" rx="2"/>
<line class="range" x1="{:.1}" y1="{middle:.1}" x2="{:.1}" y2="{middle:.1}"/>
<text x="{:.1}" y="{text:.1}">{:.2}</text>
"#,
        LABEL_WIDTH - 10.0,
        comparison.name,
        middle - BAR / 2.0,
        advantage.median * scale,
        at(advantage.min),
        at(advantage.max),
        at(advantage.max) + 8.0,
        advantage.median,
    )
}
