//! The topology file as a JSON Schema, for editors that complete and check while one writes. It says what a key takes by
//! itself; what hangs together, such as regions that cover the world, only the check says. Whatever the check accepts, it accepts.

use std::fmt::Write;

use crate::limits::NAME_CHARS_MAX;
use crate::raw::{FILE_KEYS, Key, OPTIONAL_KEYS, Takes};

/// The schema, JSON text.
#[must_use]
pub fn schema() -> String {
    let mut text = String::from(
        "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"title\": \"Regionmesh topology\",\n  \
         \"description\": \"who runs which part of the world\",\n  \"type\": \"object\",\n  \
         \"additionalProperties\": false,\n  \"required\": [\"world\", \"server\", \"proxy\"],\n  \"oneOf\": [\n    \
         {\"required\": [\"grid\"], \"properties\": {\"region\": {\"maxItems\": 0}}},\n    \
         {\"required\": [\"region\"], \"properties\": {\"region\": {\"minItems\": 1}}, \"not\": {\"required\": [\"grid\"]}}\n  ],\n",
    );
    put_properties(&mut text, FILE_KEYS, 1);
    text.push_str("\n}\n");
    text
}

fn put_properties(text: &mut String, keys: &[Key], depth: usize) {
    let indent = "  ".repeat(depth);
    put(text, format_args!("{indent}\"properties\": {{\n"));
    for (place, key) in keys.iter().enumerate() {
        let comma = if place == 0 { "" } else { ",\n" };
        put(text, format_args!("{comma}{indent}  {}: ", quoted(key.name)));
        put_key(text, key, depth + 1);
    }
    put(text, format_args!("\n{indent}}}"));
}

fn put_key(text: &mut String, key: &Key, depth: usize) {
    let what = quoted(key.what);
    put(text, format_args!("{{\"description\": {what}, "));
    match key.takes {
        Takes::Table(keys) => put_table(text, keys, depth),
        Takes::Tables(keys, most) => {
            let least = usize::from(!["auth", "region"].contains(&key.name));
            put(
                text,
                format_args!(
                    "\"type\": \"array\", \"minItems\": {least}, \"maxItems\": {most}, \"items\": {{"
                ),
            );
            put_table(text, keys, depth);
            text.push('}');
        }
        takes => text.push_str(&value(takes)),
    }
    text.push('}');
}

fn put_table(text: &mut String, keys: &[Key], depth: usize) {
    let required = keys.iter().filter(|key| !OPTIONAL_KEYS.contains(&key.name));
    let required: Vec<_> = required.map(|key| quoted(key.name)).collect();
    put(
        text,
        format_args!(
            "\"type\": \"object\", \"additionalProperties\": false, \"required\": [{}],\n",
            required.join(", ")
        ),
    );
    put_properties(text, keys, depth + 1);
}

fn value(takes: Takes) -> String {
    let name = format!("\"type\": \"string\", \"minLength\": 1, \"maxLength\": {NAME_CHARS_MAX}");
    let number =
        |least: u32, most: u32| format!("\"type\": \"integer\", \"minimum\": {least}, \"maximum\": {most}");
    match takes {
        Takes::Name => name,
        Takes::Address => "\"type\": \"string\", \"minLength\": 3".to_owned(),
        Takes::Url => "\"type\": \"string\", \"minLength\": 8".to_owned(),
        Takes::Number(least, most) => number(least, most),
        Takes::Fraction(most) => format!("\"type\": \"number\", \"minimum\": 0, \"maximum\": {most}"),
        Takes::Pair(least, most) => format!(
            "\"type\": \"array\", \"minItems\": 2, \"maxItems\": 2, \"items\": {{{}}}",
            number(least, most)
        ),
        Takes::Names(least, most) => {
            format!("\"type\": \"array\", \"minItems\": {least}, \"maxItems\": {most}, \"items\": {{{name}}}")
        }
        Takes::Table(_) | Takes::Tables(..) => String::new(),
    }
}

/// Our own words: nothing in them but quotes and backslashes needs more.
fn quoted(words: &str) -> String {
    format!("\"{}\"", words.replace('\\', "\\\\").replace('"', "\\\""))
}

fn put(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(part);
}
