//! Writing a topology as a file again, with free ports filled in: what a local cluster does before it signs its bundle.

use std::fmt::Write;

use super::{Address, Host, Topology};

/// Which listener needs ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// One TCP port.
    Tcp,
    /// This many consecutive UDP ports.
    Udp(u16),
}

impl Topology {
    /// Puts a port in place of each 0; `pick` names the first port that is free for the use at the host.
    #[must_use]
    pub fn with_ports(mut self, pick: &mut dyn FnMut(&Host, PortUse) -> u16) -> Self {
        let mut fill = |address: &mut Address, wanted: PortUse| {
            if address.port == 0 {
                address.port = pick(&address.host, wanted);
            }
        };
        for server in &mut self.servers {
            fill(&mut server.peer, PortUse::Tcp);
            fill(&mut server.proxy, PortUse::Tcp);
        }
        for proxy in &mut self.proxies {
            fill(&mut proxy.tcp, PortUse::Tcp);
            fill(&mut proxy.udp, PortUse::Udp(proxy.shards));
            fill(&mut proxy.http, PortUse::Tcp);
            if let Some(webtransport) = &mut proxy.webtransport {
                fill(webtransport, PortUse::Udp(1));
            }
        }
        for auth in &mut self.auths {
            fill(&mut auth.proxy, PortUse::Tcp);
        }
        self
    }

    /// Whether a port is 0, which only a local cluster can fill in.
    #[must_use]
    pub fn has_free_ports(&self) -> bool {
        let servers = self.servers.iter().flat_map(|one| [&one.peer, &one.proxy]);
        let proxies = self.proxies.iter().flat_map(|one| {
            [&one.tcp, &one.udp, &one.http]
                .into_iter()
                .chain(&one.webtransport)
        });
        let auths = self.auths.iter().map(|one| &one.proxy);
        let mut all = servers.chain(proxies).chain(auths);
        all.any(|address| address.port == 0)
    }

    /// The topology as a file that parses to the same topology.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = self.world_toml();
        for server in &self.servers {
            let (name, number) = (&server.name, server.number);
            put(
                &mut text,
                format_args!("\n[[server]]\nname = \"{name}\"\nnumber = {number}\n"),
            );
            put(
                &mut text,
                format_args!("peer = \"{}\"\nproxy = \"{}\"\n", server.peer, server.proxy),
            );
        }
        for proxy in &self.proxies {
            let (name, number) = (&proxy.name, proxy.number);
            put(
                &mut text,
                format_args!("\n[[proxy]]\nname = \"{name}\"\nnumber = {number}\n"),
            );
            put(
                &mut text,
                format_args!("tcp = \"{}\"\nudp = \"{}\"\n", proxy.tcp, proxy.udp),
            );
            put(
                &mut text,
                format_args!("http = \"{}\"\nshards = {}\n", proxy.http, proxy.shards),
            );
            if let Some(webtransport) = &proxy.webtransport {
                put(&mut text, format_args!("webtransport = \"{webtransport}\"\n"));
            }
            if let Some(url) = &proxy.url {
                put(&mut text, format_args!("url = \"{url}\"\n"));
            }
            if let Some(door) = &proxy.door {
                put(&mut text, format_args!("door = \"{door}\"\n"));
            }
        }
        for auth in &self.auths {
            let (name, number, proxy) = (&auth.name, auth.number, &auth.proxy);
            put(
                &mut text,
                format_args!("\n[[auth]]\nname = \"{name}\"\nnumber = {number}\nproxy = \"{proxy}\"\n"),
            );
        }
        self.put_regions(&mut text);
        text
    }

    fn put_regions(&self, text: &mut String) {
        let name = |number| self.server(number).map_or("", |server| server.name.as_str());
        if let Some([columns, rows]) = self.grid {
            let servers: Vec<_> = self.regions.iter().map(|region| name(region.server)).collect();
            return put(
                text,
                format_args!("\n[grid]\ncolumns = {columns}\nrows = {rows}\nservers = {servers:?}\n"),
            );
        }
        for region in &self.regions {
            let standbys: Vec<_> = region.standbys.iter().map(|&number| name(number)).collect();
            put(
                text,
                format_args!(
                    "\n[[region]]\nname = \"{}\"\nnumber = {}\n",
                    region.name, region.number
                ),
            );
            put(
                text,
                format_args!("min = {:?}\nmax = {:?}\n", region.rect.min, region.rect.max),
            );
            put(
                text,
                format_args!("server = \"{}\"\nstandby = {standbys:?}\n", name(region.server)),
            );
        }
    }

    fn world_toml(&self) -> String {
        let world = &self.world;
        let far_rings = match world.far_rings {
            0 => String::new(),
            rings => format!("far_rings = {rings}\n"),
        };
        format!(
            "[world]\nname = \"{}\"\nsize = {:?}\ncell_size = {}\nview_rings = {}\n{far_rings}border_cells = {}\n\
             tick_hz = {}\nhandover_margin = {:?}\n",
            world.name,
            world.size,
            world.cell_size,
            world.view_rings,
            world.border_cells,
            world.tick_hz,
            world.handover_margin
        )
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(line);
}
