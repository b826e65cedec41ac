//! What must hold for a run to count as good: a name in the result, a comparison, a limit.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

/// How a value is compared with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Comparison {
    /// At most the limit.
    #[serde(rename = "<=")]
    AtMost,
    /// At least the limit.
    #[serde(rename = ">=")]
    AtLeast,
    /// Exactly the limit.
    #[serde(rename = "==")]
    Equal,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
            Self::Equal => "exactly",
        })
    }
}

/// A condition on the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// The value's path in the JSON result, such as `ack_ms.p99`.
    pub name: String,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub limit: f64,
}

/// A condition and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Judged {
    #[serde(flatten)]
    pub(crate) threshold: Threshold,
    /// `None`: the result has no such number, which counts as broken.
    pub(crate) value: Option<f64>,
    pub(crate) ok: bool,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Threshold {
            name,
            comparison,
            limit,
        } = &self.threshold;
        match self.value {
            Some(value) => write!(f, "{name} is {value}, and must be {comparison} {limit}"),
            None => write!(f, "{name} was not measured, and must be {comparison} {limit}"),
        }
    }
}

impl Threshold {
    pub(crate) fn at_most(name: &str, limit: f64) -> Self {
        Self {
            name: name.to_owned(),
            comparison: Comparison::AtMost,
            limit,
        }
    }

    /// Looks the value up and compares it.
    pub(crate) fn judge(&self, result: &Value) -> Judged {
        let found = self
            .name
            .split('.')
            .try_fold(result, |value, name| match name.parse::<usize>() {
                Ok(place) => value.get(place),
                Err(_) => value.get(name),
            })
            .and_then(|value| value.as_f64().or_else(|| value.as_bool().map(f64::from)));
        let ok = found.is_some_and(|value| match self.comparison {
            Comparison::AtMost => value <= self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::Equal => (value - self.limit).abs() < f64::EPSILON,
        });
        Judged {
            threshold: self.clone(),
            value: found,
            ok,
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let signs = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("==", Comparison::Equal),
        ];
        let split = signs
            .iter()
            .find_map(|(sign, comparison)| Some((*comparison, text.split_once(sign)?)));
        let (comparison, (name, limit)) =
            split.ok_or_else(|| "write a name, one of <= >= ==, and a number".to_owned())?;
        let limit: f64 = limit
            .trim()
            .parse()
            .map_err(|_| format!("`{limit}` is no number"))?;
        if !limit.is_finite() {
            return Err("the limit must be a finite number".to_owned());
        }
        Ok(Self {
            name: name.trim().to_owned(),
            comparison,
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_found_by_its_path_and_compared() {
        let result = json!({"ack_ms": {"p99": 80.5}, "input_hz": 20, "memory_flat": true});
        for (text, ok) in [
            ("ack_ms.p99<=80.5", true),
            ("ack_ms.p99 <= 80", false),
            ("input_hz>=19.5", true),
            ("input_hz==21", false),
            ("memory_flat==1", true),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.judge(&result).ok, ok, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_missing_breaks_its_threshold() {
        let judged = Threshold::at_most("nothing.here", 1e9).judge(&json!({}));
        assert!(!judged.ok && judged.value.is_none());
        assert_eq!(
            judged.to_string(),
            "nothing.here was not measured, and must be at most 1000000000"
        );
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["x<=", "x<3", "x<=nan", "x<=inf", "x>=-infinity"] {
            assert!(text.parse::<Threshold>().is_err(), "{text}");
        }
    }
}
