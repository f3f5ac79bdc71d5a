//! The picture in the terminal: rates, who is out of range, and totals, at any size.
//!
//! It draws one moment and remembers nothing. What has no room is left out, the least needed first.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, RenderDirection, Sparkline};

use super::numbers::Rate;
use super::scene::Scene;
use super::wording::{bytes, grouped, minutes, people};

mod table;

/// From this width on, a line has room for all there is to say.
const WIDE: u16 = 72;
/// Below this height the rows of the table come first: totals take one line, and there is no line under the table.
const HIGH: u16 = 18;
const NOT_A_DEVICE: &str = "Not a medical device.";

/// Draws one moment.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    let area = frame.area();
    let header = header(scene, area.width);
    let mut totals = totals(scene, area.width.saturating_sub(2));
    if area.height < HIGH {
        totals.truncate(1);
    }
    let [top, rates, middle, bottom, keys] = Layout::vertical([
        Constraint::Length(header.len() as u16),
        Constraint::Length(2),
        Constraint::Min(0),
        Constraint::Length(totals.len() as u16),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(header), top);
    draw_rates(frame, scene, rates);
    draw_people(frame, scene, middle);
    frame.render_widget(Paragraph::new(totals), bottom);
    frame.render_widget(Line::from(hints(scene, area.width)).dim(), keys);
}

/// How to stop and, where it fits whole, where the page is.
fn hints(scene: &Scene<'_>, width: u16) -> String {
    let keys = " q or Ctrl-C stops";
    let both = format!("{keys}  page: {}", scene.url);
    if both.len() <= usize::from(width) {
        both
    } else {
        keys.to_owned()
    }
}

/// One line when it is wide enough, else two.
fn header(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
    let time = match scene.length {
        Some(length) => format!("{} of {}", minutes(scene.elapsed), minutes(length)),
        None => minutes(scene.elapsed),
    };
    let name = Span::from(" HeartWatch demo").bold();
    let people = people(u64::from(scene.users));
    if width < WIDE {
        return vec![
            Line::from(vec![name, format!("  {time}").into()]),
            // What must not be cut comes first.
            Line::from(format!(" {NOT_A_DEVICE}  {people} x{}", scene.speed)),
        ];
    }
    let said = format!("  {people}  speed {}  {time}", scene.speed);
    let used = name.content.len() + said.len() + NOT_A_DEVICE.len() + 1;
    let gap = " ".repeat(usize::from(width).saturating_sub(used).max(2));
    vec![Line::from(vec![name, said.into(), gap.into(), NOT_A_DEVICE.into()])]
}

/// A line a rate: what it is, how much it is now, and how it was.
fn draw_rates(frame: &mut Frame<'_>, scene: &Scene<'_>, area: Rect) {
    let rate = scene.numbers.rate();
    let lines = [
        (
            "in ",
            "readings",
            rate.readings,
            Color::Cyan,
            (|rate| rate.readings) as fn(&Rate) -> f64,
        ),
        ("out", "findings", rate.findings, Color::Yellow, |rate| rate.findings),
    ];
    for ((side, unit, now, color, of), row) in lines.into_iter().zip(area.rows()) {
        let unit = if area.width < WIDE { "" } else { unit };
        let text = format!(" {side} {:>9} {unit}/s  ", grouped(now.round() as u64));
        let [words, curve] = Layout::horizontal([Constraint::Length(text.len() as u16), Constraint::Min(0)]).areas(row);
        frame.render_widget(Line::from(text), words);
        // Newest at the right; tenths, so that a few findings make a curve.
        let samples: Vec<u64> = scene
            .numbers
            .rates
            .iter()
            .rev()
            .map(|rate| (of(rate) * 10.0) as u64)
            .collect();
        let spark = Sparkline::default()
            .data(samples)
            .direction(RenderDirection::RightToLeft);
        let right_margin = Rect {
            width: curve.width.saturating_sub(1),
            ..curve
        };
        frame.render_widget(spark.style(color), right_margin);
    }
}

fn draw_people(frame: &mut Frame<'_>, scene: &Scene<'_>, area: Rect) {
    let out = scene.watch.farthest_first();
    let title = format!(" Out of range now: {} ", people(out.len() as u64));
    let lines = if frame.area().height < HIGH {
        Borders::TOP
    } else {
        Borders::TOP | Borders::BOTTOM
    };
    let block = Block::new()
        .borders(lines)
        .border_style(Style::new().add_modifier(Modifier::DIM))
        .title(Span::from(title).not_dim().bold());
    let inside = block.inner(area);
    frame.render_widget(block, area);
    if out.is_empty() {
        let text = if scene.watch.findings == 0 {
            "Nobody yet: it takes 10 s of readings to tell."
        } else {
            "Nobody at present."
        };
        let middle = Rect {
            y: inside.y + inside.height.saturating_sub(1) / 2,
            height: inside.height.min(1),
            ..inside
        };
        frame.render_widget(Paragraph::new(text).alignment(Alignment::Center).dim(), middle);
    } else {
        table::draw(frame, &out, inside);
    }
}

/// As many to a line as fit.
fn totals(scene: &Scene<'_>, width: u16) -> Vec<Line<'static>> {
    let numbers = scene.numbers;
    let items = [
        ("readings", grouped(numbers.readings)),
        ("findings", grouped(scene.watch.findings)),
        ("late", grouped(numbers.late)),
        ("dead letters", grouped(numbers.dead_letters)),
        ("state", bytes(numbers.state_bytes)),
        ("lag", grouped(numbers.lag)),
    ];
    let mut lines = vec![Line::default()];
    for (name, value) in items {
        let taken = name.len() + value.len() + 3; // two spaces before, one between
        let line = match lines.last_mut() {
            Some(line) if line.width() == 0 || line.width() + taken <= usize::from(width) + 2 => line,
            _ => {
                lines.push(Line::default());
                let last = lines.len() - 1;
                &mut lines[last]
            }
        };
        let before = if line.width() == 0 { " " } else { "  " };
        line.push_span(before);
        line.push_span(Span::from(format!("{name} ")).dim());
        line.push_span(value);
    }
    lines
}

#[cfg(test)]
mod tests;
