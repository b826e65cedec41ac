//! The wire between hosts, by hand: a device of each host ends in this process, which passes every packet on, late or not at all. The
//! kernel need not know how to delay.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tun_rs::{DeviceBuilder, SyncDevice};

use super::network::DATABASE;

/// Longest packet.
const PACKET_BYTES_MAX: usize = 1 << 16;
/// Bytes of an IPv4 header without options, and of a TCP header without.
const HEADER_BYTES: usize = 20;
/// In the ninth byte of the IPv4 header.
const TCP: u8 = 6;
/// Flags of TCP.
const SYN: u8 = 0x02;
const RST_ACK: u8 = 0x14;

/// Delay and loss of each packet, in each direction, between all hosts but the database's, which stands beside its cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) delay_ms: u64,
    /// As much more or less, evenly.
    pub(crate) jitter_ms: u64,
    pub(crate) loss_permille: u32,
}

impl Weather {
    fn delay(self) -> Duration {
        let (least, most) = (self.delay_ms - self.jitter_ms, self.delay_ms + self.jitter_ms);
        Duration::from_micros(rand::random_range(least * 1_000..=most * 1_000))
    }
}

#[derive(Debug, Default)]
struct Conditions {
    weather: Option<Weather>,
    /// From whom to whom nothing comes through.
    cut: BTreeSet<(usize, usize)>,
    /// What comes by TCP between these ends the connection instead.
    resets: bool,
}

/// Ends when its devices do.
pub(crate) struct Wire(Arc<Mutex<Conditions>>);

impl Wire {
    /// A device for each host from 1 on, with these names, which are to be moved to their hosts.
    pub(crate) fn new(hosts: usize, name: impl Fn(usize) -> String) -> io::Result<Self> {
        let devices: Vec<Arc<SyncDevice>> = (1..=hosts)
            .map(|host| {
                let device = DeviceBuilder::new().name(name(host)).enable(false);
                device.build_sync().map(Arc::new)
            })
            .collect::<io::Result<_>>()?;
        let conditions = Arc::default();
        let (arriving, packets) = channel();
        for (device, host) in devices.iter().zip(1..) {
            let (device, arriving) = (Arc::clone(device), arriving.clone());
            thread::spawn(move || read(host, &device, &arriving));
        }
        let road = Road {
            conditions: Arc::clone(&conditions),
            devices,
            under_way: BinaryHeap::new(),
            count: 0,
            last: BTreeMap::new(),
        };
        thread::spawn(move || road.carry(&packets));
        Ok(Self(conditions))
    }

    pub(crate) fn set_weather(&self, weather: Option<Weather>) {
        self.with(|conditions| conditions.weather = weather);
    }

    /// From now on nothing of one host comes to the other; back it does.
    pub(crate) fn cut(&self, from: usize, to: usize) {
        self.with(|conditions| conditions.cut.insert((from, to)));
    }

    /// Everything comes through again.
    pub(crate) fn mend(&self) {
        self.with(|conditions| conditions.cut.clear());
    }

    /// Every TCP connection at which something is said for so long ends, but for those of the database.
    pub(crate) fn reset_connections(&self, during: Duration) {
        self.with(|conditions| conditions.resets = true);
        thread::sleep(during);
        self.with(|conditions| conditions.resets = false);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Conditions) -> T) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

struct Packet {
    from: usize,
    at: Instant,
    bytes: Vec<u8>,
}

impl Packet {
    /// The host it is for.
    fn to(&self) -> Option<usize> {
        let is_ipv4 = self.bytes.first()? >> 4 == 4;
        let last = self.bytes.get(HEADER_BYTES - 1)?;
        is_ipv4.then_some(usize::from(*last))
    }

    fn is_tcp(&self) -> bool {
        self.bytes.get(9) == Some(&TCP)
    }
}

fn read(from: usize, device: &SyncDevice, arriving: &Sender<Packet>) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    // Until its namespace is gone, and the device with it.
    while let Ok(length) = device.recv(&mut buffer) {
        let packet = Packet {
            from,
            at: Instant::now(),
            bytes: buffer[..length].to_vec(),
        };
        if arriving.send(packet).is_err() {
            return;
        }
    }
}

/// When it is due, in which order it came, for whom.
type UnderWay = Reverse<(Instant, u64, usize, Vec<u8>)>;

struct Road {
    conditions: Arc<Mutex<Conditions>>,
    devices: Vec<Arc<SyncDevice>>,
    under_way: BinaryHeap<UnderWay>,
    count: u64,
    /// When the last packet of TCP from one to another is due: the next one does not overtake it.
    last: BTreeMap<(usize, usize), Instant>,
}

impl Road {
    fn carry(mut self, packets: &Receiver<Packet>) {
        loop {
            let now = Instant::now();
            while self.under_way.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                if let Some(Reverse((_, _, to, bytes))) = self.under_way.pop() {
                    // What a host that is gone was to have is lost.
                    let _ = self.devices[to - 1].send(&bytes);
                }
            }
            let next = self.under_way.peek();
            let wait = next.map_or(Duration::from_secs(1), |Reverse((at, ..))| *at - now);
            match packets.recv_timeout(wait) {
                Ok(packet) => self.send(packet),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn send(&mut self, mut packet: Packet) {
        let to = packet.to().filter(|to| (1..=self.devices.len()).contains(to));
        let Some(to) = to else { return };
        let way = (packet.from, to);
        let mut due = packet.at;
        {
            let conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
            if conditions.cut.contains(&way) {
                return;
            }
            let is_near = packet.from == DATABASE || to == DATABASE;
            if let Some(weather) = conditions.weather.filter(|_| !is_near) {
                if rand::random_range(0..1_000) < weather.loss_permille {
                    return;
                }
                due += weather.delay();
            }
            if conditions.resets && !is_near && packet.is_tcp() {
                end_connection(&mut packet.bytes);
            }
        }
        if packet.is_tcp() {
            let last = self.last.entry(way).or_insert(due);
            due = due.max(*last);
            *last = due;
        }
        self.count += 1;
        self.under_way.push(Reverse((due, self.count, to, packet.bytes)));
    }
}

/// Makes of a packet of TCP one that ends its connection: the same sender, receiver and place in the stream. Not of the first one.
fn end_connection(packet: &mut Vec<u8>) {
    let start = usize::from(packet[0] & 15) * 4;
    let end = start + HEADER_BYTES;
    if packet.len() < end || packet[start + 13] & SYN != 0 {
        return;
    }
    packet.truncate(end);
    let length = u16::try_from(end).unwrap_or_default();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[10..12].fill(0);
    let sum = checksum(&packet[..start], 0);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let header = &mut packet[start..];
    header[12] = (HEADER_BYTES as u8 / 4) << 4;
    header[13] = RST_ACK;
    header[16..18].fill(0);
    // RFC 9293, section 3.1: both addresses, the protocol and the length belong to the sum.
    let more = sum_of(&packet[12..20]) + u32::from(TCP) + HEADER_BYTES as u32;
    let sum = checksum(&packet[start..], more);
    packet[start + 16..start + 18].copy_from_slice(&sum.to_be_bytes());
}

fn sum_of(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(2);
    words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum()
}

/// Of the internet protocols (RFC 1071), over bytes of an even number.
fn checksum(bytes: &[u8], more: u32) -> u16 {
    let mut sum = sum_of(bytes) + more;
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
