//! Sessions come and go: admission after the handshake, the client's Attach, a user who logs in twice, and the end.

use bytes::Bytes;
use faultpoint::faultpoint;
use protocol::Code;
use protocol::ids::{AttachNo, NodeNumber, SessionGeneration, UserId};
use protocol::limits::CLIENT_SILENCE_MS_MAX;
use protocol::message::checked::{CheckedAttach, SessionIdentity};
use protocol::message::family::{ProxyToClient, ProxyToServer};
use protocol::message::{client, player};

use super::Edge;
use super::commands::CommandLog;
use super::effect::EdgeEffect;
use super::input::{Admission, SessionHandle};
use super::route::Standing;
use super::session::{Attached, Session};

/// A logout is remembered for as long as a handover may be under way, milliseconds …
const LOGOUT_MS: u64 = 10_000;
/// … and so many at once: those beyond cost their region the linkdead grace.
const LOGOUTS_MAX: usize = 4_096;

impl Edge {
    /// A user may log in twice: the higher (generation, attach number) stays, the other is told that it is superseded.
    pub(super) fn admit(&mut self, admission: Admission, now_ms: u64) {
        let (user, cid) = (admission.user, admission.cid);
        let rank = (admission.generation, admission.attach_no);
        if let Some(&older) = self.by_user.get(&user) {
            if self.rank(older) > rank {
                self.effects.push(EdgeEffect::Refused("superseded_admission"));
                return;
            }
            self.leave(older, player::LeaveReason::Linkdead);
            self.end(older, Code::Superseded, now_ms);
        }
        let mut session = Session::new(admission, self.config.snapshot_bytes_per_s, now_ms);
        session.heard_awake_ms = self.awake.now_ms();
        let handle = SessionHandle(self.sessions.insert(session));
        self.by_user.insert(user, handle);
        self.by_cid.insert(cid, handle);
        self.effects.push(EdgeEffect::Admitted(user, handle, cid));
        let world = self.world();
        self.effects.push(EdgeEffect::ToClient(handle, world));
    }

    /// The client proves that it is at this proxy now: the join can go out.
    pub(super) fn attach(&mut self, handle: SessionHandle, attach: client::Attach, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let is_expected = |attach: &CheckedAttach| {
            session.route.standing == Standing::Attaching && attach.attach_no == session.attach_no
        };
        let checked = CheckedAttach::try_from(attach).ok();
        let Some(attach) = checked.filter(is_expected) else {
            self.end(handle, Code::Protocol, now_ms);
            return;
        };
        session.commands = CommandLog::new(attach.acked_command);
        session.attached = Some(Attached {
            signature: Bytes::copy_from_slice(&attach.signature),
            acked_command: attach.acked_command,
            acked_event: attach.acked_event.0,
        });
        self.join(handle, now_ms);
    }

    /// Joins at the server of the last known position, or at any when nothing is known: it will say who it is.
    pub(super) fn join(&mut self, handle: SessionHandle, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(handle.0) else {
            return;
        };
        let known = session
            .route
            .owner
            .map(|owner| owner.region)
            .or(session.region_hint);
        let target = known
            .and_then(|region| self.servers.reachable(region))
            .or_else(|| self.servers.any(session.user.0));
        let step = session.route.join(target, now_ms);
        self.take_step(handle, step, now_ms);
    }

    /// The TCP connection ended without a word: the owner keeps the player for its linkdead grace.
    pub(super) fn client_gone(&mut self, handle: SessionHandle, now_ms: u64) {
        self.leave(handle, player::LeaveReason::Linkdead);
        self.forget(handle, now_ms);
    }

    /// Clients speak ten times a second. One that has not for so long is gone, though its connection may not know it; what is
    /// told to it means that it may come back.
    pub(super) fn end_silent(&mut self, now_ms: u64) {
        let silent: Vec<SessionHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| self.awake.since(session.heard_awake_ms) >= CLIENT_SILENCE_MS_MAX)
            .map(|(key, _)| SessionHandle(key))
            .collect();
        for handle in silent {
            self.effects.push(EdgeEffect::Refused("client_silent"));
            self.end(handle, Code::TimedOut, now_ms);
        }
    }

    /// Owners refuse an expired ticket, and a session may outlive many.
    pub(super) fn ticket_renewed(&mut self, handle: SessionHandle, ticket: Bytes) {
        if let Some(session) = self.sessions.get_mut(handle.0) {
            session.ticket = ticket;
        }
    }

    /// The player asked to leave.
    pub(super) fn logout(&mut self, handle: SessionHandle, now_ms: u64) {
        self.leave_for_good(handle, now_ms);
        self.close(handle, Code::Ok, now_ms);
    }

    /// The player has to leave: the owner keeps it no longer than one that has asked to.
    pub(super) fn expelled(&mut self, handle: SessionHandle, now_ms: u64) {
        self.leave_for_good(handle, now_ms);
        self.forget(handle, now_ms);
    }

    fn leave_for_good(&mut self, handle: SessionHandle, now_ms: u64) {
        self.leave(handle, player::LeaveReason::Logout);
        if let Some(session) = self.sessions.get(handle.0) {
            let over = EdgeEffect::LoggedOut(session.user, session.generation);
            self.effects.push(over);
            if self.logouts.len() < LOGOUTS_MAX {
                self.logouts.insert(session.user, (session.identity(), now_ms));
            }
        }
    }

    /// Forgets the logouts that every owner must have heard of.
    pub(super) fn sweep_logouts(&mut self, now_ms: u64) {
        self.logouts
            .retain(|_, (_, since_ms)| now_ms.saturating_sub(*since_ms) < LOGOUT_MS);
    }

    /// A server has a player for a session that has ended here: the leave was lost, or went to a former owner.
    pub(super) fn nobody_here(&mut self, node: NodeNumber, user: UserId, session: SessionIdentity) {
        let logout = self.logouts.get(&user);
        let reason = if logout.is_some_and(|(ended, _)| *ended == session) {
            player::LeaveReason::Logout
        } else {
            player::LeaveReason::Linkdead
        };
        let leave = player::Leave {
            user: user.0,
            session: Some(session.into()),
            reason: reason.into(),
        };
        self.effects.push(EdgeEffect::ToServer(node, leave.into()));
    }

    /// Ends a session with a code; the owner hears of it only where the session was still the player's own.
    pub(super) fn end(&mut self, handle: SessionHandle, code: Code, now_ms: u64) {
        if code != Code::Superseded {
            self.leave(handle, player::LeaveReason::Linkdead);
        }
        self.close(handle, code, now_ms);
    }

    /// Tells all clients where else to go; they leave by themselves, and those that do not are closed with the process.
    pub(super) fn drain(&mut self) {
        faultpoint!(ProxyDrains);
        self.draining = true;
        let handles: Vec<SessionHandle> = self.sessions.keys().map(SessionHandle).collect();
        for handle in handles {
            self.notice(handle, Code::Draining);
        }
    }

    pub(super) fn notice(&mut self, handle: SessionHandle, code: Code) {
        let notice = client::Notice {
            code: u32::from(code.number()),
            text: code.text().to_owned(),
        };
        self.effects.push(EdgeEffect::ToClient(handle, notice.into()));
    }

    fn close(&mut self, handle: SessionHandle, code: Code, now_ms: u64) {
        if let Some(session) = self.sessions.get(handle.0) {
            self.effects
                .push(EdgeEffect::CloseClient(handle, session.user, code));
            self.forget(handle, now_ms);
        }
    }

    fn leave(&mut self, handle: SessionHandle, reason: player::LeaveReason) {
        let Some(session) = self.sessions.get(handle.0) else {
            return;
        };
        let asked = match session.route.standing {
            Standing::Joining { asked, .. } => Some(asked),
            Standing::Confirming { claim, .. } => Some(claim.node),
            Standing::Playing => session.route.owner.map(|owner| owner.node),
            Standing::Attaching | Standing::Suspended { .. } => None,
        };
        if let Some(node) = asked {
            let leave = player::Leave {
                user: session.user.0,
                session: Some(session.identity().into()),
                reason: reason.into(),
            };
            self.effects
                .push(EdgeEffect::ToServer(node, ProxyToServer::from(leave)));
        }
    }

    fn forget(&mut self, handle: SessionHandle, now_ms: u64) {
        let Some(session) = self.sessions.remove(handle.0) else {
            return;
        };
        self.by_cid.remove(&session.cid);
        self.closed_paths.insert(session.cid);
        if self.by_user.get(&session.user) == Some(&handle) {
            self.by_user.remove(&session.user);
        }
        for seen in &session.sight.cells {
            self.views.unwatch(seen.cell, now_ms);
        }
    }

    fn rank(&self, handle: SessionHandle) -> (SessionGeneration, AttachNo) {
        self.sessions
            .get(handle.0)
            .map_or_else(Default::default, |session| {
                (session.generation, session.attach_no)
            })
    }

    /// What a client must know of the world.
    fn world(&self) -> ProxyToClient {
        let world = self.topology.world();
        let regions = self.topology.regions().iter().map(|region| client::Region {
            number: region.number.0,
            min_x: region.rect.min[0],
            min_y: region.rect.min[1],
            max_x: region.rect.max[0],
            max_y: region.rect.max[1],
        });
        client::World {
            width: world.size[0],
            height: world.size[1],
            cell_size: self.grid.cell_size,
            view_rings: world.view_rings,
            far_rings: world.far_rings,
            tick_hz: world.tick_hz,
            regions: regions.collect(),
            game: self.game.0.clone(),
            game_version: self.game.1,
        }
        .into()
    }
}
