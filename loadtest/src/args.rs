//! The swarm's command line, checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use client::Datagrams;

use crate::threshold::Threshold;

/// Bots that one swarm drives at most.
pub const PLAYERS_MAX: i64 = 20_000;
/// Threads, unless somebody says otherwise.
const THREADS: u32 = 2;

/// A swarm of bots that plays, measures, and counts whether anything was lost or doubled.
///
/// Exit codes: 0 all is well, 99 a threshold or the oracle is broken or some bots were not let in, 2 wrong usage,
/// 3 nobody can be reached, 4 the generator itself could not keep up, 130 interrupted before its time was up.
#[derive(Clone, Debug, Parser)]
#[command(name = "loadtest", version)]
pub struct Args {
    /// A join file, or the address of one (http://...).
    #[arg(long, value_name = "FILE_OR_URL")]
    pub join: String,
    /// Bots.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=PLAYERS_MAX))]
    pub players: u32,
    /// How long to measure, such as 30s or 5m, at least a second; until Ctrl-C without it. Logging in and walking home come
    /// before.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_measured)]
    pub duration: Option<Duration>,
    /// Inputs per second and bot.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub input_hz: u32,
    /// What the bots do.
    #[arg(long, value_enum, default_value_t = Pattern::Wander)]
    pub behaviour: Pattern,
    /// The same seed makes the bots decide alike.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where to write the result; `-` is standard output, and everything else goes to standard error then.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What carries inputs and snapshots.
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    pub transport: Transport,
    /// Logins per second while the bots come.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub logins: u32,
    /// Seconds between two commands of a bot; 0: no commands.
    #[arg(long, default_value_t = 5.0, value_parser = parse_seconds)]
    pub command_every: f64,
    /// How long the bots may walk home before measuring begins all the same.
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = parse_duration)]
    pub warm_up: Duration,
    /// Threads that drive bots, as many as the machine has cores at most.
    #[arg(long, default_value_t = THREADS, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
    /// UDP sockets that the bots share; at least one for each thread that drives any [default: one for each bot].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=PLAYERS_MAX))]
    pub sockets: Option<u32>,
    /// What must hold besides, such as ack_ms.p99<=150; may be repeated. Names are those of the JSON result.
    #[arg(long = "threshold", value_name = "NAME<=VALUE")]
    pub thresholds: Vec<Threshold>,
    /// A game server is killed on purpose: soft commands that it had applied and not saved may be lost.
    #[arg(long, value_enum, default_value_t = Faults::None)]
    pub faults: Faults,
}

/// What is done to the cluster during the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Faults {
    /// Nothing: nothing at all may be lost.
    None,
    /// Proxies are killed: bots resume elsewhere.
    Proxies,
    /// Game servers are killed: soft commands may be lost.
    Servers,
}

/// Where the bots walk; what else they do is the game's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pattern {
    /// Walk between points within 64 units of where they came in.
    Wander,
    /// Cross a border to and fro, some six units to each side, and give something across it.
    Border,
    /// Circle around a corner of four regions.
    Corner,
    /// Stand and walk in one and the same cell, all of them.
    Crowd,
    /// Come together in one point and part again.
    Star,
    /// As wander; who comes near trades with whoever is there.
    Trader,
}

/// What carries inputs and snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Datagrams where they get through.
    Udp,
    /// The stream.
    Tcp,
    /// The stream, over WebSocket as browsers have it.
    Ws,
}

impl Transport {
    /// Whether bots ask for datagrams.
    pub(crate) fn datagrams(self) -> Datagrams {
        match self {
            Self::Udp => Datagrams::Allowed,
            Self::Tcp | Self::Ws => Datagrams::Off,
        }
    }
}

impl Args {
    /// Microseconds between two inputs of a bot.
    pub(crate) fn input_period_us(&self) -> u64 {
        1_000_000 / u64::from(self.input_hz.max(1))
    }

    /// Threads that have something to drive, a socket to drive it with, and a core to run on.
    pub(crate) fn threads(&self) -> u32 {
        self.threads_on(cores())
    }

    fn threads_on(&self, cores: u32) -> u32 {
        let useful = self.sockets.unwrap_or(u32::MAX).min(self.players);
        self.threads.min(useful).min(cores).max(1)
    }

    /// What is said when there are to be more threads than can run at once.
    pub(crate) fn too_many_threads(&self) -> Option<String> {
        self.beyond(cores())
    }

    fn beyond(&self, cores: u32) -> Option<String> {
        let told = || {
            format!(
                "--threads {}: this machine has {cores} cores, and threads beyond that only take time from each other; {} drive the bots",
                self.threads,
                self.threads_on(cores)
            )
        };
        // Nobody has asked for the usual number.
        (self.threads > cores.max(THREADS)).then(told)
    }

    /// Whether standard output is for the result alone.
    pub(crate) fn prints_json(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// UDP sockets of all bots together.
    pub(crate) fn sockets(&self) -> u32 {
        match self.transport {
            Transport::Udp => self.sockets.unwrap_or(self.players),
            Transport::Tcp | Transport::Ws => 0,
        }
    }
}

/// Of this machine, or as many of them as this process may use.
fn cores() -> u32 {
    let cores = std::thread::available_parallelism();
    cores.map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// Reads a time such as `1500ms`, `30s`, `0.5m` or `1h`; a number alone is seconds.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let split = text.find(|letter: char| letter.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let seconds = match units.iter().find(|(name, _)| *name == unit) {
        Some((_, seconds)) => *seconds,
        None if unit.is_empty() => 1.0,
        None => return Err(format!("`{unit}` is no unit of time: use ms, s, m or h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{number}` is no number: write something like 30s"))?;
    let allowed = number.is_finite() && number * seconds > 0.0 && number * seconds <= 7.0 * 86_400.0;
    if allowed {
        Ok(Duration::from_secs_f64(number * seconds))
    } else {
        Err("it must be more than nothing and at most a week".to_owned())
    }
}

/// What is measured for less than this says nothing.
const MEASURED_MIN: Duration = Duration::from_secs(1);

/// Whether a time is long enough to measure in.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_measured(time: Duration) -> Result<(), String> {
    if time < MEASURED_MIN {
        return Err("less than a second is too short to measure anything".to_owned());
    }
    Ok(())
}

fn parse_measured(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    check_measured(time).map(|()| time)
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds between 0 and 3600 is wanted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("loadtest").chain(line.split_whitespace()))
    }

    #[test]
    fn a_whole_command_line_is_understood() {
        let args = parse(
            "--join join.json --players 1000 --for 60s --behaviour border --threshold ack_ms.p99<=150 --transport tcp",
        )
        .unwrap();
        assert_eq!(args.duration, Some(Duration::from_secs(60)));
        assert_eq!((args.players, args.behaviour), (1000, Pattern::Border));
        assert_eq!(args.transport, Transport::Tcp);
        assert_eq!(args.thresholds.len(), 1);
        assert_eq!(args.input_period_us(), 50_000);
        assert_eq!((args.threads_on(8), args.sockets()), (2, 0));
    }

    #[test]
    fn a_thread_has_a_socket_and_somebody_to_drive() {
        let threads_and_sockets = |line| {
            let args = parse(line).unwrap();
            (args.threads_on(8), args.sockets())
        };
        assert_eq!(threads_and_sockets("--join j --threads 4"), (4, 100));
        assert_eq!(threads_and_sockets("--join j --threads 4 --sockets 3"), (3, 3));
        assert_eq!(threads_and_sockets("--join j --players 1"), (1, 1));
    }

    #[test]
    fn threads_beyond_the_cores_are_left_out_and_told() {
        let args = parse("--join j --threads 64").unwrap();
        assert_eq!((args.threads_on(2), args.threads_on(96)), (2, 64));
        assert!(args.threads() <= cores());
        let told = args.beyond(2).unwrap();
        assert!(
            told.contains("has 2 cores") && told.ends_with("2 drive the bots"),
            "{told}"
        );
        assert_eq!(args.beyond(64), None);
        assert_eq!(parse("--join j").unwrap().beyond(1), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "",
            "--join j --players 0",
            "--join j --for 10x",
            "--join j --for -3s",
            "--join j --for 1ms",
            "--join j --behaviour fly",
            "--join j --threshold ack",
            "--join j --command-every -1",
            "--join j --sockets 0",
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn times_may_be_written_in_several_units() {
        for (text, ms) in [
            ("1500ms", 1500),
            ("30", 30_000),
            ("0.5m", 30_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms));
        }
    }
}
