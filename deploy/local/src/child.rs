//! One child process: started, listened to, signalled, waited for. It never outlives its handle, nor its parent.

use crate::output::{LastLine, Output, Stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often an ending child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the last lines of an ended child may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a child is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildSpec {
    /// Stands before its lines.
    pub name: String,
    /// Its command line, beginning with the subcommand.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
}

impl ChildSpec {
    /// What a user types into a shell to start `program` in this way. The parent is left out: it would be another one.
    #[must_use]
    pub(crate) fn by_hand(&self, program: &Path) -> String {
        let environment = self
            .environment
            .iter()
            .map(|(key, value)| format!("{key}={}", quoted(value)));
        let own = self
            .arguments
            .iter()
            .filter(|argument| !argument.starts_with("--parent="));
        let words = environment
            .chain([quoted(&program.to_string_lossy())])
            .chain(own.map(|argument| quoted(argument)));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// One word for a shell, whatever stands in it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// The last line it wrote; empty when it wrote none.
    pub last_line: String,
}

impl Ended {
    /// Whether it ended because it was told to: it drained, or had nothing yet when the signal came.
    #[must_use]
    pub fn is_as_told(&self) -> bool {
        let told = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].map(|signal| signal as i32);
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => code == 0,
            (None, signal) => signal.is_some_and(|signal| told.contains(&signal)),
        }
    }

    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<u8> {
        self.status.code().and_then(|code| u8::try_from(code).ok())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "ended with exit code {code}"),
            (None, Some(signal)) => write!(f, "was ended by signal {signal}"),
            (None, None) => f.write_str("ended"),
        }
    }
}

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    last: LastLine,
    pumps: Vec<JoinHandle<()>>,
    ended: Option<Ended>,
}

impl Child {
    /// Starts `program`. The child holds `lock` for as long as it lives.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn spawn(program: &Path, spec: &ChildSpec, lock: File, output: &Output) -> io::Result<Self> {
        let mut process = Command::new(program)
            .args(&spec.arguments)
            .envs(spec.environment.iter().map(|(key, value)| (key, value)))
            // Nothing reads from it: an open file is all it is.
            .stdin(lock)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C reaches every process of the terminal's group; children are to hear of it from their parent only.
            .process_group(0)
            .spawn()?;
        let last = LastLine::default();
        let (out, error) = (process.stdout.take(), process.stderr.take());
        let mut child = Self {
            process,
            last: last.clone(),
            pumps: Vec::new(),
            ended: None,
        };
        if let (Some(out), Some(error)) = (out, error) {
            let pumps = [
                output.pump(&spec.name, Stream::Out, out, LastLine::default())?,
                output.pump(&spec.name, Stream::Error, error, last)?,
            ];
            child.pumps.extend(pumps);
        }
        Ok(child)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ended> {
        if self.ended.is_none() {
            // A child that cannot be asked about is not ours any more.
            let status = self.process.try_wait().ok().flatten()?;
            self.ended = Some(self.last_words(status));
        }
        self.ended.clone()
    }

    /// Waits at most `patience` for its end.
    pub fn wait(&mut self, patience: Duration) -> Option<Ended> {
        let started = Instant::now();
        loop {
            let ended = self.ended();
            if ended.is_some() || started.elapsed() >= patience {
                return ended;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        // The id is ours as long as the child was not waited for, and `ended` is where that happens.
        if self.ended().is_none()
            && let Ok(pid) = i32::try_from(self.pid())
        {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends it at once, whatever it does, and waits until it is gone.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.process.kill();
            if let Ok(status) = self.process.wait() {
                self.ended = Some(self.last_words(status));
            }
        }
    }

    fn last_words(&self, status: ExitStatus) -> Ended {
        let started = Instant::now();
        while !self.pumps.iter().all(JoinHandle::is_finished) && started.elapsed() < LAST_WORDS {
            std::thread::sleep(LOOK_EVERY);
        }
        let last_line = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ended { status, last_line }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Child) {
        let folder = tempfile::tempdir().unwrap();
        let spec = ChildSpec {
            name: "sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: vec![("FROM_PARENT".to_owned(), "yes".to_owned())],
        };
        let lock = File::create(folder.path().join("lock")).unwrap();
        let output = Output::Files(folder.path().to_owned());
        let child = Child::spawn(Path::new("/bin/sh"), &spec, lock, &output).unwrap();
        (folder, child)
    }

    #[test]
    fn a_command_line_by_hand_is_what_a_shell_takes() {
        let spec = ChildSpec {
            name: "gs-a".to_owned(),
            arguments: [
                "gameserver",
                "--name=gs-a",
                "--data=/tmp/it's mine",
                "--parent=17",
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: vec![("LEVEL".to_owned(), "a=b;c".to_owned())],
        };
        let line = spec.by_hand(Path::new("/bin/echo"));
        assert_eq!(
            line,
            r"LEVEL='a=b;c' /bin/echo gameserver --name=gs-a '--data=/tmp/it'\''s mine'"
        );
        let said = Command::new("/bin/sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(said.stdout, b"gameserver --name=gs-a --data=/tmp/it's mine\n");
    }

    #[test]
    fn the_end_is_told_with_its_code_and_last_error_line() {
        let (_folder, mut child) = shell("echo out; echo first >&2; echo $FROM_PARENT >&2; exit 7");
        let ended = child.wait(Duration::from_secs(10)).unwrap();
        assert_eq!((ended.code(), ended.last_line.as_str()), (Some(7), "yes"));
        assert_eq!(ended.to_string(), "ended with exit code 7");
    }

    #[test]
    fn whoever_drains_or_is_asked_too_early_ends_as_told_and_whoever_fails_or_is_killed_does_not() {
        for (script, is_as_told) in [
            ("exit 0", true),
            ("kill -TERM $$", true),
            ("kill -HUP $$", true),
            ("exit 5", false),
            ("kill -KILL $$", false),
            ("kill -SEGV $$", false),
        ] {
            let (_folder, mut child) = shell(script);
            let ended = child.wait(Duration::from_secs(10)).unwrap();
            assert_eq!(ended.is_as_told(), is_as_told, "{script}: {ended}");
        }
    }

    #[test]
    fn a_child_that_ignores_signals_is_killed_and_dropping_kills_too() {
        let (folder, mut child) = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
        let log = folder.path().join("sh.log");
        while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready")) {
            std::thread::sleep(LOOK_EVERY);
        }
        child.signal(Signal::SIGTERM);
        assert_eq!(child.wait(Duration::from_millis(100)), None);
        child.kill();
        assert_eq!(child.ended().unwrap().to_string(), "was ended by signal 9");

        let (_folder, child) = shell("exec sleep 1000");
        let proc = format!("/proc/{}", child.pid());
        assert!(Path::new(&proc).exists());
        drop(child);
        assert!(!Path::new(&proc).exists());
    }
}
