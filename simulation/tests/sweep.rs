//! Sweeps as they are typed: progress, the end that Ctrl-C makes of them, and runs that would go on for ever.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use simulation::{Options, Patience, run, run_within};

fn simulation() -> Command {
    Command::new(env!("CARGO_BIN_EXE_simulation"))
}

/// Does not outlive a test that fails: it would go on for weeks.
struct Sweeping(Child);

impl Drop for Sweeping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_ends_a_sweep_with_what_was_swept_so_far() {
    let mut sweep = simulation();
    sweep.args(["sweep", "--from", "1000", "--seeds", "100000000", "--jobs", "2"]);
    let sweep = sweep.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut sweep = Sweeping(sweep.unwrap());
    let mut progress = BufReader::new(sweep.0.stderr.take().unwrap());
    let mut line = String::new();
    // One seed takes longer than a second on a busy machine.
    while line.is_empty() || line.starts_with("0 of ") {
        line.clear();
        assert!(
            progress.read_line(&mut line).unwrap() > 0,
            "no more progress is told"
        );
    }
    assert!(
        line.contains(" of 100000000 seeds, 0 broken, ") && line.trim_end().ends_with("left"),
        "{line}"
    );
    kill(Pid::from_raw(sweep.0.id() as i32), Signal::SIGINT).unwrap();
    let status = sweep.0.wait().unwrap();
    let mut said = String::new();
    sweep.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    let (_, last) = said.split_once("overflow: ").unwrap();
    let done = last.lines().nth(1).unwrap();
    let (done, _) = done.split_once(" seeds from 1000, 0 broken, ").unwrap();
    let done: u64 = done.parse().unwrap();
    let stopped = format!("stopped before seed {}\n", 1_000 + done);
    assert!(done > 0 && last.ends_with(&stopped), "{said}");
}

#[test]
fn a_short_sweep_ends_well_and_says_what_it_hit() {
    let sweep = simulation()
        .args(["sweep", "--from", "3", "--seeds", "4"])
        .output()
        .unwrap();
    let said = String::from_utf8(sweep.stdout).unwrap();
    assert!(
        sweep.status.success() && said.contains("\n4 seeds from 3, 0 broken, "),
        "{said}"
    );
    assert!(!said.contains("stopped before"), "{said}");
}

#[test]
fn a_run_that_comes_to_no_end_is_broken_and_repeats_itself() {
    let options = Options::of_seed(5);
    let patience = Patience::of(&options);
    let well = run(&options).unwrap();
    assert_eq!(well.broken, None);
    assert!(
        well.events * 10 < patience.events_max,
        "ordinary runs are far from it: {} events",
        well.events
    );
    let endless = [
        (
            "the run comes to no end: 900 events ",
            Patience {
                events_max: 900,
                ..patience
            },
        ),
        (
            "the clock stands still at ",
            Patience {
                events_at_once_max: 1,
                ..patience
            },
        ),
    ];
    for (says, patience) in endless {
        let ended = run_within(&options, patience).unwrap();
        let what = ended.broken.clone().unwrap();
        assert!(what.starts_with(says), "{what}");
        assert!(ended.events < well.events);
        assert!(ended.to_string().contains("run --seed 5 "), "its replay line");
    }
}
