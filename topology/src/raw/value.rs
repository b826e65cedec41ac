//! One TOML value as the type its key takes, or the mistake that it is another.

use toml::Spanned;
use toml::de::DeValue;

use super::kind;
use crate::Code;
use crate::diagnostic::{At, Diagnostic};

/// One value and its key.
#[derive(Clone, Copy)]
pub(super) struct Node<'a, 'text> {
    pub(super) name: &'static str,
    pub(super) value: &'a Spanned<DeValue<'text>>,
}

impl Node<'_, '_> {
    fn quoted(self) -> String {
        format!("`{}`", self.name)
    }
}

/// A text.
pub(super) fn string(node: Node<'_, '_>) -> Result<String, Diagnostic> {
    let text = node.value.get_ref().as_str();
    text.map(str::to_owned)
        .ok_or_else(|| wrong(&node.quoted(), "text in quotes", node.value))
}

/// A list of texts, each with its place.
pub(super) fn strings(node: Node<'_, '_>) -> Result<Vec<At<String>>, Diagnostic> {
    let array = node.value.get_ref().as_array();
    let array = array.ok_or_else(|| wrong(&node.quoted(), "a list of names", node.value))?;
    let read = |value| {
        let node = Node {
            name: node.name,
            value,
        };
        string(node).map(|text| At::new(text, value.span()))
    };
    array.iter().map(read).collect()
}

/// A whole number.
pub(super) fn integer(node: Node<'_, '_>) -> Result<u32, Diagnostic> {
    let integer = node.value.get_ref().as_integer();
    let integer = integer.ok_or_else(|| wrong(&node.quoted(), "a whole number", node.value))?;
    u32::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
        Diagnostic::new(
            Code::OutOfRange,
            format!("{} must be 0 to {}", node.quoted(), u32::MAX),
        )
        .at(&node.value.span(), "out of range")
        .help("write a whole number in this range")
    })
}

/// Two whole numbers.
pub(super) fn pair(node: Node<'_, '_>) -> Result<[u32; 2], Diagnostic> {
    let array = node.value.get_ref().as_array();
    let [x, y] = array.map_or(&[][..], |array| array.as_ref()) else {
        return Err(wrong(
            &node.quoted(),
            "a pair of whole numbers, [a, b]",
            node.value,
        ));
    };
    let read = |value| {
        integer(Node {
            name: node.name,
            value,
        })
    };
    Ok([read(x)?, read(y)?])
}

/// A number, with or without a fraction.
pub(super) fn float(node: Node<'_, '_>) -> Result<f64, Diagnostic> {
    let text = match node.value.get_ref() {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        _ => return Err(wrong(&node.quoted(), "a number", node.value)),
    };
    text.parse()
        .map_err(|_| wrong(&node.quoted(), "a number", node.value))
}

/// The mistake of a value that is of another type.
pub(super) fn wrong(what: &str, wanted: &str, value: &Spanned<DeValue<'_>>) -> Diagnostic {
    let found = kind(value.get_ref());
    Diagnostic::new(Code::WrongType, format!("{what} must be {wanted}, not {found}"))
        .at(&value.span(), format!("this is {found}"))
        .help(format!("write {wanted}"))
}
