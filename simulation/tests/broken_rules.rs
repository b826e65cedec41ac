//! Each rule of the handover left out of the code that ships, or of the store's statements: the checks of the simulation
//! must notice. The same run with every rule in force must be well, so that it is the rule that was missing.

#![allow(clippy::print_stdout)]

use simulation::model::Rule;
use simulation::{Options, OtherRule, minimise, run, run_with_lines};

/// Runs that a script may take until one shows that the rule is missing; most need fewer than twenty.
const SEEDS: u64 = 600;
/// Events that a failure shows.
const LINES: usize = 200;

/// Goes through runs of a script until one breaks one of the `properties` for want of the rule.
fn is_noticed(rule: Rule, script: &str, properties: &[&str]) {
    let lame = |whole: &Options| Options {
        without: Some(rule),
        ..whole.clone()
    };
    is_noticed_in(lame, rule.name(), script, properties);
}

/// As [`is_noticed`], of a rule that the model knows nothing of.
fn is_noticed_of(rule: OtherRule, script: &str, properties: &[&str]) {
    let lame = |whole: &Options| Options {
        careless: Some(rule),
        ..whole.clone()
    };
    is_noticed_in(lame, &rule.to_string(), script, properties);
}

#[allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
fn is_noticed_in(lame: impl Fn(&Options) -> Options, rule: &str, script: &str, properties: &[&str]) {
    let (mut crossings, mut others) = (0, 0);
    for seed in 0..SEEDS {
        let whole: Options = format!("--seed {seed} {script}").parse().unwrap();
        let outcome = run(&lame(&whole)).unwrap();
        crossings += outcome.crossings;
        let Some(what) = outcome.broken else { continue };
        if !properties.iter().any(|property| what.starts_with(property)) {
            others += 1;
            continue;
        }
        let story: String = what
            .chars()
            .take_while(|letter| *letter != '\n')
            .take(160)
            .collect();
        println!("without {rule}, seed {seed} ({others} broke otherwise): {story}");
        let well = run(&whole).unwrap();
        assert!(
            well.broken.is_none(),
            "broken with every rule in force:\n{}",
            run_with_lines(&whole, LINES).unwrap()
        );
        return;
    }
    panic!("nobody notices that {rule} is left out in {SEEDS} runs of `{script}` with {crossings} crossings");
}

#[test]
fn r1_handing_over_without_the_row_puts_proxies_ahead_of_it() {
    is_noticed(Rule::OwnershipByRow, "--faults 0", &["H9"]);
}

#[test]
fn r2_going_on_without_an_answer_makes_two_of_one_player() {
    let slow = "--ambush store-pass:slow:0 --ambush store-pass:slow:1";
    is_noticed(Rule::NoResumeAfterCas, slow, &["H4: regions"]);
}

#[test]
fn r3_a_shadow_that_promotes_itself_is_ahead_of_the_row() {
    let slow = "--ambush store-pass:slow:0 --ambush store-pass:slow:1";
    is_noticed(Rule::NoSelfPromotion, slow, &["H1"]);
}

#[test]
fn r4_a_doubt_that_burns_no_epoch_is_overtaken_by_the_late_cas() {
    let late = "--ambush store-pass:unknown-late:0 --ambush store-pass:unknown-late:2";
    is_noticed(Rule::BurnTheEpoch, late, &["H2", "H4: regions"]);
}

#[test]
fn r5_a_no_taken_at_its_word_after_a_repeated_success_makes_two_of_one_player() {
    let twice = "--ambush store-pass:applied-twice:0";
    is_noticed(Rule::NoIsDoubt, twice, &["H4: regions"]);
}

#[test]
fn r6_an_answer_to_a_handover_called_off_commits_an_old_state() {
    let late = "--ambush prepared:late:0 --ambush prepared:late:1 --ambush prepared:late:2";
    is_noticed(Rule::AttemptIsNamed, late, &["H2"]);
}

#[test]
fn r7_a_commit_that_activates_whatever_the_row_says_brings_back_who_has_left() {
    let repeated = "--faults 0 --ambush here:player-leaves:0 --ambush commit:twice:0";
    is_noticed(Rule::ReadBeforeActive, repeated, &["H1", "H2", "H4"]);
}

#[test]
fn r8_a_save_without_owner_and_epoch_is_written_by_who_is_dead() {
    let late = "--faults 8 --ambush store-save:unknown-late:0 --ambush store-save:unknown-late:2 \
                --ambush store-save:unknown-late:4 --ambush store-save:asker-dies-after:6";
    is_noticed(Rule::SaveIsFenced, late, &["H1: somebody who is not the owner"]);
}

#[test]
fn r8_a_durable_write_without_its_service_is_made_by_who_is_dead() {
    let late = "--faults 8 --ambush store-durable:unknown-late:0 --ambush store-durable:unknown-late:2 \
                --ambush store-durable:unknown-late:4 --ambush store-durable:asker-dies-after:6";
    is_noticed(Rule::WriteIsServed, late, &["H4: a durable write under"]);
}

#[test]
fn r9_a_save_without_a_version_turns_time_back() {
    let late = "--ambush store-save:unknown-late:0";
    is_noticed(Rule::SaveIsNewer, late, &["H1: a version went back"]);
}

#[test]
fn a_takeover_that_leaves_players_to_their_former_server_lets_it_write() {
    let frozen = "--servers 2 --standbys on --storm-ms 12000 --faults 0 --ambush store-take-over:slow:9";
    is_noticed(
        Rule::TakeOverReowns,
        frozen,
        &["H4: a server that was taken over"],
    );
}

#[test]
fn a_creature_that_goes_on_without_an_answer_is_in_two_regions() {
    let unknown = "--sheep on --ambush store-creatures:unknown-applied:4 --ambush store-creatures:unknown-applied:9 \
                   --store-permille 150";
    is_noticed_of(OtherRule::CreatureDoubt, unknown, &["H4: creature"]);
}

#[test]
fn a_write_of_creatures_without_a_version_brings_back_who_has_ended() {
    let late = "--sheep on --store-permille 200";
    is_noticed_of(OtherRule::CreatureVersion, late, &["H4: creature"]);
}

#[test]
fn an_epoch_off_by_one_is_ahead_of_the_row() {
    is_noticed_of(OtherRule::Epoch, "--faults 0", &["H1", "H9"]);
}

#[test]
fn a_command_that_is_confirmed_before_it_is_stored_is_found_out() {
    is_noticed_of(OtherRule::Told, "--store-jitter-ms 250", &["H8"]);
}

#[test]
fn a_login_that_is_over_and_still_counts_brings_back_who_has_left() {
    let script = "--scenario churn --faults 6 --store-jitter-ms 250";
    is_noticed_of(OtherRule::Session, script, &["H1: a login that is over"]);
}

#[test]
fn who_hides_and_stays_in_its_cell_is_seen() {
    is_noticed_of(OtherRule::Hidden, "--veils on --faults 0", &["H6"]);
}

#[test]
fn a_failing_run_is_minimised_to_what_it_takes_and_its_line_replays_it() {
    let late = "--faults 8 --ambush store-save:unknown-late:0 --ambush store-save:unknown-late:2 \
                --ambush store-save:unknown-late:4 --ambush store-save:asker-dies-after:6 --without R8";
    let failing = (0..SEEDS).find_map(|seed| {
        let options: Options = format!("--seed {seed} --room narrow {late}").parse().unwrap();
        let broken = run(&options).unwrap().broken;
        broken.map(|what| (options, what))
    });
    let (options, what) = failing.unwrap();
    let mut steps = 0;
    let smallest = minimise(&options, 150, &mut |_| steps += 1).unwrap();
    println!("{} runs, {steps} steps: {}", smallest.runs, smallest.options);
    smallest.faults.iter().for_each(|fault| println!("{fault}"));
    let planned = simulation::faults_of(&options).unwrap().len();
    assert!(
        smallest.faults.len() < planned && smallest.faults.len() < 4,
        "{smallest:?}"
    );
    assert!(smallest.options.ambushes.len() < 4 && steps > 3, "{smallest:?}");
    assert_eq!(smallest.what.split(':').next(), what.split(':').next());
    let command = smallest.options.command();
    let (_, line) = command.split_once("-- run ").unwrap();
    let again = run(&line.parse().unwrap()).unwrap();
    assert_eq!(again.broken, Some(smallest.what));
}
