//! The phase in which each player is told its own state: before the cells, whole and newest, as far as the room of its
//! lane goes.

use bytes::Bytes;
use game::Ctx;
use protocol::limits::OWN_STATE_BYTES_MAX;
use protocol::message::player::Output;

use super::room::Room;
use super::subscriber::Subscriber;
use crate::region::calling::Callback;
use crate::region::effect::RegionEffect;
use crate::region::rules::Rules;
use crate::region::state::RegionState;

/// What an output takes beside the game's bytes, at most: family, length, six numbers of up to eleven bytes, tag and
/// length of the bytes.
const OUTPUT_HEAD_BYTES: usize = 75;
/// What a cell that the player alone sees takes beside its own bytes, at most: tag and length.
const CELL_HEAD_BYTES: usize = 3;

impl RegionState {
    pub(in crate::region) fn own_states(&mut self, rules: &mut Rules, room: &mut dyn Room) {
        let mut own = std::mem::take(&mut self.own);
        let mut out = std::mem::take(&mut self.out);
        let mut publication = std::mem::take(&mut self.publication);
        for turn in publication.open(room) {
            for player in self.players.values() {
                let Some(bound) = player.bound.lane else {
                    continue;
                };
                let Some(entity) = self.entities.get(player.key) else {
                    continue;
                };
                let lane = publication.of_player(Subscriber::Lane(bound.at), room);
                if !lane.is_turn_of(player.user, *turn) {
                    continue;
                }
                own.clear();
                let (user, entity_id, ctx) = (player.user, player.entity, self as &dyn Ctx);
                let told = rules.call(Callback::OwnState, |logic| {
                    logic.own_state(ctx, user, entity_id, &mut own);
                });
                if told.is_none() {
                    continue;
                }
                own.truncate(OWN_STATE_BYTES_MAX);
                let only = self.cells.only_for(player.user, self.tick.0, &self.entities);
                let only_bytes: usize = only.iter().map(|cell| cell.len() + CELL_HEAD_BYTES).sum();
                if !lane.takes_own_state(player.user, own.len() + only_bytes + OUTPUT_HEAD_BYTES) {
                    continue;
                }
                let output = Output {
                    user: player.user.0,
                    owner_epoch: player.epoch.0,
                    tick: self.tick.0,
                    input_ack: player.last_input,
                    home_cell: self.cells.home_cell(entity).0,
                    own: Bytes::copy_from_slice(&own),
                    discontinuity: player.discontinuity,
                    cells: only,
                };
                out.push(RegionEffect::ToProxy(bound.at, output.into()));
            }
        }
        publication.end_own_states();
        (self.own, self.out, self.publication) = (own, out, publication);
    }
}
