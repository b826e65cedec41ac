//! How often the rules came into play that say what becomes of what finds no room.

use std::ops::AddAssign;

/// Counts of each rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    /// What regions tell subscribers who cannot take everything.
    pub regions: gameserver::region::Overflow,
    /// Pieces of messages that were too long for their link, as proxies heard them.
    pub fragments: u64,
    /// Links that ended because what must arrive found no room.
    pub full_links: u64,
    /// Messages to devices that the next ones say better, dropped.
    pub soft_dropped: u64,
    /// Devices that were sent away because they read too slowly.
    pub slow_devices: u64,
}

impl Overflow {
    /// All of them, by name.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let others = [
            ("fragments", self.fragments),
            ("full links", self.full_links),
            ("soft dropped", self.soft_dropped),
            ("slow devices", self.slow_devices),
        ];
        self.regions.by_name().into_iter().chain(others)
    }
}

impl AddAssign for Overflow {
    fn add_assign(&mut self, other: Self) {
        self.regions += other.regions;
        self.fragments += other.fragments;
        self.full_links += other.full_links;
        self.soft_dropped += other.soft_dropped;
        self.slow_devices += other.slow_devices;
    }
}
