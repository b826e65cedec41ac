//! The file as written: every value with its place, nothing checked beyond its type.
//! What could not be read is `None`, and its mistake is already noted, so that checks go on with the rest.

mod keys;
mod table;
mod text;
mod value;

use toml::de::{DeTable, DeValue};

use crate::Code;
use crate::diagnostic::{At, Diagnostic};
use crate::limits::FILE_BYTES_MAX;

pub use keys::{ALL as ALL_KEYS, Key, Takes};
pub(crate) use keys::{FILE as FILE_KEYS, OPTIONAL as OPTIONAL_KEYS};
use table::TableReader;
pub use text::{TextMistake, text_mistake};

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct RawTopology {
    pub(crate) world: RawWorld,
    pub(crate) servers: Vec<RawServer>,
    pub(crate) proxies: Vec<RawProxy>,
    pub(crate) auths: Vec<RawAuth>,
    pub(crate) regions: Vec<RawRegion>,
    pub(crate) grid: Option<RawGrid>,
}

/// `[world]`
#[derive(Debug, Default)]
pub(crate) struct RawWorld {
    pub(crate) name: Option<At<String>>,
    pub(crate) size: Option<At<[u32; 2]>>,
    pub(crate) cell_size: Option<At<u32>>,
    pub(crate) view_rings: Option<At<u32>>,
    pub(crate) far_rings: Option<At<u32>>,
    pub(crate) border_cells: Option<At<u32>>,
    pub(crate) tick_hz: Option<At<u32>>,
    pub(crate) handover_margin: Option<At<f64>>,
}

/// `[[server]]`
#[derive(Debug)]
pub(crate) struct RawServer {
    pub(crate) name: Option<At<String>>,
    pub(crate) number: Option<At<u32>>,
    pub(crate) peer: Option<At<String>>,
    pub(crate) proxy: Option<At<String>>,
}

/// `[[proxy]]`
#[derive(Debug)]
pub(crate) struct RawProxy {
    pub(crate) name: Option<At<String>>,
    pub(crate) number: Option<At<u32>>,
    pub(crate) tcp: Option<At<String>>,
    pub(crate) udp: Option<At<String>>,
    pub(crate) http: Option<At<String>>,
    pub(crate) webtransport: Option<At<String>>,
    pub(crate) url: Option<At<String>>,
    pub(crate) door: Option<At<String>>,
    pub(crate) shards: Option<At<u32>>,
}

/// `[[auth]]`
#[derive(Debug)]
pub(crate) struct RawAuth {
    pub(crate) name: Option<At<String>>,
    pub(crate) number: Option<At<u32>>,
    pub(crate) proxy: Option<At<String>>,
}

/// `[[region]]`
#[derive(Clone, Debug)]
pub(crate) struct RawRegion {
    /// The table's header, for mistakes of the region as a whole.
    pub(crate) header: std::ops::Range<usize>,
    pub(crate) name: Option<At<String>>,
    pub(crate) number: Option<At<u32>>,
    pub(crate) min: Option<At<[u32; 2]>>,
    pub(crate) max: Option<At<[u32; 2]>>,
    pub(crate) server: Option<At<String>>,
    pub(crate) standby: Vec<At<String>>,
}

/// `[grid]`
#[derive(Debug)]
pub(crate) struct RawGrid {
    pub(crate) header: std::ops::Range<usize>,
    pub(crate) columns: Option<At<u32>>,
    pub(crate) rows: Option<At<u32>>,
    pub(crate) servers: Option<At<Vec<At<String>>>>,
}

/// Reads the file; `None` when it is not TOML, or too long to be looked at.
pub(crate) fn read(text: &str, mistakes: &mut Vec<Diagnostic>) -> Option<RawTopology> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!(
            "the file has {} bytes; at most {FILE_BYTES_MAX} fit a bundle",
            text.len()
        );
        mistakes.push(
            Diagnostic::new(Code::TooMany, message)
                .at(&(0..0), "")
                .help("divide the world by a [grid]"),
        );
        return None;
    }
    if let Some(mistake) = text_mistake(text) {
        mistakes.push(
            Diagnostic::new(Code::Syntax, mistake.message)
                .at(&mistake.span, "here")
                .help(mistake.help),
        );
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        mistakes.extend(errors.iter().map(syntax));
        return None;
    }
    let span = document.span();
    let mut reader = TableReader::new(document.get_ref(), span, "the file", keys::FILE, mistakes);
    Some(file(&mut reader))
}

fn syntax(error: &toml::de::Error) -> Diagnostic {
    Diagnostic::new(Code::Syntax, error.message())
        .at(&error.span().unwrap_or(0..0), "here")
        .help("nothing else is checked until the file is valid TOML")
}

fn file(reader: &mut TableReader<'_, '_>) -> RawTopology {
    let raw = RawTopology {
        world: reader
            .required_table("world", "[world]", keys::WORLD, world)
            .unwrap_or_default(),
        servers: reader.tables("server", "[[server]]", keys::SERVER, server),
        proxies: reader.tables("proxy", "[[proxy]]", keys::PROXY, proxy),
        auths: reader.tables("auth", "[[auth]]", keys::AUTH, auth),
        regions: reader.tables("region", "[[region]]", keys::REGION, region),
        grid: reader.table("grid", "[grid]", keys::GRID, grid),
    };
    reader.refuse_unknown();
    raw
}

fn world(reader: &mut TableReader<'_, '_>) -> RawWorld {
    RawWorld {
        name: reader.required("name", value::string),
        size: reader.required("size", value::pair),
        cell_size: reader.required("cell_size", value::integer),
        view_rings: reader.required("view_rings", value::integer),
        far_rings: reader.optional("far_rings", value::integer),
        border_cells: reader.required("border_cells", value::integer),
        tick_hz: reader.required("tick_hz", value::integer),
        handover_margin: reader.required("handover_margin", value::float),
    }
}

fn server(reader: &mut TableReader<'_, '_>) -> RawServer {
    RawServer {
        name: reader.required("name", value::string),
        number: reader.required("number", value::integer),
        peer: reader.required("peer", value::string),
        proxy: reader.required("proxy", value::string),
    }
}

fn proxy(reader: &mut TableReader<'_, '_>) -> RawProxy {
    RawProxy {
        name: reader.required("name", value::string),
        number: reader.required("number", value::integer),
        tcp: reader.required("tcp", value::string),
        udp: reader.required("udp", value::string),
        http: reader.required("http", value::string),
        webtransport: reader.optional("webtransport", value::string),
        url: reader.optional("url", value::string),
        door: reader.optional("door", value::string),
        shards: reader.optional("shards", value::integer),
    }
}

fn auth(reader: &mut TableReader<'_, '_>) -> RawAuth {
    RawAuth {
        name: reader.required("name", value::string),
        number: reader.required("number", value::integer),
        proxy: reader.required("proxy", value::string),
    }
}

fn region(reader: &mut TableReader<'_, '_>) -> RawRegion {
    RawRegion {
        header: reader.header(),
        name: reader.required("name", value::string),
        number: reader.required("number", value::integer),
        min: reader.required("min", value::pair),
        max: reader.required("max", value::pair),
        server: reader.required("server", value::string),
        standby: reader
            .optional("standby", value::strings)
            .map(|names| names.value)
            .unwrap_or_default(),
    }
}

fn grid(reader: &mut TableReader<'_, '_>) -> RawGrid {
    RawGrid {
        header: reader.header(),
        columns: reader.required("columns", value::integer),
        rows: reader.required("rows", value::integer),
        servers: reader.required("servers", value::strings),
    }
}

/// What a value is called in a message.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
