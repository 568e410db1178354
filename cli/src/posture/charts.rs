//! The charts of the page, as SVG.

use super::Report;
use crate::output::shown_of_request;
use anyhow::anyhow;
use plotters::prelude::*;
use std::collections::BTreeMap;

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
            days(&measures.days)?,
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

/// Draws the permits and denies of each day.
fn days(days: &BTreeMap<String, (u64, u64)>) -> anyhow::Result<String> {
    let days: Vec<_> = days.iter().collect();
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
                // The range of a single day is empty, so that nothing is beyond its begin but the end.
                let right = match index + 1 == count {
                    true => SegmentValue::Last,
                    false => SegmentValue::Exact(index + 1),
                };
                let left = SegmentValue::Exact(index);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Width and height of the bars of that colour.
    fn sizes(svg: &str, colour: RGBColor) -> Vec<(u32, u32)> {
        let fill = format!("fill=\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
        let number = |line: &str, name: &str| {
            let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.parse().unwrap()
        };
        svg.lines()
            .filter(|line| line.starts_with("<rect") && line.contains(&fill))
            .map(|line| (number(line, "width"), number(line, "height")))
            .collect()
    }

    #[test]
    fn a_chart_shows_each_day_also_if_there_is_only_one() {
        for count in [1, 2, 3, 40] {
            let dates =
                (1..=count).map(|day| format!("2026-{:02}-{:02}", day / 28 + 1, day % 28 + 1));
            let of_days: BTreeMap<_, _> = dates.map(|date| (date, (6, 3))).collect();
            let svg = days(&of_days).unwrap();
            for (colour, height) in [(PERMIT, 80..180), (DENY, 40..90)] {
                let sizes = sizes(&svg, colour);
                assert_eq!(sizes.len(), count, "{svg}");
                for (wide, high) in sizes {
                    assert!(wide > 5 && height.contains(&high), "{count}: {wide} {high}");
                }
            }
            let first = of_days.keys().next().unwrap();
            assert!(count > 8 || svg.contains(first), "{svg}");
        }
    }
}
