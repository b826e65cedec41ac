//! PostgreSQL servers for tests and benchmarks: real ones, private to whoever starts them, gone when that process is, however it
//! ends.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use self::port::Port;
use super::link::Link;
use super::{PostgresAddress, PostgresStore, fault};

mod port;

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Waits until its standard input ends, which it does when the process that holds the other end does, and cleans up.
const GUARD: &str =
    "cat > /dev/null; \"$0\" -D \"$1/data\" -m immediate stop > /dev/null 2>&1; rm -rf \"$1\"";

/// Where Debian keeps what stands between a program and the clock of its machine, below the folder of each architecture.
const DEBIAN_FAKETIME: &str = "faketime/libfaketime.so.1";

/// Where Debian has PgBouncer.
const DEBIAN_POOLER: &str = "/usr/sbin/pgbouncer";
/// How often it is looked whether what was started is there.
const PATIENCE_LOOKS: usize = 1_000;

/// So many lines at the end of a server's log say why it did not start.
const LAST_WORDS: usize = 12;

/// A host that a server is on: a network namespace, made by whoever starts it.
#[derive(Clone, Copy, Debug)]
pub struct TrialHost<'a> {
    /// The namespace's name.
    pub space: &'a str,
    /// Its address.
    pub address: Ipv4Addr,
    /// From where the superuser is let in, and everybody else by password, such as `10.0.0.0/24`.
    pub clients: &'a str,
}

/// Runs a pooler until its standard input ends.
const POOLER: &str = "\"$0\" -q \"$1\" & cat > /dev/null; kill $!; wait";

/// PgBouncer in front of a server; gone when this is, or the process that has it.
#[derive(Debug)]
pub struct TrialPooler {
    port: Port,
    /// Its end ends the pooler.
    guard: Child,
}

/// A server that listens in its own folder, and on a port of this machine.
#[derive(Debug)]
pub struct TrialServer {
    listens: Ipv4Addr,
    space: Option<String>,
    folder: PathBuf,
    programs: PathBuf,
    port: Port,
    who: Option<(u32, u32)>,
    /// What stands between the server and the clock.
    clock: Option<PathBuf>,
    /// Its end ends the server.
    _guard: Child,
}

impl TrialServer {
    /// Makes a server with these lines in its configuration and starts it. Its superuser `postgres` needs no password.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub fn start(lines: &[&str]) -> io::Result<Self> {
        twice(|| Self::start_at(None, lines))
    }

    /// The same, with a clock of its own that [`step_clock`](Self::step_clock) moves; only time that passes is as it is.
    ///
    /// # Errors
    /// As [`start`](Self::start), and libfaketime is not installed.
    pub fn with_clock(lines: &[&str]) -> io::Result<Self> {
        twice(|| {
            let mut server = Self::place(None)?;
            server.run("initdb", &["-A", "trust", "-U", "postgres", "--no-sync"])?;
            server.configure(lines)?;
            server.clock = Some(faketime()?);
            server.step_clock(0)?;
            server.control("start")?;
            Ok(server)
        })
    }

    /// The clock of the server is so many seconds before the machine's from now on, or behind it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn step_clock(&self, by_s: i32) -> io::Result<()> {
        let (file, next) = (self.folder.join("clock"), self.folder.join("clock.next"));
        fs::write(&next, format!("{by_s:+}\n"))?;
        fs::rename(next, file)
    }

    /// The same on a host of its own: [`address`](Self::address) is for those who reach it. Needs root and `nsenter`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_on(host: TrialHost<'_>, lines: &[&str]) -> io::Result<Self> {
        twice(|| Self::start_at(Some(host), lines))
    }

    /// Makes a standby of this server, which calls itself `name`, and starts it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn standby(&self, name: &str, lines: &[&str]) -> io::Result<Self> {
        let standby = Self::place(None)?;
        let port = self.port.number.to_string();
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        standby.run(
            "pg_basebackup",
            &[&from[..], &["-R", "-X", "stream", "-c", "fast", "--no-sync"]].concat(),
        )?;
        let primary =
            format!("primary_conninfo = 'host=127.0.0.1 port={port} user=postgres application_name={name}'");
        standby.configure(&[&[primary.as_str()], lines].concat())?;
        standby.control("start")?;
        Ok(standby)
    }

    fn start_at(host: Option<TrialHost<'_>>, lines: &[&str]) -> io::Result<Self> {
        let server = Self::place(host)?;
        server.run("initdb", &["-A", "trust", "-U", "postgres", "--no-sync"])?;
        server.configure(lines)?;
        if let Some(host) = host {
            let path = server.folder.join("data/pg_hba.conf");
            let clients = host.clients;
            let line = format!("\nhost all postgres {clients} trust\nhost all all {clients} scram-sha-256\n");
            fs::OpenOptions::new()
                .append(true)
                .open(path)?
                .write_all(line.as_bytes())?;
        }
        server.control("start")?;
        Ok(server)
    }

    /// A folder and a port, with whoever ends the server that will be there.
    fn place(host: Option<TrialHost<'_>>) -> io::Result<Self> {
        let programs = programs()?;
        let who = other_user()?;
        let folder = fresh_folder()?;
        if let Some((user, group)) = who {
            chown(&folder, Some(user), Some(group))?;
        }
        let guard = as_user(Command::new("sh"), who)
            .args([OsStr::new("-c"), OsStr::new(GUARD)])
            .arg(programs.join("pg_ctl"))
            .arg(&folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Self {
            listens: host.map_or(Ipv4Addr::LOCALHOST, |host| host.address),
            space: host.map(|host| host.space.to_owned()),
            folder,
            programs,
            port: Port::take()?,
            who,
            clock: None,
            _guard: guard,
        })
    }

    /// Starts a pooler in front of a database of this server, with these lines in its configuration.
    ///
    /// # Errors
    /// PgBouncer is not installed, or does not start.
    pub fn pooler(&self, database: &str, lines: &[&str]) -> io::Result<TrialPooler> {
        let program = Path::new(DEBIAN_POOLER);
        if !program.exists() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "PgBouncer is not installed, which stands between a store and its database in tests (Debian's package pgbouncer)",
            ));
        }
        let taken = Port::take()?;
        let (port, server) = (taken.number, self.port.number);
        let own = [
            "[databases]".to_owned(),
            format!("{database} = host=127.0.0.1 port={server} user=postgres"),
            "[pgbouncer]".to_owned(),
            format!("listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any"),
        ];
        let lines = own.iter().map(String::as_str).chain(lines.iter().copied());
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let file = self.folder.join(format!("pooler-{port}.ini"));
        fs::write(&file, text)?;
        let guard = as_user(Command::new("sh"), self.who)
            .args([OsStr::new("-c"), OsStr::new(POOLER)])
            .arg(program)
            .arg(file)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()?;
        let pooler = TrialPooler { port: taken, guard };
        for _ in 0..PATIENCE_LOOKS {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(pooler);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("PgBouncer does not start"))
    }

    fn configure(&self, lines: &[&str]) -> io::Result<()> {
        let own = [
            format!("port = {}", self.port.number),
            format!("listen_addresses = '{}'", self.listens),
            format!("unix_socket_directories = '{}'", self.folder.to_string_lossy()),
        ];
        let path = self.folder.join("data/postgresql.auto.conf");
        let lines = own.iter().map(String::as_str).chain(lines.iter().copied());
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        fs::write(path, text)
    }

    /// Does with the server what `pg_ctl` calls so, and waits until it is done: start, stop, restart, reload, promote.
    ///
    /// # Errors
    /// It does not work; says why.
    pub fn control(&self, what: &str) -> io::Result<()> {
        let log = self.folder.join("log");
        let log = log.to_string_lossy();
        let arguments = match what {
            "start" => vec!["-w", "-s", "-l", &log, "start"],
            "stop" | "restart" => vec!["-w", "-s", "-l", &log, "-m", "fast", what],
            _ => vec!["-w", "-s", what],
        };
        let done = self.run("pg_ctl", &arguments);
        done.map_err(|error| io::Error::other(format!("{error}{}", self.last_words())))
    }

    /// The end of the server's log.
    fn last_words(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// Whatever is confirmed from now on this standby has got as well; waits until that is so.
    ///
    /// # Errors
    /// The server refuses, or its standby does not come.
    pub fn waits_for(&self, standby: &str) -> io::Result<()> {
        // Each alone: neither goes into a transaction.
        self.say(
            "postgres",
            &format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
        )?;
        self.control("reload")?;
        let is_sync = "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'";
        for _ in 0..PATIENCE_LOOKS {
            if self.say("postgres", is_sync)? == ["t"] {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other(format!("{standby} does not confirm")))
    }

    /// Ends the server as a power failure would.
    ///
    /// # Errors
    /// It does not work; says why.
    pub fn kill(&self) -> io::Result<()> {
        self.run("pg_ctl", &["-s", "-m", "immediate", "stop"])
    }

    /// Kills the server's first process, which its others notice.
    ///
    /// # Errors
    /// There is none.
    pub fn kill_nine(&self) -> io::Result<()> {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        let pid = file.lines().next().unwrap_or_default();
        let killed = Command::new("kill").args(["-9", pid]).output()?;
        judge("kill", &killed)
    }

    /// The address of a database of this server, for its superuser: over the loopback, or in the clear to its host.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        let clear = if self.space.is_some() {
            "?sslmode=disable"
        } else {
            ""
        };
        format!(
            "postgres://postgres@{}:{}/{database}{clear}",
            self.listens, self.port.number
        )
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The folder that it lives in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a database that holds a store, and gives its address.
    ///
    /// # Errors
    /// The server refuses.
    pub fn create(&self, database: &str) -> io::Result<PostgresAddress> {
        self.say("postgres", &format!("CREATE DATABASE {database}"))?;
        let address = self.parsed(database)?;
        PostgresStore::migrate(&address).map_err(io::Error::other)?;
        Ok(address)
    }

    /// Makes a database that is as another one, on which nobody works.
    ///
    /// # Errors
    /// The server refuses.
    pub fn copy(&self, from: &str, database: &str) -> io::Result<PostgresAddress> {
        self.say("postgres", &format!("CREATE DATABASE {database} TEMPLATE {from}"))?;
        self.parsed(database)
    }

    fn parsed(&self, database: &str) -> io::Result<PostgresAddress> {
        PostgresAddress::parse(&self.address(database)).map_err(io::Error::other)
    }

    /// Carries out statements as the superuser, and gives the last one's first column.
    ///
    /// # Errors
    /// The server refuses; says why.
    pub fn say(&self, database: &str, statements: &str) -> io::Result<Vec<String>> {
        let address = self.parsed(database)?;
        let said = Link::alone(&address, async |client| {
            let said = client.simple_query(statements).await;
            said.map_err(|error| fault::of_connecting(&error))
        });
        let messages = said?.map_err(io::Error::other)?;
        let mut column = Vec::new();
        for message in messages {
            match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => {
                    column.push(row.get(0).unwrap_or_default().to_owned());
                }
                tokio_postgres::SimpleQueryMessage::RowDescription(_) => column.clear(),
                _ => {}
            }
        }
        Ok(column)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<()> {
        let program_file = self.programs.join(program);
        let mut command = match (&self.space, self.who) {
            (Some(space), Some((user, group))) => {
                let mut enter = Command::new("nsenter");
                enter
                    .arg(format!("--net=/run/netns/{space}"))
                    .args(["-S", &user.to_string(), "-G", &group.to_string(), "--"])
                    .arg(program_file);
                enter
            }
            _ => as_user(Command::new(program_file), self.who),
        };
        if let Some(faketime) = &self.clock {
            command
                .env("LD_PRELOAD", faketime)
                .env("FAKETIME_TIMESTAMP_FILE", self.folder.join("clock"))
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let command = command
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(arguments)
            .current_dir("/");
        judge(program, &command.stdin(Stdio::null()).output()?)
    }
}

impl TrialPooler {
    /// The address of a database behind it.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port.number)
    }
}

impl Drop for TrialPooler {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Tries once more with another folder and another port, which something else of this machine may have taken meanwhile.
fn twice<T>(start: impl Fn() -> io::Result<T>) -> io::Result<T> {
    start()
        .or_else(|first| start().map_err(|second| io::Error::other(format!("{first}\nand again: {second}"))))
}

fn judge(program: &str, ended: &Output) -> io::Result<()> {
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(io::Error::other(format!("{program}: {} {said}", ended.status)))
}

/// PostgreSQL does not run as root: then as the user that its package brings along.
fn other_user() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let missing = || io::Error::other("PostgreSQL does not run as root, and there is no user postgres");
    user.map(Some).ok_or_else(missing)
}

fn as_user(mut command: Command, who: Option<(u32, u32)>) -> Command {
    if let Some((user, group)) = who {
        command.uid(user).gid(group);
    }
    command
}

fn programs() -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::split_paths(&path));
    let found = folders
        .into_iter()
        .rev()
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists());
    // On the path may be nothing but links to some of them.
    let real = |folder: PathBuf| Some(fs::canonicalize(folder.join("initdb")).ok()?.parent()?.to_owned());
    found.and_then(real).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "PostgreSQL is not installed: its programs initdb and pg_ctl are needed (Debian's package postgresql)",
        )
    })
}

/// The library that stands between a program and the clock, to be loaded before it.
///
/// # Errors
/// libfaketime is not installed.
pub fn faketime() -> io::Result<PathBuf> {
    let architectures = fs::read_dir("/usr/lib")?.flatten();
    let mut found = architectures.map(|architecture| architecture.path().join(DEBIAN_FAKETIME));
    found.find(|library| library.exists()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "libfaketime is not installed, which moves the clock of a server for tests (Debian's package faketime)",
        )
    })
}

/// A folder that every user may pass through to, in which sockets have short names.
fn fresh_folder() -> io::Result<PathBuf> {
    for _ in 0..100 {
        let folder = PathBuf::from(format!("/tmp/regionmesh-pg-{:08x}", rand::random::<u32>()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    Err(io::Error::other("no folder could be made in /tmp"))
}
