//! The files that get lines of what happens: opened at the start, tried for again where they cannot be had, ended last.

use std::path::Path;
use std::sync::OnceLock;

use log::{info, warn};

use super::audience::Audience;
use crate::config::Report;
use crate::report::line_file::{self, LineFile, Lines, Purpose};
use crate::report::logger::with_causes;

/// Those that are open.
#[derive(Default)]
pub(super) struct Files(Vec<LineFile>);

impl Files {
    /// Opens those that `report` names and `audience` has not got. What cannot be had is said, once, and returned; it does not keep us from
    /// blocking. `before` is what came of the last time.
    pub(super) fn open(
        &mut self,
        report: &Report,
        audience: &Audience,
        before: &[(Purpose, String)],
    ) -> Vec<(Purpose, String)> {
        let mut missing = Vec::new();
        for (purpose, path, slot) in wanted(report, audience) {
            let known = before.iter().any(|(known, _)| *known == purpose);
            let started = line_file::start(path, purpose);
            match &started {
                Ok(_) if known => info!("{purpose} are written from now on"),
                Err(error) if !known => warn!("no {purpose} are written: {}", with_causes(error)),
                Ok(_) | Err(_) => {}
            }
            match started {
                Ok(file) => {
                    let (Ok(()) | Err(_)) = slot.set(file.lines());
                    self.0.push(file);
                }
                Err(error) => missing.push((purpose, format!("no {purpose} are written: {}", with_causes(&error)))),
            }
        }
        missing
    }

    /// Waits until what was told so far is written, if the disk takes it soon.
    pub(super) fn finish(self) {
        self.0.into_iter().for_each(LineFile::finish);
    }
}

/// Those that are named and not open: what for, where, and who waits for it.
fn wanted<'a>(report: &'a Report, audience: &'a Audience) -> Vec<(Purpose, &'a Path, &'a OnceLock<Lines>)> {
    let chronicle = &audience.chronicle;
    let all = [
        (Purpose::Events, &report.events, &audience.file),
        (Purpose::History, &report.history, chronicle.history()),
        (Purpose::Blocked, &report.blocked, chronicle.blocked()),
    ];
    let named = all.into_iter().filter_map(|(purpose, path, slot)| Some((purpose, path.as_deref()?, slot)));
    named.filter(|(_, _, slot)| slot.get().is_none()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::LogFormat;
    use crate::report::chronicle::Chronicle;

    #[test]
    fn a_file_that_cannot_be_had_is_tried_for_again_and_the_others_are_open() {
        let folder = std::env::temp_dir().join(format!("nftrap-files-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let later = folder.join("later");
        fs::write(folder.join("blocked"), "1 - 01/01/1970 00:00:01 Host: of the last time\n").unwrap();
        let (history, blocked) = (Some(later.join("history")), Some(folder.join("blocked")));
        let report = Report { history, blocked, ..Report::default() };
        let (chronicle, _) = Chronicle::start(&report, LogFormat::Text, "nftrap").unwrap();
        let (audience, mut files) = (Audience::new(None, chronicle, None), Files::default());
        let missing = files.open(&report, &audience, &[]);
        assert!(missing.len() == 1 && missing[0].1.contains("its folder does not exist"), "{missing:?}");
        assert_eq!(fs::metadata(folder.join("blocked")).unwrap().len(), 0, "begun anew");
        fs::create_dir(&later).unwrap();
        assert_eq!(files.open(&report, &audience, &missing), []);
        assert_eq!(files.0.len(), 2, "each once");
        files.finish();
        assert!(later.join("history").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
