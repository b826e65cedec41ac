//! The little HTTP that reading a status page or a join file takes: one GET, one answer, closed.

use std::borrow::Cow;
use std::time::Duration;

use protocol::Shown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A longer answer is refused, bytes.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// As much of a status line is told, characters.
const STATUS_CHARS_MAX: usize = 80;
/// How long an answer may take, seconds.
const DEADLINE_S: u64 = 2;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Not an address that this understands.
    #[error(
        "`{0}` is not an address of the form http://host/path or http://host:port/path; write host names and numbers in ASCII"
    )]
    Address(String),
    /// The network.
    #[error("cannot read {url}: {error}")]
    Io {
        /// What was asked for.
        url: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It took too long.
    #[error("{0} did not answer within {DEADLINE_S} s")]
    TimedOut(String),
    /// It never ends, or as good as.
    #[error("{0} answered more than {ANSWER_BYTES_MAX} bytes")]
    TooLong(String),
    /// Not 200.
    #[error("{url} answered `{status}`")]
    Status {
        /// What was asked for.
        url: String,
        /// The first line of the answer.
        status: String,
    },
}

/// Fetches a page.
///
/// # Errors
/// `HttpError` names the address.
pub(crate) async fn get(url: &str) -> Result<Vec<u8>, HttpError> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| HttpError::Address(url.to_owned()))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let unprintable = url.bytes().any(|byte| !byte.is_ascii_graphic());
    if host.is_empty() || unprintable {
        return Err(HttpError::Address(url.to_owned()));
    }
    let asked = async {
        let mut stream = TcpStream::connect(with_port(host).as_ref()).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer).await?;
        Ok(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(DEADLINE_S), asked)
        .await
        .map_err(|_| HttpError::TimedOut(url.to_owned()))?
        .map_err(|error| HttpError::Io {
            url: url.to_owned(),
            error,
        })?;
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        return Err(HttpError::TooLong(url.to_owned()));
    }
    body(url, &answer)
}

/// The host with the port of HTTP, when it names none; an address of IPv6 stands in brackets.
fn with_port(host: &str) -> Cow<'_, str> {
    let name_ends = host.rfind(']').unwrap_or(0);
    let named = host.get(name_ends..).is_some_and(|rest| rest.contains(':'));
    if named {
        host.into()
    } else {
        format!("{host}:80").into()
    }
}

fn body(url: &str, answer: &[u8]) -> Result<Vec<u8>, HttpError> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let head = String::from_utf8_lossy(&answer[..end.unwrap_or(answer.len())]);
    let status: String = head
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(STATUS_CHARS_MAX)
        .collect();
    match end {
        Some(end) if status.split(' ').nth(1) == Some("200") => Ok(answer[end + 4..].to_vec()),
        _ => Err(HttpError::Status {
            url: url.to_owned(),
            status: Shown(status).to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn ask(answer: &'static str) -> Result<Vec<u8>, HttpError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8(asked[..length].to_vec()).unwrap()
        };
        let url = format!("http://{address}/census?after=7");
        let (got, asked) = tokio::join!(get(&url), server);
        assert!(asked.starts_with("GET /census?after=7 HTTP/1.0\r\n"), "{asked}");
        got
    }

    #[tokio::test]
    async fn a_page_is_read_to_its_end() {
        let got = ask("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nall of\r\n\r\nit").await;
        assert_eq!(got.unwrap(), b"all of\r\n\r\nit");
    }

    #[test]
    fn a_host_without_a_port_has_that_of_http() {
        for (host, dialed) in [
            ("host", "host:80"),
            ("host:8080", "host:8080"),
            ("10.0.0.1", "10.0.0.1:80"),
            ("[::1]", "[::1]:80"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(with_port(host), dialed);
        }
    }

    #[tokio::test]
    async fn any_other_answer_is_an_error() {
        let error = ask("HTTP/1.0 404 Not Found\r\n\r\n").await.unwrap_err();
        assert!(error.to_string().contains("404"));
        let error = ask("HTTP/1.0 500 \u{1b}[2J\r\n\r\n")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("500 \\u{1b}[2J"), "{error}");
        assert!(matches!(ask("").await, Err(HttpError::Status { .. })));
        assert!(matches!(get("ftp://x/").await, Err(HttpError::Address(_))));
        assert!(matches!(get("http:///x").await, Err(HttpError::Address(_))));
    }
}
