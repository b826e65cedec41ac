//! What regions say past the owner of a player: shown as theirs, and bounded whatever they mean.

use protocol::limits::NEWS_BYTES_MAX;

use super::*;

fn notify(user: UserId, region: RegionNumber, region_epoch: u64) -> player::Notify {
    player::Notify {
        user: user.0,
        region: region.0,
        region_epoch,
        body: Bytes::from_static(b"psst"),
    }
}

fn announce(region: RegionNumber, bytes: usize) -> player::Announce {
    player::Announce {
        region: region.0,
        region_epoch: REGION_EPOCH,
        body: vec![7; bytes].into(),
    }
}

fn told(effects: &[EdgeEffect]) -> Vec<&client::News> {
    let news = effects.iter().filter_map(|effect| match effect {
        EdgeEffect::ToClient(_, ProxyToClient::News(news)) => Some(news),
        _ => None,
    });
    news.collect()
}

fn refused(effects: &[EdgeEffect], label: &'static str) -> usize {
    let is_it = |effect: &&EdgeEffect| **effect == EdgeEffect::Refused(label);
    effects.iter().filter(is_it).count()
}

#[test]
fn a_region_that_is_not_the_owners_tells_a_player_something_as_its_own() {
    let mut table = Table::new();
    let handle = table.playing(7, 9);
    table.server(B, notify(USER, EAST, REGION_EPOCH));
    table.server(B, announce(EAST, 3));
    table.server(B, notify(UserId(78), EAST, REGION_EPOCH));
    let effects = table.take();
    let news = told(&effects);
    assert_eq!(news.len(), 2, "{effects:?}");
    assert_eq!(
        (news[0].region, news[0].to_all, &news[0].body[..]),
        (EAST.0, false, &b"psst"[..])
    );
    assert_eq!((news[1].region, news[1].to_all), (EAST.0, true));
    assert_eq!(table.edge.sessions(), 1);
    table.client(handle, input(1));
}

#[test]
fn only_the_confirmed_service_of_a_region_speaks_for_it() {
    let mut table = Table::new();
    table.playing(7, 9);
    table.server(A, notify(USER, EAST, REGION_EPOCH));
    table.server(B, notify(USER, EAST, REGION_EPOCH + 1));
    table.server(B, notify(USER, EAST, REGION_EPOCH - 1));
    table.server(B, notify(USER, RegionNumber(9), REGION_EPOCH));
    let effects = table.take();
    assert_eq!(
        (told(&effects).len(), refused(&effects, "news_not_serving")),
        (0, 4)
    );
    table.server(B, announce(EAST, NEWS_BYTES_MAX + 1));
    table.server(B, notify(USER, RegionNumber(0), REGION_EPOCH));
    let effects = table.take();
    assert_eq!(
        (told(&effects).len(), refused(&effects, "news_malformed")),
        (0, 2)
    );
}

#[test]
fn a_client_is_told_nothing_before_its_attach() {
    let mut table = Table::new();
    table.admit(1);
    table.server(B, notify(USER, EAST, REGION_EPOCH));
    table.server(B, announce(EAST, 1));
    assert_eq!(told(&table.take()).len(), 0);
}

#[test]
fn a_server_that_floods_reaches_so_many_and_not_at_the_cost_of_another_region() {
    let mut table = Table::new();
    table.playing(7, 9);
    for _ in 0..100 {
        table.server(B, announce(EAST, 1));
    }
    let effects = table.take();
    assert_eq!(
        (told(&effects).len(), refused(&effects, "news_too_many")),
        (8, 92)
    );
    table.server(A, announce(WEST, 1));
    assert_eq!(told(&table.take()).len(), 1, "another region's");
    for _ in 0..1_000 {
        table.server(B, notify(USER, EAST, REGION_EPOCH));
    }
    let effects = table.take();
    let crowded = refused(&effects, "news_crowded");
    assert_eq!((told(&effects).len(), crowded), (128 - 9, 512 - (128 - 9)));
    assert_eq!(refused(&effects, "news_too_many"), 488);
    table.wait(1_000);
    table.take();
    for _ in 0..1_000 {
        table.server(B, notify(USER, EAST, REGION_EPOCH));
    }
    assert_eq!(
        told(&table.take()).len(),
        32,
        "a second later there is a second's worth"
    );
}
