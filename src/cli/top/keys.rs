//! What a key means. Pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::Table;
use super::model::pane::Step;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Another table.
    Focus(Table),
    /// The next table.
    NextTable,
    /// Another row, or other lines.
    Move(Step),
    /// Another order.
    Sort,
    /// Tables that stand still, or move again.
    Pause,
    /// To count from now on.
    Reset,
    /// What is known of the chosen source.
    Show,
    /// To be asked whether to unblock it.
    AskUnblock,
    /// To unblock it.
    Unblock,
    /// The keys explained.
    Help,
    /// What stands in front gone.
    Close,
}

/// What is in front, and so what keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The tables.
    Tables,
    /// Something to read.
    Reading,
    /// A question: only `y` does something.
    Question,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The end.
    Quit,
    /// A change.
    Change(Change),
}

/// What `key` asks for, if anything.
pub(super) fn read(key: KeyEvent, mode: Mode) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Wish::Quit);
    }
    match mode {
        Mode::Tables if matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) => Some(Wish::Quit),
        Mode::Tables => step(key.code).map(Change::Move).or_else(|| table_key(key.code)).map(Wish::Change),
        Mode::Reading => Some(Wish::Change(step(key.code).map_or(Change::Close, Change::Move))),
        Mode::Question if matches!(key.code, KeyCode::Char('y' | 'Y')) => Some(Wish::Change(Change::Unblock)),
        Mode::Question => Some(Wish::Change(Change::Close)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a keyboard has more keys than we have wishes")]
const fn step(code: KeyCode) -> Option<Step> {
    Some(match code {
        KeyCode::Up | KeyCode::Char('k') => Step::Up,
        KeyCode::Down | KeyCode::Char('j') => Step::Down,
        KeyCode::PageUp => Step::PageUp,
        KeyCode::PageDown => Step::PageDown,
        KeyCode::Home => Step::Top,
        KeyCode::End => Step::Bottom,
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a keyboard has more keys than we have wishes")]
const fn table_key(code: KeyCode) -> Option<Change> {
    Some(match code {
        KeyCode::Tab => Change::NextTable,
        KeyCode::Char('1') => Change::Focus(Table::Sources),
        KeyCode::Char('2') => Change::Focus(Table::Ports),
        KeyCode::Char('3') => Change::Focus(Table::Blocks),
        KeyCode::Char('s') => Change::Sort,
        KeyCode::Char('p') => Change::Pause,
        KeyCode::Char('r') => Change::Reset,
        KeyCode::Char('u') => Change::AskUnblock,
        KeyCode::Char('?' | 'h') => Change::Help,
        KeyCode::Enter => Change::Show,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, mode: Mode) -> Option<Wish> {
        read(KeyEvent::new(code, KeyModifiers::NONE), mode)
    }

    #[test]
    fn only_y_answers_a_question_with_yes() {
        assert_eq!(press(KeyCode::Char('y'), Mode::Question), Some(Wish::Change(Change::Unblock)));
        for code in [KeyCode::Enter, KeyCode::Char('n'), KeyCode::Char('u'), KeyCode::Esc, KeyCode::Char('q')] {
            assert_eq!(press(code, Mode::Question), Some(Wish::Change(Change::Close)), "{code}");
        }
    }

    #[test]
    fn esc_and_q_close_what_is_in_front_before_they_end_it() {
        for code in [KeyCode::Esc, KeyCode::Char('q')] {
            assert_eq!(press(code, Mode::Reading), Some(Wish::Change(Change::Close)));
            assert_eq!(press(code, Mode::Tables), Some(Wish::Quit));
        }
        for mode in [Mode::Tables, Mode::Reading, Mode::Question] {
            assert_eq!(read(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL), mode), Some(Wish::Quit));
        }
    }

    #[test]
    fn a_key_that_is_let_go_is_no_second_press() {
        let release = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(read(release, Mode::Tables), None);
    }

    #[test]
    fn every_table_key_has_its_meaning() {
        for (code, change) in [
            (KeyCode::Tab, Change::NextTable),
            (KeyCode::Char('3'), Change::Focus(Table::Blocks)),
            (KeyCode::PageDown, Change::Move(Step::PageDown)),
            (KeyCode::Char('s'), Change::Sort),
            (KeyCode::Char('p'), Change::Pause),
            (KeyCode::Char('r'), Change::Reset),
            (KeyCode::Enter, Change::Show),
            (KeyCode::Char('u'), Change::AskUnblock),
            (KeyCode::Char('?'), Change::Help),
        ] {
            assert_eq!(press(code, Mode::Tables), Some(Wish::Change(change)));
        }
        assert_eq!(press(KeyCode::Char('x'), Mode::Tables), None);
    }
}
