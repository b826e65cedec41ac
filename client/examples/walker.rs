//! A bot that walks in circles: `cargo run -p client --example walker -- .regionmesh/join.json`.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use client::{Client, ClientEvent, ConnectOptions, Credentials, Datagrams, JoinFile};
use gems::{Input, OwnState};
use tokio::time::interval;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: walker JOIN_FILE")?;
    let join = JoinFile::read(Path::new(&path))?;
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
                heading = heading.wrapping_add(1);
                client.send_input(Input { heading, speed: 255 }.encode().to_vec());
            }
            event = client.next_event() => if let ClientEvent::Snapshot(news) = event?
                && let Ok(own) = OwnState::parse(&news.own)
            {
                let others = client.world().map_or(0, |world| world.entities().len());
                writeln!(std::io::stdout(), "tick {} at {:.1}, {:.1} with {others} in view", news.tick, own.at.x, own.at.y)?;
            },
        }
    }
}
