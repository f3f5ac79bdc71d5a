//! The table of people out of range: the farthest outside first, with as many columns as fit.
//!
//! It sorts nothing and counts nothing but those who have no row.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table};

use crate::commands::demo::watch::{OutOfRange, Outside};
use crate::commands::demo::wording::{grouped, minutes, time_of_day};

/// One column: its heading, its width, and from which width of the terminal on it is there.
struct Column {
    heading: &'static str,
    width: u16,
    from: u16,
    text: fn(&OutOfRange) -> String,
}

const COLUMNS: [Column; 7] = [
    Column {
        heading: "user",
        width: 7,
        from: 0,
        text: |person| person.user.clone(),
    },
    Column {
        heading: "beats/min",
        width: 9,
        from: 40,
        text: |person| format!("{:.1}", person.mean),
    },
    Column {
        heading: "own range",
        width: 9,
        from: 50,
        text: |person| format!("{:.0}-{:.0}", person.low, person.high),
    },
    Column {
        heading: "outside by",
        width: 11,
        from: 0,
        text: |person| person.outside().to_string(),
    },
    Column {
        heading: "moved",
        width: 7,
        from: 60,
        text: |person| format!("{:.1} m", person.moved_metres),
    },
    Column {
        heading: "since (UTC)",
        width: 11,
        from: 74,
        text: |person| time_of_day(person.since_ms),
    },
    Column {
        heading: "for",
        width: 7,
        from: 30,
        text: |person| {
            let length_ms = person.last_ms.saturating_sub(person.since_ms).max(0);
            minutes(std::time::Duration::from_millis(length_ms as u64))
        },
    },
];

/// With fewer rows than this, all of them show people; the title says how many there are.
const ROOM_FOR_MORE: usize = 6;

/// Draws the heading and a row for each, as far as there is room; the last row says how many have none.
pub(super) fn draw(frame: &mut Frame<'_>, out: &[&OutOfRange], area: Rect) {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let room = usize::from(area.height.saturating_sub(1));
    let says_more = out.len() > room && room >= ROOM_FOR_MORE;
    let shown = out.len().min(room - usize::from(says_more));
    let right = |text: String| Cell::from(Text::from(text).right_aligned());
    let heading = Row::new(columns.iter().map(|column| right(column.heading.to_owned()))).add_modifier(Modifier::DIM);
    let rows = out[..shown].iter().map(|person| {
        let cells = columns.iter().map(|column| {
            let cell = right((column.text)(person));
            if column.heading == "outside by" {
                cell.style(color(person.outside()))
            } else {
                cell
            }
        });
        Row::new(cells)
    });
    let widths = columns.iter().map(|column| Constraint::Length(column.width));
    // A narrow terminal has no room to keep columns apart by more.
    let spacing = if area.width < 74 { 1 } else { 2 };
    frame.render_widget(Table::new(rows, widths).header(heading).column_spacing(spacing), area);
    if says_more {
        let more = format!(" and {} more", grouped((out.len() - shown) as u64));
        let last = Rect {
            y: area.bottom() - 1,
            height: 1,
            ..area
        };
        frame.render_widget(Line::from(more).dim(), last);
    }
}

fn color(outside: Outside) -> Style {
    match outside {
        Outside::Above(_) => Style::new().fg(Color::LightRed),
        Outside::Below(_) => Style::new().fg(Color::LightBlue),
    }
}
