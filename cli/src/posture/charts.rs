//! The charts of the page, as SVG.

use super::Report;
use crate::output::shown_of_request;
use anyhow::anyhow;
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 260);
const PERMIT: RGBColor = RGBColor(46, 125, 50);
const DENY: RGBColor = RGBColor(198, 40, 40);
const NEUTRAL: RGBColor = RGBColor(69, 90, 160);

/// Number of causes to show. The most frequent are shown.
const CAUSES: usize = 10;

/// Returns every chart that has data, with its title.
pub(super) fn all(report: &Report) -> anyhow::Result<Vec<(&'static str, String)>> {
    let measures = &report.measures;
    let mut charts = Vec::new();
    if !measures.days.is_empty() {
        charts.push((
            "Decisions of each day: permits below, denies above",
            days(report)?,
        ));
    }
    if !measures.denies.is_empty() {
        let mut causes: Vec<_> = measures
            .denies
            .iter()
            .map(|(c, n)| (shown_of_request(c), *n))
            .collect();
        causes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        causes.truncate(CAUSES);
        charts.push(("Denies by cause", bars(&causes, DENY)?));
    }
    let lifetimes = measures.lifetimes();
    if !lifetimes.is_empty() {
        let buckets = [
            ("5 min", 300),
            ("15 min", 900),
            ("1 h", 3600),
            ("1 d", 86_400),
            ("30 d", 2_592_000),
            ("longer", u64::MAX),
        ];
        let mut least = 0;
        let counted: Vec<_> = buckets
            .iter()
            .map(|(name, most)| {
                let within = lifetimes.iter().filter(|it| **it <= *most && **it >= least);
                let count = within.count() as u64;
                least = most.saturating_add(1);
                let name = if *name == "longer" {
                    (*name).to_owned()
                } else {
                    format!("up to {name}")
                };
                (name, count)
            })
            .collect();
        charts.push(("Credentials by lifetime", bars(&counted, NEUTRAL)?));
    }
    Ok(charts)
}

fn days(report: &Report) -> anyhow::Result<String> {
    let days: Vec<_> = report.measures.days.iter().collect();
    let most = days
        .iter()
        .map(|(_, (permits, denies))| permits + denies)
        .max()
        .unwrap_or(1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let count = i32::try_from(days.len())?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(28)
            .y_label_area_size(60)
            .build_cartesian_2d((0..count - 1).into_segmented(), 0..most + most / 10 + 1)?;
        let label = |place: &SegmentValue<i32>| match place {
            SegmentValue::CenterOf(index) => usize::try_from(*index)
                .ok()
                .and_then(|index| days.get(index))
                .map_or_else(String::new, |(day, _)| (*day).clone()),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(days.len().min(8))
            .x_label_formatter(&label)
            .draw()?;
        for (index, (_, (permits, denies))) in (0..).zip(&days) {
            let column = |from: u64, to: u64, colour: RGBColor| {
                let (left, right) = (SegmentValue::Exact(index), SegmentValue::Exact(index + 1));
                let mut bar = Rectangle::new([(left, from), (right, to)], colour.filled());
                bar.set_margin(0, 0, 3, 3);
                bar
            };
            chart.draw_series([
                column(0, *permits, PERMIT),
                column(*permits, permits + denies, DENY),
            ])?;
        }
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(svg)
}

/// Draws horizontal bars, each with its name and number.
fn bars(counted: &[(String, u64)], colour: RGBColor) -> anyhow::Result<String> {
    let row = 26;
    let rows = i32::try_from(counted.len())?;
    let height = u32::try_from(rows * row + 16)?;
    let most = counted
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(1)
        .max(1);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (SIZE.0, height)).into_drawing_area();
        let font = ("sans-serif", 14).into_font();
        for (index, (name, count)) in (0..).zip(counted) {
            let top = 8 + index * row;
            let length = i32::try_from(count * 520 / most)?;
            area.draw(&Text::new(name.clone(), (8, top + 5), font.clone()))?;
            let bar = [(230, top + 2), (230 + length.max(1), top + row - 5)];
            area.draw(&Rectangle::new(bar, colour.filled()))?;
            area.draw(&Text::new(
                count.to_string(),
                (238 + length, top + 5),
                font.clone(),
            ))?;
        }
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(svg)
}
