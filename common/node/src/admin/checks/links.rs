//! The check of a node's links: how many of those it wants are up, and who is missing, and why. Pure.

use crate::admin::Check;
use protocol::ids::NodeNumber;
use std::collections::{BTreeMap, BTreeSet};

/// Peers that are named at most.
const NAMED_MAX: usize = 8;

/// A peer that a node wants a link with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Why it could not be dialed the last time; nothing when it could, or when it is the one that dials.
    pub why_not: Option<String>,
}

/// Whom a node wants links with, and with whom one is up. Without any, `none` says whether the node is of use.
#[must_use]
pub fn link_check(
    wanted: &BTreeMap<NodeNumber, Wanted>,
    up: &BTreeSet<NodeNumber>,
    none: fn(String) -> Check,
) -> Check {
    let down: Vec<String> = wanted
        .iter()
        .filter(|(number, _)| !up.contains(number))
        .map(|(_, peer)| match &peer.why_not {
            Some(why) => format!("{} ({why})", peer.name),
            None => peer.name.clone(),
        })
        .collect();
    let count = format!("{} of {}", wanted.len() - down.len(), wanted.len());
    if down.is_empty() {
        return Check::well(count);
    }
    let more = down.len().saturating_sub(NAMED_MAX);
    let named = down.get(..NAMED_MAX).unwrap_or(&down).join(", ");
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let figure = format!("{count}; not linked: {named}{and_more}");
    match down.len() == wanted.len() {
        true => none(figure),
        false => Check::noted(figure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_missing_links_are_named_and_only_having_none_is_fatal() {
        let peer = |n: u16| Wanted {
            name: format!("gs-{n}"),
            why_not: (n == 4).then(|| "cannot connect: refused".to_owned()),
        };
        let wanted: BTreeMap<_, _> = (1..=10).map(|n| (NodeNumber(n), peer(n))).collect();
        let check = |up: &[u16]| {
            let up = up.iter().map(|number| NodeNumber(*number)).collect();
            link_check(&wanted, &up, Check::missing)
        };
        assert_eq!(check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), Check::well("10 of 10"));
        assert_eq!(
            check(&[1, 2, 3, 5, 6, 7, 8, 9, 10, 77]),
            Check::noted("9 of 10; not linked: gs-4 (cannot connect: refused)")
        );
        assert_eq!(
            check(&[77, 4]),
            Check::noted("1 of 10; not linked: gs-1, gs-2, gs-3, gs-5, gs-6, gs-7, gs-8, gs-9 and 1 more")
        );
        let none = check(&[77]);
        assert_eq!(none.verdict, crate::admin::Verdict::Missing);
        assert!(none.figure.ends_with("gs-8 and 2 more"), "{none:?}");
        assert_eq!(
            link_check(&BTreeMap::new(), &BTreeSet::new(), Check::missing),
            Check::well("0 of 0")
        );
    }
}
