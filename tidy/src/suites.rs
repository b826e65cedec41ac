//! Nothing is skipped silently: a test target behind a feature runs only when somebody turns the feature on, and
//! `.ci/run` is that somebody.

use crate::Complaint;
use serde_json::Value;

/// Test targets with `required-features` that no line of the script's `feature_suites` array names.
#[must_use]
pub fn unnamed_suites(metadata: &Value, script: &str) -> Vec<Complaint> {
    let named = feature_suites(script);
    let mut complaints = Vec::new();
    for package in metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|p| p["source"].is_null())
    {
        for target in package["targets"].as_array().into_iter().flatten() {
            let (crate_name, test) = (package["name"].as_str(), target["name"].as_str());
            let (Some(crate_name), Some(test)) = (crate_name, test) else {
                continue;
            };
            if needs_feature(target) && !named.iter().any(|line| runs(line, crate_name, test)) {
                let what = format!("test `{test}` needs a feature; name it in feature_suites of .ci/run");
                complaints.push(Complaint::new(crate_name, what));
            }
        }
    }
    complaints
}

fn needs_feature(target: &Value) -> bool {
    let is_test = target["kind"]
        .as_array()
        .is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"));
    is_test
        && target["required-features"]
            .as_array()
            .is_some_and(|features| !features.is_empty())
}

/// The lines between `feature_suites=(` and `)`.
fn feature_suites(script: &str) -> Vec<&str> {
    let lines = script.lines().map(str::trim);
    let inside = lines
        .skip_while(|line| !line.starts_with("feature_suites=("))
        .skip(1);
    inside
        .take_while(|line| !line.starts_with(')'))
        .filter(|line| !line.starts_with('#'))
        .collect()
}

fn runs(line: &str, crate_name: &str, test: &str) -> bool {
    let words: Vec<&str> = line.trim_matches('"').split_whitespace().collect();
    matches!(words[..], [package, _, target] if package == crate_name && target == test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_gated_test_that_nobody_runs_is_found() {
        let metadata = json!({"packages": [{"name": "store", "source": null, "targets": [
            {"name": "store", "kind": ["lib"]},
            {"name": "postgres", "kind": ["test"], "required-features": ["postgres-tests"]},
            {"name": "plain", "kind": ["test"]}]}]});
        let with = "x\nfeature_suites=(\n  \"store postgres-tests postgres\"\n)\n";
        assert_eq!(unnamed_suites(&metadata, with), []);
        let other = "feature_suites=(\n  # store postgres-tests postgres\n  \"store postgres-tests postgres2\"\n)\nstore postgres-tests postgres";
        assert_eq!(unnamed_suites(&metadata, other).len(), 1);
    }
}
