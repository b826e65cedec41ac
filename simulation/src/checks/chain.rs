//! Whether a row follows from the one before it by commands that were issued, each once and in order.

use std::collections::BTreeSet;

use protocol::ids::SessionGeneration;
use protocol::message::player::CommandClass;
use sha2::{Digest as _, Sha256};
use store::PlayerRow;

use super::Issued;

type Hash = [u8; 32];

/// The chain over applied commands, as the region computes it: `SHA256(h ‖ number u64 ‖ bytes)`.
fn chain(hash: &Hash, number: u64, body: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(hash)
        .chain_update(number.to_le_bytes())
        .chain_update(body)
        .finalize()
        .into()
}

/// What may be missing from a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    /// Soft commands that were lost with a server's memory.
    Soft,
}

/// Whether applying commands `from + 1..=to` to `hash` gives `wanted`; leading soft ones may be missing.
fn leads(hash: &Hash, issued: &[Issued], from: u64, to: u64, wanted: &Hash, missing: Missing) -> bool {
    let Some(commands) = issued.get(from as usize..to as usize) else {
        return false;
    };
    for skipped in 0..=commands.len() {
        let mut end = *hash;
        for (index, command) in commands.iter().enumerate().skip(skipped) {
            end = chain(&end, from + index as u64 + 1, &command.body);
        }
        if end == *wanted {
            return true;
        }
        let next_is_soft = commands
            .get(skipped)
            .is_some_and(|command| command.class == CommandClass::Soft);
        if missing == Missing::Nothing || !next_is_soft {
            return false;
        }
    }
    false
}

/// All that applying commands after `from` to `hash` may give; leading soft ones may be missing.
fn ends(hash: &Hash, issued: &[Issued], from: u64, missing: Missing) -> BTreeSet<Hash> {
    let commands = issued.get(from as usize..).unwrap_or_default();
    let durable = commands
        .iter()
        .position(|command| command.class == CommandClass::Durable);
    let skipped_max = match missing {
        Missing::Nothing => 0,
        Missing::Soft => durable.unwrap_or(commands.len()),
    };
    let mut found = BTreeSet::from([*hash]);
    for skipped in 0..=skipped_max {
        let mut end = *hash;
        for (index, command) in commands.iter().enumerate().skip(skipped) {
            end = chain(&end, from + index as u64 + 1, &command.body);
            found.insert(end);
        }
    }
    found
}

/// Whether `after` follows `before`. `issued` gives what a login of the user has sent.
pub(super) fn follows<'a>(
    before: &PlayerRow,
    after: &PlayerRow,
    issued: impl Fn(SessionGeneration) -> &'a [Issued],
    missing: Missing,
) -> bool {
    let (old, new) = (&before.body, &after.body);
    let (old_login, new_login) = (old.binding.session_generation, new.binding.session_generation);
    let (had, has) = (old.last_command.0, new.last_command.0);
    if old_login == new_login {
        return has >= had
            && leads(
                &old.chain_hash,
                issued(new_login),
                had,
                has,
                &new.chain_hash,
                missing,
            );
    }
    // The old login, and those between it and the new one, may have had more commands applied than any save has shown.
    let mut reached = ends(&old.chain_hash, issued(old_login), had, missing);
    for login in old_login.0 + 1..new_login.0 {
        let commands = issued(SessionGeneration(login));
        reached = reached
            .iter()
            .flat_map(|hash| ends(hash, commands, 0, missing))
            .collect();
    }
    reached
        .iter()
        .any(|hash| leads(hash, issued(new_login), 0, has, &new.chain_hash, missing))
}
