//! Questions to a topology: who owns this place, who borders whom, who may serve what.

use std::collections::BTreeSet;

use protocol::geometry::{CellIndex, Position};
use protocol::ids::{NodeNumber, RegionNumber};

use super::table::{common, widened};
use super::{Auth, Proxy, Region, Server, Topology};

impl Topology {
    /// The region under a position; positions outside the world, and nonsense, count to the nearest cell.
    #[must_use]
    pub fn region_at(&self, at: Position) -> &Region {
        let cell = self.table.grid().cell_at(at);
        &self.regions[self.table.region_index(cell).unwrap_or(0)]
    }

    /// The region that a cell of whichever layer belongs to; `None` for a cell outside the world. One look into a table.
    #[must_use]
    pub fn region_of_cell(&self, cell: CellIndex) -> Option<RegionNumber> {
        let grid = self.table.grid();
        grid.layer(cell)?;
        self.table
            .region_index(grid.ground(cell))
            .map(|index| self.regions[index].number)
    }

    /// Where lies what somebody leaves behind who stood in this cell, and in which region: in its middle; of a cell that the map does
    /// not have, in the middle of the world.
    #[must_use]
    pub fn resting_place(&self, cell: CellIndex) -> (RegionNumber, Position) {
        let (world, grid) = (self.world(), self.world().grid());
        let at = if grid.holds(cell) {
            let (origin, half) = (grid.origin(cell), grid.cell_size as f32 / 2.0);
            Position {
                x: origin.x + half,
                y: origin.y + half,
            }
        } else {
            let [width, height] = world.size.map(|size| size as f32);
            Position {
                x: width / 2.0,
                y: height / 2.0,
            }
        };
        (self.region_at(at).number, at)
    }

    /// The region of this number.
    #[must_use]
    pub fn region(&self, number: RegionNumber) -> Option<&Region> {
        self.region_index(number).map(|index| &self.regions[index])
    }

    /// The server of this number.
    #[must_use]
    pub fn server(&self, number: NodeNumber) -> Option<&Server> {
        self.servers.iter().find(|server| server.number == number)
    }

    /// The server of this name.
    #[must_use]
    pub fn server_by_name(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The proxy of this number.
    #[must_use]
    pub fn proxy(&self, number: NodeNumber) -> Option<&Proxy> {
        self.proxies.iter().find(|proxy| proxy.number == number)
    }

    /// The proxy of this name.
    #[must_use]
    pub fn proxy_by_name(&self, name: &str) -> Option<&Proxy> {
        self.proxies.iter().find(|proxy| proxy.name == name)
    }

    /// The auth node of this number.
    #[must_use]
    pub fn auth(&self, number: NodeNumber) -> Option<&Auth> {
        self.auths.iter().find(|auth| auth.number == number)
    }

    /// The auth node of this name.
    #[must_use]
    pub fn auth_by_name(&self, name: &str) -> Option<&Auth> {
        self.auths.iter().find(|auth| auth.name == name)
    }

    /// What the node of this number is called.
    #[must_use]
    pub fn name_of_node(&self, number: NodeNumber) -> Option<&str> {
        let server = self.server(number).map(|server| &server.name);
        let proxy = || self.proxy(number).map(|proxy| &proxy.name);
        let auth = || self.auth(number).map(|auth| &auth.name);
        server.or_else(proxy).or_else(auth).map(String::as_str)
    }

    /// Numbers of the regions that touch this one, also at a corner, or that lie within its border strip; ascending.
    #[must_use]
    pub fn neighbours(&self, region: RegionNumber) -> &[RegionNumber] {
        self.region_index(region)
            .map_or(&[], |index| self.table.neighbours(index))
    }

    /// The cells of `neighbour` that `of` must subscribe to: those within `border_cells` rings of it, row by row.
    #[must_use]
    pub fn border_strip(&self, of: RegionNumber, neighbour: RegionNumber) -> Vec<CellIndex> {
        let (Some(of), Some(neighbour)) = (self.region(of), self.region(neighbour)) else {
            return Vec::new();
        };
        if of.number == neighbour.number {
            return Vec::new();
        }
        common(widened(&self.world, of.rect), neighbour.rect)
            .map(|strip| self.table.grid().within(strip).collect())
            .unwrap_or_default()
    }

    /// The regions whose primary is this server.
    pub fn regions_of(&self, server: NodeNumber) -> impl Iterator<Item = &Region> {
        self.regions.iter().filter(move |region| region.server == server)
    }

    /// All regions, each with its candidates: first who is to serve it, then the standbys in order.
    pub fn candidates(&self) -> impl Iterator<Item = (RegionNumber, Vec<NodeNumber>)> {
        let regions = self.regions().iter();
        regions.map(|region| (region.number, region.candidates().collect()))
    }

    /// Whether the topology lists the node as primary or standby of the region.
    #[must_use]
    pub fn may_serve(&self, node: NodeNumber, region: RegionNumber) -> bool {
        self.region(region)
            .is_some_and(|region| region.may_be_served_by(node))
    }

    /// The servers that may come to serve a region bordering one that `server` may serve, ascending, without itself.
    #[must_use]
    pub fn peers_of(&self, server: NodeNumber) -> Vec<NodeNumber> {
        let mine = self
            .regions
            .iter()
            .filter(|region| region.may_be_served_by(server));
        let peers: BTreeSet<_> = mine
            .flat_map(|region| self.neighbours(region.number))
            .filter_map(|&number| self.region(number))
            .flat_map(Region::candidates)
            .filter(|&node| node != server)
            .collect();
        peers.into_iter().collect()
    }

    fn region_index(&self, number: RegionNumber) -> Option<usize> {
        self.table.index_of(number)
    }
}
