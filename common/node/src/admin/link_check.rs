//! The check of a node's links: how many of those it wants are up, and who is missing. Pure.

use super::readiness::Check;
use protocol::ids::NodeNumber;
use std::collections::{BTreeMap, BTreeSet};

/// Names that are told at most.
const NAMED_MAX: usize = 8;

/// Whom a node wants links with, by number with their names, and with whom one is up. Without any, `none` says whether
/// the node is of use.
#[must_use]
pub fn link_check(
    wanted: &BTreeMap<NodeNumber, String>,
    up: &BTreeSet<NodeNumber>,
    none: fn(String) -> Check,
) -> Check {
    let down: Vec<&str> = wanted
        .iter()
        .filter(|(number, _)| !up.contains(number))
        .map(|(_, name)| name.as_str())
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
        let wanted: BTreeMap<_, _> = (1..=10).map(|n| (NodeNumber(n), format!("gs-{n}"))).collect();
        let check = |up: &[u16]| {
            let up = up.iter().map(|number| NodeNumber(*number)).collect();
            link_check(&wanted, &up, Check::missing)
        };
        assert_eq!(check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), Check::well("10 of 10"));
        assert_eq!(
            check(&[1, 2, 3, 5, 6, 7, 8, 9, 10, 77]),
            Check::noted("9 of 10; not linked: gs-4")
        );
        assert_eq!(
            check(&[77]),
            Check::missing("0 of 10; not linked: gs-1, gs-2, gs-3, gs-4, gs-5, gs-6, gs-7, gs-8 and 2 more")
        );
        assert_eq!(
            link_check(&BTreeMap::new(), &BTreeSet::new(), Check::missing),
            Check::well("0 of 0")
        );
    }
}
