//! Joins, resumes, goodbyes.

use bytes::Bytes;
use prost::Message as _;
use protocol::Code;
use protocol::geometry::CellIndex;
use protocol::ids::{CommandNumber, NodeNumber, RegionNumber, StateVersion, UserId};
use protocol::message::family::ServerToProxy;
use protocol::message::handover::PlayerState;
use protocol::message::player::{Leave, LeaveReason};
use protocol::ticket::AccountKind;
use store::{Holder, Holding, PlayerBody, PlayerSave, Serving, StoreReply, StoreRequest};

use super::super::*;
use super::bot::Bot;
use super::scene::*;

#[test]
fn the_higher_attach_wins_and_the_older_proxy_drops_its_copy() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    scene.heard.clear();
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(
        scene.take_heard(refused),
        [Code::Superseded.number()],
        "equal, from another proxy"
    );
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(5, 1, 2)));
    scene.settle();
    let heard = std::mem::take(&mut scene.heard);
    let superseded = |(_, proxy, message): &(_, _, ServerToProxy)| {
        *proxy == PROXY.at && matches!(message, ServerToProxy::Superseded(_))
    };
    assert!(heard.iter().any(superseded));
    assert!(
        heard
            .iter()
            .any(|(_, proxy, message)| *proxy == OTHER_PROXY.at && joined(message).is_some())
    );
    scene.input(A, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(scene.take_heard(refused), [Code::Superseded.number()], "lower");
    assert_eq!(scene.active(bot.user).len(), 1);
}

#[test]
fn numbers_survive_a_resume_and_start_again_with_a_login() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.walk(&mut scene, 0, 0);
    bot.command(&mut scene, &demo::Command::Emote(1));
    bot.live(&mut scene, 100);
    scene.heard.clear();
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(5, 1, 2)));
    scene.settle();
    let resumed = scene.take_heard(joined).remove(0);
    assert_eq!((resumed.last_input, resumed.last_command), (1, 1));
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(5, 2, 1)));
    scene.settle();
    let fresh = scene.take_heard(joined).remove(0);
    assert_eq!((fresh.last_input, fresh.last_command), (0, 0));
}

#[test]
fn a_join_at_the_wrong_server_hears_where_to_go() {
    let mut scene = Scene::four();
    Bot::join(&mut scene, 5, 20.0, 20.0);
    scene.heard.clear();
    scene.input(RegionNumber(4), RegionInput::Join(OTHER_PROXY, join(5, 1, 2)));
    scene.settle();
    let elsewhere = |message: &ServerToProxy| match message {
        ServerToProxy::Elsewhere(elsewhere) => Some((elsewhere.node, elsewhere.region)),
        _ => None,
    };
    assert_eq!(scene.take_heard(elsewhere), [(1, 1)]);
    // A new user who starts in the south-east, met by the north-west.
    let south_east = (100..).find(|user| {
        let at = scene.spawn_point(UserId(*user));
        scene.topology.region_at(at).number == RegionNumber(4)
    });
    scene.input(A, RegionInput::Join(PROXY, join(south_east.unwrap(), 1, 1)));
    scene.settle();
    assert_eq!(scene.take_heard(elsewhere), [(4, 4)]);
}

#[test]
fn who_serves_a_region_has_its_players_whatever_node_their_rows_name() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let before = scene.row(bot.user);
    // The map has changed while all were down: another server has the region, and nobody has told the row.
    scene.stop(A);
    scene.topology = world([2, 2, 3, 4]);
    scene.start(A);
    scene.link_all();
    assert_eq!(scene.row(bot.user).owner, Some(NodeNumber(1)));
    scene.heard.clear();
    scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    assert_eq!(scene.take_heard(joined).len(), 1);
    let after = scene.row(bot.user);
    assert_eq!((after.owner, after.entity), (Some(NodeNumber(2)), before.entity));
    assert_eq!(scene.assert_owned_once(bot.user), A);
}

#[test]
fn a_player_whose_place_is_no_more_enters_where_new_ones_do() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    scene.stop(A);
    // It left when the world was larger.
    let row = scene.row(bot.user);
    let save = PlayerSave {
        user: bot.user,
        owner_epoch: row.owner_epoch,
        version: StateVersion(row.version.0 + 1),
        body: PlayerBody {
            home_cell: CellIndex(60_000),
            ..row.body
        },
    };
    let serving = Serving {
        node: NodeNumber(1),
        region: row.region,
        region_epoch: row.region_epoch,
    };
    let released = scene.store.apply(&StoreRequest::Release { serving, save });
    assert_eq!((released.is_ok(), scene.row(bot.user).owner), (true, None));
    let spawn = scene.spawn_point(bot.user);
    let region = scene.topology.region_at(spawn).number;
    scene.start(A);
    scene.link_all();
    scene.input(region, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    assert_eq!(scene.assert_owned_once(bot.user), region);
}

#[test]
fn holdings_of_who_is_forgotten_lie_here_once_and_can_be_taken() {
    let mut scene = Scene::four();
    let before = scene.regions[&A].state.ground.holdings().len();
    let fallen = Holding {
        id: 9_999_999,
        kind: 1,
        holder: Holder::Ground {
            region: A,
            x: 20.0,
            y: 20.0,
        },
        payload: Bytes::new(),
    };
    let elsewhere = Holding {
        id: 9_999_998,
        holder: Holder::Ground {
            region: B,
            x: 20.0,
            y: 20.0,
        },
        ..fallen.clone()
    };
    for _ in 0..2 {
        scene.input(A, RegionInput::Fallen(vec![fallen.clone(), elsewhere.clone()]));
        scene.settle();
    }
    let ground = &scene.regions[&A].state.ground;
    assert_eq!(ground.holdings().len(), before + 1);
    assert!(ground.has(fallen.id) && !ground.has(elsewhere.id));
}

#[test]
fn a_join_is_passed_on_between_regions_of_one_server() {
    let mut scene = Scene::new([1, 1, 1, 1]);
    let spawn = scene.spawn_point(UserId(5));
    let home = scene.topology.region_at(spawn).number;
    let other = RegionNumber(home.0 % 4 + 1);
    scene.input(other, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(scene.assert_owned_once(UserId(5)), home);
}

#[test]
fn a_restarted_region_takes_its_players_back_where_the_row_has_them() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.command(&mut scene, &demo::Command::Emote(1));
    bot.walk(&mut scene, 0, 255);
    bot.live(&mut scene, 1_500);
    let before = scene.player(A, bot.user).epoch;
    bot.command(&mut scene, &demo::Command::Emote(2));
    bot.live(&mut scene, 50);
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.heard.clear();
    let again = VerifiedJoin {
        acked_command: CommandNumber(2),
        ..join(5, 1, 1)
    };
    scene.input(A, RegionInput::Join(PROXY, again));
    scene.settle();
    let joined = scene.take_heard(joined).remove(0);
    assert_eq!(joined.owner_epoch, before.next().unwrap().0);
    assert_eq!(
        joined.last_command, 2,
        "what the client saw acknowledged opens no gap"
    );
    let (_, _, at) = scene.active(bot.user)[0];
    assert!(at.x > 22.0, "at most a second behind: {at:?}");
}

#[test]
fn without_a_proxy_a_player_stays_for_the_grace_and_comes_back_where_it_was() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    scene.input(A, RegionInput::ProxyDown(PROXY));
    scene.run(29_900);
    assert_eq!(scene.active(bot.user).len(), 1);
    scene.run(300);
    assert!(scene.active(bot.user).is_empty());
    assert_eq!(scene.row(bot.user).owner, None);
    assert_eq!(scene.regions[&A].status().players, 0);
    scene.input(A, RegionInput::Join(OTHER_PROXY, join(5, 2, 1)));
    scene.settle();
    let (region, _, at) = scene.active(bot.user)[0];
    assert!(region == A && (at.x - 20.0).abs() < 0.1);
}

#[test]
fn a_player_keeps_the_name_of_its_row_whatever_a_later_join_says() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let renamed = |generation, attach_no| VerifiedJoin {
        name: "guest 5".into(),
        ..join(5, generation, attach_no)
    };
    let called = |scene: &Scene| {
        let row = PlayerState::decode(scene.row(bot.user).body.state).unwrap();
        (scene.player(A, bot.user).name.clone(), row.name)
    };
    let ann = || ("ann".to_owned(), "ann".to_owned());
    // A resume, one after the grace, and one after a crash.
    scene.input(A, RegionInput::Join(OTHER_PROXY, renamed(1, 2)));
    scene.run(1_500);
    assert_eq!(called(&scene), ann());
    scene.input(A, RegionInput::ProxyDown(OTHER_PROXY));
    scene.run(31_000);
    assert!(scene.active(bot.user).is_empty());
    scene.input(A, RegionInput::Join(PROXY, renamed(1, 3)));
    scene.run(1_500);
    assert_eq!(called(&scene), ann());
    scene.stop(A);
    scene.start(A);
    scene.link_all();
    scene.input(A, RegionInput::Join(PROXY, renamed(2, 1)));
    scene.run(1_500);
    assert_eq!(called(&scene), ann());
}

#[test]
fn a_player_whose_guest_has_made_an_account_is_called_as_that_says_at_once_and_for_good() {
    let mut scene = Scene::four();
    let bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    let registered = |name: &str, attach_no| VerifiedJoin {
        name: name.into(),
        account: AccountKind::Registered,
        ..join(5, 1, attach_no)
    };
    let called = |scene: &mut Scene| {
        scene.run(1_500);
        let row = PlayerState::decode(scene.row(bot.user).body.state).unwrap();
        let player = scene.player(A, bot.user);
        let (name, key) = (player.name.clone(), player.key);
        let shown = scene.regions[&A].state.entities.get(key).unwrap().state;
        let (_, shown) = demo::parse_player(shown.as_ref()).unwrap();
        [name, row.name, shown.to_owned()]
    };
    scene.input(A, RegionInput::Join(OTHER_PROXY, registered("Ada", 2)));
    assert_eq!(called(&mut scene), ["Ada"; 3]);
    // Who cannot say the name renames nobody.
    scene.input(A, RegionInput::Join(OTHER_PROXY, registered("", 3)));
    assert_eq!(called(&mut scene), ["Ada"; 3]);
    // As it comes back after the grace.
    scene.input(A, RegionInput::ProxyDown(OTHER_PROXY));
    scene.run(31_000);
    scene.input(A, RegionInput::Join(PROXY, registered("Eve", 4)));
    assert_eq!(called(&mut scene), ["Eve"; 3]);
}

#[test]
fn a_draining_region_takes_nobody_and_writes_everything_down() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.walk(&mut scene, 0, 128);
    scene.input(A, RegionInput::Drain);
    scene.heard.clear();
    scene.input(A, RegionInput::Join(PROXY, join(6, 1, 1)));
    bot.live(&mut scene, 100);
    assert_eq!(scene.take_heard(refused), [Code::WorldRecovering.number()]);
    assert_eq!(scene.regions[&A].status().unsaved, 0);
}

#[test]
fn an_input_of_a_former_session_does_not_hold_up_the_next_one() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.input = 100;
    bot.walk(&mut scene, 0, 255);
    scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    bot.input = 0;
    bot.walk(&mut scene, 64, 255);
    scene.tick();
    assert_eq!(scene.player(A, bot.user).last_input, 1);
}

#[test]
fn a_command_or_an_acknowledgement_of_a_former_login_is_none_of_the_next_one_s() {
    let mut scene = Scene::four();
    let mut bot = Bot::join(&mut scene, 5, 20.0, 20.0);
    bot.command(&mut scene, &demo::Command::Emote(1));
    bot.live(&mut scene, 100);
    scene.input(A, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    // As its proxy may say them again.
    bot.insist(&mut scene);
    bot.acknowledge_up_to(&mut scene, 1);
    scene.run(100);
    assert_eq!(scene.player(A, bot.user).commands.ack(), 0);
    let before = scene.counted["login_over"];
    bot.login = 2;
    (bot.command, bot.acked, bot.chain) = (0, 0, [0; 32]);
    bot.unacked.clear();
    bot.command(&mut scene, &demo::Command::Emote(2));
    scene.run(100);
    assert_eq!(scene.player(A, bot.user).commands.ack(), 1);
    assert_eq!(scene.counted["login_over"], before, "its own are heard");
}

#[test]
fn a_user_who_logs_out_after_two_crossings_is_let_in_again_at_once() {
    // West and south-east at one server, east at another: both remember a crossing to the other.
    let mut scene = Scene::new([1, 2, 3, 1]);
    let south_east = RegionNumber(4);
    let bot = Bot::join(&mut scene, 5, 120.0, 40.0);
    scene.place(A, bot.user, 160.0, 40.0);
    scene.run(500);
    assert_eq!(scene.assert_owned_once(bot.user), B);
    scene.place(B, bot.user, 160.0, 140.0);
    scene.run(500);
    assert_eq!(scene.assert_owned_once(bot.user), south_east);
    let leave = Leave {
        user: 5,
        session: Some(scene.player(south_east, bot.user).session_key()),
        reason: LeaveReason::Logout as i32,
    };
    let node = scene.topology.region(south_east).unwrap().server;
    scene.proxy_says(node, PROXY, leave);
    scene.run(100);
    assert_eq!(scene.row(bot.user).owner, None);
    scene.heard.clear();
    let asked = scene.directories[&node].join(bot.user, south_east).unwrap();
    scene.input(asked, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    assert_eq!(scene.take_heard(joined).len(), 1);
    assert_eq!(scene.assert_owned_once(bot.user), south_east);
}

/// The family of `Prepare`.
const PREPARE: u8 = 0x60;

#[test]
fn of_two_joins_that_wait_the_higher_one_stays_in_whatever_order_they_came() {
    for attaches in [[3, 2], [2, 3]] {
        let mut scene = Scene::four();
        let mut bot = Bot::join(&mut scene, 5, 126.0, 40.0);
        scene.lose.insert(PREPARE, 1_000);
        bot.walk(&mut scene, 0, 255);
        while scene.regions[&A].status().frozen == 0 {
            scene.tick();
        }
        bot.walk(&mut scene, 0, 0);
        scene.heard.clear();
        for attach in attaches {
            let lane = if attach == 3 { OTHER_PROXY } else { PROXY };
            scene.input(A, RegionInput::Join(lane, join(5, 1, attach)));
        }
        scene.settle();
        let lower = scene.heard.iter().filter(|(_, to, message)| {
            *to == PROXY.at && refused(message) == Some(Code::Superseded.number())
        });
        assert_eq!(lower.count(), 1, "{attaches:?}");
        while scene.regions[&A].status().frozen > 0 {
            scene.tick();
        }
        let bound = scene.player(A, bot.user).bound;
        assert_eq!(
            (bound.attach_no.0, bound.lane),
            (3, Some(OTHER_PROXY)),
            "{attaches:?}"
        );
    }
}

#[test]
fn a_join_that_another_region_of_the_server_is_to_serve_has_its_row_read_once() {
    let mut scene = Scene::new([1, 1, 1, 1]);
    let wrong = |scene: &Scene, user| {
        let at = scene.spawn_point(user);
        let home = scene.topology.region_at(at).number;
        (1..=4).map(RegionNumber).find(|region| *region != home).unwrap()
    };
    let (user, asked) = (UserId(5), wrong(&scene, UserId(5)));
    scene.input(asked, RegionInput::Join(PROXY, join(5, 1, 1)));
    scene.settle();
    assert_eq!(
        (scene.loads, scene.take_heard(joined).len()),
        (1, 1),
        "nobody's row"
    );
    let log_out = |scene: &mut Scene| {
        let session = scene.player(scene.assert_owned_once(user), user).session_key();
        let leave = Leave {
            user: 5,
            session: Some(session),
            reason: LeaveReason::Logout as i32,
        };
        scene.proxy_says(NodeNumber(1), PROXY, leave);
        scene.run(100);
    };
    log_out(&mut scene);
    let old = scene.row(user);
    assert_eq!(old.owner, None);
    scene.loads = 0;
    scene.input(asked, RegionInput::Join(PROXY, join(5, 2, 1)));
    scene.settle();
    assert_eq!((scene.loads, scene.take_heard(joined).len()), (1, 1));
    // A row that is over by the time it arrives is read again.
    log_out(&mut scene);
    scene.loads = 0;
    let next = RegionInput::ForwardedJoin(PROXY, join(5, 3, 1), Some(Box::new(old)));
    scene.input(asked, next);
    scene.run(500);
    assert_eq!((scene.loads, scene.take_heard(joined).len()), (1, 1));
    scene.assert_owned_once(user);
}

#[test]
fn tk_7_a_ticket_of_a_login_that_is_over_brings_nobody_back() {
    let mut scene = Scene::four();
    scene.store.leave_out(None);
    let user = UserId(5);
    let home = scene.topology.region_at(scene.spawn_point(user)).number;
    let node = scene.topology.region(home).unwrap().server;
    let log_in = |scene: &mut Scene| match scene.store.apply(&StoreRequest::RaiseSession { user }) {
        Ok(StoreReply::Session(generation)) => generation,
        other => panic!("{other:?}"),
    };
    let first = log_in(&mut scene);
    let come = |scene: &mut Scene, generation: u64, attach_no| {
        scene.heard.clear();
        scene.input(home, RegionInput::Join(PROXY, join(5, generation, attach_no)));
        scene.settle();
    };
    come(&mut scene, first.0, 1);
    assert_eq!(scene.take_heard(joined).len(), 1);
    let leave = Leave {
        user: 5,
        session: Some(scene.player(home, user).session_key()),
        reason: LeaveReason::Logout as i32,
    };
    scene.proxy_says(node, PROXY, leave);
    scene.run(100);
    let free = scene.row(user);
    assert_eq!(free.owner, None);
    let end = StoreRequest::EndSession {
        user,
        generation: first,
    };
    scene.store.apply(&end).unwrap();
    come(&mut scene, first.0, 2);
    assert_eq!(scene.take_heard(refused), [Code::TicketExpired.number()]);
    assert_eq!((scene.row(user), scene.counted["session_over"]), (free, 1));
    assert!(
        !scene.counted.contains_key("superseded"),
        "the region is as good as before"
    );
    let second = log_in(&mut scene);
    come(&mut scene, second.0, 1);
    assert_eq!(scene.take_heard(joined).len(), 1);
    scene.assert_owned_once(user);
}
