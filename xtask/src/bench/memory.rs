//! What 1,000 open documents cost in memory.

use anyhow::Result;

use super::Effort;
use super::documents;
use super::http::Connection;
use super::stats::{Better, Comparison, Pair};
use super::subject::{Contestant, Subject};

/// Writes and reads before the first look at the memory. They compile code and let the heaps find their size, so that
/// what follows is the documents' own.
const WARM_UP: u64 = 2_000;
/// Documents that the warm-up uses.
const WARM_UP_DOCUMENTS: u64 = 8;

/// Measures the memory of fresh processes, in turns.
///
/// # Errors
/// If a request fails, or the system does not tell a process's memory.
pub(crate) async fn compare(
    contestants: &Pair<Contestant>,
    effort: &Effort,
) -> Result<Vec<Comparison>> {
    let mut rounds = Vec::new();
    for _ in 0..effort.memory_rounds {
        rounds.push(Pair {
            baseline: growth(&contestants.baseline).await?,
            blaze: growth(&contestants.blaze).await?,
        });
    }
    let name = "Memory of 1,000 open documents";
    Ok(vec![Comparison { name, unit: "MiB", better: Better::Lower, rounds }])
}

/// By how many MiB a fresh process grows when [`documents::COUNT`] documents are created and stay open.
async fn growth(contestant: &Contestant) -> Result<f64> {
    let subject = contestant.start()?;
    warm_up(&subject).await?;
    let before = subject.resident_mebibytes()?;
    documents::create(&subject, "memory", 0..documents::COUNT).await?;
    Ok(subject.resident_mebibytes()? - before)
}

async fn warm_up(subject: &Subject) -> Result<()> {
    let mut connection = Connection::open(subject.address()).await?;
    for number in 0..WARM_UP {
        let path = documents::path("warm-up", number % WARM_UP_DOCUMENTS);
        connection.put(&path, documents::data(number)).await?;
        connection.get(&path).await?;
    }
    Ok(())
}
