//! Asks a node's admin endpoint: one small HTTP request, bounded in time and bytes.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The endpoint answers from snapshots, so it answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(2);
/// What changes something may take longer, as what asks for it says.
const CHANGE_PATIENCE: Duration = Duration::from_secs(20);
/// Metrics of a large node are the longest answer.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Status code and body of `GET path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    ask(address, "GET", path, &[], PATIENCE)
}

/// Status code and body of `POST path`, which has a node do something. Waits for it to be done, for 20 s at most.
///
/// # Errors
/// Nobody answers there, or no HTTP.
pub fn post(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    post_bytes(address, path, &[])
}

/// The same, with something to take.
///
/// # Errors
/// As `post`.
pub fn post_bytes(address: SocketAddr, path: &str, body: &[u8]) -> io::Result<(u16, String)> {
    ask(address, "POST", path, body, CHANGE_PATIENCE)
}

fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0: no chunks, and the end of the answer is the end of the stream.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut answer)?;
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        let what = format!("{address}{path} answers more than {ANSWER_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    split(&String::from_utf8_lossy(&answer)).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{address}{path} answers no HTTP"),
        )
    })
}

fn split(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some((code.parse().ok()?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_split_and_anything_else_is_refused() {
        assert_eq!(
            split("HTTP/1.0 503 Service\r\na: b\r\n\r\nwhy\n"),
            Some((503, "why\n".to_owned()))
        );
        for wrong in [
            "",
            "HTTP/1.0 200",
            "SSH-2.0 200 x\r\n\r\n",
            "HTTP/1.1 two\r\n\r\n",
        ] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
