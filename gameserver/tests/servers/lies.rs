//! What a stolen node says of what it does not own: every family of messages, in the name of each region or user, and the reasons
//! for which it is refused.

use protocol::message::effect::{Effect, Refresh, Roam};
use protocol::message::family::{ProxyToServer, ServerToServer};
use protocol::message::handover::{Claim, Commit, Done, Passenger, PlayerState, Prepare, Prepared, Refuse};
use protocol::message::player::{Command, EventAck, Inputs, Joined, Leave, SessionKey};
use protocol::message::subscription::{CellUpdates, Serving, Subscribe, Topology, Unsubscribe, WatchMap};

/// The region that the attacked server serves, one that the thief may serve, and one that nobody has.
const VICTIMS: u32 = 1;
const THIEFS: u32 = 2;
const NOBODYS: u32 = 77;
/// An epoch that no store has given out.
const MADE_UP: u64 = 1 << 60;
/// Anybody may say that: it is answered, or has no effect.
pub const LAWFUL: &str = "";

/// What is said, and the reasons for which it is refused.
pub type Lie<M> = (M, &'static str);

fn lie<M>(message: impl Into<M>, reason: &'static str) -> Lie<M> {
    (message.into(), reason)
}

/// Every family that servers say to each other, in the name of the attacked server's region, of the thief's own under an epoch
/// that no store has given out, and of one that nobody has.
pub fn lies_of_a_server(victim: &Joined) -> Vec<Lie<ServerToServer>> {
    let mut lies = vec![lie(
        Topology {
            bundle: vec![7; 64].into(),
        },
        "topology",
    )];
    let not_listed = |region: u32, own: &'static str| if region == THIEFS { own } else { "peer_not_listed" };
    for region in [VICTIMS, THIEFS, NOBODYS] {
        let not_here = |here: &'static str| {
            if region == VICTIMS {
                here
            } else {
                "region_not_here"
            }
        };
        let (serving, cells) = match region {
            VICTIMS => ("serving_not_listed", "border_not_here"),
            THIEFS => ("serving_unissued", "cells_not_serving serving_unissued"),
            _ => ("border_not_here", "border_not_here"),
        };
        lies.extend([
            lie(
                Serving {
                    region,
                    region_epoch: MADE_UP,
                    ..Serving::default()
                },
                serving,
            ),
            lie(
                CellUpdates {
                    region,
                    region_epoch: MADE_UP,
                    tick: 5,
                    ..CellUpdates::default()
                },
                cells,
            ),
        ]);
        lies.extend(subscriptions(region, victim, not_here("subscribe_stale_epoch")));
        lies.extend(handovers(
            region,
            victim,
            not_listed(region, "serving_unissued"),
            not_listed(region, LAWFUL),
        ));
        lies.extend(answers(
            region,
            victim,
            [
                not_here("prepared_unknown"),
                not_here("refuse_late"),
                not_here("done_late"),
            ],
        ));
        lies.extend(words(region, victim, not_listed(region, LAWFUL)));
    }
    lies
}

fn subscriptions(region: u32, victim: &Joined, stale: &'static str) -> [Lie<ServerToServer>; 2] {
    let (now, cells) = (victim.region_epoch, vec![0]);
    // To the edge of the attacked region a neighbour may subscribe; of the others there is nothing here.
    let unsubscribed = if region == VICTIMS { LAWFUL } else { stale };
    [
        lie(
            Subscribe {
                region,
                region_epoch: MADE_UP,
                cells: vec![3],
            },
            stale,
        ),
        lie(
            Unsubscribe {
                region,
                region_epoch: now,
                cells,
            },
            unsubscribed,
        ),
    ]
}

fn handovers(
    region: u32,
    victim: &Joined,
    prepare: &'static str,
    commit: &'static str,
) -> [Lie<ServerToServer>; 2] {
    let passenger = Passenger {
        user: victim.user,
        owner_epoch: victim.owner_epoch + 1,
        version: 1 << 40,
        state: Some(PlayerState {
            user: victim.user,
            entity: victim.entity,
            ..PlayerState::default()
        }),
        home_cell: 3,
    };
    [
        lie(
            Prepare {
                from_region: region,
                from_region_epoch: MADE_UP,
                to_region: VICTIMS,
                to_region_epoch: victim.region_epoch,
                attempt: 9,
                passengers: vec![passenger],
                ..Prepare::default()
            },
            prepare,
        ),
        lie(
            Commit {
                from_region: region,
                to_region: VICTIMS,
                attempt: 9,
                claims: vec![claim(victim)],
            },
            commit,
        ),
    ]
}

/// To handovers that the attacked server never began.
fn answers(region: u32, victim: &Joined, reasons: [&'static str; 3]) -> [Lie<ServerToServer>; 3] {
    let (from_region, to_region, attempt) = (VICTIMS, region, 9);
    let claims = vec![claim(victim)];
    [
        lie(
            Prepared {
                from_region,
                to_region,
                attempt,
                claims: claims.clone(),
            },
            reasons[0],
        ),
        lie(
            Refuse {
                from_region,
                to_region,
                attempt,
                users: vec![victim.user],
                code: 9,
            },
            reasons[1],
        ),
        lie(
            Done {
                from_region,
                to_region,
                attempt,
                claims,
            },
            reasons[2],
        ),
    ]
}

fn words(region: u32, victim: &Joined, reason: &'static str) -> [Lie<ServerToServer>; 3] {
    let (from_region, to_region) = (region, VICTIMS);
    let to_region_epoch = victim.region_epoch;
    [
        lie(
            Effect {
                from_region,
                to_region,
                to_region_epoch,
                source_entity: 5,
                target_entity: victim.entity,
                made_us: u64::MAX,
                ..Effect::default()
            },
            reason,
        ),
        lie(
            Refresh {
                from_region,
                to_region,
                user: victim.user,
                owner_epoch: 1,
            },
            reason,
        ),
        lie(
            Roam {
                from_region,
                from_region_epoch: MADE_UP,
                to_region,
                to_region_epoch,
                entity: victim.entity,
                epoch: 1,
                birth_region: region,
                ..Roam::default()
            },
            "roam_malformed",
        ),
    ]
}

fn claim(victim: &Joined) -> Claim {
    Claim {
        user: victim.user,
        owner_epoch: victim.owner_epoch,
        version: 1,
    }
}

/// Every family that proxies say but joins, for a user of another proxy's and for one that nobody has.
pub fn lies_of_a_proxy(victim: &Joined) -> Vec<Lie<ProxyToServer>> {
    let owner_epoch = victim.owner_epoch;
    let forged = SessionKey {
        session_id: vec![9; 16].into(),
        session_generation: 1,
        attach_no: 1,
    };
    let mut lies = Vec::new();
    for user in [victim.user, 424_242] {
        let there = |reason: &'static str| {
            if user == victim.user {
                reason
            } else {
                "user_not_here"
            }
        };
        // Who is not here may be about to arrive: a little of what is said for such a one is kept.
        let others = if user == victim.user {
            "player_wrong_proxy"
        } else {
            LAWFUL
        };
        let leave = |session: Option<SessionKey>| Leave {
            user,
            session,
            reason: 1,
        };
        let inputs = vec![vec![0, 255].into()];
        lies.extend([
            lie(
                Inputs {
                    user,
                    owner_epoch,
                    number: 1 << 30,
                    inputs,
                },
                others,
            ),
            lie(
                Command {
                    user,
                    owner_epoch,
                    number: 50,
                    class: 1,
                    body: vec![1].into(),
                    session_generation: 1,
                },
                others,
            ),
            lie(
                EventAck {
                    user,
                    owner_epoch,
                    number: 1 << 40,
                    session_generation: 1,
                },
                others,
            ),
            lie(leave(victim.session.clone()), there("leave_not_bound")),
            lie(leave(Some(forged.clone())), there("leave_not_bound")),
            lie(leave(None), "leave_malformed"),
        ]);
    }
    lies.extend(of_cells(victim));
    lies
}

fn of_cells(victim: &Joined) -> Vec<Lie<ProxyToServer>> {
    let subscribe = |region, region_epoch, cells| Subscribe {
        region,
        region_epoch,
        cells,
    };
    vec![
        lie(subscribe(THIEFS, 1, vec![1]), "region_not_here"),
        lie(subscribe(NOBODYS, 1, vec![1]), "region_not_here"),
        lie(subscribe(VICTIMS, MADE_UP, vec![1]), "subscribe_stale_epoch"),
        lie(
            subscribe(VICTIMS, victim.region_epoch, vec![7, 9_999]),
            "subscribe_foreign_cell",
        ),
        lie(
            Unsubscribe {
                region: VICTIMS,
                region_epoch: MADE_UP,
                cells: vec![1],
            },
            "subscribe_stale_epoch",
        ),
        lie(
            Topology {
                bundle: vec![7; 64].into(),
            },
            "topology",
        ),
        // Any proxy may look at the map: nobody is named there.
        lie(
            WatchMap {
                on: true,
                period_ms: 0,
            },
            LAWFUL,
        ),
        lie(WatchMap::default(), LAWFUL),
    ]
}
