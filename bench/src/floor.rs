//! The floor under everything that moves players by datagram: an input of each player in, a snapshot of each out, with
//! nothing of ours in between. What the mesh needs for a player tick is set beside this, and how many players a machine
//! carries beside how many it would carry if only the kernel had to work.
//!
//! In lock step and in portions: the swarm's side sends the inputs of a portion of the players, the edge's side receives
//! all of them and answers, the swarm's side receives the answers. So both sides work on full batches, no socket
//! overflows, and no wake-up enters the figures; each side is a thread of its own, whose CPU clock is read.

mod edge_side;
mod swarm_side;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use net::udp::BatchSocket;

use crate::bare_socket::Moved;
use crate::figure::{Figure, publish};
use crate::machine::{Others, cores};
use crate::samples::Samples;
use edge_side::EdgeSide;
use swarm_side::SwarmSide;

/// Ticks of a second of play.
const TICK_HZ: f64 = 20.0;
/// Players whose datagrams are under way at once. Half a mebibyte of receive buffer holds their snapshots even when all
/// of them share one socket.
const PORTION: usize = 256;
/// Player ticks of one sample, at least.
const SAMPLE_PLAYER_TICKS: usize = 100_000;
/// Ticks before anything is measured.
const WARM_UP_TICKS: usize = 10;

/// What goes to and fro.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Load {
    /// Players
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) players: u32,
    /// Sockets that the players share, moved in batches; 0: one each, a system call for each datagram
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub(crate) sockets: u32,
    /// Bytes of an input; the default is the mean of a thousand wanderers in a live cluster
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=1200))]
    pub(crate) input_bytes: u16,
    /// Bytes of a snapshot; the default is the mean of a thousand wanderers in a live cluster, who see nine others
    #[arg(long, default_value_t = 230, value_parser = clap::value_parser!(u16).range(1..=1200))]
    pub(crate) snapshot_bytes: u16,
}

/// One side of the floor, per player tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// Microseconds of CPU.
    pub(crate) cpu_us: Samples,
    /// System calls.
    pub(crate) calls: f64,
}

impl Side {
    fn add(&mut self, moved: Moved, player_ticks: f64) {
        self.cpu_us.push(moved.cpu_ns as f64 / 1e3 / player_ticks);
        self.calls = moved.calls as f64 / player_ticks;
    }
}

/// The floor under a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floor {
    pub(crate) edge: Side,
    pub(crate) swarm: Side,
}

impl Floor {
    /// Measures so many samples.
    pub(crate) fn measure(load: &Load, samples: usize) -> anyhow::Result<Self> {
        let mut stage = Stage::set(load)?;
        for _ in 0..WARM_UP_TICKS {
            stage.tick()?;
        }
        let players = load.players as usize;
        let ticks = SAMPLE_PLAYER_TICKS.div_ceil(players);
        let mut floor = Self::default();
        for _ in 0..samples {
            let (mut edge, mut swarm) = (Moved::default(), Moved::default());
            for _ in 0..ticks {
                let (edge_moved, swarm_moved) = stage.tick()?;
                edge += edge_moved;
                swarm += swarm_moved;
            }
            let player_ticks = (ticks * players) as f64;
            floor.edge.add(edge, player_ticks);
            floor.swarm.add(swarm, player_ticks);
        }
        Ok(floor)
    }

    /// Players at 20 inputs and 20 snapshots per second that fill all cores of this machine.
    pub(crate) fn players(&self) -> f64 {
        let us = self.edge.cpu_us.median() + self.swarm.cpu_us.median();
        cores() * 1e6 / (us * TICK_HZ)
    }
}

/// Both sides, moved portion by portion.
struct Stage {
    edge: EdgeSide,
    swarm: SwarmSide,
    portions: usize,
}

impl Stage {
    fn set(load: &Load) -> anyhow::Result<Self> {
        let socket = Arc::new(BatchSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?);
        let swarm = SwarmSide::new(load, socket.local_addr()?, PORTION)?;
        let addresses = swarm.addresses()?;
        let portions = addresses.len();
        let edge = EdgeSide::spawn(socket, addresses, usize::from(load.snapshot_bytes))?;
        Ok(Self {
            edge,
            swarm,
            portions,
        })
    }

    /// One tick of all players; what it took the edge's and the swarm's side.
    fn tick(&mut self) -> anyhow::Result<(Moved, Moved)> {
        let (mut edge, mut swarm) = (Moved::default(), Moved::default());
        for portion in 0..self.portions {
            let sent = self.swarm.send(portion)?;
            let answered = self.edge.answer(portion)?;
            ensure!(
                answered.datagrams == 2 * sent.datagrams,
                "inputs were lost on loopback"
            );
            let received = self.swarm.receive(portion)?;
            ensure!(
                received.datagrams == sent.datagrams,
                "snapshots were lost on loopback"
            );
            edge += answered;
            swarm += sent;
            swarm += received;
        }
        Ok((edge, swarm))
    }
}

/// Measures and publishes.
pub(crate) fn run(load: &Load, samples: usize) -> anyhow::Result<()> {
    let others = Others::watch();
    let floor = Floor::measure(load, samples)?;
    publish("floor", figures(load, &floor), &others)
}

fn figures(load: &Load, floor: &Floor) -> Vec<Figure> {
    let sockets = match load.sockets {
        0 => "a socket each".to_owned(),
        shared => format!("{shared} sockets"),
    };
    let scene = format!(
        "{} players with {sockets}, inputs of {} B and snapshots of {} B",
        load.players, load.input_bytes, load.snapshot_bytes
    );
    let side = |name: &str, what: &str, side: &Side| {
        let mut figure = Figure::alone(name, format!("{what}, {scene}"), "us", side.cpu_us.median());
        figure.spread = Some(side.cpu_us.spread());
        figure.detail("system calls per player tick", side.calls);
        figure
    };
    let players = format!(
        "players at 20 inputs and 20 snapshots per second that would fill {} cores, {scene}",
        cores()
    );
    vec![
        side("floor-edge", "CPU of the bare edge per player tick", &floor.edge),
        side(
            "floor-swarm",
            "CPU of the bare swarm per player tick",
            &floor.swarm,
        ),
        Figure::alone("floor-players", players, "players", floor.players()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tick moves a datagram each way for every player, whoever shares whose socket.
    #[test]
    fn every_player_sends_and_receives_one_datagram_a_tick() {
        for (players, sockets) in [(600, 0), (600, 7), (3, 5), (257, 1)] {
            let load = Load {
                players,
                sockets,
                input_bytes: 75,
                snapshot_bytes: 1200,
            };
            let mut stage = Stage::set(&load).unwrap();
            for _ in 0..3 {
                let (edge, swarm) = stage.tick().unwrap();
                let both_ways = 2 * players as usize;
                assert_eq!((edge.datagrams, swarm.datagrams), (both_ways, both_ways));
                assert!(edge.cpu_ns > 0 && swarm.cpu_ns > 0);
                let batched = edge.calls < both_ways / 2 || players < 10;
                assert!(batched, "{} calls for {both_ways} datagrams", edge.calls);
                assert_eq!(swarm.calls == both_ways, sockets == 0, "{} calls", swarm.calls);
            }
        }
    }
}
