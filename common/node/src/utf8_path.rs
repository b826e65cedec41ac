//! Paths on command lines that go on into the store, into other command lines and into `join.json`: all of those are text.

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use protocol::Shown;
use std::ffi::OsStr;
use std::path::PathBuf;

/// Reads a path that must be UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Utf8Path;

impl TypedValueParser for Utf8Path {
    type Value = PathBuf;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<PathBuf, Error> {
        let Some(text) = value.to_str() else {
            let flag = arg.map(ToString::to_string).unwrap_or_default();
            let shown = Shown(value.display());
            let what =
                format!("{flag}: the path {shown} holds bytes that are not UTF-8; give it another name\n");
            return Err(Error::raw(ErrorKind::InvalidUtf8, what).with_cmd(command));
        };
        Ok(PathBuf::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long, value_parser = Utf8Path)]
        data: PathBuf,
    }

    #[test]
    fn other_bytes_are_refused_with_the_flag_and_shown_harmlessly() {
        let parse = |path: &[u8]| {
            Line::try_parse_from([b"x", &b"--data"[..], path].map(|word| OsString::from_vec(word.to_vec())))
        };
        assert_eq!(
            parse("/tmp/Größe".as_bytes()).unwrap().data,
            PathBuf::from("/tmp/Größe")
        );
        let error = parse(b"/tmp/\xff\x1b[2J").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("--data") && text.contains("\\u{1b}[2J holds bytes that are not UTF-8"),
            "{text}"
        );
    }
}
