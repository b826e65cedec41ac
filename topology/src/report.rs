//! From text to a topology or to a report that names every mistake at once, as a compiler would.
//! `check` is the whole of `regionmesh topology check` but for reading the file and printing.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::limits::MISTAKES_SHOWN_MAX;
use crate::{Code, Diagnostic, Topology, raw, validate};

/// Whether a report may contain terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For logs and files.
    Plain,
    /// For terminals.
    Ansi,
}

/// Every mistake of one topology file, in the order of the file. Displays as the plain report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.render(Colour::Plain))]
pub struct Mistakes {
    file_name: String,
    text: String,
    diagnostics: Vec<Diagnostic>,
}

impl Mistakes {
    /// The mistakes, in the order of the file.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Name of the file, as it was given.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The report: each mistake with code, file, line, column, the lines concerned and what to do; then their number.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Plain => Renderer::plain(),
            Colour::Ansi => Renderer::styled(),
        };
        let mut report = String::new();
        for diagnostic in self.diagnostics.iter().take(MISTAKES_SHOWN_MAX) {
            report.push_str(&renderer.render(&[self.group(diagnostic)]));
            report.push_str("\n\n");
        }
        let hidden = self.diagnostics.len().saturating_sub(MISTAKES_SHOWN_MAX);
        if hidden > 0 {
            report.push_str(&format!("… and {hidden} more\n\n"));
        }
        let noun = if self.diagnostics.len() == 1 {
            "mistake"
        } else {
            "mistakes"
        };
        report.push_str(&format!(
            "{}: {} {noun}\n",
            self.file_name,
            self.diagnostics.len()
        ));
        report
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let title = Level::ERROR
            .primary_title(&diagnostic.message)
            .id(diagnostic.code.to_string());
        let annotations = diagnostic.labels.iter().enumerate().map(|(index, label)| {
            let kind = if index == 0 {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            kind.span(label.span.clone()).label(&label.text)
        });
        title
            .element(
                Snippet::source(&self.text)
                    .path(&self.file_name)
                    .annotations(annotations),
            )
            .element(Level::HELP.message(&diagnostic.help))
    }
}

/// The renderer escapes the control characters of ASCII. Those above act on terminals too: each becomes another letter of
/// as many bytes, so that the places of mistakes stay what they are.
fn shown(letter: char) -> char {
    match letter {
        '\u{80}'..='\u{9f}' => '\u{b7}',
        letter => letter,
    }
}

fn harmless(diagnostic: &mut Diagnostic) {
    let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
    for text in labels.chain([&mut diagnostic.message, &mut diagnostic.help]) {
        *text = text.chars().map(shown).collect();
    }
}

/// Parses and checks a topology file.
///
/// # Errors
/// Every mistake in it at once.
pub fn parse(file_name: &str, text: &str) -> Result<Topology, Mistakes> {
    let mut diagnostics = Vec::new();
    let topology = raw::read(text, &mut diagnostics).and_then(|raw| validate::check(&raw, &mut diagnostics));
    match topology {
        Some(topology) if diagnostics.is_empty() => Ok(topology),
        _ => {
            diagnostics.iter_mut().for_each(harmless);
            diagnostics.sort_by_key(|diagnostic| (diagnostic.start(), diagnostic.code));
            diagnostics
                .iter_mut()
                .for_each(|diagnostic| diagnostic.locate(text));
            Err(Mistakes {
                file_name: file_name.to_owned(),
                text: text.chars().map(shown).collect(),
                diagnostics,
            })
        }
    }
}

/// Parses and checks a topology file.
///
/// # Errors
/// The plain report.
pub fn check_report(file_name: &str, text: &str) -> Result<Topology, String> {
    parse(file_name, text).map_err(|mistakes| mistakes.render(Colour::Plain))
}

/// What `regionmesh topology check FILE` prints, and the code it exits with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// For stdout when the file is good, for stderr when it is not; ends with a newline.
    pub report: String,
    /// 0 for a good file, 2 for one with mistakes.
    pub exit_code: u8,
}

/// Checks a topology file for an operator.
#[must_use]
pub fn check(file_name: &str, text: &str, colour: Colour) -> Checked {
    match parse(file_name, text) {
        Ok(topology) => Checked {
            report: summary(file_name, &topology),
            exit_code: 0,
        },
        Err(mistakes) => Checked {
            report: mistakes.render(colour),
            exit_code: 2,
        },
    }
}

/// What is behind a code such as `RM0028`: why it is refused and what to do; `None` for a code that does not exist.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    let code = Code::parse(code)?;
    Some(format!(
        "{code}, {}.\n{}\n\nWhat to do: {}",
        code.title(),
        code.why(),
        code.remedy()
    ))
}

fn summary(file_name: &str, topology: &Topology) -> String {
    let world = topology.world();
    let mut report = format!(
        "{file_name}: ok: world {:?}, {} × {} units, {} cells, {} regions, {} servers, {} proxies\n",
        world.name,
        world.size[0],
        world.size[1],
        world.grid().len(),
        topology.regions().len(),
        topology.servers().len(),
        topology.proxies().len(),
    );
    for auth in topology.auths() {
        report.push_str(&format!("  {}: auth node, dialed by every proxy\n", auth.name));
    }
    for server in topology.servers() {
        let regions: Vec<_> = topology
            .regions_of(server.number)
            .map(|region| region.name.as_str())
            .collect();
        let peers: Vec<_> = topology
            .peers_of(server.number)
            .into_iter()
            .filter_map(|peer| topology.server(peer))
            .map(|peer| peer.name.as_str())
            .collect();
        report.push_str(&format!(
            "  {}: regions [{}], peers [{}]\n",
            server.name,
            regions.join(", "),
            peers.join(", ")
        ));
    }
    report
}
