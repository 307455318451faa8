//! What the measured numbers mean together: percentiles of one round, medians and spread over rounds.

use std::time::Duration;

/// The same thing done by both contestants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<T> {
    /// The hand-written JavaScript object's.
    pub(crate) baseline: T,
    /// Ours.
    pub(crate) blaze: T,
}

/// Which of two values of a metric is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// As of a rate.
    Higher,
    /// As of a latency.
    Lower,
}

/// One metric, measured on both contestants in several rounds.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// For a table's first column.
    pub(crate) name: &'static str,
    /// The unit of the values.
    pub(crate) unit: &'static str,
    /// Whether more of it is good.
    pub(crate) better: Better,
    /// One entry per round; never empty.
    pub(crate) rounds: Vec<Pair<f64>>,
}

/// A median and the ends of what it was taken from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Comparison {
    /// The comparison of one value of each round.
    pub(crate) fn new<T>(
        name: &'static str,
        unit: &'static str,
        better: Better,
        rounds: &[Pair<T>],
        value: impl Fn(&T) -> f64,
    ) -> Self {
        let pair =
            |round: &Pair<T>| Pair { baseline: value(&round.baseline), blaze: value(&round.blaze) };
        Self { name, unit, better, rounds: rounds.iter().map(pair).collect() }
    }

    /// The medians over the rounds.
    pub(crate) fn values(&self) -> Pair<f64> {
        Pair {
            baseline: spread(self.rounds.iter().map(|round| round.baseline)).median,
            blaze: spread(self.rounds.iter().map(|round| round.blaze)).median,
        }
    }

    /// Blaze ÷ baseline, taken within each round, because neighbours in time share the machine's mood.
    pub(crate) fn ratio(&self) -> Spread {
        spread(self.rounds.iter().map(|round| round.blaze / round.baseline))
    }

    /// How many times better than the baseline Blaze is, whichever direction is the better one.
    pub(crate) fn advantage(&self) -> Spread {
        let ratio = self.ratio();
        match self.better {
            Better::Higher => ratio,
            Better::Lower => {
                Spread { median: 1.0 / ratio.median, min: 1.0 / ratio.max, max: 1.0 / ratio.min }
            }
        }
    }
}

/// The smallest value that at least `share` (above 0, up to 1) of the values do not exceed: the nearest-rank
/// percentile. Zero when there are no values. `sorted` is ascending.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The median; zero when there are no values.
pub(crate) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    percentile(&values, 0.5)
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// NaN throughout when there are no values.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    Spread { median: (at(last / 2) + at(values.len() / 2)) / 2.0, min: at(0), max: at(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(values: &[u64]) -> Vec<Duration> {
        values.iter().map(|value| Duration::from_millis(*value)).collect()
    }

    #[test]
    fn percentile_is_the_nearest_rank() {
        let hundred = millis(&(1..=100).collect::<Vec<_>>());
        assert_eq!(percentile(&hundred, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&hundred, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&hundred, 1.0), Duration::from_millis(100));
        assert_eq!(percentile(&millis(&[7]), 0.01), Duration::from_millis(7));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn median_of_an_even_number_is_the_middle_twos_mean() {
        assert_eq!(
            spread([4.0, 1.0, 3.0, 2.0].into_iter()),
            Spread { median: 2.5, min: 1.0, max: 4.0 }
        );
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()), Spread { median: 2.0, min: 1.0, max: 3.0 });
    }

    #[test]
    fn ratio_is_taken_within_each_round() {
        let rounds = vec![
            Pair { baseline: 1.0, blaze: 2.0 },
            Pair { baseline: 10.0, blaze: 10.0 },
            Pair { baseline: 4.0, blaze: 2.0 },
        ];
        let comparison = Comparison { name: "latency", unit: "ms", better: Better::Lower, rounds };
        assert_eq!(comparison.ratio(), Spread { median: 1.0, min: 0.5, max: 2.0 });
        assert_eq!(comparison.advantage(), Spread { median: 1.0, min: 0.5, max: 2.0 });
        assert_eq!(comparison.values().baseline, 4.0);
    }
}
