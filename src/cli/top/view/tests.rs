//! Pictures on a terminal of the test's, as text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::super::keys::Change;
use super::super::model::Told;
use super::super::samples::{busy, second, shown, status, watched};
use super::*;

fn buffer(model: &Model, now: Moment, (wide, high): (u16, u16), look: Look) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(wide, high)).unwrap();
    terminal.draw(|frame| draw(frame, model, now, look)).unwrap();
    terminal.backend().buffer().clone()
}

/// The picture as lines, without blanks at their ends.
fn text(model: &Model, now: Moment, size: (u16, u16)) -> Vec<String> {
    let buffer = buffer(model, now, size, Look::Plain);
    let wide = usize::from(buffer.area.width);
    let line = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    buffer.content.chunks(wide).map(|cells| line(cells).trim_end().to_owned()).collect()
}

fn first(model: &Model, now: u64) -> String {
    text(model, second(now), LEAST).swap_remove(0)
}

#[test]
fn the_smallest_screen_shows_it_all() {
    assert_eq!(
        text(&busy(), second(60), LEAST),
        [
            "GUARDING  mode enforce   since 2026-11-24 05:55 UTC (1h 1m)",
            "packets 1234/s   blocks 5/s   first contacts 0/s",
            "verdict p50 12 µs p99 85 µs   block p50 - p99 12 ms",
            "queues 4 waiting, 0 overrun   blocked 3   banned 1",
            "sources 65536 of 131072 (50%)   journal ok, 77 stored",
            "packets/s                                     ▁█ max 1234",
            "blocks/s                                      ▁█ max 5",
            " 1 sources   2 ports   3 blocks  2 in 1m, by contacts",
            "source             contacts ports last port seen state",
            "198.51.100.2              3     2 tcp/23      2s blocked 9m",
            "2001:db8:a::/64           1     1 tcp/3306    2s watched",
            "",
            "",
            "",
            "q quit   ? help   Tab table   s sort   p pause   Enter why",
        ]
    );
}

#[test]
fn a_large_screen_shows_all_tables() {
    let lines = text(&busy(), second(60), (130, 30));
    let has = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(has("nftrap 0.1.0, table inet nftrap"));
    assert!(lines.iter().any(|line| line.contains(" 1 sources  2 in 1m") && line.contains(" 2 ports  3 in 1m")));
    assert!(has("blocked 9m   tcp/23                               2       1   2s"), "{lines:#?}");
    let block = "05:55:21 tcp/23    syn             4 203.0.113.2              blocked 9m";
    assert!(lines.iter().any(|line| line.starts_with("198.51.100.2 ") && line.ends_with(block)), "{lines:#?}");
}

#[test]
fn ports_and_blocks_have_their_tables() {
    let mut model = busy();
    assert_eq!(model.apply(second(60), Change::NextTable), None);
    assert_eq!(
        text(&model, second(60), LEAST)[7..12],
        [
            " 1 sources   2 ports   3 blocks  3 in 1m, by contacts",
            "port                                   contacts sources seen",
            "tcp/23                                        2       1   2s",
            "tcp/22                                        1       1   2s",
            "tcp/3306                                      1       1   2s",
        ]
    );
    assert_eq!(model.apply(second(60), Change::Focus(Table::Blocks)), None);
    assert_eq!(
        text(&model, second(60), LEAST)[7..10],
        [
            " 1 sources   2 ports   3 blocks  1 in 1m, by latest",
            "source                        at       port      state",
            "198.51.100.2                  05:55:21 tcp/23    blocked 9m",
        ]
    );
}

#[test]
fn the_first_line_says_when_nobody_is_protected() {
    let mut model = Model::new(second(0));
    assert_eq!(first(&model, 0), "nftrap has not answered yet");
    let mut told = status(0, 0);
    told.mode = "observe".into();
    model.take(second(1), Told::Status(Box::new(told.clone())));
    assert_eq!(first(&model, 1), "OBSERVING  mode observe   since 2026-11-24 05:55 UTC (1h 1m)".split_at(60).0);
    told.protection = "the table is gone".into();
    model.take(second(1), Told::Status(Box::new(told)));
    assert_eq!(first(&model, 1), "NOT PROTECTING: the table is gone");
    let red = buffer(&model, second(1), LEAST, Look::Colours);
    assert_eq!(red.content[0].fg, Color::Red);
    assert_eq!(first(&model, 4), "NO ANSWER for 3s: nftrap is stopped or very busy");
    model.take(second(5), Told::NoStatus("nftrap does not run".into()));
    assert_eq!(first(&model, 5), "NO ANSWER: nftrap does not run");
    model.take(second(6), Told::Status(Box::new(status(0, 0))));
    assert!(first(&model, 6).starts_with("GUARDING"));
}

#[test]
fn what_goes_wrong_is_seen() {
    let mut model = busy();
    let mut told = status(0, 0);
    told.queues[0].overrun = 9;
    told.counters.lost = 4;
    if let Some(journal) = &mut told.journal {
        (journal.problem, journal.dropped, journal.lag_ms) = (Some("disk full".into()), 5, 65_000);
    }
    model.take(second(61), Told::Status(Box::new(told)));
    model.take(second(61), Told::Missed(8));
    model.take(second(61), Told::NoEvents("too many clients at once".into()));
    let seen = text(&model, second(61), (100, 24)).join("\n");
    for part in [
        "9 overrun",
        "4 packets lost",
        "8 events missed here",
        "journal disk full, 5 lost, 1m 5s behind",
        "no events: too many clients at once",
    ] {
        assert!(seen.contains(part), "{part}:\n{seen}");
    }
    assert!(!text(&model, second(70), (100, 24)).join("\n").contains("no events"), "they come again");
}

#[test]
fn a_question_names_whom_it_is_about() {
    let mut model = busy();
    assert_eq!(model.apply(second(60), Change::AskUnblock), None);
    let lines = text(&model, second(60), LEAST);
    assert!(lines.iter().any(|line| line.contains("│ unblock 198.51.100.2? y/n ")), "{lines:#?}");
}

#[test]
fn what_is_known_of_a_source_is_told_in_words() {
    let mut model = busy();
    let _asked = model.apply(second(60), Change::Show);
    assert!(text(&model, second(60), LEAST).join("\n").contains("asking nftrap"));
    let mut known = shown();
    known.evidence.push(serde_json::json!({"odd": "\u{1b}[31m"}));
    model.take(second(60), Told::Known("198.51.100.2".parse().unwrap(), Ok(Box::new(known))));
    let lines = text(&model, second(60), (80, 24));
    let inside: Vec<_> =
        lines.iter().filter_map(|line| Some(line.split_once("│ ")?.1.split_once('│')?.0.trim())).collect();
    assert_eq!(
        inside,
        [
            "198.51.100.2: blocked",
            "4 contacts; enough are 1 with triggers, or 4 with other ports, within 1h",
            "blocks in a row so far: 1",
            "what it did lately, oldest first:",
            "2026-11-24T05:55:21.189Z syn tcp/111 at 203.0.113.2",
            "{\"odd\":\"\\u001b[31m\"}",
        ]
    );
}

#[test]
fn a_notice_stays_for_a_while() {
    let mut model = busy();
    model.take(second(60), Told::Changed(Err("you may ask, and change nothing".into())));
    let last = |now| text(&model, second(now), LEAST).pop().unwrap();
    assert_eq!(last(69), "you may ask, and change nothing");
    assert!(last(70).starts_with("q quit"));
}

#[test]
fn the_chosen_row_is_always_in_sight() {
    let mut model = busy();
    for n in 0..40 {
        model.take(second(60), watched(&format!("192.0.2.{n}"), 1));
    }
    for _ in 0..30 {
        assert_eq!(model.apply(second(60), Change::Move(super::super::model::pane::Step::Down)), None);
        let buffer = buffer(&model, second(60), LEAST, Look::Plain);
        let wide = usize::from(buffer.area.width);
        let chosen = buffer.content.chunks(wide).skip(9).filter(|line| line[0].modifier.contains(Modifier::REVERSED));
        assert_eq!(chosen.count(), 1);
    }
}

#[test]
fn every_size_is_drawn_without_a_panic() {
    let mut model = busy();
    let _asked = model.apply(second(60), Change::Show);
    model.take(second(60), Told::Known("198.51.100.2".parse().unwrap(), Ok(Box::new(shown()))));
    for wide in (1..200).step_by(23).chain([59, 60, 119, 120]) {
        for high in (1..60).step_by(9).chain([14, 15, 29, 30]) {
            let lines = text(&model, second(60), (wide, high));
            assert_eq!(lines.len(), usize::from(high));
        }
    }
    assert_eq!(text(&model, second(60), (59, 15))[0], "59x15 is too small: 60x15, please");
}

#[test]
fn nothing_has_a_colour_where_none_is_wanted() {
    let mut model = busy();
    for change in [Change::Show, Change::Help, Change::AskUnblock] {
        let _asked = model.apply(second(60), change);
        let plain = buffer(&model, second(60), (130, 40), Look::Plain);
        assert!(plain.content.iter().all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)), "{change:?}");
    }
}

#[test]
fn hostile_words_reach_the_terminal_as_words() {
    let evil = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\n";
    let mut model = busy();
    let mut told = status(1, 1);
    for field in [&mut told.version, &mut told.since, &mut told.mode, &mut told.table] {
        field.push_str(evil);
    }
    told.journal.as_mut().unwrap().problem = Some(evil.into());
    let mut known = shown();
    for field in [&mut known.source, &mut known.state] {
        field.push_str(evil);
    }
    known.why = Some(evil.into());
    known.evidence = vec![serde_json::json!(evil)];
    let _asked = model.apply(second(60), Change::Show);
    model.take(second(60), Told::Known("198.51.100.2".parse().unwrap(), Ok(Box::new(known))));
    for protection in ["whole", evil] {
        told.protection = protection.into();
        model.take(second(60), Told::Status(Box::new(told.clone())));
        let seen = text(&model, second(60), (130, 40)).concat();
        assert!(seen.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{seen:?}");
    }
}
