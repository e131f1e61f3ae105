//! Beside the firewall tools that an administrator is likely to have: they themselves, not what they are said to do.

use crate::lab::beside::{Firewall, Guarded, Tools, theirs};
use crate::lab::daemon::Daemon;
use crate::lab::hosts::{routed, server};
use crate::lab::patience::wait_until;
use crate::lab::wire::Answer;

#[test]
fn ufw_and_we_keep_out_of_each_others_way() {
    let Some(host) = Guarded::new() else { return };
    let tools = Tools::on(&host.lab.server);
    tools.run("ufw allow 22/tcp; ufw --force enable");
    host.our_life_changes_nothing_of(&["ip filter", "ip6 filter"]);

    let daemon = Daemon::start(&host.lab.server, "");
    host.both_work(&daemon, 3, Firewall::Up(Answer::Silence));
    host.both_work_by_ipv6(&daemon, Answer::Silence);
    tools.run("ufw reload");
    assert!(daemon.blocks("10.1.0.3"));
    host.both_work(&daemon, 4, Firewall::Up(Answer::Silence));
    tools.run("ufw disable");
    assert!(daemon.blocks("10.1.0.3") && daemon.blocks("10.1.0.4"));
    host.both_work(&daemon, 5, Firewall::Down);
}

#[test]
fn firewalld_and_we_keep_out_of_each_others_way() {
    let Some(host) = Guarded::new() else { return };
    let tools = Tools::on(&host.lab.server);
    let _bus = start_bus(&tools);
    let mut firewalld = tools.start("firewalld --nofork --nopid >/run/firewalld.log 2>&1");
    wait_until("firewalld runs", || tools.succeeds("firewall-cmd --state"));
    host.our_life_changes_nothing_of(&["inet firewalld"]);

    let daemon = Daemon::start(&host.lab.server, "");
    host.both_work(&daemon, 3, Firewall::Up(Answer::Prohibited));
    host.both_work_by_ipv6(&daemon, Answer::Prohibited);
    tools.run("firewall-cmd --reload");
    assert!(daemon.blocks("10.1.0.3"));
    host.both_work(&daemon, 4, Firewall::Up(Answer::Prohibited));
    firewalld.stop();
    assert!(!theirs(&host.lab.server).contains("firewalld"));
    assert!(daemon.blocks("10.1.0.3") && daemon.blocks("10.1.0.4"));
    host.both_work(&daemon, 5, Firewall::Down);
}

/// A system bus that nobody else is on; firewalld talks to its own client by it.
fn start_bus(tools: &Tools<'_>) -> crate::lab::beside::Background {
    const BUS: &str = "<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>\
        <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
        <allow own=\"*\"/></policy></busconfig>";
    tools.run(&format!("mkdir /run/dbus /run/firewalld; echo '{BUS}' >/run/bus.conf"));
    let bus = tools.start("dbus-daemon --config-file=/run/bus.conf --nofork --nopidfile");
    wait_until("the bus is there", || tools.succeeds("test -S /run/dbus/system_bus_socket"));
    bus
}

#[test]
fn fail2ban_and_we_keep_out_of_each_others_way() {
    let Some(host) = Guarded::new() else { return };
    let tools = Tools::on(&host.lab.server);
    tools.run(&format!("mkdir /run/fail2ban; rm -f /etc/fail2ban/jail.d/*; : >/run/auth.log\n{JAIL}"));
    let mut fail2ban = tools.start("fail2ban-server -xf --logtarget /run/fail2ban.log start");
    wait_until("fail2ban runs", || tools.succeeds("fail2ban-client ping"));
    // Its client does not wait until the action is done.
    let set = |verb: &str, client: &str| {
        tools.run(&format!("fail2ban-client set sshd {verb}ip {client}"));
        wait_until("fail2ban has acted", || theirs(&host.lab.server).contains(client) == (verb == "ban"));
    };
    set("ban", "10.1.0.9");
    host.our_life_changes_nothing_of(&["inet f2b-table"]);

    let daemon = Daemon::start(&host.lab.server, "");
    let knock = |client| host.lab.attacker.knock(routed(client), server(22));
    host.both_work(&daemon, 3, Firewall::Down);
    assert_eq!(knock(9), Answer::Refused, "they ban it, and answer");
    set("unban", "10.1.0.9");
    assert_eq!(knock(9), Answer::Open);

    set("ban", "10.1.0.3");
    set("unban", "10.1.0.3");
    let forgiven = host.lab.attacker.knock_briefly(routed(3), server(22));
    assert_eq!(forgiven, Answer::Silence, "what they forgive we do not");
    tools.run("fail2ban-client unban --all");
    fail2ban.stop();
    assert!(!theirs(&host.lab.server).contains("f2b"));
    assert!(daemon.blocks("10.1.0.3"));
    host.both_work(&daemon, 4, Firewall::Down);
}

/// As it writes itself for sshd where nftables is the firewall, but for the log that it reads.
const JAIL: &str = "\
cat >/etc/fail2ban/jail.d/lab.conf <<END
[DEFAULT]
banaction = nftables
[sshd]
enabled = true
backend = polling
logpath = /run/auth.log
usedns = no
END
";
