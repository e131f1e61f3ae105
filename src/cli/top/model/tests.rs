//! What is told, and what operators want, told to a model on a clock of the test's.

use super::super::keys::Change;
use super::super::samples::{at, busy, happened, offence, operator, second, shown, status, watched};
use super::pane::Step;
use super::*;
use crate::event::What;

fn sources(model: &Model) -> Vec<String> {
    model.rows().sources.iter().map(|row| row.source.to_string()).collect()
}

fn state(model: &Model, source: &str) -> State {
    model.rows().sources.iter().find(|row| row.source.to_string() == source).unwrap().state
}

fn down(model: &mut Model) {
    assert_eq!(model.apply(second(60), Change::Move(Step::Down)), None);
}

#[test]
fn contacts_and_distinct_ports_and_sources_are_counted() {
    let rows = busy().rows();
    let of = rows.sources.iter().map(|row| (row.contacts, row.ports)).collect::<Vec<_>>();
    assert_eq!(of, [(3, 2), (1, 1)], "the contact that decides counts, too");
    let ports = rows.ports.iter().map(|row| (row.service.1, row.contacts, row.sources)).collect::<Vec<_>>();
    assert_eq!(ports, [(23, 2, 1), (22, 1, 1), (3306, 1, 1)]);
    assert_eq!(rows.blocks.len(), 1);
}

#[test]
fn who_was_silent_longest_makes_room() {
    let mut model = Model::new(second(0));
    let name = |n: usize| format!("10.0.{}.{}", n / 256, n % 256);
    for n in 0..tally::SOURCES.get() {
        model.take(second(1), watched(&name(n), u16::try_from(n).unwrap()));
    }
    model.take(second(2), watched("10.0.0.0", 1));
    model.take(second(3), watched("192.0.2.1", 1));
    let shown = sources(&model);
    assert_eq!(shown.len(), tally::SOURCES.get());
    assert!(shown.contains(&"10.0.0.0".into()) && shown.contains(&"192.0.2.1".into()));
    assert!(!shown.contains(&"10.0.0.1".into()));
    assert_eq!(model.rows().ports.len(), tally::PORTS.get());
}

#[test]
fn a_source_that_asks_for_every_port_and_endless_blocks_do_not_make_it_grow() {
    let mut model = Model::new(second(0));
    for port in 0..1000 {
        model.take(second(1), happened(What::Blocked(offence("192.0.2.1", port))));
    }
    let rows = model.rows();
    assert_eq!((rows.sources[0].ports, rows.sources[0].contacts), (tally::DISTINCT, 1000));
    assert_eq!(rows.blocks.len(), tally::BLOCKS);
    assert_eq!(rows.blocks[0].number, 999, "the latest first");
}

#[test]
fn a_block_is_seen_to_end_by_an_operator() {
    let mut model = busy();
    assert_eq!(state(&model, "198.51.100.2"), State::Blocked(Some(second(658))));
    let prefix = "198.51.100.0/24".parse().unwrap();
    model.take(second(61), happened(What::Unblocked { prefix, by: operator() }));
    assert_eq!(state(&model, "198.51.100.2"), State::LetGo);
    assert_eq!(model.rows().blocks[0].state, State::LetGo);
    assert_eq!(state(&model, "2001:db8:a::/64"), State::Watched);
    assert_eq!(model.notice, Some((second(61), "198.51.100.0/24 unblocked by root (uid 0, pid 17)".into())));
}

#[test]
fn an_operators_block_stands_among_the_others_and_has_all_it_holds() {
    let mut model = busy();
    let prefix = "2001:db8::/32".parse().unwrap();
    let what = What::OperatorBlocked { prefix, until: None, reason: String::new(), by: operator() };
    model.take(second(61), happened(what));
    assert_eq!(state(&model, "2001:db8:a::/64"), State::Blocked(None));
    assert_eq!(model.rows().blocks[0].who, prefix);
    model.take(second(62), happened(What::UnblockedAll { by: operator() }));
    assert!(model.rows().blocks.iter().all(|row| row.state == State::LetGo));
}

#[test]
fn a_chosen_source_stays_chosen_wherever_it_moves() {
    let mut model = busy();
    down(&mut model);
    for _ in 0..5 {
        model.take(second(60), watched("2001:db8:a::/64", 3306));
    }
    assert_eq!(sources(&model)[0], "2001:db8:a::/64");
    let asked = model.apply(second(60), Change::Show);
    assert_eq!(asked, Some(Errand::Show("2001:db8:a::".parse().unwrap())));
}

#[test]
fn moving_ends_at_the_last_row_and_in_no_rows_at_all() {
    let mut empty = Model::new(second(0));
    down(&mut empty);
    assert_eq!(empty.apply(second(1), Change::Show), None);
    assert!(empty.notice.unwrap().1.starts_with("choose a source"));
    let mut model = busy();
    for step in [Step::PageDown, Step::Bottom, Step::Down] {
        assert_eq!(model.apply(second(60), Change::Move(step)), None);
        assert_eq!(model.pane(Table::Sources).place(&Table::Sources.keys(&model.rows())), 1);
    }
    assert_eq!(model.apply(second(60), Change::Move(Step::PageUp)), None);
    assert_eq!(model.pane(Table::Sources).place(&Table::Sources.keys(&model.rows())), 0);
}

#[test]
fn nobody_is_unblocked_without_a_yes_and_then_whom_the_question_named() {
    let mut model = busy();
    assert_eq!(model.apply(second(60), Change::Unblock), None, "no question was asked");
    assert_eq!(model.apply(second(60), Change::AskUnblock), None);
    let who = "198.51.100.2/32".parse().unwrap();
    assert_eq!((&model.dialog, model.mode()), (&Dialog::Unblock(who), Mode::Question));
    for _ in 0..9 {
        model.take(second(61), watched("192.0.2.9", 1));
    }
    assert_eq!(sources(&model)[0], "192.0.2.9");
    assert_eq!(model.apply(second(61), Change::Unblock), Some(Errand::Unblock(who)));
    assert_eq!(model.dialog, Dialog::None);
    assert_eq!(model.apply(second(61), Change::AskUnblock), None);
    assert_eq!(model.apply(second(61), Change::Close), None);
    assert_eq!(model.apply(second(61), Change::Unblock), None);
}

#[test]
fn an_answer_that_nobody_waits_for_any_more_is_dropped() {
    let mut model = busy();
    let (asked, other) = ("198.51.100.2".parse().unwrap(), "198.51.100.3".parse().unwrap());
    assert_eq!(model.apply(second(60), Change::Show), Some(Errand::Show(asked)));
    model.take(second(60), Told::Known(other, Ok(Box::new(shown()))));
    assert!(matches!(model.dialog, Dialog::Evidence { answer: None, .. }));
    model.take(second(60), Told::Known(asked, Ok(Box::new(shown()))));
    assert!(matches!(model.dialog, Dialog::Evidence { answer: Some(Ok(_)), .. }));
    assert_eq!(model.apply(second(60), Change::Close), None);
    model.take(second(60), Told::Known(asked, Ok(Box::new(shown()))));
    assert_eq!(model.dialog, Dialog::None);
}

#[test]
fn a_paused_screen_stands_still_and_misses_nothing() {
    let mut model = busy();
    assert_eq!(model.apply(second(60), Change::Pause), None);
    model.take(second(61), watched("192.0.2.9", 1));
    assert_eq!(sources(&model).len(), 2);
    assert_eq!(model.apply(second(62), Change::Pause), None);
    assert_eq!(sources(&model).len(), 3);
}

#[test]
fn each_table_has_its_order() {
    let mut model = busy();
    model.take(second(60), watched("192.0.2.9", 1));
    assert_eq!(sources(&model), ["198.51.100.2", "192.0.2.9", "2001:db8:a::/64"]);
    assert_eq!(model.apply(second(60), Change::Sort), None);
    assert_eq!(sources(&model)[0], "192.0.2.9", "the latest first");
    assert_eq!(model.apply(second(60), Change::Sort), None);
    assert_eq!(sources(&model), ["192.0.2.9", "198.51.100.2", "2001:db8:a::/64"], "by address");
    assert_eq!(model.pane(Table::Ports).sort, Sort::Contacts);
}

#[test]
fn a_reset_counts_from_now_on() {
    let mut model = busy();
    model.take(second(60), Told::Missed(7));
    assert_eq!(model.apply(second(61), Change::Reset), None);
    assert_eq!((model.rows(), model.missed, model.since), (Rows::default(), 0, second(61)));
}

#[test]
fn first_contacts_are_counted_by_the_second() {
    let mut model = Model::new(second(0));
    model.take(second(1), Told::Status(Box::new(status(0, 0))));
    for port in 1..=8 {
        model.take(second(2), watched("192.0.2.1", port));
    }
    model.take(second(3), Told::Status(Box::new(status(9, 2))));
    let last = model.minute.latest().unwrap();
    assert_eq!((last.packets, last.blocks, last.contacts), (9, 2, 4), "eight in two seconds");
    for n in 4..200 {
        model.take(second(n), Told::NoStatus("it does not run".into()));
    }
    assert_eq!(model.minute.map(|second| second.packets), vec![None; minute::SECONDS]);
}

#[test]
fn what_the_daemon_says_is_stripped_of_what_commands_a_terminal() {
    let mut model = busy();
    model.take(second(61), Told::NoStatus("gone\u{1b}[2J".into()));
    model.take(second(61), Told::NoEvents("gone\u{7}".into()));
    let source = "192.0.2.1".parse().unwrap();
    model.take(second(61), happened(What::NotBlocked { source, reason: "full\r\n\u{9b}31m".into() }));
    assert_eq!(model.away, Some("gone\u{fffd}[2J".into()));
    assert_eq!(model.deaf, Some((second(61), "gone\u{fffd}".into())));
    assert_eq!(model.notice, Some((second(61), "192.0.2.1 is not blocked: full\u{fffd}\u{fffd}\u{fffd}31m".into())));
}

#[test]
fn a_daemon_that_is_back_is_said_to_be() {
    let mut model = busy();
    model.take(second(61), happened(What::Stopped));
    model.take(second(62), Told::NoStatus("it does not run".into()));
    model.take(second(62), Told::NoEvents("it does not run".into()));
    model.take(second(63), Told::Status(Box::new(status(0, 0))));
    assert_eq!((model.away, model.deaf), (None, None));
    assert_eq!(model.notice, Some((second(63), "nftrap answers again".into())));
}

#[test]
fn a_block_lasts_as_long_as_its_end_is_away_whatever_our_clock_says() {
    let mut model = Model::new(second(0));
    let mut offence = offence("192.0.2.1", 1);
    offence.until = at();
    model.take(second(5), happened(What::Blocked(offence)));
    assert_eq!(state(&model, "192.0.2.1"), State::Blocked(Some(second(5))));
}
