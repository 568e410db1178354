//! The report as one self-contained page.

use super::{Latency, Row, Series, sorted};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, ChartBuilder, Color, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries, Palette,
    Palette99, PathElement, SVGBackend, WHITE,
};

const SIZE: (u32, u32) = (900, 420);

/// Returns a page with the rows, the arms' distributions and the latencies.
///
/// `about` describes the machine and the versions.
///
/// # Panics
///
/// If a plot cannot be drawn, which writes to memory only.
pub fn page(about: &str, rows: &[Row], arms: &[Series], latencies: &[(&str, Latency)]) -> String {
    let page: Markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Portcullis: what a decision costs" }
                style {
                    "body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2em auto; padding: 0 1em }"
                    "table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3em .6em; border-bottom: 1px solid #ddd }"
                    ".met { color: #176c2a } .missed { color: #a8071a } svg { max-width: 100%; height: auto }"
                }
            }
            body {
                h1 { "What a decision costs" }
                p { (about) }
                table {
                    tr { th { "what" } th { "goal" } th { "measured" } th { "ratio" } th { "" } }
                    @for row in rows {
                        tr {
                            td { (row.name) } td { (row.goal) } td { (row.measured) }
                            td { (format!("{:.2}", row.ratio)) }
                            @if row.met { td.met { "met" } } @else { td.missed { "missed" } }
                        }
                    }
                }
                h2 { "The arms, over the rounds" }
                p { "For each share of the rounds, within which time a decision was made in them." }
                (PreEscaped(plot(|area| shares(area, &of_arms(arms)))))
                h2 { "Single decisions" }
                p { "For each share of the decisions, within which time they were made. The axis of time is logarithmic." }
                (PreEscaped(plot(|area| shares(area, &of_latencies(latencies)))))
            }
        }
    };
    page.into_string()
}

/// A line: its name, and pairs of microseconds and the share of runs that were not longer.
type Line = (String, Vec<(f64, f64)>);

fn of_arms(arms: &[Series]) -> Vec<Line> {
    arms.iter()
        .map(|arm| {
            let rounds = sorted(&arm.nanos);
            let last = rounds.len().max(1) as f64;
            let points = rounds.iter().enumerate();
            let points = points.map(|(index, nanos)| (nanos / 1000.0, (index + 1) as f64 / last));
            (arm.name.to_owned(), points.collect())
        })
        .collect()
}

fn of_latencies(latencies: &[(&str, Latency)]) -> Vec<Line> {
    latencies
        .iter()
        .map(|(name, latency)| {
            let shares = (1..=999).map(|permille| f64::from(permille) / 10.0);
            let points = shares.map(|share| (latency.micros(share), share / 100.0));
            ((*name).to_owned(), points.collect())
        })
        .collect()
}

fn plot(draw: impl Fn(&DrawingArea<SVGBackend<'_>, Shift>)) -> String {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    draw(&area);
    area.present().expect("drawn in memory");
    drop(area);
    svg
}

fn shares(area: &DrawingArea<SVGBackend<'_>, Shift>, lines: &[Line]) {
    area.fill(&WHITE).expect("drawn in memory");
    let times = || {
        lines
            .iter()
            .flat_map(|(_, points)| points.iter().map(|(x, _)| *x))
    };
    let first = times().fold(f64::INFINITY, f64::min).max(0.01);
    let last = times().fold(first * 2.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((first * 0.9..last * 1.1).log_scale(), 0.0..1.0)
        .expect("drawn in memory");
    chart
        .configure_mesh()
        .x_desc("µs")
        .x_label_formatter(&|x| format!("{x:.3}"))
        .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
        .draw()
        .expect("drawn in memory");
    for (index, (name, points)) in lines.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))
            .expect("drawn in memory")
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .expect("drawn in memory");
}
