//! Files for TCP wrappers: what is refused, and what stays as it was.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::cases::Wish;
use super::super::cases::samples::change as wish;
use super::*;

/// A file in a folder of its own, gone when the test is over.
struct Place(PathBuf);

impl Place {
    fn new(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("nftrap-deny-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("hosts.deny"), text).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("hosts.deny")
    }

    fn add(&self) -> Result<(), DenyError> {
        change(&self.file(), &[wish("ALL: 192.0.2.1", Wish::Add)])
    }

    fn text(&self) -> String {
        String::from_utf8(fs::read(self.file()).unwrap()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn its_mode_and_owner_stay_and_nothing_is_left_beside_it() {
    let place = Place::new("# theirs\n");
    fs::set_permissions(place.file(), Permissions::from_mode(0o640)).unwrap();
    let owner = if rustix::process::geteuid().is_root() {
        (0, 65_534)
    } else {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    };
    std::os::unix::fs::chown(place.file(), Some(owner.0), Some(owner.1)).unwrap();
    fs::write(place.0.join(".hosts.deny.nftrap-new"), "left by one who was killed").unwrap();
    place.add().unwrap();
    assert_eq!(place.text(), "# theirs\nALL: 192.0.2.1\n");
    let found = fs::metadata(place.file()).unwrap();
    assert_eq!((found.mode() & MODE, found.uid(), found.gid()), (0o640, owner.0, owner.1));
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1);
}

#[test]
fn a_link_is_refused_and_what_it_leads_to_stays() {
    let place = Place::new("# theirs\n");
    fs::rename(place.file(), place.0.join("elsewhere")).unwrap();
    symlink(place.0.join("elsewhere"), place.file()).unwrap();
    assert!(matches!(place.add(), Err(DenyError::Link(_))));
    assert_eq!(fs::read(place.0.join("elsewhere")).unwrap(), b"# theirs\n");
    assert!(fs::symlink_metadata(place.file()).unwrap().is_symlink());
}

#[test]
fn a_link_in_place_of_our_unfinished_file_is_not_followed() {
    let place = Place::new("# theirs\n");
    fs::write(place.0.join("precious"), "precious").unwrap();
    symlink(place.0.join("precious"), place.0.join(".hosts.deny.nftrap-new")).unwrap();
    place.add().unwrap();
    assert_eq!(fs::read(place.0.join("precious")).unwrap(), b"precious");
    assert_eq!(place.text(), "# theirs\nALL: 192.0.2.1\n");
}

#[test]
fn what_is_missing_no_file_or_anybodys_to_write_is_refused_with_a_remedy() {
    let place = Place::new("");
    for mode in [0o666, 0o664, 0o646] {
        fs::set_permissions(place.file(), Permissions::from_mode(mode)).unwrap();
        let said = place.add().unwrap_err().to_string();
        assert!(said.contains("others than its owner may write to") && said.contains("chmod go-w"), "{said}");
    }
    fs::remove_file(place.file()).unwrap();
    let said = place.add().unwrap_err().to_string();
    assert!(said.contains("is not there: create it"), "{said}");
    fs::create_dir(place.file()).unwrap();
    assert!(matches!(place.add(), Err(DenyError::NotRegular(_))));
    fs::remove_dir(place.file()).unwrap();
    fs::write(place.file(), "").unwrap();
    for mode in [0o777, 0o775, 0o1777] {
        fs::set_permissions(&place.0, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(place.add(), Err(DenyError::OthersWrite(folder)) if folder == place.0));
    }
    assert_eq!(place.text(), "");
}

#[test]
fn what_belongs_to_somebody_else_is_refused_with_a_remedy() {
    if !rustix::process::geteuid().is_root() {
        // Only root gives files away.
        return;
    }
    for which in [|place: &Place| place.file(), |place: &Place| place.0.clone()] {
        let place = Place::new("# theirs\n");
        std::os::unix::fs::chown(which(&place), Some(65_533), None).unwrap();
        let said = place.add().unwrap_err().to_string();
        assert!(said.contains("belongs to user 65533: give it to root") && said.contains("chown"), "{said}");
        assert_eq!(place.text(), "# theirs\n");
    }
}

#[test]
fn a_file_without_end_is_not_read() {
    let place = Place::new(&"x".repeat(4 << 20));
    place.add().unwrap();
    assert!(matches!(place.add(), Err(DenyError::TooLarge(_))), "with our line it is");
}

#[test]
fn what_somebody_writes_while_we_do_is_seen() {
    let place = Place::new("one\n");
    let seen = fs::symlink_metadata(place.file()).unwrap();
    assert!(is_unchanged(&place.file(), &seen));
    fs::write(place.file(), "three\n").unwrap();
    assert!(!is_unchanged(&place.file(), &seen));
}
