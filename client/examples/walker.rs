//! A bot of the demo game that walks in circles: `cargo run -p client --example walker -- .regionmesh/join.json`. What it says and
//! reads is as the README of the demo game has it byte by byte; of the game it knows nothing else.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use client::{Client, ClientEvent, ConnectOptions, Credentials, Datagrams, JoinFile};
use tokio::time::interval;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: walker JOIN_FILE")?;
    walk(Path::new(&path), |tick, own, others| {
        let Own { x, y, region } = own;
        let line = format!("tick {tick} at {x:.1}, {y:.1} of region {region} with {others} others in view");
        writeln!(std::io::stdout(), "{line}").is_ok()
    })
    .await
}

/// Where the player is, as its own state says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// Units to the east.
    pub(crate) x: f32,
    /// Units to the south.
    pub(crate) y: f32,
    /// The number of the region that simulates it.
    pub(crate) region: u32,
}

/// Own state, 24 bytes: x is the `f32` at 8, y that at 12, the region the `u32` at 18.
fn own(bytes: &[u8]) -> Option<Own> {
    let four = |at: usize| bytes.get(at..at + 4)?.try_into().ok();
    Some(Own {
        x: four(8).map(f32::from_le_bytes)?,
        y: four(12).map(f32::from_le_bytes)?,
        region: four(18).map(u32::from_le_bytes)?,
    })
}

/// Walks until `show` has seen enough: the tick, where the player is, and how many others are in view.
pub(crate) async fn walk(
    join_file: &Path,
    mut show: impl FnMut(u64, Own, usize) -> bool,
) -> Result<(), Box<dyn Error>> {
    let join = JoinFile::read(join_file)?;
    let mut client = Client::connect(ConnectOptions {
        proxies: join.addresses(),
        trust: join.trust()?,
        credentials: Credentials::Guest {
            name: "walker".to_owned(),
        },
        datagrams: Datagrams::Allowed,
    })
    .await?;
    let mut ticks = interval(Duration::from_millis(50));
    let mut heading = 0_u8;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                // An input, 2 bytes: the heading in 1/256 of a turn, and 255 for full speed.
                heading = heading.wrapping_add(1);
                client.send_input(vec![heading, 255]);
            }
            event = client.next_event() => if let ClientEvent::Snapshot(news) = event?
                && let Some(own) = own(&news.own)
            {
                let in_view = client.world().map_or(0, |world| world.entities().len());
                if !show(news.tick, own, in_view.saturating_sub(1)) {
                    client.logout();
                    return Ok(());
                }
            },
        }
    }
}
