//! The handover within small bounds: safe and live as it is, broken without any one of its rules.

#![allow(clippy::print_stdout)]

use simulation::model::{Bounds, Outcome, Rule, Rules, explore};

const ONE_HANDOVER: Bounds = Bounds {
    handovers: 1,
    commands: 1,
    drops: 0,
    duplicates: 0,
    crashes: 0,
    zombies: 0,
    takeovers: 0,
    logouts: 0,
};

fn is_safe_and_live(bounds: Bounds) {
    let verdict = explore(bounds, Rules::default());
    println!("{bounds:?}\n{verdict}");
    assert_eq!(verdict.outcome, Outcome::SafeAndLive, "{bounds:?}\n{verdict}");
    assert!(verdict.states > 100, "hardly anything happened");
}

#[test]
fn safe_and_live_when_messages_and_store_answers_are_lost() {
    is_safe_and_live(Bounds {
        drops: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_messages_and_store_requests_come_twice() {
    is_safe_and_live(Bounds {
        duplicates: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_a_server_crashes() {
    is_safe_and_live(Bounds {
        crashes: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_a_replaced_server_lives_on() {
    is_safe_and_live(Bounds {
        zombies: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_a_server_is_taken_over_at_any_step() {
    is_safe_and_live(Bounds {
        takeovers: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_a_server_crashes_and_is_taken_over() {
    is_safe_and_live(Bounds {
        crashes: 1,
        takeovers: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_a_server_is_taken_over_and_messages_are_lost_or_come_twice() {
    for (drops, duplicates) in [(1, 0), (0, 1)] {
        is_safe_and_live(Bounds {
            takeovers: 1,
            drops,
            duplicates,
            ..ONE_HANDOVER
        });
    }
}

#[test]
fn safe_and_live_when_the_player_logs_out_and_in_again() {
    is_safe_and_live(Bounds {
        logouts: 1,
        ..ONE_HANDOVER
    });
}

#[test]
fn safe_and_live_when_the_player_crosses_there_and_back() {
    is_safe_and_live(Bounds {
        handovers: 2,
        commands: 0,
        ..ONE_HANDOVER
    });
}

#[test]
fn each_rule_taken_out_is_told_as_a_story_of_what_then_goes_wrong() {
    for rule in Rule::ALL {
        let bounds = rule.bounds_that_show_it();
        let verdict = explore(bounds, Rules { without: Some(rule) });
        println!("without {rule}: {verdict}");
        assert!(
            matches!(verdict.outcome, Outcome::Broken { .. }),
            "without {rule}, nothing breaks within {bounds:?}"
        );
    }
}
