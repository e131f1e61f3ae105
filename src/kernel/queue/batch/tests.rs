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
fn only_the_kernels_answer_is_a_refusal_and_not_a_call_that_fails() {
    let (mut answered, kernel) = queue();
    kernel.send(&refusing(-libc::EPERM)).unwrap();
    let refused = answered.bind(16, QueueFull::Open);
    assert!(matches!(refused, Err(OpenError::Refused(error)) if error.raw_os_error() == Some(libc::EPERM)));

    let (mut unanswered, kernel) = queue();
    drop(kernel);
    assert!(matches!(unanswered.bind(16, QueueFull::Open), Err(OpenError::Bind(_))));
}
