//! A node process in trouble: threads that panic, end or are stuck, a log that nobody reads, no descriptors left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod running;

use nix::sys::signal::Signal;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use running::{PATIENCE, Running, command, finish, node_of};

#[test]
fn a_thread_that_panics_or_ends_by_itself_ends_the_process_with_a_code_of_its_own() {
    for (fate, how) in [
        ("panics", "panicked: asked to"),
        ("ends", "ended by itself: asked to"),
    ] {
        let mut command = command(&[]);
        command.env("REGIONMESH_IDLE__FATE", fate);
        let (code, _, said) = finish(command);
        assert_eq!(code, 6, "{said}");
        assert!(said.ends_with(&format!("error: idle {how}\n")), "{said}");
    }
}

#[test]
fn a_thread_that_is_stuck_is_named_at_readyz_and_ends_the_process_in_the_end() {
    let node = node_of("FATE", "stalls");
    node.wait_until("/readyz", 200);
    let (_, verbose) = node.get("/readyz?verbose");
    let lines: Vec<&str> = verbose.lines().collect();
    let [memory, idle, ready] = lines[..] else {
        panic!("{verbose}");
    };
    assert!(
        memory.starts_with("[+] memory: ") && memory.contains(" MiB of "),
        "{verbose}"
    );
    assert_eq!((idle, ready), ("[+] idle: comes round", "ready"));
    node.wait_until("/readyz", 503);
    let (_, said) = node.get("/readyz");
    assert!(
        said.starts_with("idle: stalled: in the same iteration for "),
        "{said}"
    );
    assert_eq!(node.exit_code(), 7);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let mut command = command(&["--log-level", "info,idle_node=debug"]);
    command.env("REGIONMESH_IDLE__LOG_LINES", "50000");
    // Held open and never read: far more than any pipe takes.
    let (unread, log) = std::io::pipe().unwrap();
    let mut child = command.stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let admin = line.trim().strip_prefix("ready ").unwrap().parse().unwrap();
    let node = Running { child, admin };
    let started = Instant::now();
    loop {
        let status: serde_json::Value = serde_json::from_str(&node.get("/status").1).unwrap();
        if status["logged"] == 50_000 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it hangs on its log: {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
    let metrics = node.get("/metrics").1;
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("regionmesh_log_lines_dropped_total "));
    assert!(dropped.is_some_and(|count| count != "0"), "{metrics}");
    node.wait_until("/readyz", 200);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 0);
    drop(unread);
}

#[test]
fn a_flood_of_one_warning_is_a_few_lines_and_one_that_tells_of_the_rest() {
    let mut command = command(&[]);
    command.env("REGIONMESH_IDLE__WARNINGS", "1570");
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let admin = line.trim().strip_prefix("ready ").unwrap().parse().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let node = Running { child, admin };
    let (mut written, mut rest) = (0, String::new());
    // Told within two looks, five seconds apart, once its ten seconds are over.
    while !rest.contains("log lines of one kind were left out") {
        rest.clear();
        assert_ne!(log.read_line(&mut rest).unwrap(), 0, "the log ends before that");
        written += usize::from(rest.contains(" a warning that comes again"));
    }
    assert_eq!(written, 20, "{rest}");
    assert!(
        rest.contains("lines=1550") && rest.contains("again and again"),
        "{rest}"
    );
    let metrics = node.get("/metrics").1;
    assert!(
        metrics.contains("\nregionmesh_log_lines_suppressed_total 1550\n"),
        "{metrics}"
    );
}

#[test]
fn open_descriptors_are_told_also_when_there_are_none_left() {
    let script = format!(
        "ulimit -n 40; exec {} --name n --data /x",
        env!("CARGO_BIN_EXE_idle-node")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdout(Stdio::piped());
    let node = Running::start(command);
    let mut asked = TcpStream::connect(node.admin).unwrap();
    asked.set_read_timeout(Some(PATIENCE)).unwrap();
    // Accepted before the others are, which take all that is left.
    let mut buffer = [0; 64];
    write!(asked, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_ne!(asked.read(&mut buffer).unwrap(), 0);
    let others: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(node.admin).unwrap()).collect();
    let started = Instant::now();
    let pid = node.child.id();
    while std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() < 40 {
        assert!(started.elapsed() < PATIENCE, "there are descriptors left");
        std::thread::yield_now();
    }
    write!(
        asked,
        "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    let open = answer
        .lines()
        .find_map(|line| line.strip_prefix("process_open_fds "));
    // It may have inherited some beyond the limit.
    let open: u32 = open.unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
    assert!((40..60).contains(&open), "{answer}");
    drop(others);
}
