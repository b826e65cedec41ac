//! A game server as a process: from its command line to its exit code, whatever its game.

use game::Game;
use node::life::{Exit, NodeProcess};
use node::telemetry::LINK_METRICS;

use super::metrics::METRICS;
use super::played::Played;
use super::run::serve;
use super::settings::{Args, GameServerSettings};

/// Runs a game server process that plays `G`, from its command line to its exit code.
#[must_use]
pub fn run<G: Game>(args: &Args) -> Exit {
    let process = NodeProcess {
        role: "gameserver",
        metrics: &[METRICS, LINK_METRICS],
        node_settings: |settings: &GameServerSettings<G::Settings>| &settings.node,
    };
    let sources = args.node.sources(args.flags());
    node::life::run(&process, &args.node, args.flags(), |settings, node| {
        let in_force = serde_json::to_value(&settings).unwrap_or_default();
        let (settings, of_game) = settings.split();
        let game = Played::new::<G>(of_game).reading::<G>(sources, in_force);
        serve(settings, game, node)
    })
}
