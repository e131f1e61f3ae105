//! The actor's ways in: what finds room, and what is nothing to it.

use super::facts::samples::offence;
use super::*;

/// An actor whose thread does nothing, with these commands.
fn stuck(run: &[&str]) -> (Actor, Receiver<Order>) {
    let mut config = Config::default();
    config.command.run = run.iter().map(ToString::to_string).collect();
    let (sender, orders) = bounded(PENDING_OFFENCES + PENDING_CHANGES);
    let (policy, dropped) = (Arc::new(ArcSwap::from_pointee(Policy::of(&config))), Arc::default());
    let (_, when_done) = bounded(0);
    (Actor { orders: sender, policy, dropped, troubles: Troubles::default(), when_done }, orders)
}

#[test]
fn a_flood_of_offences_is_counted_waits_for_nobody_and_leaves_room_for_operators() {
    let (actor, orders) = stuck(&["/bin/true"]);
    for _ in 0..PENDING_OFFENCES + 5 {
        actor.offence(&offence("192.0.2.1", 111), Act::Block);
    }
    assert_eq!((orders.len(), actor.dropped.load(Ordering::Relaxed)), (PENDING_OFFENCES, 5));
    actor.tell(Order::EndedAll);
    assert!(matches!(orders.iter().nth(PENDING_OFFENCES), Some(Order::EndedAll)));
}

#[test]
fn nothing_is_told_where_nothing_is_to_be_done() {
    let (actor, orders) = stuck(&[]);
    actor.offence(&offence("192.0.2.1", 111), Act::Block);
    let (actor, more) = (stuck(&["/bin/true"]), orders.len());
    actor.0.offence(&offence("192.0.2.1", 111), Act::Observe);
    assert_eq!((more, actor.1.len()), (0, 0));
    actor.0.offence(&offence("192.0.2.1", 111), Act::Command);
    assert!(matches!(actor.1.try_recv(), Ok(Order::Offence(_, Act::Command))));
}
