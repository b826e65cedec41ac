//! A script at a proxy's WebSocket, which plays in whole words.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may"
)]

use std::net::SocketAddr;
use std::time::Duration;

use net::connection::Connection;
use net::websocket::upgrade::Request;
use net::websocket::{End, Form, Messages};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One script.
pub struct Tool {
    pub io: Connection,
    pub messages: Messages,
}

impl Tool {
    pub async fn connect(at: SocketAddr, form: Form, subprotocol: &'static str) -> Self {
        let io = TcpStream::connect(at).await.unwrap();
        Self::on(io.into(), at, form, subprotocol).await
    }

    /// The same, on a connection to that address.
    pub async fn on(mut io: Connection, at: SocketAddr, form: Form, subprotocol: &'static str) -> Self {
        let request = Request::new(subprotocol, *b"the sample nonce");
        io.write_all(&request.bytes(&at.to_string(), "/mesh"))
            .await
            .unwrap();
        io.flush().await.unwrap();
        let mut answer = Vec::new();
        while request.answered(&answer).unwrap().is_none() {
            assert_ne!(io.read_buf(&mut answer).await.unwrap(), 0);
        }
        let messages = Messages::new(End::Client(9), form, 1 << 20);
        Self { io, messages }
    }

    pub async fn say(&mut self, message: &[u8]) {
        self.messages.send(message);
        self.say_staged().await;
    }

    pub async fn say_staged(&mut self) {
        self.io.write_all(self.messages.unsent()).await.unwrap();
        self.io.flush().await.unwrap();
        let sent = self.messages.unsent().len();
        self.messages.wrote(sent);
    }

    /// The next word of this type; those before it are dropped.
    pub async fn heard(&mut self, kind: &str) -> serde_json::Value {
        let mut came = Ok(());
        loop {
            while let Some(message) = self.messages.next_message() {
                let word: serde_json::Value = serde_json::from_slice(&message).unwrap();
                if word["type"] == kind {
                    return word;
                }
            }
            // The end of the connection may have come with the last word.
            came.unwrap();
            let mut scratch = [0; 4_096];
            let reading = tokio::time::timeout(Duration::from_secs(10), self.io.read(&mut scratch)).await;
            let read = reading.unwrap_or_else(|_| panic!("never: {kind}")).unwrap();
            assert_ne!(read, 0, "closed before {kind}");
            came = self.messages.receive(&mut scratch[..read]);
        }
    }
}
