//! `simulation run --seed N` repeats one run and shows its last events when something is broken; `simulation sweep` goes
//! through many seeds and prints the matrix of what was hit.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use node::life::{Shutdown, drain_on_signals};
use program::Force;
use simulation::{Options, Progress, Scenarios, Sweep, Swept, run, run_with_lines};
use tokio::runtime::Runtime;

/// Events that a failure shows.
const LINES: usize = 200;
/// How often a sweep is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// After a signal, seeds under way have so long to end.
const STOP: Duration = Duration::from_secs(5);
/// How shells tell of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(about = "The whole cluster in one thread under a made-up clock, network and store")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One run, as a failure prints it.
    Run(RunArguments),
    /// One run, with the last LINES events also when all is well.
    Trace {
        /// How many.
        lines: usize,
        /// The run.
        #[command(flatten)]
        run: RunArguments,
    },
    /// Leaves out of a run that breaks something the faults, players and servers that it does not take, and prints the one line that
    /// replays the smallest run found.
    Minimise {
        /// Runs that are tried at most.
        #[arg(long, default_value_t = 600)]
        runs: u32,
        /// The run.
        #[command(flatten)]
        run: RunArguments,
    },
    /// Many seeds; stops at the first that breaks something. Progress goes to the standard error stream; Ctrl-C ends it
    /// and tells what was swept so far, a second one at once.
    Sweep {
        /// First seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// What they are about: storm, churn, rolling-restart, bank, corner-orbit, failover; or all, where each seed draws its own
        #[arg(long, default_value = "storm", value_name = "NAME")]
        scenario: Scenarios,
        /// How many at a time [default: one for each core].
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
        jobs: Option<u16>,
        /// Go on after a seed that breaks something.
        #[arg(long)]
        keep_going: bool,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// `--seed N`, and what replaces the rest: --scenario storm|churn|rolling-restart|bank|corner-orbit|failover, --servers,
    /// --standbys on|off, --lanes, --players, --storm-ms, --calm-ms, --faults, --jitter-ms, --store-jitter-ms, --store-permille,
    /// --room ample|narrow, --crafts on|off, --sheep on|off, --veils on|off, --clocks on|off, --ambush STEP:FAULT:PASSING (or `none`),
    /// --skip-faults 3,7 (or `none`), and in the scenario bank --gives N: as many storms as it takes. What is not given follows from
    /// the seed. Without `--seed` it is 1. With the feature `broken-rules` also --without R1 … R9 and
    /// --careless doubt|version|epoch|told|session|hidden
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

impl RunArguments {
    fn read(&self) -> Result<Options, String> {
        self.options.join(" ").parse()
    }
}

/// Tells what was found. Who cannot read it learns it from the exit code.
fn show(what: impl Display) {
    let _ = program::print(format_args!("{what}\n"));
}

fn one(given: &RunArguments, trace: Option<usize>) -> Result<ExitCode, String> {
    let options = given.read()?;
    let outcome = run(&options)?;
    if outcome.broken.is_some() || trace.is_some() {
        show(run_with_lines(&options, trace.unwrap_or(LINES))?);
    } else {
        show(&outcome);
    }
    Ok(if outcome.broken.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Goes on as long as a smaller run breaks the same.
fn minimise(given: &RunArguments, runs_max: u32) -> Result<ExitCode, String> {
    let options = given.read()?;
    // Runs that panic do so hundreds of times.
    std::panic::set_hook(Box::new(|_| {}));
    let smallest = simulation::minimise(&options, runs_max, &mut |smaller| {
        program::note(format_args!("still broken: {smaller}"));
    });
    drop(std::panic::take_hook());
    let smallest = smallest?;
    show(format_args!(
        "{} runs, {} faults left",
        smallest.runs,
        smallest.faults.len()
    ));
    smallest.faults.iter().for_each(show);
    show(format_args!("BROKEN: {}", smallest.what));
    show(smallest.options.command());
    Ok(ExitCode::SUCCESS)
}

/// Sweeps until all is done, something breaks, or somebody asks to stop; tells what was swept in any case.
fn sweep(sweep: &Sweep) -> Result<ExitCode, String> {
    let shutdown = Shutdown::new();
    let _signals =
        listen_for_signals(&shutdown).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (began, running) = (Instant::now(), sweep.start()?);
    let (mut progress, mut named) = (Progress::new(sweep.seeds), 0);
    let mut stopped = None;
    loop {
        let is_done = running.wait(LOOK);
        let swept = running.so_far();
        for broken in swept.broken_seeds.iter().skip(named) {
            progress.clear();
            show(format_args!(
                "seed {} BROKEN: {}\n{}\n",
                broken.seed, broken.what, broken.command
            ));
            named += 1;
        }
        if is_done {
            break;
        }
        progress.tell(&swept, began.elapsed());
        if shutdown.is_draining() {
            running.stop();
            let since = *stopped.get_or_insert_with(Instant::now);
            if shutdown.is_forced() || since.elapsed() > STOP {
                break;
            }
        }
    }
    progress.clear();
    let swept = running.so_far();
    tell(sweep, &swept, began.elapsed());
    if let Some(broken) = swept.broken_seeds.first() {
        if !sweep.keep_going {
            show(story(&Options::drawn(sweep.scenarios, broken.seed))?);
        }
        return Ok(ExitCode::FAILURE);
    }
    Ok(if stopped.is_some() {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The last events of a run.
fn story(options: &Options) -> Result<String, String> {
    run_with_lines(options, LINES).map(|outcome| outcome.to_string())
}

/// What was swept, also of a sweep that was stopped.
fn tell(sweep: &Sweep, swept: &Swept, elapsed: Duration) {
    show(&swept.coverage);
    let overflow = swept.overflow.by_name();
    let overflow: Vec<String> = overflow.map(|(name, count)| format!("{name} {count}")).collect();
    show(format_args!("overflow: {}", overflow.join(", ")));
    show(format_args!(
        "{} seeds from {}, {} broken, {} events, {} crossings, {:.1} seeds/s, cells never hit: {:?}",
        swept.done,
        sweep.from,
        swept.broken,
        swept.events,
        swept.crossings,
        swept.done as f64 / elapsed.as_secs_f64(),
        swept.coverage.missing()
    ));
    let scenarios = swept.scenarios.iter();
    let scenarios: Vec<String> = scenarios.map(|(name, count)| format!("{name} {count}")).collect();
    show(format_args!(
        "scenarios: {}; {} gives, {} regions moved, {} creatures over borders, {} times hidden or shown",
        scenarios.join(", "),
        swept.gives,
        swept.moves,
        swept.roamed,
        swept.veiled
    ));
    if faultpoint::IS_COUNTED {
        show(format_args!(
            "fault points never come by: {:?}",
            swept.hits.missing()
        ));
    }
    if swept.done < sweep.seeds {
        show(format_args!(
            "stopped before seed {}",
            sweep.from + swept.done + swept.running.len() as u64
        ));
    }
    for running in &swept.running {
        show(format_args!(
            "seed {} did not end within {} s\n{}",
            running.seed,
            running.since.as_secs(),
            running.command
        ));
    }
}

/// Signals arrive in a run time of their own; the sweep looks at the shutdown now and then.
fn listen_for_signals(shutdown: &Shutdown) -> std::io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    drain_on_signals(shutdown.clone(), Force::LaterSignal)?;
    drop(guard);
    Ok(runtime)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Run(given) => one(&given, None),
        What::Trace { lines, run } => one(&run, Some(lines)),
        What::Minimise { runs, run } => minimise(&run, runs),
        What::Sweep {
            from,
            seeds,
            scenario,
            jobs,
            keep_going,
        } => sweep(&Sweep {
            from,
            seeds,
            scenarios: scenario,
            game: None,
            jobs: jobs.map_or_else(cores, usize::from),
            keep_going,
        }),
    };
    let exit = done.unwrap_or_else(|error| {
        program::note(&error);
        ExitCode::from(2)
    });
    program::flush();
    exit
}
