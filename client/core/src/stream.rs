//! Messages that came on the stream.

use prost::Message as _;
use protocol::Code;
use protocol::cell::ParsedSnapshot;
use protocol::geometry::{CellGrid, Rect};
use protocol::ids::{EntityId, NodeNumber, OwnerEpoch, RegionNumber};
use protocol::limits::GAME_ID_BYTES_MAX;
use protocol::message::client;
use protocol::message::family::ProxyToClient;

use super::Core;
use super::event::ClientEvent;
use super::world::{World, WorldShape};

impl Core {
    /// Takes a message from the stream.
    pub fn handle_message(&mut self, message: ProxyToClient, now_ms: u64) {
        self.silence.broken(self.awake.now_ms());
        match message {
            ProxyToClient::World(world) => self.describe_world(world),
            ProxyToClient::Snapshot(snapshot) => self.snapshot_message(snapshot, now_ms),
            ProxyToClient::Playing(playing) => self.playing(&playing),
            ProxyToClient::CommandAck(ack) => {
                if let Some(number) = self.commands.acknowledge(ack.number) {
                    self.tell(ClientEvent::CommandAcked(number));
                }
            }
            ProxyToClient::Event(event) => self.event(event),
            ProxyToClient::News(news) => self.tell(ClientEvent::News {
                region: RegionNumber(news.region),
                to_all: news.to_all,
                body: news.body,
            }),
            ProxyToClient::Notice(notice) => {
                let code = u8::try_from(notice.code).map_or(Code::Generic, Code::from_number);
                self.tell(ClientEvent::Notice(code, notice.text));
            }
            // The driver keeps tickets; of a ping it is enough that it came.
            ProxyToClient::TicketRenewal(_) | ProxyToClient::Ping(_) => {}
        }
    }

    fn playing(&mut self, playing: &client::Playing) {
        let Ok(node) = u16::try_from(playing.node) else {
            return;
        };
        if let Some(world) = &mut self.world {
            world.set_own(EntityId(playing.entity));
        }
        self.tell(ClientEvent::Playing {
            entity: EntityId(playing.entity),
            owner_epoch: OwnerEpoch(playing.owner_epoch),
            region: RegionNumber(playing.region),
            node: NodeNumber(node),
        });
    }

    fn snapshot_message(&mut self, snapshot: client::Snapshot, now_ms: u64) {
        let Some(world) = &self.world else { return };
        let bytes = snapshot.encoded_len();
        if let Ok(snapshot) = ParsedSnapshot::check(snapshot, &world.shape().grid) {
            self.snapshot(snapshot, bytes, now_ms);
        }
    }

    /// The same world again keeps what is known of it.
    fn describe_world(&mut self, described: client::World) {
        let Some(shape) = shape(&described) else {
            return;
        };
        let known = self.world.take_if(|known| *known.shape() == shape);
        let world = self.world.insert(known.unwrap_or_else(|| {
            self.unread.clear();
            World::new(shape)
        }));
        if described.game.len() <= GAME_ID_BYTES_MAX {
            world.set_game(described.game, described.game_version);
        }
    }
}

/// Cells of the largest world a client takes in.
const CELLS_MAX: u32 = 1 << 22;

fn shape(world: &client::World) -> Option<WorldShape> {
    let grid = CellGrid::new([world.width, world.height], world.cell_size)?;
    if grid.len() > CELLS_MAX {
        return None;
    }
    let mut regions = vec![0; grid.len() as usize];
    for region in &world.regions {
        let rect = Rect {
            min: [region.min_x, region.min_y],
            max: [region.max_x, region.max_y],
        };
        for cell in grid.within(rect) {
            if let Some(place) = regions.get_mut(cell.0 as usize) {
                *place = region.number;
            }
        }
    }
    Some(WorldShape {
        grid,
        view_rings: world.view_rings,
        far_rings: world.far_rings,
        tick_hz: world.tick_hz,
        regions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attachment, ClientEffect, EVENTS_MAX, Reading};
    use bytes::Bytes;
    use protocol::ids::{AttachNo, CommandNumber};
    use protocol::message::family::ClientToProxy;
    use protocol::message::player::CommandClass;

    fn world() -> client::World {
        let region = |number, min_x, max_x| client::Region {
            number,
            min_x,
            min_y: 0,
            max_x,
            max_y: 64,
        };
        client::World {
            width: 128,
            height: 64,
            cell_size: 32,
            view_rings: 1,
            tick_hz: 20,
            regions: vec![region(1, 0, 64), region(2, 64, 128)],
            ..client::World::default()
        }
    }

    fn attach(core: &mut Core, attach_no: u32) -> Vec<ClientToProxy> {
        let attachment = Attachment {
            attach_no: AttachNo(attach_no),
            signature: [0; 64],
            datagrams: None,
        };
        core.attached(attachment, 0);
        sent(core)
    }

    fn sent(core: &mut Core) -> Vec<ClientToProxy> {
        let mut effects = Vec::new();
        core.take_effects(&mut effects);
        let stream = effects.into_iter().filter_map(|effect| match effect {
            ClientEffect::Stream(message) => Some(message),
            ClientEffect::Datagram(_) => None,
        });
        stream.collect()
    }

    #[test]
    fn the_world_is_laid_out_as_described() {
        let mut core = Core::default();
        core.handle_message(world().into(), 0);
        let shape = core.world().unwrap().shape();
        assert_eq!(shape.regions, [1, 1, 2, 2, 1, 1, 2, 2]);
        let mut broken = world();
        broken.cell_size = 0;
        let mut core = Core::default();
        core.handle_message(broken.into(), 0);
        assert!(core.world().is_none());
    }

    #[test]
    fn what_is_played_is_known_and_newer_rules_change_nothing_else() {
        let mut core = Core::default();
        core.handle_message(world().into(), 0);
        assert_eq!(core.world().and_then(World::game), None);
        let mut home = None;
        for game_version in [3, 4] {
            let played = client::World {
                game: "tag".to_owned(),
                game_version,
                ..world()
            };
            core.handle_message(played.into(), 0);
            let world = core.world().unwrap();
            assert_eq!(world.game(), Some(("tag", game_version)));
            assert_eq!(*home.get_or_insert(world.home()), world.home());
        }
    }

    #[test]
    fn open_commands_are_said_again_after_each_attach_and_acknowledged_once() {
        let mut core = Core::default();
        attach(&mut core, 1);
        for _ in 0..3 {
            core.send_command(CommandClass::Durable, Bytes::new()).unwrap();
        }
        core.handle_message(client::CommandAck { number: 1 }.into(), 0);
        assert_eq!(
            core.next_event(),
            Some(ClientEvent::CommandAcked(CommandNumber(1)))
        );
        core.detached();
        let again = attach(&mut core, 2);
        assert!(matches!(&again[0], ClientToProxy::Attach(attach) if attach.acked_command == 1));
        let numbers: Vec<u64> = again
            .iter()
            .filter_map(|message| match message {
                ClientToProxy::Command(command) => Some(command.number),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [2, 3]);
        assert_eq!(core.next_event(), Some(ClientEvent::Resumed { attach_no: 2 }));
    }

    #[test]
    fn an_event_is_told_once_and_acknowledged_each_time() {
        let mut core = Core::default();
        for number in [1, 2, 2, 1] {
            core.handle_message(
                client::Event {
                    number,
                    body: Bytes::new(),
                }
                .into(),
                0,
            );
        }
        let told = std::iter::from_fn(|| core.next_event()).count();
        assert_eq!(told, 2);
        assert_eq!(sent(&mut core).len(), 4);
    }

    #[test]
    fn events_that_nobody_takes_are_bounded_and_those_of_the_game_come_again() {
        let mut core = Core::default();
        attach(&mut core, 1);
        core.handle_message(world().into(), 0);
        let event = |number| client::Event {
            number,
            body: Bytes::new(),
        };
        for number in 1..=4 * EVENTS_MAX as u64 {
            core.handle_message(event(number).into(), 0);
            let snapshot = client::Snapshot {
                number: number as u32,
                input_ack: number,
                ..client::Snapshot::default()
            };
            core.handle_message(snapshot.into(), 0);
        }
        assert!(core.is_overrun());
        let waiting: Vec<ClientEvent> = std::iter::from_fn(|| core.next_event()).collect();
        assert!(waiting.len() <= EVENTS_MAX + 1, "{}", waiting.len());
        let newest = waiting.iter().rev().find_map(|event| match event {
            ClientEvent::Snapshot(news) => Some(news.input_ack),
            _ => None,
        });
        assert_eq!(newest, Some(4 * EVENTS_MAX as u64));
        let told = |event: &ClientEvent| match event {
            ClientEvent::Event(number, _) => Some(number.0),
            _ => None,
        };
        let before: Vec<u64> = waiting.iter().filter_map(told).collect();
        let last = before.len() as u64;
        assert_eq!(before, (1..=last).collect::<Vec<_>>());
        core.handle_message(event(last + 2).into(), 0);
        assert_eq!(core.next_event(), None, "there would be a hole before it");
        core.detached();
        let again = attach(&mut core, 2);
        assert!(matches!(&again[0], ClientToProxy::Attach(attach) if attach.acked_event == last));
        core.handle_message(event(last + 1).into(), 0);
        let after: Vec<ClientEvent> = std::iter::from_fn(|| core.next_event()).collect();
        assert_eq!(after.iter().filter_map(told).collect::<Vec<_>>(), [last + 1]);
        assert!(!core.is_overrun());
    }

    /// What the core knows of everybody, in an order of its own.
    fn seen(core: &Core) -> Vec<String> {
        let entities = core.world().unwrap().entities();
        let mut seen: Vec<String> = entities.map(|entity| format!("{entity:?}")).collect();
        seen.sort();
        seen
    }

    #[test]
    fn who_reads_on_demand_sees_the_same_world_as_who_reads_at_once() {
        use protocol::cell::{
            CellEncoder, CellEntity, CellPoint, Motion, PositionForm, SnapshotHead, SnapshotWriter,
        };
        use protocol::geometry::{CellIndex, Position};
        let (mut at_once, mut on_demand) = (Core::default(), Core::new(Reading::OnDemand));
        for core in [&mut at_once, &mut on_demand] {
            core.handle_message(world().into(), 0);
        }
        let grid = at_once.world().unwrap().shape().grid;
        let cell = CellIndex(1);
        let mut encoder = CellEncoder::new(PositionForm::of(&grid));
        // More snapshots than are kept unread, one of them lost and one late.
        let numbers = (1..=150).filter(|number| *number != 70).chain([70]);
        for number in numbers {
            let at = Position {
                x: 33.0 + number as f32 / 10.0,
                y: 1.0,
            };
            let motion = Motion {
                at: CellPoint::of(at, cell, &grid),
                heading: 0,
                speed: 4,
            };
            encoder.clear();
            for id in 0..3 + u64::from(number) % 5 {
                let entity = CellEntity {
                    id: EntityId(id),
                    motion,
                    ..CellEntity::default()
                };
                encoder.put_add(id as u16, &entity).unwrap();
            }
            let view = client::RegionView {
                region: 1,
                region_epoch: 1,
                tick: u64::from(number),
                server_time_ms: 0,
            };
            let head = SnapshotHead {
                number,
                tick: u64::from(number),
                input_ack: u64::from(number),
                own: b"own",
                regions: &[view],
                home_cell: cell,
                ..SnapshotHead::default()
            };
            let mut bytes = Vec::new();
            let mut writer = SnapshotWriter::new(&mut bytes, &head, 1_200);
            writer
                .append_cell(&encoder.finish_keyframe(cell, number))
                .unwrap();
            for core in [&mut at_once, &mut on_demand] {
                core.snapshot_bytes(&bytes, bytes.len(), u64::from(number) * 50);
                assert_eq!(
                    core.receipts.acknowledgement().0,
                    number.max(if number == 70 { 150 } else { 0 })
                );
            }
            assert_eq!(at_once.next_event(), on_demand.next_event());
        }
        assert_ne!(seen(&at_once), seen(&on_demand), "some are not read yet");
        on_demand.catch_up();
        assert_eq!(seen(&at_once), seen(&on_demand));
        assert_eq!(seen(&at_once).len(), 3);
    }

    #[test]
    fn a_late_snapshot_is_dropped_and_not_acknowledged() {
        let mut core = Core::default();
        core.handle_message(world().into(), 0);
        for number in [1, 3, 2] {
            let snapshot = client::Snapshot {
                number,
                ..client::Snapshot::default()
            };
            core.handle_message(snapshot.into(), 0);
        }
        core.send_input(Bytes::from_static(b"go"), 5);
        let sent = sent(&mut core);
        assert!(matches!(&sent[..], [ClientToProxy::Input(input)]
            if input.snapshot_ack == 3 && input.snapshot_mask == 0b10 && input.number == 1));
    }
}
