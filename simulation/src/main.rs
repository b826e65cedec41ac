//! `simulation run --seed N` repeats one run and shows its last events when something is broken; `simulation sweep` goes
//! through many seeds and prints the matrix of what was hit.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use simulation::{Coverage, Options, run, run_with_lines};

/// Events that a failure shows.
const LINES: usize = 200;

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
    /// Many seeds, one after the other; stops at the first that breaks something.
    Sweep {
        /// First seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// Go on after a seed that breaks something.
        #[arg(long)]
        keep_going: bool,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// `--seed N`, and what replaces the rest: --servers, --players, --storm-ms, --calm-ms, --faults, --jitter-ms,
    /// --store-jitter-ms, --store-permille, --ambush STEP:FAULT:PASSING (or `none`). What is not given follows from
    /// the seed. With the feature `broken-rules` also --without R1 … R9.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

fn one(given: &RunArguments, trace: Option<usize>) -> Result<ExitCode, String> {
    let options: Options = given.options.join(" ").parse()?;
    let outcome = run(&options)?;
    if outcome.broken.is_some() || trace.is_some() {
        println!("{}", run_with_lines(&options, trace.unwrap_or(LINES))?);
    } else {
        println!("{outcome}");
    }
    Ok(if outcome.broken.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn sweep(from: u64, seeds: u64, keep_going: bool) -> Result<ExitCode, String> {
    let began = Instant::now();
    let (mut coverage, mut events, mut broken) = (Coverage::default(), 0, 0);
    for seed in from..from + seeds {
        let outcome = run(&Options::of_seed(seed))?;
        coverage.add(&outcome.coverage);
        events += outcome.events;
        if let Some(what) = &outcome.broken {
            broken += 1;
            println!(
                "seed {seed} BROKEN: {}\n{}\n",
                what.lines().next().unwrap_or_default(),
                outcome.options.command()
            );
            if !keep_going {
                println!("{}", run_with_lines(&outcome.options, LINES)?);
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{coverage}");
    println!(
        "{seeds} seeds, {broken} broken, {events} events, {:.1} seeds/s, cells never hit: {:?}",
        seeds as f64 / seconds,
        coverage.missing()
    );
    Ok(if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Run(given) => one(&given, None),
        What::Trace { lines, run } => one(&run, Some(lines)),
        What::Sweep {
            from,
            seeds,
            keep_going,
        } => sweep(from, seeds, keep_going),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}
