//! Whether a `KILL_ROUTE` does nothing but what nftrap's own set in the kernel does: keep an address out.

/// Programs that keep addresses out, by routes or by rules.
const FIREWALLS: [&str; 20] = [
    "route",
    "ip",
    "iptables",
    "ip6tables",
    "iptables-nft",
    "ip6tables-nft",
    "iptables-legacy",
    "ip6tables-legacy",
    "ipset",
    "nft",
    "nftables",
    "ipchains",
    "ipfwadm",
    "ipfw",
    "ipf",
    "pfctl",
    "npfctl",
    "ufw",
    "firewall-cmd",
    "shorewall",
];
/// What only feeds such a program its rule.
const FEEDERS: [&str; 2] = ["echo", "printf"];
/// Ways not to hear what a program says, the longer before what is part of them.
const SILENCE: [&str; 8] =
    ["2>&1", "2>/dev/null", "2> /dev/null", "1>/dev/null", "&>/dev/null", "&> /dev/null", ">/dev/null", "> /dev/null"];

/// The firewall whose work the line is, if it is nothing else.
pub(super) fn only_firewall(line: &str) -> Option<&'static str> {
    let mut found = None;
    let mut feeds = false;
    for command in commands(line)? {
        let program = command.words.iter().find(|word| !is_assignment(word) && *word != "sudo");
        // A line may end with a separator.
        let Some(program) = program else { continue };
        let name = program.rsplit('/').next().unwrap_or_default();
        if let Some(firewall) = FIREWALLS.into_iter().find(|firewall| *firewall == name) {
            (found, feeds) = (found.or(Some(firewall)), false);
        } else if FEEDERS.contains(&name) && command.then == Then::Pipe {
            feeds = true;
        } else {
            return None;
        }
    }
    found.filter(|_| !feeds)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase()))
}

#[derive(Debug, Default)]
struct Command {
    words: Vec<String>,
    then: Then,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Then {
    Pipe,
    #[default]
    Next,
}

/// The commands of a line for the shell; nothing, if it does more than call them one after the other.
fn commands(line: &str) -> Option<Vec<Command>> {
    let line = without_silence(line);
    let mut commands = vec![Command::default()];
    let mut word: Option<String> = None;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        inside => quoted.push(inside),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '<' | '>' | '`' | '(' | ')' | '{' | '}' | '#' | '\n' | '"' => return None,
            // The macros' own signs go through; `$(` does not, and `${` neither.
            '$' if !letters.peek().is_some_and(char::is_ascii_uppercase) && !ends_macro(word.as_deref()) => {
                return None;
            }
            ' ' | '\t' => end_word(&mut commands, &mut word),
            '|' | ';' | '&' => {
                end_word(&mut commands, &mut word);
                let doubled = letters.next_if_eq(&letter).is_some();
                let then = if letter == '|' && !doubled { Then::Pipe } else { Then::Next };
                if let Some(command) = commands.last_mut() {
                    command.then = then;
                }
                commands.push(Command::default());
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    end_word(&mut commands, &mut word);
    Some(commands)
}

/// Whether a `$` now closes a macro such as `$TARGET$`.
fn ends_macro(word: Option<&str>) -> bool {
    word.is_some_and(|word| ["$TARGET", "$PORT", "$MODE"].iter().any(|name| word.ends_with(name)))
}

fn end_word(commands: &mut [Command], word: &mut Option<String>) {
    if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
        command.words.push(word);
    }
}

fn without_silence(line: &str) -> String {
    SILENCE.iter().fold(line.to_owned(), |line, silence| line.replace(silence, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_only_keeps_an_address_out_is_known_by_its_program() {
        for (line, firewall) in [
            ("/sbin/route add -host $TARGET$ reject", "route"),
            ("/sbin/iptables -I INPUT -s $TARGET$ -j DROP", "iptables"),
            ("iptables -I INPUT -s $TARGET$ -j DROP 2>/dev/null;", "iptables"),
            (
                "/sbin/iptables -I INPUT -s $TARGET$ -j DROP && /sbin/iptables -I INPUT -s $TARGET$ -j LOG --log-prefix 'Portsentry: dropping: '",
                "iptables",
            ),
            ("/bin/echo 'block in log on eth0 from $TARGET$/32 to any' | /sbin/ipf -f -", "ipf"),
            ("nft add element inet filter blocked '{ $TARGET$ }'", "nft"),
            ("PATH=/sbin ip route add blackhole $TARGET$", "ip"),
            ("sudo ufw insert 1 deny from $TARGET$", "ufw"),
        ] {
            assert_eq!(only_firewall(line), Some(firewall), "{line}");
        }
    }

    #[test]
    fn a_line_that_does_more_is_kept() {
        for line in [
            "",
            "/usr/local/bin/block $TARGET$",
            "/sbin/iptables -I INPUT -s $TARGET$ -j DROP; /usr/local/bin/tell $TARGET$",
            "echo $TARGET$ >> /etc/blocked; iptables -I INPUT -s $TARGET$ -j DROP",
            "iptables -I INPUT -s $TARGET$ -j DROP > /var/log/x",
            "iptables -A X -s $(dig +short $TARGET$)",
            "iptables -A X -s `cat x`",
            "echo $TARGET$ | mail root",
            "iptables -L | mail root",
            "iptables -A X -s 'x",
            "echo x | ipf; echo y |",
            "iptables -A X -s ${TARGET}",
        ] {
            assert_eq!(only_firewall(line), None, "{line}");
        }
    }
}
