//! Interleaved pairs of a figure and its baseline: whatever disturbs the machine disturbs both.

use crate::samples::Samples;

/// Samples of a figure and of its baseline, taken in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    figure: Samples,
    baseline: Samples,
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
            pairs.push(figure, baseline);
        }
        Ok(pairs)
    }

    /// Adds a sample of the figure and the one of its baseline.
    pub(crate) fn push(&mut self, figure: f64, baseline: f64) {
        self.figure.push(figure);
        self.baseline.push(baseline);
    }

    pub(crate) fn figure(&self) -> f64 {
        self.figure.median()
    }

    pub(crate) fn baseline(&self) -> f64 {
        self.baseline.median()
    }

    /// The median of the pairs' own ratios.
    pub(crate) fn ratio(&self) -> f64 {
        let ratios = self.figure.iter().zip(self.baseline.iter());
        ratios
            .map(|(figure, baseline)| figure / baseline)
            .collect::<Samples>()
            .median()
    }

    /// The lowest and the highest sample of the figure.
    pub(crate) fn spread(&self) -> (f64, f64) {
        self.figure.spread()
    }
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
}
