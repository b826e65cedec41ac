//! What the login of a node may change of holdings, asked past the program: by the functions themselves.

use tokio_postgres::SimpleQueryMessage;

use crate::{Cells, Scene};

impl Scene {
    /// What a batch of this login says of its first request; nothing of it stays.
    fn says(&self, login: &str, statement: &str) -> Option<String> {
        self.runtime.block_on(async {
            let begin = format!("BEGIN; SET LOCAL SESSION AUTHORIZATION \"{login}\"");
            self.client.batch_execute(&begin).await.unwrap();
            let said = self.client.simple_query(statement).await.unwrap();
            self.client.batch_execute("ROLLBACK").await.unwrap();
            said.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
        })
    }
}

impl Cells {
    /// Of what a node may write, changes of holdings that are not for it to make: each is refused by the functions, whatever the
    /// program would ask for.
    pub(crate) fn changes(&mut self, scene: &Scene) {
        const REFUSED: &str = "2";
        const ELSEWHERE: &str = "5";
        const CLOSED: &str = "11";
        let rows = "INSERT INTO regionmesh.player SELECT u, 1, 1, 281474976710657, 1, 0, 0, 0, 0, 0, 0, 101, 0, 0, decode(repeat('00', 32), 'hex'), '', 0
                FROM unnest('{11, 12}'::int8[]) AS u;
            INSERT INTO regionmesh.holding (id, kind, region, x, y) VALUES (1, 7, 1, 0, 0), (2, 7, 2, 0, 0);
            INSERT INTO regionmesh.holding (id, kind, user_id) SELECT id, 7, 11 FROM generate_series(100, 120) AS id";
        scene.server.say("world", rows).unwrap();
        let trade = (1024_i64 + 1) << 52;
        let offer = |lasts_ms: i64, side: i16, count: usize| {
            let mut changes = vec![(8, trade, lasts_ms)];
            changes.extend((100..).take(count).map(|id| (side, id, 0)));
            changes
        };
        let (gives, wants) = (11, 12);
        for (changes, said) in [
            (vec![(1, 1, 0)], "1"),
            (vec![(1, 2, 0)], REFUSED),
            (offer(3_600_000, gives, 16), "1"),
            (offer(3_600_001, gives, 1), CLOSED),
            (offer(-1, gives, 1), CLOSED),
            (offer(1, gives, 17), ELSEWHERE),
            (offer(1, wants, 16), "1"),
            (offer(1, wants, 17), ELSEWHERE),
        ] {
            let answer = scene.says("regionmesh-a", &commit(&changes));
            assert_eq!(answer.as_deref(), Some(said), "{changes:?}");
            match said {
                "1" => self.allowed += 1,
                _ => self.denied += 1,
            }
        }
    }
}

impl Cells {
    /// A node writes creatures of the regions that it serves, and none that another node has numbered.
    pub(crate) fn creatures(&mut self, scene: &Scene) {
        for (node, region, made_by, born) in [(1, 1, 1, "1"), (1, 2, 1, "0"), (1, 1, 2, "0")] {
            let write = creatures(node, region, made_by, FIRST_EPOCH);
            let statement = format!(
                "DO $$ BEGIN PERFORM FROM ({write}) AS w; END $$; \
                 SELECT count(*) FROM regionmesh.read_creatures({region}, false, 0, 10)"
            );
            let there = scene.says("regionmesh-a", &statement);
            assert_eq!(
                there.as_deref(),
                Some(born),
                "node {node}, region {region}, made by {made_by}"
            );
            match born {
                "1" => self.allowed += 1,
                _ => self.denied += 1,
            }
        }
    }
}

/// The epoch at which the regions of the scene are served.
const FIRST_EPOCH: i64 = 281_474_976_710_657;

/// A node writes that a creature is born in a region, which `made_by` has numbered.
pub(crate) fn creatures(node: u16, region: u32, made_by: i64, epoch: i64) -> String {
    let creature = made_by << 54 | 1 << 32 | 5;
    format!(
        "SELECT regionmesh.write_creatures(false, {node}, {region}, {epoch}, 1, '{{1}}', '{{{creature}}}', '{{NULL}}', '{{NULL}}', '{{NULL}}',
            '{{NULL}}', ARRAY[''::bytea])"
    )
}

/// What node 1 has its player 11 do: each change with its kind, what it is about and how long that stands, towards player 12 and
/// in the region of that number.
fn commit(changes: &[(i16, i64, i64)]) -> String {
    let all = |column: fn(&(i16, i64, i64)) -> i64| {
        let column: Vec<String> = changes.iter().map(|change| column(change).to_string()).collect();
        column.join(", ")
    };
    let (kinds, ids, types) = (
        all(|change| change.0.into()),
        all(|change| change.1),
        all(|change| change.2),
    );
    let nulls = vec!["NULL"; changes.len()].join(", ");
    let others = vec!["12"; changes.len()].join(", ");
    let count = changes.len();
    format!(
        "SELECT a.outcome FROM regionmesh.write_batch(false, '{{29}}', '{{11}}', '{{1}}', '{{NULL}}', '{{1}}', '{{281474976710657}}', '{{1}}',
            '{{NULL}}', '{{1}}', '{{NULL}}', '{{0}}', '{{0}}', '{{0}}', '{{101}}', '{{0}}', '{{0}}', ARRAY[decode(repeat('00', 32), 'hex')], ARRAY[''::bytea],
            '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{1}}', '{{{count}}}', '{{{kinds}}}', '{{{ids}}}', '{{{types}}}', '{{{others}}}', '{{{ids}}}',
            '{{{nulls}}}', '{{{nulls}}}', '{{{nulls}}}') AS a"
    )
}
