//! A socket pair plays the kernel: refusals, and what is sent again.

use std::os::unix::net::UnixDatagram;

use super::super::wire::tests::{numbered_as, refusing};
use super::*;

/// A queue, and who plays the kernel.
fn queue() -> (Batch, UnixDatagram) {
    let (ours, kernel) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    kernel.set_nonblocking(true).unwrap();
    (Batch::over(ours.into(), 3100), kernel)
}

fn packet(queue: &mut Batch) -> Message {
    let Received::Packet(super::super::Message(Origin::Batch(message))) = queue.receive() else {
        panic!("a packet is there")
    };
    message
}

/// How many messages of verdicts were sent at once; none, if nothing was.
fn sent(kernel: &UnixDatagram) -> usize {
    kernel.recv(&mut [0; 4096]).map_or(0, |length| length / 32)
}

#[test]
fn what_waits_is_sent_ahead_only_if_it_lets_a_packet_go() {
    let (mut queue, kernel) = queue();
    (1..=4).for_each(|number| assert!(kernel.send(&numbered_as(number, &[7; 32])).is_ok()));
    for (verdict, ahead) in [(Verdict::Drop, 0), (Verdict::Accept, 2), (Verdict::Drop, 0)] {
        let message = packet(&mut queue);
        assert_eq!(queue.verdict(message, verdict), 0);
        assert_eq!((queue.let_go(), sent(&kernel)), (ahead, usize::try_from(ahead).unwrap()), "{verdict:?}");
    }
    let last = packet(&mut queue);
    assert_eq!((queue.verdict(last, Verdict::Accept), sent(&kernel)), (2, 2));
}

#[test]
fn a_packet_that_is_cut_off_is_handed_over_empty_among_the_others() {
    let (mut queue, kernel) = queue();
    let long = numbered_as(2, &[7; 2000]);
    for message in [numbered_as(1, &[7; 32]), long, numbered_as(3, &[7; 32])] {
        kernel.send(&message).unwrap();
    }
    let payloads: Vec<_> = (1..=3)
        .map(|number| {
            let message = packet(&mut queue);
            assert_eq!(message.number, number);
            message.payload().to_vec()
        })
        .collect();
    assert_eq!(payloads, [vec![7; 32], vec![], vec![7; 32]]);
    assert!(crate::packet::parse(&[]).is_err(), "so the fail mode decides");
}

#[test]
fn verdicts_left_when_a_batch_ends_with_no_packet_are_sent_and_counted_before_it_waits() {
    let (mut queue, kernel) = queue();
    kernel.send(&numbered_as(1, &[7; 32])).unwrap();
    kernel.send(&refusing(0)).unwrap();
    let message = packet(&mut queue);
    assert_eq!(queue.verdict(message, Verdict::Accept), 0);
    assert!(matches!(queue.receive(), Received::Sent(1)));
    assert_eq!(sent(&kernel), 1);
    assert!(matches!(queue.receive(), Received::Nothing));
}

#[test]
fn verdicts_that_the_kernel_does_not_take_stay_and_are_told_of_until_it_does() {
    let (mut queue, kernel) = queue();
    kernel.send(&numbered_as(1, &[7; 32])).unwrap();
    let message = packet(&mut queue);
    let mut filled = 0;
    while socket::send_all(queue.socket.as_fd(), &[0]).is_ok() {
        filled += 1;
    }
    assert_eq!(queue.verdict(message, Verdict::Accept), 0);
    for _ in 0..3 {
        assert!(matches!(queue.receive(), Received::Unsent(_)));
    }
    (0..filled).for_each(|_| assert_eq!(sent(&kernel), 0));
    assert!(matches!(queue.receive(), Received::Sent(1)));
    assert_eq!(sent(&kernel), 1);
}

#[test]
fn only_the_kernels_answer_is_a_refusal_and_not_a_call_that_fails() {
    let (mut answered, kernel) = queue();
    kernel.send(&refusing(-libc::EPERM)).unwrap();
    let refused = answered.bind(16, QueueFull::Open);
    assert!(matches!(refused, Err(OpenError::Refused(error)) if error.raw_os_error() == Some(libc::EPERM)));

    let (mut unanswered, kernel) = queue();
    drop(kernel);
    assert!(matches!(unanswered.bind(16, QueueFull::Open), Err(OpenError::Bind(_))));
}
