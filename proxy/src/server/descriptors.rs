//! How many clients the process's limit of open files leaves room for: found out at the start and told, rather than by the
//! clients who would be kept out.

use nix::sys::resource::{Resource, getrlimit};

use super::settings::ClientTable;

/// Descriptors for everything that is not counted here: files that are written anew, admin connections, name lookups.
const SPARE: u64 = 96;
/// Of what is left for clients, one part in so many at most is for handshakes.
const HANDSHAKE_SHARE: u64 = 4;

/// How many clients may be here at once. A session has one descriptor, a handshake has another; connections that are told
/// goodbye are counted with the handshakes, since each of those has made room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientRoom {
    pub(super) sessions_max: u32,
    pub(super) handshakes_max: u32,
}

impl ClientRoom {
    /// What the settings ask for, as far as the process may open files beside the `taken` it has or will need.
    /// What does not fit is told in one line.
    pub(super) fn of_process(asked: &ClientTable, taken: u64) -> Self {
        // Where the limit cannot be read, the listener will tell.
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let room = Self::within(limit, asked, taken);
        let wanted = taken + SPARE + u64::from(asked.sessions_max) + u64::from(asked.handshakes_max);
        if room.sessions_max < asked.sessions_max {
            tracing::warn!(
                limit,
                sessions_max = asked.sessions_max,
                room_for = room.sessions_max,
                "the limit of open files leaves room for fewer sessions than clients.sessions_max; raise it to {wanted} \
                 (ulimit -n, LimitNOFILE=), or lower the setting"
            );
        } else {
            tracing::info!(limit, sessions_max = room.sessions_max, "room for sessions");
        }
        room
    }

    fn within(limit: u64, asked: &ClientTable, taken: u64) -> Self {
        let left = limit.saturating_sub(taken).saturating_sub(SPARE);
        let bounded =
            |wanted: u32, most: u64| u32::try_from(most).map_or(wanted, |most| wanted.min(most).max(1));
        let handshakes_max = bounded(asked.handshakes_max, left / HANDSHAKE_SHARE);
        let sessions_max = bounded(asked.sessions_max, left.saturating_sub(u64::from(handshakes_max)));
        Self {
            sessions_max,
            handshakes_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_handshakes_never_take_more_than_there_is() {
        let asked = ClientTable::default();
        let room = |limit| ClientRoom::within(limit, &asked, 30);
        let whole = ClientRoom {
            sessions_max: asked.sessions_max,
            handshakes_max: asked.handshakes_max,
        };
        assert_eq!(room(u64::MAX), whole);
        assert_eq!(room(1 << 20), whole);
        for limit in [200, 1_024, 4_096, 20_000] {
            let ClientRoom {
                sessions_max,
                handshakes_max,
            } = room(limit);
            let all = u64::from(sessions_max) + u64::from(handshakes_max) + SPARE + 30;
            assert!(
                all <= limit && sessions_max > 2 * handshakes_max,
                "{limit}: {sessions_max} {handshakes_max}"
            );
        }
        assert_eq!(room(1_024).sessions_max, 674);
        // Too little for anything: somebody may still come in, and the listener tells when it cannot.
        assert_eq!((room(10).sessions_max, room(10).handshakes_max), (1, 1));
    }
}
