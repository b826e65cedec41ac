//! Which lanes of which proxies are up, and of which start each proxy is: what decides whether a link may come up, whose
//! lanes end for it, and by which lane a user at a proxy is reached. Pure; whoever owns links or regions keeps one.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Code;
use protocol::ids::{Incarnation, Lane, Lanes, LiveLane, NodeNumber, ProxyLane, UserId, lane_of};

/// A lane that comes up, as its handshake said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivingLane {
    /// Which.
    pub lane: LiveLane,
    /// How many lanes its proxy says it has.
    pub lanes: Lanes,
}

/// Why a lane may not come up. The proxy's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneRefused {
    /// A later start of the same proxy is linked already.
    #[error("a later start of the proxy is linked")]
    OlderStart,
    /// Links of the same start say another number of lanes.
    #[error("links of one start say different numbers of lanes")]
    OtherCount,
}

impl LaneRefused {
    /// A fixed name for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OlderStart => "lane_older_start",
            Self::OtherCount => "lane_other_count",
        }
    }

    /// What the proxy is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::OlderStart => Code::DuplicateLink,
            Self::OtherCount => Code::Protocol,
        }
    }
}

/// One start of a proxy.
#[derive(Clone, Debug)]
struct Start {
    incarnation: Incarnation,
    lanes: Lanes,
    up: BTreeSet<Lane>,
}

/// The proxies that are linked.
#[derive(Clone, Debug, Default)]
pub struct ProxyLanes {
    starts: BTreeMap<NodeNumber, Start>,
}

impl ProxyLanes {
    /// A lane comes up. The answer is what ends for it, to be ended first: all lanes of an earlier start, or the same
    /// lane when it was up before.
    ///
    /// # Errors
    /// `LaneRefused`; nothing has changed.
    pub fn come_up(&mut self, arriving: ArrivingLane) -> Result<Vec<LiveLane>, LaneRefused> {
        let ArrivingLane { lane, lanes } = arriving;
        let mut ended = Vec::new();
        match self.starts.get(&lane.node()) {
            Some(start) if lane.incarnation < start.incarnation => return Err(LaneRefused::OlderStart),
            Some(start) if lane.incarnation == start.incarnation && lanes != start.lanes => {
                return Err(LaneRefused::OtherCount);
            }
            Some(start) if lane.incarnation > start.incarnation => {
                ended.extend(self.live(lane.node()));
                self.starts.remove(&lane.node());
            }
            Some(start) if start.up.contains(&lane.at.lane) => ended.push(lane),
            Some(_) | None => {}
        }
        let start = self.starts.entry(lane.node()).or_insert_with(|| Start {
            incarnation: lane.incarnation,
            lanes,
            up: BTreeSet::new(),
        });
        start.up.insert(lane.at.lane);
        Ok(ended)
    }

    /// A lane has ended; whether it was up. One of an earlier start has ended before.
    pub fn go_down(&mut self, lane: LiveLane) -> bool {
        let Some(start) = self.starts.get_mut(&lane.node()) else {
            return false;
        };
        if start.incarnation != lane.incarnation || !start.up.remove(&lane.at.lane) {
            return false;
        }
        if start.up.is_empty() {
            self.starts.remove(&lane.node());
        }
        true
    }

    /// All lanes that are up.
    pub fn all(&self) -> impl Iterator<Item = ArrivingLane> {
        self.starts.iter().flat_map(|(node, start)| {
            start.up.iter().map(|lane| ArrivingLane {
                lane: LiveLane {
                    at: ProxyLane {
                        node: *node,
                        lane: *lane,
                    },
                    incarnation: start.incarnation,
                },
                lanes: start.lanes,
            })
        })
    }

    /// Whether this lane of this start is up.
    #[must_use]
    pub fn is_up(&self, lane: LiveLane) -> bool {
        self.starts
            .get(&lane.node())
            .is_some_and(|start| start.incarnation == lane.incarnation && start.up.contains(&lane.at.lane))
    }

    /// Whether a lane that is up is the one that speaks for this user.
    #[must_use]
    pub fn speaks_for(&self, lane: LiveLane, user: UserId) -> bool {
        self.lane_for(lane.node(), user) == Some(lane)
    }

    /// The lane by which a user at this proxy is reached; `None` when it is not up.
    #[must_use]
    pub fn lane_for(&self, node: NodeNumber, user: UserId) -> Option<LiveLane> {
        let start = self.starts.get(&node)?;
        let lane = lane_of(user, start.lanes);
        start.up.contains(&lane).then_some(LiveLane {
            at: ProxyLane { node, lane },
            incarnation: start.incarnation,
        })
    }

    /// The lanes of a proxy that are up.
    fn live(&self, node: NodeNumber) -> impl Iterator<Item = LiveLane> + '_ {
        self.starts.get(&node).into_iter().flat_map(move |start| {
            start.up.iter().map(move |lane| LiveLane {
                at: ProxyLane { node, lane: *lane },
                incarnation: start.incarnation,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(lane: u8, start: u64) -> LiveLane {
        LiveLane {
            at: ProxyLane {
                node: NodeNumber(101),
                lane: Lane::new(lane).unwrap(),
            },
            incarnation: Incarnation(start),
        }
    }

    fn arriving(number: u8, lanes: u8, start: u64) -> ArrivingLane {
        ArrivingLane {
            lane: lane(number, start),
            lanes: Lanes::new(lanes).unwrap(),
        }
    }

    #[test]
    fn a_later_start_on_any_lane_ends_all_lanes_of_the_earlier_one() {
        let mut lanes = ProxyLanes::default();
        for number in 0..3 {
            assert_eq!(lanes.come_up(arriving(number, 3, 1)), Ok(Vec::new()));
        }
        let ended = lanes.come_up(arriving(1, 2, 2)).unwrap();
        assert_eq!(ended, [lane(0, 1), lane(1, 1), lane(2, 1)]);
        assert!(lanes.is_up(lane(1, 2)) && !lanes.is_up(lane(1, 1)) && !lanes.is_up(lane(0, 2)));
        assert_eq!(lanes.come_up(arriving(2, 3, 1)), Err(LaneRefused::OlderStart));
        assert!(!lanes.go_down(lane(1, 1)), "it has ended before");
        assert!(lanes.is_up(lane(1, 2)));
    }

    #[test]
    fn siblings_of_one_start_say_the_same_number_of_lanes() {
        let mut lanes = ProxyLanes::default();
        lanes.come_up(arriving(0, 2, 1)).unwrap();
        assert_eq!(lanes.come_up(arriving(1, 3, 1)), Err(LaneRefused::OtherCount));
        assert!(!lanes.is_up(lane(1, 1)));
        assert_eq!(lanes.come_up(arriving(1, 2, 1)), Ok(Vec::new()));
        assert_eq!(
            lanes.come_up(arriving(1, 2, 1)),
            Ok(vec![lane(1, 1)]),
            "it came back"
        );
    }

    #[test]
    fn a_user_is_reached_by_its_own_lane_and_by_no_other() {
        let mut lanes = ProxyLanes::default();
        lanes.come_up(arriving(0, 2, 1)).unwrap();
        let two = Lanes::new(2).unwrap();
        for user in (0..50).map(UserId) {
            let own = lane(lane_of(user, two).number(), 1);
            let reached = (own.at.lane == Lane::FIRST).then_some(own);
            assert_eq!(lanes.lane_for(NodeNumber(101), user), reached);
            assert_eq!(lanes.speaks_for(lane(0, 1), user), reached.is_some());
            assert!(!lanes.speaks_for(lane(1, 1), user), "it is not up");
        }
        assert!(lanes.go_down(lane(0, 1)));
        assert_eq!(lanes.lane_for(NodeNumber(101), UserId(1)), None);
    }
}
