//! The handover model at full bounds: minutes and some gigabytes, so by hand. `cargo run --release -p simulation --bin model`.

use std::process::ExitCode;

use simulation::model::{Bounds, Outcome, Rule, Rules, explore};

fn main() -> ExitCode {
    let mut is_as_expected = true;
    for rule in Rule::ALL {
        let bounds = rule.bounds_that_show_it();
        let verdict = explore(bounds, Rules { without: Some(rule) });
        is_as_expected &= matches!(verdict.outcome, Outcome::Broken { .. });
        program::say(format_args!("without {rule}\n{bounds:?}\n{verdict}\n"));
    }
    for bounds in FULL {
        let verdict = explore(bounds, Rules::default());
        is_as_expected &= verdict.outcome == Outcome::SafeAndLive;
        program::say(format_args!("all rules\n{bounds:?}\n{verdict}\n"));
    }
    program::flush();
    if is_as_expected {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

const ONE: Bounds = Bounds {
    handovers: 1,
    commands: 1,
    drops: 0,
    duplicates: 0,
    crashes: 0,
    zombies: 0,
    takeovers: 0,
    logouts: 0,
};
const FULL: [Bounds; 12] = [
    Bounds {
        takeovers: 1,
        drops: 1,
        duplicates: 1,
        commands: 0,
        ..ONE
    },
    Bounds {
        takeovers: 1,
        crashes: 1,
        drops: 1,
        commands: 0,
        ..ONE
    },
    Bounds {
        takeovers: 1,
        handovers: 2,
        commands: 0,
        ..ONE
    },
    Bounds {
        drops: 1,
        duplicates: 1,
        ..ONE
    },
    Bounds { drops: 2, ..ONE },
    Bounds {
        crashes: 1,
        drops: 1,
        ..ONE
    },
    Bounds {
        crashes: 1,
        logouts: 1,
        ..ONE
    },
    Bounds {
        zombies: 1,
        drops: 1,
        commands: 0,
        ..ONE
    },
    Bounds {
        zombies: 1,
        crashes: 1,
        commands: 0,
        ..ONE
    },
    Bounds {
        handovers: 2,
        drops: 1,
        commands: 0,
        ..ONE
    },
    Bounds {
        crashes: 1,
        duplicates: 1,
        ..ONE
    },
    Bounds { handovers: 2, ..ONE },
];
