//! How long blocks last, what counts as a repeat, and who is convicted for what others found.

use super::*;

/// A minute, then twice as long each time, but no longer than five minutes; all is forgiven after an hour.
const GROWING: Threshold = Threshold {
    count: Count::Places,
    effect: Effect::Blocked,
    block: Terms {
        first: Duration::from_secs(60),
        factor: 2,
        longest: Duration::from_secs(300),
        memory: Duration::from_secs(3600),
    },
    ..RULE
};

#[test]
fn each_further_block_is_longer_up_to_a_limit_and_the_first_again_after_long_enough() {
    let table = ScanTable::new(1024, SEEDS);
    let mut now = 0;
    let mut offend = |after| {
        now += after;
        let standing = table.observe(at(now), source(1), (&port(1), Weight::Full), &GROWING);
        let Standing::Offender { repeat, until, .. } = standing else { panic!("{standing:?} at {now}") };
        let lasts = until.since(at(now)).as_secs();
        now += lasts;
        (repeat, lasts)
    };
    let grown: Vec<_> = [0, 10, 3600, 0, 0, 3601].map(&mut offend).into();
    assert_eq!(grown, [(1, 60), (2, 120), (3, 240), (4, 300), (5, 300), (1, 60)]);
}

#[test]
fn a_contact_that_may_be_forged_does_not_shorten_the_block_of_a_proven_source() {
    let table = ScanTable::new(1024, SEEDS);
    let rule = Threshold { settle: Duration::from_secs(1), ..RULE };
    let proven = Threshold { block: Terms::constant(Duration::from_secs(600)), ..rule };
    let ask = |second, rule: &Threshold| table.observe(at(second), source(1), (&port(1), Weight::Full), rule);
    assert_eq!(ask(0, &proven), Standing::Offender { hits: 1, repeat: 1, until: at(600) });
    assert_eq!(ask(100, &rule), Standing::Offender { hits: 1, repeat: 1, until: at(600) });
    assert_eq!(ask(200, &proven), Standing::Offender { hits: 1, repeat: 1, until: at(800) });
    assert_eq!(ask(780, &rule), Standing::Offender { hits: 1, repeat: 1, until: at(840) });
}

#[test]
fn terms_of_any_size_have_a_length() {
    let terms = Terms { factor: u32::MAX, longest: Duration::MAX, ..GROWING.block };
    assert_eq!(terms.of(0), terms.first);
    assert!(terms.of(255) > Duration::from_secs(1 << 32));
    assert_eq!(Terms { longest: Duration::from_secs(1), ..terms }.of(9), terms.first, "never shorter than the first");
}

#[test]
fn a_block_that_somebody_took_out_is_set_again_and_is_no_repeat() {
    let table = ScanTable::new(1024, SEEDS);
    let rule = Threshold { settle: Duration::from_secs(1), ..GROWING };
    let ask = |second, to| table.observe(at(second), source(1), (&port(to), Weight::Full), &rule);
    assert_eq!(ask(0, 1), Standing::Offender { hits: 1, repeat: 1, until: at(60) });
    assert_eq!(ask(30, 2), Standing::Offender { hits: 1, repeat: 1, until: at(90) });
    assert_eq!(ask(90, 3), Standing::Offender { hits: 1, repeat: 2, until: at(210) });
}

#[test]
fn a_block_that_the_kernel_refused_is_no_repeat() {
    let table = ScanTable::new(1024, SEEDS);
    let ask = |second, to| table.observe(at(second), source(1), (&port(to), Weight::Full), &GROWING);
    assert_eq!(ask(0, 1), Standing::Offender { hits: 1, repeat: 1, until: at(60) });
    table.unblock(source(1));
    assert_eq!(ask(1, 2), Standing::Offender { hits: 2, repeat: 1, until: at(61) });
}

#[test]
fn a_repeat_offender_is_known_after_a_restart() {
    let table = ScanTable::new(1024, SEEDS);
    table.remember_repeats(at(0), source(1), 2);
    assert_eq!(table.blocked(at(0)), vec![]);
    let standing = table.observe(at(5), source(1), (&port(1), Weight::Full), &GROWING);
    assert_eq!(standing, Standing::Offender { hits: 1, repeat: 3, until: at(245) });
}

#[test]
fn nobody_is_forgotten_for_a_former_offender() {
    let table = ScanTable::new(512, SEEDS); // one bucket a shard
    for n in 0..20_000 {
        table.set_blocked(at(0), source(n), Duration::from_secs(60), 1);
    }
    let before = table.blocked(at(1)).len();
    for n in 20_000..40_000 {
        table.remember_repeats(at(1), source(n), 3);
    }
    assert_eq!(table.blocked(at(1)).len(), before);
}

#[test]
fn a_block_that_made_room_counts_as_one_that_has_ended() {
    let table = ScanTable::new(1024, SEEDS);
    let ask = |second, to| table.observe(at(second), source(1), (&port(to), Weight::Full), &GROWING);
    assert_eq!(ask(0, 1), Standing::Offender { hits: 1, repeat: 1, until: at(60) });
    table.end(at(5), source(1));
    assert_eq!(table.blocked_until(at(5), source(1)), None);
    assert_eq!(ask(6, 2), Standing::Offender { hits: 1, repeat: 2, until: at(126) });
}

#[test]
fn who_is_convicted_is_blocked_for_what_counts_and_once() {
    let table = ScanTable::new(1024, SEEDS);
    let asked = |second, to| table.observe(at(second), source(1), (&port(to), Weight::Unserved), &RULE);
    assert_eq!(table.convict(at(0), source(1), &RULE), None, "a stranger");
    assert_eq!(asked(0, 1), Standing::Watched(1, Novelty::First));
    assert_eq!(asked(1, 2), Standing::Watched(2, Novelty::First));
    assert_eq!(table.convict(at(700), source(1), &RULE), None, "the window has passed");
    assert_eq!(asked(701, 2), Standing::Watched(1, Novelty::First));
    let offends = Standing::Offender { hits: 1, repeat: 1, until: at(762) };
    assert_eq!(table.convict(at(702), source(1), &RULE), Some(offends));
    assert_eq!(table.convict(at(703), source(1), &RULE), Some(Standing::Blocked(at(762))));
    assert_eq!(table.convict(at(763), source(1), &RULE), None, "the block answered for it");
    table.forget(source(1));
    assert_eq!(table.convict(at(764), source(1), &RULE), None, "an operator let it go");
}

#[test]
fn a_network_is_convicted_again_for_longer_each_time() {
    let table = ScanTable::new(1024, SEEDS);
    let network: Source = "2001:db8::/56".parse().unwrap();
    let convict = |second| table.convict_network(at(second), network, 4, &GROWING).unwrap();
    let Standing::Offender { hits: 4, repeat: 1, until } = convict(0) else {
        panic!("it is blocked for the first time")
    };
    assert_eq!(convict(1), Standing::Blocked(until));
    let again = until.since_start().as_secs() + 1;
    let Standing::Offender { hits: 4, repeat: 2, until } = convict(again) else { panic!("and for the second time") };
    assert!(until.since(at(again)) > GROWING.block.first);
    assert_eq!(table.blocked(at(again)), [(network, until)]);
}
