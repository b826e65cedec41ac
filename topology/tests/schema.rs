//! The schema compared with the parser: whatever the parser accepts validates, and what neither may accept both refuse. The
//! examples are changed at each of their keys into each of many values; the validator knows the words that the schema uses,
//! and no others.

#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};
use topology::{ALL_KEYS, parse, schema};

const EXAMPLES: [&str; 4] = [
    include_str!("../../deploy/topologies/one.toml"),
    include_str!("../../deploy/topologies/two-by-two.toml"),
    include_str!("../../deploy/topologies/four-by-four.toml"),
    include_str!("../../deploy/topologies/irregular.toml"),
];

fn the_schema() -> Value {
    serde_json::from_str(&schema()).unwrap()
}

fn document(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

fn is_accepted(document: &Value) -> bool {
    toml::to_string(document).is_ok_and(|text| parse("changed.toml", &text).is_ok())
}

/// Why the value does not fit; of our words only.
fn refusal(schema: &Value, value: &Value) -> Option<String> {
    let rules = schema.as_object().unwrap();
    rules
        .iter()
        .find_map(|(word, rule)| breaks(rules, word, rule, value).then(|| format!("{word} {rule}: {value}")))
        .or_else(|| inner_refusal(schema, value))
}

fn breaks(rules: &serde_json::Map<String, Value>, word: &str, rule: &Value, value: &Value) -> bool {
    let has = |key: &Value| value.get(key.as_str().unwrap()).is_some();
    let size = |rule: &Value, outside: fn(u64, u64) -> bool, of: Option<usize>| {
        of.is_some_and(|size| outside(size as u64, rule.as_u64().unwrap()))
    };
    let items = value.as_array().map(Vec::len);
    let letters = value.as_str().map(|text| text.chars().count());
    match word {
        "$schema" | "title" | "description" | "properties" | "items" => false,
        "type" => !match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("type {other}"),
        },
        "additionalProperties" => {
            assert_eq!(rule, false);
            let known = rules.get("properties").unwrap();
            value
                .as_object()
                .is_some_and(|table| table.keys().any(|key| known.get(key).is_none()))
        }
        "required" => value.is_object() && !rule.as_array().unwrap().iter().all(has),
        "oneOf" => {
            rule.as_array()
                .unwrap()
                .iter()
                .filter(|one| refusal(one, value).is_none())
                .count()
                != 1
        }
        "not" => refusal(rule, value).is_none(),
        "minItems" => size(rule, |size, least| size < least, items),
        "maxItems" => size(rule, |size, most| size > most, items),
        "minLength" => size(rule, |size, least| size < least, letters),
        "maxLength" => size(rule, |size, most| size > most, letters),
        "minimum" => value
            .as_f64()
            .is_some_and(|number| number < rule.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_some_and(|number| number > rule.as_f64().unwrap()),
        other => panic!("the schema says {other}, which nobody here understands"),
    }
}

fn inner_refusal(schema: &Value, value: &Value) -> Option<String> {
    let of_table = schema
        .get("properties")
        .zip(value.as_object())
        .and_then(|(known, table)| {
            table
                .iter()
                .find_map(|(key, inner)| refusal(known.get(key)?, inner))
        });
    let of_list = schema.get("items").zip(value.as_array());
    of_table.or_else(|| of_list.and_then(|(rule, list)| list.iter().find_map(|inner| refusal(rule, inner))))
}

/// A path to each value of a document, tables and lists included.
fn places(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(table) => table.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, inner)| (at.to_string(), inner))
            .collect(),
        _ => Vec::new(),
    };
    for (key, inner) in inner {
        all.push(format!("/{key}"));
        all.extend(places(inner).into_iter().map(|path| format!("/{key}{path}")));
    }
    all
}

fn values() -> Vec<Value> {
    let mut values: Vec<Value> = [
        0,
        1,
        2,
        4,
        5,
        7,
        8,
        9,
        16,
        31,
        32,
        33,
        60,
        61,
        256,
        257,
        512,
        1023,
        1024,
        1025,
        262_144,
        262_145,
        -1,
        4_294_967_295,
        4_294_967_296_i64,
    ]
    .into_iter()
    .map(|number| json!(number))
    .collect();
    values.extend([
        json!(0.0),
        json!(0.5),
        json!(15.9),
        json!(16.0),
        json!(128.5),
        json!(-0.1),
        json!(true),
    ]);
    values.extend(
        [
            "",
            "x",
            "gs-a",
            "edge-1",
            "all",
            "127.0.0.1:0",
            "a:1",
            "[::1]:7",
            "0.0.0.0:1",
        ]
        .map(|text| json!(text)),
    );
    values.extend([json!("n".repeat(32)), json!("n".repeat(33))]);
    values.extend([
        json!([]),
        json!([0, 0]),
        json!([512, 512]),
        json!([1, 2, 3]),
        json!(["gs-a"]),
        json!([["gs-a"]]),
    ]);
    values.push(json!({}));
    values
}

#[test]
fn whatever_the_parser_accepts_validates() {
    let (schema, mut accepted, mut refused) = (the_schema(), 0, 0);
    for text in EXAMPLES {
        let example = document(text);
        assert_eq!(refusal(&schema, &example), None);
        let mut check = |changed: &Value, what: &str| {
            let why = refusal(&schema, changed);
            if is_accepted(changed) {
                accepted += 1;
                assert_eq!(why, None, "the parser accepts {what}");
            } else {
                refused += usize::from(why.is_some());
            }
        };
        for place in places(&example) {
            for value in values() {
                let mut changed = example.clone();
                *changed.pointer_mut(&place).unwrap() = value.clone();
                check(&changed, &format!("{place} = {value}"));
            }
            let mut without = example.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            match without.pointer_mut(parent).unwrap() {
                Value::Object(table) => drop(table.remove(key)),
                Value::Array(list) => drop(list.remove(key.parse().unwrap())),
                _ => {}
            }
            check(&without, &format!("no {place}"));
        }
    }
    assert!(
        accepted > 200 && refused > 1_000,
        "{accepted} accepted, {refused} refused by both"
    );
}

#[test]
fn both_kinds_of_division_are_taken_and_never_both_at_once() {
    let schema = the_schema();
    let mut grid = document(EXAMPLES[2]);
    assert!(grid.get("grid").is_some());
    grid["region"] = json!([]);
    assert!(
        is_accepted(&grid) && refusal(&schema, &grid).is_none(),
        "an empty list of regions is none"
    );
    grid["region"] = document(EXAMPLES[0])["region"].clone();
    assert!(!is_accepted(&grid) && refusal(&schema, &grid).is_some());
}

#[test]
fn a_key_that_is_none_is_refused_by_both_in_every_table() {
    let schema = the_schema();
    for text in EXAMPLES {
        let example = document(text);
        let tables = places(&example).into_iter().chain([String::new()]);
        for place in tables.filter(|place| example.pointer(place).unwrap().is_object()) {
            let mut changed = example.clone();
            changed.pointer_mut(&place).unwrap()["standbys"] = json!(["gs-a"]);
            assert!(
                !is_accepted(&changed) && refusal(&schema, &changed).is_some(),
                "at {place}"
            );
        }
    }
}

#[test]
fn every_key_of_every_table_is_in_the_schema_with_its_meaning() {
    let text = schema();
    for (table, keys) in ALL_KEYS {
        for key in *keys {
            let what = serde_json::to_string(key.what).unwrap();
            let line = format!("\"{}\": {{\"description\": {what}", key.name);
            assert!(text.contains(&line), "{table}: {line}");
        }
    }
}
