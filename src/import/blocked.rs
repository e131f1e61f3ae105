//! PortSentry's lists of whom it blocked: lines of text by 1.2, records by 2.x. Which it is, the content tells.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::File;
use super::address::is_nobodys;
use super::lines::{lines, shown};
use super::notes::Notes;

/// The addresses in the file.
pub(super) fn addresses(file: &File, notes: &mut Notes) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    if is_text(&file.content) {
        of_text(file, &mut found, notes);
    } else {
        of_records(file, &mut found, notes);
    }
    found.retain(|address| !is_nobodys((*address).into()));
    found
}

/// A record begins with a family in two bytes, one of them zero; no line of text has that.
fn is_text(content: &[u8]) -> bool {
    content.iter().take(2).all(|byte| *byte != 0)
}

/// `1795444857 - 11/23/2026 14:40:57 Host: NAME/ADDRESS Port: 11 TCP Blocked`. The name is what a stranger's name server says:
/// the address is looked for from the line's end.
fn of_text(file: &File, found: &mut BTreeSet<IpAddr>, notes: &mut Notes) {
    for line in lines(&file.content) {
        let text = String::from_utf8_lossy(line.text);
        let text = text.trim();
        let before_port = text.rsplit_once(" Port: ").map(|(before, _)| before);
        let address = before_port.and_then(|before| before.rsplit_once('/')).map(|(_, address)| address);
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            found.insert(address);
        } else if !text.is_empty() {
            let why = "left out: not a line of PortSentry's list of blocked hosts, or cut off";
            notes.add(&file.path, Some(line.number), &shown(line.text), why);
        }
    }
}

/// Family and address, as the machine that wrote it orders the family's bytes.
fn of_records(file: &File, found: &mut BTreeSet<IpAddr>, notes: &mut Notes) {
    let mut rest = file.content.as_slice();
    let mut number = 1_usize;
    while let Some((address, after)) = record(rest) {
        found.insert(address);
        rest = after;
        number = number.saturating_add(1);
    }
    if !rest.is_empty() {
        let why = format!(
            "it cannot be read (cut off, or none of PortSentry 2 on Linux): left out, with the {} bytes from there on",
            rest.len()
        );
        notes.add(&file.path, None, &format!("record {number}"), &why);
    }
}

fn record(bytes: &[u8]) -> Option<(IpAddr, &[u8])> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    match family {
        [2, 0] | [0, 2] => {
            let (octets, after) = rest.split_first_chunk::<4>()?;
            Some((Ipv4Addr::from(*octets).into(), after))
        }
        [10, 0] | [0, 10] => {
            let (octets, after) = rest.split_first_chunk::<16>()?;
            Some((Ipv6Addr::from(*octets).to_canonical(), after))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> (Vec<String>, String) {
        let file = File { path: "blocked".to_owned(), name: "blocked".to_owned(), content: content.to_vec() };
        let mut notes = Notes::default();
        let found = addresses(&file, &mut notes);
        (found.iter().map(ToString::to_string).collect(), notes.to_string())
    }

    #[test]
    fn a_line_names_its_address_whatever_the_name_before_it_is() {
        let text = "1795444857 - 11/23/2026 14:40:57 Host: 10.9.0.2/10.9.0.2 Port: 11 TCP Blocked\n\
                    1795444857 - 11/23/2026 14:40:57 Host: x/1.2.3.4 Port: 1 TCP Blocked/10.9.0.3 Port: 11 UDP Blocked\n\
                    1795444857 - 11/23/2026 14:40:57 Host: a/10.9\n";
        let (found, notes) = read(text.as_bytes());
        assert_eq!(found, ["10.9.0.2", "10.9.0.3"]);
        assert!(notes.starts_with("blocked:3: ") && notes.lines().count() == 1, "{notes}");
    }

    #[test]
    fn records_of_both_families_are_read_up_to_one_that_is_cut_off() {
        let v6 = [&[10, 0][..], &"fd09::2".parse::<Ipv6Addr>().unwrap().octets()].concat();
        let content =
            [&[2, 0, 10, 9, 0, 2][..], &v6, &[0, 2, 10, 9, 0, 3], &[2, 0, 127, 0, 0, 1], &[2, 0, 10]].concat();
        let (found, notes) = read(&content);
        assert_eq!(found, ["10.9.0.2", "10.9.0.3", "fd09::2"]);
        assert!(notes.starts_with("blocked: record 5: "), "{notes}");
    }

    #[test]
    fn an_empty_file_names_nobody() {
        assert_eq!(read(b""), (Vec::new(), String::new()));
    }
}
