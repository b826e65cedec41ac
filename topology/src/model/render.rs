//! A topology as a picture: regions in the colours of their servers, with names, shares of the world, borders and standbys.
//! SVG of our own, without scripts or fonts from elsewhere, so that it opens everywhere and two pictures can be compared.

use std::fmt::Write;

use protocol::geometry::Rect;
use protocol::ids::NodeNumber;

use super::table::{common, widened};
use super::{Region, Topology};

/// The longer edge of the world, pixels.
const WORLD_PX: f64 = 900.0;
/// Around and between the parts of the picture, pixels.
const MARGIN_PX: f64 = 24.0;
/// Height of the title, pixels.
const TITLE_PX: f64 = 64.0;
/// Width of the list of servers, pixels.
const LEGEND_PX: f64 = 330.0;
/// Height of a line in that list, pixels.
const LINE_PX: f64 = 44.0;
/// Largest and smallest letters of a region's name, pixels; a region too small for those has its name in its tooltip only.
const LETTERS_PX: [f64; 2] = [7.0, 20.0];
/// Width of a letter in parts of its height: no letter of a sans-serif bold name is wider on average.
const LETTER_WIDTH: f64 = 0.62;
/// From one server's hue to the next: the golden angle, which never comes near an earlier one soon.
const HUE_STEP: f64 = 137.508;

impl Topology {
    /// The share of the world that lies in the regions of a server: its load, when players are spread evenly.
    #[must_use]
    pub fn share_of(&self, server: NodeNumber) -> f64 {
        self.regions_of(server).map(|region| self.share(region)).sum()
    }

    /// The share of the world that lies in a region.
    pub(super) fn share(&self, region: &Region) -> f64 {
        let area = |[width, height]: [u32; 2]| f64::from(width) * f64::from(height);
        area(extent(region.rect)) / area(self.world().size)
    }

    /// The picture, as an SVG document.
    #[must_use]
    pub fn to_svg(&self) -> String {
        Picture::new(self).draw()
    }
}

struct Picture<'a> {
    topology: &'a Topology,
    /// Pixels of a unit.
    scale: f64,
    svg: String,
}

impl<'a> Picture<'a> {
    fn new(topology: &'a Topology) -> Self {
        let [width, height] = topology.world().size.map(f64::from);
        Self {
            topology,
            scale: WORLD_PX / width.max(height).max(1.0),
            svg: String::new(),
        }
    }

    fn draw(mut self) -> String {
        let topology = self.topology;
        let [width, height] = topology.world().size.map(|edge| f64::from(edge) * self.scale);
        let lines = topology.servers().len() as f64 * LINE_PX + 2.0 * LINE_PX;
        let whole = [
            3.0 * MARGIN_PX + width + LEGEND_PX,
            TITLE_PX + 2.0 * MARGIN_PX + height.max(lines),
        ];
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" \
             font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            whole[0], whole[1]
        ));
        self.title();
        self.put(format_args!(
            "<g transform=\"translate({MARGIN_PX} {TITLE_PX})\">\n"
        ));
        for region in topology.regions() {
            self.ground(region);
        }
        self.borders();
        for region in topology.regions() {
            self.labels(region);
        }
        self.put(format_args!(
            "<rect width=\"{width:.1}\" height=\"{height:.1}\" fill=\"none\" stroke=\"#222222\" stroke-width=\"2\"/>\n</g>\n"
        ));
        self.legend(2.0 * MARGIN_PX + width);
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn title(&mut self) {
        let world = self.topology.world();
        let (cells, regions) = (world.grid(), self.topology.regions().len());
        self.put(format_args!(
            "<text x=\"{MARGIN_PX}\" y=\"34\" font-size=\"22\" font-weight=\"bold\" fill=\"#222222\">{}</text>\n",
            world.name
        ));
        self.put(format_args!(
            "<text x=\"{MARGIN_PX}\" y=\"53\" font-size=\"13\" fill=\"#555555\">{} × {} units in {} × {} cells of {}, {regions} regions, {} servers, {} proxies</text>\n",
            world.size[0],
            world.size[1],
            cells.columns,
            cells.rows,
            world.cell_size,
            self.topology.servers().len(),
            self.topology.proxies().len(),
        ));
    }

    fn ground(&mut self, region: &Region) {
        let ([x, y], [width, height]) = self.place(region.rect);
        let (colour, name) = (self.colour(region.server), &region.name);
        let told = self.told(region);
        self.put(format_args!(
            "<rect id=\"region-{name}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\" \
             stroke=\"#ffffff\" stroke-width=\"1.5\"><title>{told}</title></rect>\n"
        ));
    }

    /// The strips that one server shows another: darker where more of them watch.
    fn borders(&mut self) {
        let topology = self.topology;
        for region in topology.regions() {
            for neighbour in topology.neighbours(region.number) {
                let Some(neighbour) = topology.region(*neighbour) else {
                    continue;
                };
                let shown = common(widened(topology.world(), neighbour.rect), region.rect);
                let Some(shown) = shown.filter(|_| neighbour.server != region.server) else {
                    continue;
                };
                let ([x, y], [width, height]) = self.place(shown);
                self.put(format_args!(
                    "<rect class=\"border\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#000000\" fill-opacity=\"0.13\"/>\n"
                ));
            }
        }
        for (place, one) in topology.regions().iter().enumerate() {
            for other in topology.regions().iter().skip(place + 1) {
                if one.server != other.server {
                    self.line_between(one, other);
                }
            }
        }
    }

    /// Where two regions of different servers meet.
    fn line_between(&mut self, one: &Region, other: &Region) {
        for axis in [0, 1] {
            let (near, far) = match one.rect.max[axis] == other.rect.min[axis] {
                true => (one, other),
                false => (other, one),
            };
            let across = 1 - axis;
            let from = near.rect.min[across].max(far.rect.min[across]);
            let to = near.rect.max[across].min(far.rect.max[across]);
            if near.rect.max[axis] != far.rect.min[axis] || from >= to {
                continue;
            }
            let mut ends = [[near.rect.max[axis]; 2]; 2];
            (ends[0][across], ends[1][across]) = (from, to);
            let [[x1, y1], [x2, y2]] = ends.map(|end| end.map(|units| f64::from(units) * self.scale));
            self.put(format_args!(
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#222222\" stroke-width=\"2\"/>\n"
            ));
        }
    }

    fn labels(&mut self, region: &Region) {
        let ([x, y], [width, height]) = self.place(region.rect);
        let share = percent(self.topology.share(region));
        let below = format!("{} · {share}", self.name(region.server));
        let longest = region.name.len().max(below.chars().count()) as f64;
        let letters = (width * 0.9 / (longest * LETTER_WIDTH))
            .min(height / 3.2)
            .min(LETTERS_PX[1]);
        if letters < LETTERS_PX[0] {
            return;
        }
        let (middle, line) = (x + width / 2.0, y + height / 2.0);
        self.put(format_args!(
            "<text x=\"{middle:.1}\" y=\"{line:.1}\" font-size=\"{letters:.1}\" font-weight=\"bold\" text-anchor=\"middle\" fill=\"#111111\">{}</text>\n",
            region.name
        ));
        self.put(format_args!(
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"{:.1}\" text-anchor=\"middle\" fill=\"#333333\">{below}</text>\n",
            line + letters * 1.1,
            letters * 0.8
        ));
        let (dot, from) = (letters * 0.42, [x + letters * 0.9, y + height - letters * 0.9]);
        for (place, standby) in region.standbys.iter().enumerate() {
            let across = from[0] + place as f64 * dot * 2.6;
            let (colour, name) = (self.colour(*standby), self.name(*standby));
            self.put(format_args!(
                "<circle class=\"standby\" cx=\"{across:.1}\" cy=\"{:.1}\" r=\"{dot:.1}\" fill=\"{colour}\" stroke=\"#222222\"><title>standby {name}</title></circle>\n",
                from[1]
            ));
        }
    }

    fn legend(&mut self, left: f64) {
        let topology = self.topology;
        let mut line = TITLE_PX + 16.0;
        for server in topology.servers() {
            let number = server.number;
            let standby = |region: &&Region| region.standbys.contains(&number);
            let (own, others) = (
                topology.regions_of(number).count(),
                topology.regions().iter().filter(standby).count(),
            );
            let (colour, share) = (self.colour(number), percent(topology.share_of(number)));
            self.put(format_args!(
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"18\" height=\"18\" fill=\"{colour}\" stroke=\"#222222\"/>\n",
                line - 14.0
            ));
            self.put(format_args!(
                "<text x=\"{:.1}\" y=\"{line:.1}\" font-size=\"15\" font-weight=\"bold\" fill=\"#111111\">{}</text>\n",
                left + 28.0,
                server.name
            ));
            let noun = if own == 1 { "region" } else { "regions" };
            let on_standby = match others {
                0 => String::new(),
                others => format!(", standby of {others}"),
            };
            self.put(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"13\" fill=\"#444444\">{share} of the world, {own} {noun}{on_standby}</text>\n",
                left + 28.0,
                line + 17.0
            ));
            line += LINE_PX;
        }
        for told in [
            "dark strips: what servers show each other",
            "dots: standbys, the first one left",
        ] {
            self.put(format_args!(
                "<text x=\"{left:.1}\" y=\"{line:.1}\" font-size=\"12\" fill=\"#777777\">{told}</text>\n"
            ));
            line += 18.0;
        }
    }

    fn told(&self, region: &Region) -> String {
        let standbys: Vec<_> = region.standbys.iter().map(|number| self.name(*number)).collect();
        let standbys = match standbys.is_empty() {
            true => String::new(),
            false => format!(", standby {}", standbys.join(", ")),
        };
        format!(
            "{} (number {}): {:?} to {:?}, server {}{standbys}, {} of the world",
            region.name,
            region.number,
            region.rect.min,
            region.rect.max,
            self.name(region.server),
            percent(self.topology.share(region))
        )
    }

    fn name(&self, server: NodeNumber) -> &'a str {
        self.topology
            .server(server)
            .map_or("", |server| server.name.as_str())
    }

    /// Corner and extent, pixels.
    fn place(&self, rect: Rect) -> ([f64; 2], [f64; 2]) {
        let pixels = |units: u32| f64::from(units) * self.scale;
        (rect.min.map(pixels), extent(rect).map(pixels))
    }

    /// The colour of a server, by its place in the file.
    fn colour(&self, server: NodeNumber) -> String {
        let place = self
            .topology
            .servers()
            .iter()
            .position(|one| one.number == server);
        let place = place.unwrap_or_default();
        // Neighbours in the list also differ in how light they are.
        let lightness = [0.72, 0.62, 0.80].get(place % 3).copied().unwrap_or(0.72);
        hex((210.0 + place as f64 * HUE_STEP) % 360.0, 0.55, lightness)
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.svg.write_fmt(text);
    }
}

fn extent(rect: Rect) -> [u32; 2] {
    [0, 1].map(|axis| rect.max[axis].saturating_sub(rect.min[axis]))
}

pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.1 => "less than 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// Hue in degrees, saturation and lightness from 0 to 1, as programs that draw SVG all know colours.
fn hex(hue: f64, saturation: f64, lightness: f64) -> String {
    let chroma = saturation * lightness.min(1.0 - lightness);
    let channel = |from: f64| {
        let at = (from + hue / 30.0) % 12.0;
        let value = lightness - chroma * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0.0), channel(8.0), channel(4.0))
}
