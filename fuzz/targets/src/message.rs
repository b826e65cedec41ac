//! Batches of messages with the checks at the border, and the demo game's own formats.

use bytes::Bytes;
use protocol::geometry::CellGrid;
use protocol::message::checked::{
    CheckedAnswer, CheckedAsk, CheckedAttach, CheckedCellUpdates, CheckedClaims, CheckedCommand,
    CheckedEvent, CheckedInput, CheckedLeave, CheckedOutput, CheckedPlayer, CheckedPrepare,
    CheckedSubscription, UserWord,
};
use protocol::message::family::{
    AuthToProxy, BatchMessage, BatchReader, ClientToProxy, ProxyToAuth, ProxyToClient, ProxyToServer,
    ServerToProxy, ServerToServer,
};
use protocol::message::handover::PlayerState;
use protocol::sealed_deed::Deed;

const GRID: CellGrid = CellGrid {
    cell_size: 32,
    columns: 32,
    rows: 32,
};

/// A batch from each kind of sender.
pub(crate) fn batch(data: &[u8]) {
    messages::<ProxyToServer>(data)
        .into_iter()
        .for_each(check_from_proxy);
    messages::<ServerToProxy>(data)
        .into_iter()
        .for_each(check_from_server);
    messages::<ServerToServer>(data)
        .into_iter()
        .for_each(check_between_servers);
    messages::<ClientToProxy>(data)
        .into_iter()
        .for_each(check_from_client);
    messages::<ProxyToClient>(data);
    for message in messages::<ProxyToAuth>(data) {
        if let ProxyToAuth::Ask(ask) = message {
            let _ = Deed::addressee(&ask.sealed);
            drop(CheckedAsk::try_from(ask));
        }
    }
    for message in messages::<AuthToProxy>(data) {
        if let AuthToProxy::Answer(answer) = message {
            drop(CheckedAnswer::try_from(answer));
        }
    }
}

/// The messages before the first mistake; each survives being written and read again.
fn messages<M: BatchMessage + PartialEq>(data: &[u8]) -> Vec<M> {
    let mut reader = BatchReader::new(Bytes::copy_from_slice(data));
    let mut read = Vec::new();
    while let Ok(Some(message)) = reader.next_message::<M>() {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes.len(), message.encoded_len());
        let again = BatchReader::new(bytes.into()).next_message::<M>();
        assert!(matches!(again, Ok(Some(_))), "what was read is read again");
        read.push(message);
    }
    read
}

fn check_from_proxy(message: ProxyToServer) {
    match message {
        ProxyToServer::Inputs(inputs) => drop(UserWord::try_from(inputs)),
        ProxyToServer::Command(command) => drop(UserWord::try_from(command)),
        ProxyToServer::EventAck(ack) => drop(UserWord::try_from(ack)),
        ProxyToServer::Leave(leave) => drop(CheckedLeave::try_from(leave)),
        ProxyToServer::Subscribe(message) => drop(CheckedSubscription::try_from(&message)),
        ProxyToServer::Unsubscribe(message) => drop(CheckedSubscription::try_from(&message)),
        _ => {}
    }
}

fn check_from_server(message: ServerToProxy) {
    match message {
        ServerToProxy::Output(output) => drop(CheckedOutput::check(output, &GRID)),
        ServerToProxy::Event(event) => drop(CheckedEvent::try_from(event)),
        ServerToProxy::CellUpdates(updates) => drop(CheckedCellUpdates::try_from(updates)),
        _ => {}
    }
}

fn check_between_servers(message: ServerToServer) {
    match message {
        ServerToServer::Commit(commit) => drop(CheckedClaims::try_from(&commit)),
        ServerToServer::Prepare(prepare) => {
            drop(CheckedPrepare::try_from(&prepare));
            let states = prepare
                .passengers
                .into_iter()
                .filter_map(|passenger| passenger.state);
            for player in states.filter_map(|state| CheckedPlayer::try_from(state).ok()) {
                let wire = PlayerState::from(player.clone());
                assert_eq!(CheckedPlayer::try_from(wire).ok(), Some(player));
            }
        }
        _ => {}
    }
}

fn check_from_client(message: ClientToProxy) {
    match message {
        ClientToProxy::Attach(attach) => drop(CheckedAttach::try_from(attach)),
        ClientToProxy::Input(input) => drop(CheckedInput::try_from(input)),
        ClientToProxy::Command(command) => drop(CheckedCommand::try_from(command)),
        _ => {}
    }
}

/// Bodies of inputs, commands, events and own state.
pub(crate) fn demo(data: &[u8]) {
    let _ = demo::Input::parse(data);
    let _ = demo::Command::parse(data);
    let _ = demo::Event::parse(data);
    let _ = demo::OwnState::parse(data);
    let _ = demo::parse_gem(data);
}
