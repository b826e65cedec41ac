//! A whole node process on loopback: what it refuses to start with, what its admin endpoint says, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod running;

use nix::sys::signal::Signal;
use node::ports::PortFinder;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use topology::PortUse;

use running::{PATIENCE, Running, command, finish, lingering};

#[test]
fn the_configuration_is_printed_with_origins_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("n.toml");
    std::fs::write(&file, "[idle]\napi_token = 'hunter2'\nlinger_ms = 5\n").unwrap();
    let mut command = command(&["--print-config", "--config", file.to_str().unwrap()]);
    command.env("REGIONMESH_NODE__LOG_LEVEL", "debug");
    let (code, out, _) = finish(command);
    assert_eq!(code, 0);
    assert!(!out.contains("hunter2"), "{out}");
    assert!(out.contains("node.name = \"n\"  # --name"), "{out}");
    assert!(
        out.contains("node.log_level = \"debug\"  # environment variable REGIONMESH_NODE__LOG_LEVEL"),
        "{out}"
    );
    assert!(
        out.contains(&format!("idle.linger_ms = 5  # {}:3", file.display())),
        "{out}"
    );
    assert!(out.contains("node.drain_timeout_ms = 10000  # default"), "{out}");
}

#[test]
fn bad_input_ends_with_code_2_and_says_where_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("n.toml");
    std::fs::write(&file, "[node]\ndrain_timeout_ms = \"1\"\n").unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap().to_string();
    let cases: [(&[&str], &str); 5] = [
        (&["--config", file.to_str().unwrap()], "n.toml:2:20\n"),
        (
            &["--config", "/nonexistent.toml"],
            "cannot read the configuration file: No such file or directory (os error 2)\n--> /nonexistent.toml",
        ),
        (
            &["--log-level", "loud"],
            "error: `node.log_level` is `loud`, which is no log filter\n--> --log-level\n",
        ),
        (&["--log-format", "xml"], "\n--> --log-format\n"),
        (&["--admin", &taken], &format!("cannot listen on {taken}")),
    ];
    for (arguments, says) in cases {
        let (code, _, error) = finish(command(arguments));
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(says), "{error}");
    }
    let (code, _, error) = finish({
        let mut command = command(&[]);
        command.env("REGIONMESH_NODE__NAEM", "x");
        command
    });
    assert!(
        code == 2
            && error
                .contains("there is no setting `node.naem`\n--> environment variable REGIONMESH_NODE__NAEM"),
        "{error}"
    );
    let (code, _, error) = finish({
        let mut command = command(&["--print-config"]);
        // One ConfigMap for all nodes: what is of another role says nothing to this one.
        command.env("REGIONMESH_GAME__CREATURES", "9000");
        command.env("REGIONMESH_CLIENTS__SESSIONS_MAX", "5");
        for link in [
            "SERVICE_HOST",
            "PORT",
            "EDGE_SERVICE_PORT_UDP",
            "PORT_7000_TCP_ADDR",
        ] {
            command.env(format!("REGIONMESH_{link}"), "10.0.0.1");
        }
        command
    });
    assert_eq!(
        code, 0,
        "what Kubernetes says of a service is no setting: {error}"
    );
}

#[test]
fn the_admin_endpoint_answers_and_sigterm_drains() {
    let node = lingering("1500", "10000");
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(node.admin).unwrap()).collect();
    node.wait_until("/readyz", 200);
    assert_eq!(node.get("/livez"), (200, "alive\n".to_owned()));
    let status: serde_json::Value = serde_json::from_str(&node.get("/status").1).unwrap();
    assert_eq!(
        (&status["name"], &status["role"], &status["players"]),
        (&"n".into(), &"idle".into(), &0.into())
    );
    assert_eq!(status["pid"], node.child.id());
    assert!(status["rss_bytes"].as_u64().unwrap() > 0);
    let metrics = node.get("/metrics").1;
    assert!(
        metrics.contains("# HELP process_resident_memory_bytes "),
        "{metrics}"
    );
    assert_eq!(node::telemetry::undescribed(&metrics).len(), 0, "{metrics}");
    assert_eq!(node.ask("PUT /log-level", "", "info,node=debug").0, 200);
    assert_eq!(node.ask("POST /log-level", "", "loud").0, 400);
    assert_eq!(node.ask("POST /log-level", "", &"x".repeat(5000)).0, 413);
    assert_eq!(
        node.ask("POST /drain", "origin: http://evil.example\r\n", "").0,
        403
    );
    assert_eq!(node.get("/drain").0, 405);

    node.signal(Signal::SIGTERM);
    node.wait_until("/readyz", 503);
    assert_eq!(node.get("/readyz").1, "draining\n");
    assert_eq!(node.get("/livez").0, 200);
    assert_eq!(node.exit_code(), 0);
    drop(silent);
}

#[test]
fn connections_that_say_nothing_do_not_keep_the_endpoint_from_others() {
    let node = lingering("0", "10000");
    let silent: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(node.admin).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(node.get("/livez"), (200, "alive\n".to_owned()));
    println!("answered after {:?}", began.elapsed());
    assert!(
        began.elapsed().as_secs() < 10,
        "they are closed after two seconds"
    );
    drop(silent);
}

#[test]
fn idle_connections_of_others_make_room_for_a_new_one_at_once() {
    let node = lingering("0", "10000");
    // Kept alive and answered: nothing closes them for 20 s.
    let ask = |stream: &mut TcpStream| {
        write!(stream, "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{read}");
    };
    let mut idle: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(node.admin).unwrap()).collect();
    for stream in &mut idle {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        ask(stream);
    }
    assert_eq!(node.get("/livez"), (200, "alive\n".to_owned()));
    // The first gave way, the last did not.
    ask(&mut idle[63]);
    assert_eq!(idle[0].read(&mut [0; 16]).unwrap_or(0), 0);
}

#[test]
fn a_process_without_a_file_descriptor_left_still_answers() {
    let script = format!(
        "ulimit -n 64; exec {} --name n --data /x",
        env!("CARGO_BIN_EXE_idle-node")
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdout(Stdio::piped());
    shell.env("REGIONMESH_IDLE__NO_FILES_LEFT", "true");
    let node = Running::start(shell);
    for _ in 0..20 {
        assert_eq!(node.get("/livez"), (200, "alive\n".to_owned()));
    }
    let counted = "regionmesh_accept_errors_total{listener=\"admin\"} ";
    assert!(node.get("/metrics").1.contains(counted));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 0);
}

#[test]
fn a_drain_asked_for_over_http_ends_with_code_0() {
    let node = lingering("0", "10000");
    assert_eq!(node.ask("POST /drain", "", "").0, 202);
    assert_eq!(node.exit_code(), 0);
}

/// More than the time within which signals count once.
const LATER: Duration = Duration::from_millis(1_100);

#[test]
fn a_second_signal_forces_unless_it_comes_with_the_first() {
    let node = lingering("600000", "600000");
    node.signal(Signal::SIGINT);
    node.wait_until("/readyz", 503);
    node.signal(Signal::SIGINT);
    node.signal(Signal::SIGTERM);
    std::thread::sleep(LATER);
    assert_eq!(node.get("/livez").0, 200, "signals that come together count once");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 5);
}

#[test]
fn a_signal_after_a_drain_over_http_is_the_first_signal() {
    let node = lingering("3000", "600000");
    assert_eq!(node.ask("POST /drain", "", "").0, 202);
    std::thread::sleep(LATER);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 0);
}

#[test]
fn a_child_leaves_it_to_its_parent_to_force() {
    let mut command = command(&["--parent", &std::process::id().to_string()]);
    command
        .env("REGIONMESH_IDLE__LINGER_MS", "3000")
        .env("REGIONMESH_NODE__DRAIN_TIMEOUT_MS", "600000");
    let node = Running::start(command);
    node.signal(Signal::SIGTERM);
    node.wait_until("/readyz", 503);
    std::thread::sleep(LATER);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 0);
}

#[test]
fn a_hang_up_drains_but_not_what_was_started_to_outlive_its_terminal() {
    let node = lingering("0", "10000");
    node.signal(Signal::SIGHUP);
    assert_eq!(node.exit_code(), 0);
    let mut command = Command::new("nohup");
    command
        .arg(env!("CARGO_BIN_EXE_idle-node"))
        .args(["--name", "n", "--data", "/nonexistent"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let node = Running::start(command);
    node.signal(Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(200));
    node.wait_until("/readyz", 200);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 0);
}

/// The file that takes nothing.
fn full() -> std::fs::File {
    std::fs::File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn an_output_that_is_full_or_closed_ends_no_node_and_panics_nobody() {
    for closed in ["", ">&- 2>&-", ">/dev/full 2>/dev/full"] {
        let folder = tempfile::tempdir().unwrap();
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut finder = PortFinder::new(std::process::id() as u16);
        let port = SocketAddr::new(ip, finder.find(ip, PortUse::Tcp).unwrap());
        let script = format!(
            "exec {} --name n --data {} --admin {port} --log-level trace {closed}",
            env!("CARGO_BIN_EXE_idle-node"),
            folder.path().display()
        );
        let (reader, writer) = std::io::pipe().unwrap();
        // Without a redirection: a pipe that nobody reads from any more.
        drop(reader);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let node = Running {
            child: shell.spawn().unwrap(),
            admin: port,
        };
        let started = Instant::now();
        while TcpStream::connect(port).is_err() {
            assert!(started.elapsed() < PATIENCE, "{closed}: it never started");
            std::thread::sleep(Duration::from_millis(10));
        }
        node.wait_until("/readyz", 200);
        node.signal(Signal::SIGTERM);
        assert_eq!(node.exit_code(), 0, "{closed}");
    }
}

#[test]
fn a_configuration_that_nobody_reads_is_no_error_and_one_that_cannot_be_written_is() {
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    let mut quiet = command(&["--print-config"]);
    assert_eq!(
        quiet.stdout(gone).stderr(Stdio::null()).status().unwrap().code(),
        Some(0)
    );
    let mut full_disk = command(&["--print-config"]);
    let said = full_disk.stdout(full()).output().unwrap();
    let error = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(
        error.starts_with("error: cannot write to standard output: "),
        "{error}"
    );
    let mut all_full = command(&["--print-config"]);
    assert_eq!(
        all_full.stdout(full()).stderr(full()).status().unwrap().code(),
        Some(1)
    );
}

#[test]
fn a_drain_that_takes_too_long_is_a_failure() {
    let node = lingering("600000", "200");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.exit_code(), 1);
}

#[test]
fn a_child_ends_when_its_parent_is_killed() {
    let script = format!(
        "{} --name n --data /x --parent $$ & wait",
        env!("CARGO_BIN_EXE_idle-node")
    );
    let mut shell = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(shell.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("ready "), "{line}");
    shell.kill().unwrap();
    shell.wait().unwrap();
    // The pipe closes when the last process that holds it, the child, has ended.
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(out.read_to_string(&mut line)));
    ended.recv_timeout(PATIENCE).expect("the child must end").unwrap();
}
