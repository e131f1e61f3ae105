//! What is kept in the file of those whom operators allowed, and what people write there.

use std::fs;

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("nftrap-allowed-{name}-{}", std::process::id()));
    let (Ok(()) | Err(_)) = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    folder
}

fn text_of(file: &Path) -> String {
    String::from_utf8(fs::read(file).unwrap()).unwrap()
}

fn allowed(prefix: &str, saved: bool) -> Entry {
    Entry { prefix: prefix.parse().unwrap(), reason: "ours".into(), saved }
}

#[test]
fn what_is_saved_is_there_after_a_restart_and_the_rest_is_not() {
    let file = folder("saved").join("nftrap.allow");
    let mut list = Allowed::load(Some(file.clone())).unwrap();
    list.add(allowed("192.0.2.0/24", true)).unwrap();
    list.add(allowed("2001:db8::1/128", true)).unwrap();
    list.add(allowed("198.51.100.7/32", false)).unwrap();
    let again = Allowed::load(Some(file.clone())).unwrap();
    assert_eq!(again.entries(), [allowed("192.0.2.0/24", true), allowed("2001:db8::1/128", true)]);
    list.remove("192.0.2.0/24".parse().unwrap()).unwrap();
    assert!(list.remove("192.0.2.0/24".parse().unwrap()).unwrap_err().problem.contains("no operator allowed"));
    assert_eq!(Allowed::load(Some(file)).unwrap().entries(), [allowed("2001:db8::1/128", true)]);
}

#[test]
fn what_cannot_be_kept_is_refused_and_nothing_changes() {
    let mut list = Allowed::load(None).unwrap();
    assert!(list.add(allowed("192.0.2.1/32", true)).is_err());
    assert_eq!(list.entries(), []);
    list.add(allowed("192.0.2.1/32", false)).unwrap();
    let mut list = Allowed::load(Some("/proc/nothing/nftrap.allow".into())).unwrap();
    assert!(list.add(allowed("192.0.2.1/32", true)).unwrap_err().problem.contains("cannot write"));
    assert_eq!(list.entries(), []);
}

#[test]
fn who_is_saved_stays_so_until_removed() {
    let file = folder("stays").join("nftrap.allow");
    let mut list = Allowed::load(Some(file.clone())).unwrap();
    list.add(allowed("192.0.2.1/32", true)).unwrap();
    assert!(list.add(allowed("192.0.2.1/32", false)).unwrap().saved);
    assert_eq!(Allowed::load(Some(file)).unwrap().entries().len(), 1);
}

#[test]
fn what_is_written_follows_no_link_and_a_list_kept_elsewhere_is_read() {
    let folder = folder("link");
    let (file, other) = (folder.join("nftrap.allow"), folder.join("other"));
    fs::write(&other, "192.0.2.9 # ours\n").unwrap();
    let link = |name| std::os::unix::fs::symlink(&other, folder.join(name)).unwrap();
    link(".nftrap.allow.nftrap-new");
    let mut list = Allowed { entries: Vec::new(), file: Some(file.clone()) };
    list.add(allowed("192.0.2.1/32", true)).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    fs::remove_file(&file).unwrap();
    link("nftrap.allow");
    assert_eq!(Allowed::load(Some(file.clone())).unwrap().entries(), [allowed("192.0.2.9/32", true)]);
    list.add(allowed("192.0.2.2/32", true)).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(fs::read(&other).unwrap(), b"192.0.2.9 # ours\n");
}

#[test]
fn a_bad_line_is_passed_over_at_start_and_refused_with_its_number_later() {
    let file = folder("nonsense").join("nftrap.allow");
    let text = "# all well\n192.0.2.1 # ours\nnonsense\n";
    fs::write(&file, text).unwrap();
    let mut list = Allowed::load(Some(file.clone())).unwrap();
    assert_eq!(list.entries(), [allowed("192.0.2.1/32", true)]);
    let line = format!("{}:3: this is neither an address nor a prefix", file.display());
    assert_eq!(list.read_again().unwrap_err().problem, line);
    assert_eq!(list.add(allowed("192.0.2.2/32", true)).unwrap_err().problem, line);
    assert_eq!(list.remove("192.0.2.1/32".parse().unwrap()).unwrap_err().problem, line);
    assert_eq!((list.entries(), text_of(&file)), (&[allowed("192.0.2.1/32", true)][..], text.to_owned()));
}

#[test]
fn lines_written_by_hand_are_kept_and_take_effect() {
    let file = folder("by-hand").join("nftrap.allow");
    let mut list = Allowed::load(Some(file.clone())).unwrap();
    list.add(allowed("192.0.2.1/32", false)).unwrap();
    list.add(allowed("192.0.2.2/32", true)).unwrap();
    fs::write(&file, "# mine\n192.0.2.3# ours\n").unwrap();
    let again = list.read_again().unwrap();
    assert_eq!(again.entries(), [allowed("192.0.2.3/32", true), allowed("192.0.2.1/32", false)]);
    list.add(allowed("192.0.2.4/32", true)).unwrap();
    assert_eq!(text_of(&file), "# mine\n192.0.2.3# ours\n192.0.2.4  # ours\n");
    assert_eq!(list.entries().len(), 3);
    list.remove("192.0.2.4/32".parse().unwrap()).unwrap();
    assert_eq!(text_of(&file), "# mine\n192.0.2.3# ours\n");
}

#[test]
fn what_is_taken_back_is_as_it_was_in_the_file_too() {
    let file = folder("back").join("nftrap.allow");
    fs::write(&file, "192.0.2.1  # ours\n").unwrap();
    let mut list = Allowed::load(Some(file.clone())).unwrap();
    let before = list.entries().to_vec();
    fs::write(&file, "192.0.2.1  # ours\n192.0.2.3\n").unwrap();
    list.add(allowed("192.0.2.2/32", true)).unwrap();
    list.take_back(before.clone(), "192.0.2.2/32".parse().unwrap()).unwrap();
    assert_eq!(list.entries(), before);
    assert_eq!(text_of(&file), "192.0.2.1  # ours\n192.0.2.3\n");
}

#[test]
fn the_configs_list_and_the_operators_are_one() {
    let mut list = Allowed::default();
    list.add(allowed("192.0.2.0/24", false)).unwrap();
    let both = list.with(&Prefixes::new(&["2001:db8::/32".parse().unwrap()]));
    assert!(both.contains("192.0.2.9".parse().unwrap()) && both.contains("2001:db8::9".parse().unwrap()));
}

#[test]
fn what_root_saves_in_the_services_folder_is_the_services() {
    let folder = folder("owner");
    // Only root can give a folder away.
    if std::os::unix::fs::chown(&folder, Some(65_534), Some(65_534)).is_err() {
        return;
    }
    let file = folder.join("nftrap.allow");
    Allowed::load(Some(file.clone())).unwrap().add(allowed("192.0.2.1/32", true)).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(file).unwrap()), 65_534);
}
