//! How many clients the process's limit of open files leaves room for: raised and found out at the start, rather than by the
//! clients who would be kept out.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::settings::{ClientTable, HttpTable};
use super::{map, tools};

/// Sessions that nobody has asked for more than.
const SESSIONS_MAX: u32 = 20_000;
/// Descriptors for everything that is not counted here: files that are written anew, admin connections, name lookups, and who
/// looks at the map.
const SPARE: u64 = 96 + map::VIEWERS_MAX as u64;
/// Of what is left for clients, one part in so many at most is for handshakes.
const HANDSHAKE_SHARE: u64 = 4;
/// And one in so many for HTTP connections.
const BROWSER_SHARE: u64 = 8;
/// And one in so many for tools.
const TOOL_SHARE: u64 = 16;
/// What a tool takes beside the session that is played for it: its own connection, the other end of that session's, and a
/// listener while the two are made.
const OF_TOOL: u64 = 3;

/// How many clients may be here at once. A session has one descriptor, a handshake has another, and so has an HTTP connection;
/// connections that are told goodbye are counted with the handshakes, since each of those has made room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientRoom {
    pub(super) sessions_max: u32,
    pub(super) handshakes_max: u32,
    pub(super) browsers_max: u32,
    pub(super) tools_max: u32,
}

impl ClientRoom {
    /// What the settings ask for, as far as the process may open files beside the `taken` it has or will need. Of what was asked for
    /// and does not fit, a warning.
    pub(super) fn of_process(asked: (&ClientTable, &HttpTable), taken: u64) -> Self {
        let (clients, http) = asked;
        let connections = u64::from(clients.handshakes_max) + u64::from(http.connections_max);
        let of_tools = OF_TOOL * u64::from(tools::SESSIONS_MAX);
        let wanted = taken + SPARE + u64::from(sessions_wanted(clients)) + connections + of_tools;
        let limit = raised_limit(wanted);
        let room = Self::within(limit, asked, taken);
        match clients.sessions_max {
            Some(sessions_max) if room.sessions_max < sessions_max => tracing::warn!(
                limit,
                sessions_max,
                room_for = room.sessions_max,
                "the limit of open files leaves room for fewer sessions than clients.sessions_max; raise it to {wanted} \
                 (ulimit -n, LimitNOFILE=), or lower the setting"
            ),
            _ => tracing::debug!(limit, sessions_max = room.sessions_max, "room for sessions"),
        }
        room
    }

    fn within(limit: u64, (clients, http): (&ClientTable, &HttpTable), taken: u64) -> Self {
        let left = limit.saturating_sub(taken).saturating_sub(SPARE);
        let bounded =
            |wanted: u32, most: u64| u32::try_from(most).map_or(wanted, |most| wanted.min(most).max(1));
        let handshakes_max = bounded(clients.handshakes_max, left / HANDSHAKE_SHARE);
        let browsers_max = bounded(http.connections_max, left / BROWSER_SHARE);
        let tools_max = bounded(tools::SESSIONS_MAX, left / (TOOL_SHARE * OF_TOOL));
        let others = u64::from(handshakes_max) + u64::from(browsers_max) + OF_TOOL * u64::from(tools_max);
        let sessions_max = bounded(sessions_wanted(clients), left.saturating_sub(others));
        Self {
            sessions_max,
            handshakes_max,
            browsers_max,
            tools_max,
        }
    }
}

fn sessions_wanted(asked: &ClientTable) -> u32 {
    asked.sessions_max.unwrap_or(SESSIONS_MAX)
}

/// The limit of open files, raised towards `wanted` as far as the process may: the soft one is there to be raised by who can
/// handle more. Where it cannot be read, the listener will tell.
fn raised_limit(wanted: u64) -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return u64::MAX;
    };
    let raised = wanted.min(hard);
    if raised <= soft || setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_err() {
        return soft;
    }
    raised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_handshakes_never_take_more_than_there_is() {
        let asked = ClientTable::default();
        let http = HttpTable::default();
        let room = |limit| ClientRoom::within(limit, (&asked, &http), 30);
        let whole = ClientRoom {
            sessions_max: SESSIONS_MAX,
            handshakes_max: asked.handshakes_max,
            browsers_max: http.connections_max,
            tools_max: tools::SESSIONS_MAX,
        };
        assert_eq!(room(u64::MAX), whole);
        assert_eq!(room(1 << 20), whole);
        for limit in [200, 1_024, 4_096, 20_000] {
            let ClientRoom {
                sessions_max,
                handshakes_max,
                browsers_max,
                tools_max,
            } = room(limit);
            let of_tools = OF_TOOL * u64::from(tools_max);
            let connections = u64::from(handshakes_max) + u64::from(browsers_max) + of_tools;
            let all = u64::from(sessions_max) + connections + SPARE + 30;
            assert!(
                all <= limit && sessions_max > 2 * handshakes_max,
                "{limit}: {sessions_max} {handshakes_max}"
            );
        }
        let few = ClientTable {
            sessions_max: Some(50),
            ..asked.clone()
        };
        assert_eq!(ClientRoom::within(1 << 20, (&few, &http), 30).sessions_max, 50);
        assert_eq!((room(1_024).sessions_max, room(1_024).browsers_max), (488, 108));
        // Too little for anything: somebody may still come in, and the listener tells when it cannot.
        let least = room(10);
        assert_eq!(
            [
                least.sessions_max,
                least.handshakes_max,
                least.browsers_max,
                least.tools_max
            ],
            [1; 4]
        );
    }
}
