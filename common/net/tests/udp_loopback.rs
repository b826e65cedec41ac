//! Batched UDP on real loopback sockets: nothing is lost in order or content, full and refused are counted, sleepers wake.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use net::udp::{BATCH_DATAGRAMS, BatchSocket, Poller, Ready, RecvBatch, SendBatch, StampedBatch, Waker};

fn loopback() -> BatchSocket {
    BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn receive_all(socket: &BatchSocket, wanted: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let (waker, mut batch, mut all) = (Waker::new().unwrap(), RecvBatch::default(), Vec::new());
    let deadline = Instant::now() + Duration::from_secs(5);
    while all.len() < wanted && Instant::now() < deadline {
        socket.wait(&waker, Some(Duration::from_millis(50))).unwrap();
        while socket.recv_batch(&mut batch).unwrap() > 0 {
            all.extend(batch.datagrams_mut().map(|(from, bytes)| (from, bytes.to_vec())));
        }
    }
    all
}

#[test]
fn datagrams_arrive_as_they_were_pushed_over_several_system_calls() {
    let (a, b) = (loopback(), loopback());
    let (to, from) = (b.local_addr().unwrap(), a.local_addr().unwrap());
    let mut batch = SendBatch::default();
    let sent: Vec<Vec<u8>> = (0..3 * BATCH_DATAGRAMS + 5)
        .map(|number| vec![number as u8; 1 + number * 5])
        .collect();
    for datagram in &sent {
        batch.push(to, datagram);
    }
    batch.push_with(to, |_| {});
    let report = batch.flush(&a);
    assert_eq!(
        (report.sent, report.dropped_full, report.dropped_refused),
        (sent.len() as u64, 0, 0)
    );
    assert!(batch.is_empty());
    let received = receive_all(&b, sent.len());
    assert!(received.iter().all(|(sender, _)| *sender == from));
    assert!(received.into_iter().map(|(_, bytes)| bytes).eq(sent));
    assert!(a.buffers().receive >= 64 * 1024, "{:?}", a.buffers());
}

#[test]
fn a_bad_receiver_costs_its_own_datagram_only() {
    let (a, b) = (loopback(), loopback());
    let good = b.local_addr().unwrap();
    let mut batch = SendBatch::default();
    batch.push(good, b"one");
    batch.push(SocketAddr::new(good.ip(), 0), b"port zero is no receiver");
    batch.push(good, &[0; 70_000]);
    batch.push(good, b"two");
    let report = batch.flush(&a);
    assert_eq!((report.sent, report.dropped_refused), (2, 2));
    let received = receive_all(&b, 2);
    assert_eq!(
        received.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(),
        [b"one", b"two"]
    );
}

#[test]
fn a_datagram_longer_than_allowed_is_left_out_and_counted() {
    let (a, b) = (loopback(), loopback());
    let mut batch = SendBatch::default();
    batch.push(b.local_addr().unwrap(), &[1; 1201]);
    batch.push(b.local_addr().unwrap(), &[2; 1200]);
    batch.flush(&a);
    let mut received = RecvBatch::default();
    assert_eq!(b.recv_batch(&mut received).unwrap(), 2);
    assert_eq!(
        received
            .datagrams_mut()
            .map(|(_, bytes)| bytes[0])
            .collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(received.oversized(), 1);
}

#[test]
fn a_peer_that_is_gone_is_no_error() {
    let (a, b) = (loopback(), loopback());
    a.connect(b.local_addr().unwrap()).unwrap();
    drop(b);
    for _ in 0..10 {
        a.send(b"hello").unwrap();
        assert_eq!(a.recv_batch(&mut RecvBatch::default()).unwrap(), 0);
    }
}

/// The kernel begins to stamp a moment after the first socket of the machine asked for it. Returns whether it did.
fn wait_for_stamps(from: &BatchSocket, to: &BatchSocket) -> bool {
    let mut batch = StampedBatch::<1>::default();
    (0..500).any(|_| {
        from.send(b"stamped yet?").unwrap();
        let sent_us = net::clock::wall_us();
        std::thread::sleep(Duration::from_millis(10));
        to.recv_stamped(&mut batch).unwrap();
        batch.datagrams_mut().any(|(at_us, _)| at_us.unwrap() <= sent_us)
    })
}

#[test]
fn a_datagram_is_stamped_when_it_arrives_and_not_when_it_is_read() {
    let (a, b) = (loopback(), loopback());
    b.stamp_arrivals().unwrap();
    a.connect(b.local_addr().unwrap()).unwrap();
    let mut batch = StampedBatch::<4>::default();
    assert_eq!(b.recv_stamped(&mut batch).unwrap(), 0);
    assert!(wait_for_stamps(&a, &b));
    // More than once: the room for a stamp must not shrink with use.
    for round in 0..3_u8 {
        let before_us = net::clock::wall_us();
        for number in 0..6 {
            a.send(&[round, number]).unwrap();
        }
        a.send(&[0; 1201]).unwrap();
        let sent_us = net::clock::wall_us();
        std::thread::sleep(Duration::from_millis(20));
        let mut read = Vec::new();
        while b.recv_stamped(&mut batch).unwrap() > 0 {
            read.extend(
                batch
                    .datagrams_mut()
                    .map(|(at_us, bytes)| (at_us.unwrap(), bytes.to_vec())),
            );
        }
        let bytes = (0..6).map(|number| vec![round, number]);
        assert!(read.iter().map(|(_, bytes)| bytes.clone()).eq(bytes));
        assert!(
            read.iter()
                .all(|(at_us, _)| (before_us..=sent_us).contains(at_us)),
            "{read:?} between {before_us} and {sent_us}"
        );
    }
}

#[test]
fn a_flood_over_small_buffers_never_waits_and_every_datagram_is_accounted_for() {
    let small = net::udp::BufferBytes {
        receive: 4096,
        send: 4096,
    };
    let a = loopback().with_buffers(small).unwrap();
    let b = loopback();
    let mut batch = SendBatch::default();
    for _ in 0..10_000 {
        batch.push(b.local_addr().unwrap(), &[0; 1200]);
    }
    let report = batch.flush(&a);
    assert_eq!(report.sent + report.dropped_full + report.dropped_refused, 10_000);
}

#[test]
fn a_sleeper_wakes_once_for_many_wakes_and_sleeps_again() {
    let (socket, waker) = (loopback(), Waker::new().unwrap());
    let other = waker.clone();
    let thread = std::thread::spawn(move || (0..1000).for_each(|_| other.wake()));
    let outcome = socket.wait(&waker, Some(Duration::from_secs(5))).unwrap();
    assert!(outcome.woken && !outcome.readable);
    thread.join().unwrap();
    socket.wait(&waker, Some(Duration::ZERO)).unwrap();
    let started = Instant::now();
    let outcome = socket.wait(&waker, Some(Duration::from_millis(20))).unwrap();
    assert!(!outcome.woken && started.elapsed() >= Duration::from_millis(20));
    waker.wake();
    assert!(socket.wait(&waker, None).unwrap().woken);
}

#[test]
fn a_poller_names_the_sockets_that_have_something() {
    let mut poller = Poller::new().unwrap();
    let sockets: Vec<_> = (0..40)
        .map(|_| BatchSocket::bind_plain("127.0.0.1:0".parse().unwrap()).unwrap())
        .collect();
    for (token, socket) in sockets.iter().enumerate() {
        poller.add(socket, token as u64).unwrap();
    }
    let mut batch = SendBatch::default();
    batch.push(sockets[7].local_addr().unwrap(), b"seven");
    batch.push(sockets[31].local_addr().unwrap(), b"thirty-one");
    batch.flush(&sockets[0]);
    let mut ready: Vec<_> = poller.wait(Some(Duration::from_secs(1))).unwrap().collect();
    ready.sort_by_key(|ready| format!("{ready:?}"));
    assert_eq!(ready, [Ready::Socket(31), Ready::Socket(7)]);
    poller.waker().wake();
    assert!(poller.wait(None).unwrap().any(|ready| ready == Ready::Woken));
}

#[test]
fn throughput_is_printed() {
    let (a, b) = (loopback(), loopback());
    let (to, waker) = (b.local_addr().unwrap(), Waker::new().unwrap());
    let (mut sending, mut receiving) = (SendBatch::default(), RecvBatch::default());
    let (mut sent, mut received, started) = (0, 0, Instant::now());
    while started.elapsed() < Duration::from_millis(300) {
        for _ in 0..256 {
            sending.push(to, &[7; 256]);
        }
        sent += sending.flush(&a).sent;
        while b.wait(&waker, Some(Duration::ZERO)).unwrap().readable {
            received += b.recv_batch(&mut receiving).unwrap() as u64;
        }
    }
    let kpps = received as f64 / started.elapsed().as_secs_f64() / 1000.0;
    println!("one thread sending and receiving 256 B datagrams: {kpps:.0} k/s each way");
    assert_eq!(sent, received);
}
