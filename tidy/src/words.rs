//! Words of one game stay in it: what is true of every game speaks of things and holdings. Its folder may be named, and its tests,
//! its pages and the local cluster, which plays it, may speak of it.

use crate::{Complaint, Source};

/// What the demo game calls its things.
const OF_THE_DEMO: [&str; 2] = [concat!("ge", "m"), concat!("ge", "ms")];
/// Where they are said.
const ITS_PLACES: [&str; 4] = ["games/", "deploy/", "docs/", "client/web/dist/"];
/// Where it lies, as build files have to say.
const ITS_FOLDER: &str = concat!("games/ge", "ms");

/// Lines that use a word of the demo game where no game is meant.
#[must_use]
pub fn words_of_the_demo(sources: &[Source]) -> Vec<Complaint> {
    let others = sources.iter().filter(|source| !may_speak_of_it(&source.path));
    others.flat_map(complaints).collect()
}

fn may_speak_of_it(path: &str) -> bool {
    let is_test = ["tests/", "tests.rs", "test/"]
        .iter()
        .any(|part| path.contains(part));
    is_test || ITS_PLACES.iter().any(|place| path.starts_with(place)) || path.ends_with(".md")
}

fn complaints(source: &Source) -> Vec<Complaint> {
    let lines = (1..).zip(source.text.lines());
    let of_the_demo = lines.filter(|(_, line)| {
        let line = line.replace(ITS_FOLDER, "").to_lowercase();
        let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.any(|word| OF_THE_DEMO.contains(&word))
    });
    let place = |number: usize| format!("{}:{number}", source.path);
    of_the_demo
        .map(|(number, _)| {
            Complaint::new(
                place(number),
                "says a word of the demo game: say thing, holding or the demo game",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_demo_is_found_wherever_no_game_is_meant() {
        let [one, many] = OF_THE_DEMO;
        let text = format!("a {}\nof_{many}\n{one}stone\n\"{many}\"\n", one.to_uppercase());
        let found = words_of_the_demo(&[Source::new("common/store/src/row.rs", &text)]);
        let places: Vec<&str> = found.iter().map(|complaint| complaint.place.as_str()).collect();
        assert_eq!(places, ["common/store/src/row.rs:1", "common/store/src/row.rs:4"]);
        for path in [
            "games/x/src/lib.rs",
            "proxy/tests/roads.rs",
            "store/src/row/tests.rs",
            "README.md",
        ] {
            assert_eq!(words_of_the_demo(&[Source::new(path, &text)]), []);
        }
        let folder = format!("demo = {{ path = \"{ITS_FOLDER}\" }}\n");
        assert_eq!(words_of_the_demo(&[Source::new("Cargo.toml", &folder)]), []);
    }
}
