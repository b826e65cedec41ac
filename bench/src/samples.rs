//! Samples of one figure: whatever disturbs the machine for a moment disturbs some of them, and the median forgets it.

/// Samples of one figure, in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    /// The middle one, or the mean of the middle two; not a number when there are none.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
        let lower = sorted
            .get(sorted.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or(f64::NAN);
        f64::midpoint(lower, upper)
    }

    /// The lowest and the highest.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let fold = |pick: fn(f64, f64) -> f64| self.iter().reduce(pick).unwrap_or(0.0);
        (fold(f64::min), fold(f64::max))
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_of_an_even_count_lies_between_the_middle_two() {
        let samples: Samples = [4.0, 1.0, 3.0, 2.0].into_iter().collect();
        assert_eq!((samples.median(), samples.spread()), (2.5, (1.0, 4.0)));
    }
}
