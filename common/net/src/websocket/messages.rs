//! Whole messages, short ones: for tools that speak in words rather than in a stream.

use std::collections::VecDeque;

use super::incoming::Heard;
use super::{End, Opcode, Over, WebSocket};

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

impl Form {
    fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Messages {
    socket: WebSocket,
    form: Form,
    begun: Vec<u8>,
    whole: VecDeque<Vec<u8>>,
}

impl Messages {
    /// A connection behind its upgrade; of what comes, no message may be longer than this.
    #[must_use]
    pub fn new(end: End, form: Form, bytes_max: usize) -> Self {
        Self {
            socket: WebSocket::of_messages(end, form.opcode(), bytes_max),
            form,
            begun: Vec::new(),
            whole: VecDeque::new(),
        }
    }

    /// Takes what arrived.
    ///
    /// # Errors
    /// Why nothing comes any more.
    pub fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Over> {
        let mut heard = Heard {
            ends: Some(Vec::new()),
            ..Heard::default()
        };
        let received = self.socket.receive_with(bytes, &mut heard);
        let came = received.unwrap_or(0);
        let mut from = 0;
        for end in heard.ends.into_iter().flatten() {
            self.begun
                .extend_from_slice(bytes.get(from..end).unwrap_or_default());
            self.whole.push_back(std::mem::take(&mut self.begun));
            from = end;
        }
        self.begun
            .extend_from_slice(bytes.get(from..came).unwrap_or_default());
        match received {
            // Told at the next call, after what came before it.
            Err(_) if !self.whole.is_empty() => Ok(()),
            received => received.map(drop),
        }
    }

    /// Whether [`receive`](Self::receive) has an end to tell.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.socket.is_over()
    }

    /// The next whole message.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        self.whole.pop_front()
    }

    /// Puts a message behind what is to be written.
    pub fn send(&mut self, message: &[u8]) {
        if !self.socket.has_closed {
            self.socket.put(self.form.opcode(), message);
        }
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&mut self) {
        self.socket.ping();
    }

    /// As [`WebSocket::close`].
    pub fn close(&mut self) {
        self.socket.close();
    }

    /// What is to be written.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.socket.unsent()
    }

    /// So many bytes of it are.
    pub fn wrote(&mut self, bytes: usize) {
        self.socket.wrote(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(form: Form, messages: &[&[u8]]) -> Vec<u8> {
        let mut client = Messages::new(End::Client(3), form, 0);
        messages.iter().for_each(|message| client.send(message));
        client.close();
        client.unsent().to_vec()
    }

    // WS-4
    #[test]
    fn ws_4_empty_messages_before_a_close_are_heard_and_then_the_close() {
        let mut server = Messages::new(End::Server, Form::Text, 200);
        assert_eq!(server.receive(&mut sent(Form::Text, &[b"", b""])), Ok(()));
        assert!(server.next_message().is_some() && server.next_message().is_some());
        assert!(server.is_over());
        assert_eq!(server.receive(&mut []), Err(Over::Closed));
    }

    // WS-5
    #[test]
    fn ws_5_messages_are_heard_whole_however_they_are_cut() {
        let messages: [&[u8]; 4] = [b"one", b"", &[7; 200], b"two"];
        let bytes = sent(Form::Binary, &messages);
        for piece in [1, 2, 9, 1_000] {
            let mut server = Messages::new(End::Server, Form::Binary, 200);
            let mut over = None;
            for piece in bytes.chunks(piece) {
                over = over.or(server.receive(&mut piece.to_vec()).err());
            }
            let heard: Vec<Vec<u8>> = std::iter::from_fn(|| server.next_message()).collect();
            assert_eq!(heard, messages, "in pieces of {piece}");
            assert!(over == Some(Over::Closed) || server.is_over());
        }
        let mut server = Messages::new(End::Server, Form::Binary, 199);
        let mut all = bytes;
        let _ = server.receive(&mut all);
        while server.next_message().is_some() {}
        assert_eq!(server.receive(&mut []), Err(Over::TooLong));
        let mut server = Messages::new(End::Server, Form::Text, 200);
        assert_eq!(
            server.receive(&mut sent(Form::Binary, &[b"bytes"])),
            Err(Over::Text)
        );
        assert!(
            server.receive(&mut sent(Form::Text, &[b"text"])).is_err(),
            "it is over"
        );
    }
}
