//! The few figures that sum up repeated measurements.

/// Seconds of the same thing, measured several times.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds one measurement.
    pub fn push(&mut self, seconds: f64) {
        self.0.push(seconds);
    }

    /// All, in the order in which they were taken.
    pub fn all(&self) -> &[f64] {
        &self.0
    }

    /// The median; the mean of the middle two if there are two. None without measurements.
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let high = *sorted.get(sorted.len() / 2)?;
        let low = *sorted.get((sorted.len() - 1) / 2)?;
        Some(f64::midpoint(low, high))
    }

    /// The distance from the least to the greatest, as a fraction of the median.
    pub fn spread(&self) -> Option<f64> {
        let least = self.0.iter().copied().min_by(f64::total_cmp)?;
        let greatest = self.0.iter().copied().max_by(f64::total_cmp)?;
        Some((greatest - least) / self.median()?)
    }
}

/// The geometric mean of positive numbers; None if there are none.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value.ln();
        count += 1.0;
    }
    (count > 0.0).then(|| f64::exp(sum / count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples(values.to_vec())
    }

    #[test]
    fn the_median_ignores_one_outlier() {
        assert_eq!(samples(&[9.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(samples(&[4.0, 2.0]).median(), Some(3.0));
        assert_eq!(samples(&[]).median(), None);
    }

    #[test]
    fn the_spread_is_relative_to_the_median() {
        assert_eq!(samples(&[3.0, 2.0, 1.0]).spread(), Some(1.0));
        assert_eq!(samples(&[5.0]).spread(), Some(0.0));
        assert_eq!(samples(&[]).spread(), None);
    }

    #[test]
    fn the_geometric_mean_of_two_and_eight_is_four() {
        let mean = geometric_mean([2.0, 8.0]).unwrap();
        assert!((mean - 4.0).abs() < 1e-12);
        assert_eq!(geometric_mean([]), None);
    }
}
