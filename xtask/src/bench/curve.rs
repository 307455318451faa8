//! How a query's cost grows with the collection that it is about.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::queries::{Answer, Shape};
use super::stats::{Spread, median, spread};

/// One query's cost over collections of several sizes.
pub(crate) struct Curve {
    /// The query.
    pub(crate) shape: Shape,
    /// From the smallest collection to the largest.
    pub(crate) points: Vec<Point>,
}

/// One query's cost in one collection.
pub(crate) struct Point {
    /// The collection's size.
    pub(crate) documents: u64,
    /// The median latency of each round.
    rounds: Vec<Duration>,
    /// The most index entries that one query read.
    pub(crate) scanned: u64,
}

/// How often a query is asked.
#[derive(Clone, Copy)]
pub(crate) struct Repetitions {
    /// Rounds, each with a median of its own.
    pub(crate) rounds: u64,
    /// Queries of each collection in one round.
    pub(crate) queries: u64,
}

/// Asks every query of every collection, one at a time, the collections in turn, so that all meet the same moods of the
/// machine. `ask` asks the collection with this number this query, and gives the answer and the time that it took.
///
/// # Errors
/// If an answer is not one.
pub(crate) async fn measure(
    sizes: &[u64],
    repetitions: Repetitions,
    mut ask: impl AsyncFnMut(usize, Value) -> Result<(Duration, Vec<u8>)>,
) -> Result<Vec<Curve>> {
    let mut curves = Vec::new();
    for shape in Shape::ALL {
        let point = |documents: &u64| Point { documents: *documents, rounds: vec![], scanned: 0 };
        let mut points: Vec<Point> = sizes.iter().map(point).collect();
        let mut number = 0;
        // The first round is to warm up.
        for round in 0..=repetitions.rounds {
            let mut times = vec![Vec::new(); sizes.len()];
            for _ in 0..repetitions.queries {
                number += 1;
                for (place, point) in points.iter_mut().enumerate() {
                    let query = shape.query(&collection(point.documents), point.documents, number);
                    let (time, answer) = ask(place, query).await?;
                    let scanned = Answer::read(&answer)?.explain()?.entries_scanned;
                    point.scanned = point.scanned.max(scanned);
                    times[place].push(time);
                }
            }
            if round > 0 {
                for (point, times) in points.iter_mut().zip(times) {
                    point.rounds.push(median(times));
                }
            }
        }
        curves.push(Curve { shape, points });
    }
    Ok(curves)
}

/// Where the documents of a collection of this size are. All have one id, so that one entry of `collections.json` is
/// theirs.
pub(crate) fn collection(documents: u64) -> String {
    format!("sizes/{documents}/{ID}")
}

/// The id of all the collections.
pub(crate) const ID: &str = "people";

impl Point {
    /// The median latency.
    pub(crate) fn latency(&self) -> Duration {
        median(self.rounds.clone())
    }
}

impl Curve {
    /// How many times longer a query takes here than in the smallest collection, taken within each round.
    pub(crate) fn growth(&self, point: &Point) -> Spread {
        let first = self.points.iter().take(1).flat_map(|first| &first.rounds);
        spread(point.rounds.iter().zip(first).map(|(here, first)| here.div_duration_f64(*first)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::queries::Shape;
    use super::{Curve, Point};

    #[test]
    fn growth_is_taken_within_each_round() {
        let point = |documents, rounds: [u64; 3]| Point {
            documents,
            rounds: rounds.map(Duration::from_millis).to_vec(),
            scanned: 20,
        };
        let points = vec![point(200, [1, 10, 100]), point(2_000, [2, 10, 300])];
        let curve = Curve { shape: Shape::Range, points };
        assert_eq!(curve.points[1].latency(), Duration::from_millis(10));
        let growth = curve.growth(&curve.points[1]);
        assert_eq!((growth.median, growth.min, growth.max), (2.0, 1.0, 3.0));
        assert_eq!(curve.growth(&curve.points[0]).max, 1.0);
    }
}
