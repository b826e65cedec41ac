//! Interleaved pairs of a figure and its baseline: whatever disturbs the machine disturbs both, and the median forgets
//! the worst of it.

/// Samples of a figure and of its baseline, taken in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    figure: Vec<f64>,
    baseline: Vec<f64>,
}

impl Pairs {
    /// Takes `count` pairs; each call of `pair` measures the figure and right after it the baseline.
    pub(crate) fn take(
        count: usize,
        mut pair: impl FnMut() -> anyhow::Result<(f64, f64)>,
    ) -> anyhow::Result<Self> {
        let mut pairs = Self::default();
        for _ in 0..count {
            let (figure, baseline) = pair()?;
            pairs.figure.push(figure);
            pairs.baseline.push(baseline);
        }
        Ok(pairs)
    }

    pub(crate) fn figure(&self) -> f64 {
        median(&self.figure)
    }

    pub(crate) fn baseline(&self) -> f64 {
        median(&self.baseline)
    }

    /// The median of the pairs' own ratios.
    pub(crate) fn ratio(&self) -> f64 {
        let ratios = self.figure.iter().zip(&self.baseline);
        median(
            &ratios
                .map(|(figure, baseline)| figure / baseline)
                .collect::<Vec<_>>(),
        )
    }

    /// The lowest and the highest sample of the figure.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let fold = |pick: fn(f64, f64) -> f64| self.figure.iter().copied().reduce(pick).unwrap_or(0.0);
        (fold(f64::min), fold(f64::max))
    }
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_pair_does_not_move_the_medians() {
        let mut samples = [(3.0, 2.0), (90.0, 2.0), (3.1, 2.0), (3.2, 40.0), (3.0, 2.0)].into_iter();
        let pairs = Pairs::take(5, || Ok(samples.next().unwrap())).unwrap();
        assert_eq!((pairs.figure(), pairs.baseline()), (3.1, 2.0));
        assert_eq!((pairs.ratio(), pairs.spread()), (1.5, (3.0, 90.0)));
    }

    #[test]
    fn a_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
