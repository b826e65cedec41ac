//! Sealed frames over a real TCP connection: order, coalescing, rekeying, limits, deadlines, goodbye.

#![allow(clippy::unwrap_used, reason = "a test may")]

use net::clock::Monotonic;
use net::sealed_stream::{READ_BYTES, RawStream, SealedReader, SealedWriter, StreamError, SweptStream};
use protocol::Code;
use protocol::frame::{Close, FrameError, FrameOpener, FrameSealer, FrameType, RekeyLimits};
use protocol::keys::{Direction, Prk, TrafficSecret};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const MAX: u32 = 64 * 1024;

fn secret(direction: Direction) -> TrafficSecret {
    TrafficSecret::new(&Prk::extract(&[1; 32], b"shared"), direction)
}

type Halves = (SealedReader<OwnedReadHalf>, SealedWriter<OwnedWriteHalf>);

fn keys(ours: Direction, theirs: Direction) -> (FrameOpener, FrameSealer) {
    let rekey = RekeyLimits {
        frames: 4,
        ..RekeyLimits::default()
    };
    let sealer = FrameSealer::new(secret(ours), MAX, 0).with_rekey(rekey);
    let mut opener = FrameOpener::new(secret(theirs));
    opener.establish(MAX);
    (opener, sealer)
}

fn sealed(io: TcpStream, ours: Direction, theirs: Direction) -> Halves {
    let (opener, sealer) = keys(ours, theirs);
    RawStream::new(io, Monotonic::default())
        .unwrap()
        .into_sealed(opener, sealer)
        .unwrap()
}

fn swept(io: TcpStream, ours: Direction, theirs: Direction) -> SweptStream {
    let (opener, sealer) = keys(ours, theirs);
    RawStream::new(io, Monotonic::default())
        .unwrap()
        .into_swept(opener, sealer)
        .unwrap()
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialed = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (dialed, listener.accept().await.unwrap().0)
}

async fn pair() -> (Halves, Halves) {
    let (a, b) = connected().await;
    let (out, back) = (Direction::InitiatorToResponder, Direction::ResponderToInitiator);
    (sealed(a, out, back), sealed(b, back, out))
}

#[tokio::test]
async fn frames_arrive_in_order_through_many_rekeys_and_end_with_a_goodbye() {
    let ((_ar, mut a), (mut b, _bw)) = pair().await;
    let sender = tokio::spawn(async move {
        for number in 0..100_u32 {
            a.stage_batch(|out| out.extend_from_slice(&number.to_le_bytes()))
                .unwrap();
            if number % 7 == 0 {
                a.flush().await.unwrap();
            }
        }
        a.close(&Close::from(Code::Draining)).await.unwrap();
    });
    for number in 0..100_u32 {
        let frame = b.next_frame().await.unwrap();
        assert_eq!(
            (frame.frame_type, &frame.payload[..]),
            (FrameType::Batch, &number.to_le_bytes()[..])
        );
    }
    let last = b.next_frame().await.unwrap();
    assert_eq!(last.frame_type, FrameType::Close);
    assert_eq!(Close::parse(&last.payload).unwrap().code, Code::Draining);
    assert!(matches!(b.next_frame().await, Err(StreamError::Eof)));
    sender.await.unwrap();
}

#[tokio::test]
async fn a_flush_that_was_given_up_goes_on_where_it_was() {
    let ((_ar, mut a), (mut b, _bw)) = pair().await;
    let payload = vec![5; 60_000];
    for _ in 0..200 {
        a.stage_batch(|out| out.extend_from_slice(&payload)).unwrap();
    }
    // More than the kernel takes: the flush cannot end while nobody reads.
    let short = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(short, a.flush()).await.is_err());
    assert!(a.staged() > 0);
    let sender = tokio::spawn(async move { a.flush().await.map(|_| a) });
    for _ in 0..200 {
        assert_eq!(b.next_frame().await.unwrap().payload, payload);
    }
    sender.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_claimed_length_beyond_the_limit_ends_the_stream_before_its_bytes_come() {
    let (mut a, b) = connected().await;
    let (mut b, _bw) = sealed(
        b,
        Direction::ResponderToInitiator,
        Direction::InitiatorToResponder,
    );
    a.write_all(&(MAX + 1).to_le_bytes()).await.unwrap();
    let refused = b.next_frame().await;
    assert!(matches!(
        refused,
        Err(StreamError::Frame(FrameError::Oversized { .. }))
    ));
}

#[tokio::test]
async fn a_frame_that_never_becomes_complete_is_given_up() {
    let (mut a, b) = connected().await;
    let (mut b, _bw) = sealed(
        b,
        Direction::ResponderToInitiator,
        Direction::InitiatorToResponder,
    );
    a.write_all(&[16, 0, 0, 0, 1, 2, 3]).await.unwrap();
    let real = std::time::Instant::now();
    let refused = b.next_frame().await;
    assert!(
        matches!(refused, Err(StreamError::Frame(FrameError::Incomplete))),
        "{refused:?}"
    );
    assert!(real.elapsed().as_secs() >= 9);
}

#[tokio::test]
async fn a_swept_stream_never_waits_and_keeps_what_does_not_fit() {
    let (a, b) = connected().await;
    let (out, back) = (Direction::InitiatorToResponder, Direction::ResponderToInitiator);
    let mut a = swept(a, out, back);
    let (mut reader, mut writer) = sealed(b, back, out);
    let mut scratch = [0; READ_BYTES];
    assert_eq!(a.receive(&mut scratch).unwrap(), 0);
    let payload = vec![5; 60_000];
    for _ in 0..200 {
        a.stage_batch(0, |out| out.extend_from_slice(&payload)).unwrap();
    }
    // More than the kernel takes while nobody reads.
    a.flush().unwrap();
    assert!(a.staged() > 0);
    for _ in 0..200 {
        let frame = loop {
            a.flush().unwrap();
            let short = std::time::Duration::from_millis(20);
            if let Ok(frame) = tokio::time::timeout(short, reader.next_frame()).await {
                break frame.unwrap();
            }
        };
        assert_eq!(frame.payload, payload);
    }
    assert_eq!(a.staged(), 0);
    writer.stage_batch(|out| out.extend_from_slice(&payload)).unwrap();
    writer.close(&Close::from(Code::Draining)).await.unwrap();
    let mut frames = Vec::new();
    let ended = loop {
        match a.receive(&mut scratch) {
            Ok(0) => tokio::task::yield_now().await,
            Ok(_) => frames.extend(std::iter::from_fn(|| a.take_frame(0).unwrap())),
            Err(error) => break error,
        }
    };
    let types: Vec<FrameType> = frames.iter().map(|frame| frame.frame_type).collect();
    assert_eq!(types, [FrameType::Batch, FrameType::Close]);
    assert_eq!(frames[0].payload, payload);
    assert!(matches!(ended, StreamError::Eof));
}
