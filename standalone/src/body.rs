//! The reading of request bodies, up to a limit.

use blaze_schema::limits::BODY_BYTES;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::io::Read;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes of a body that nobody wants which are read and dropped: a client that is still sending would not see the answer.
const DRAINED_BYTES: usize = 4 * BODY_BYTES;
/// The time that is spent on them.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A body; `None` if it has too many bytes.
pub(crate) struct Whole(pub(crate) Option<Bytes>);

/// Reads a body of at most `limit` bytes, inflated.
///
/// # Errors
/// The reason why it cannot be read.
pub(crate) async fn read_body(
    body: &mut Incoming,
    limit: usize,
    is_gzip: bool,
) -> Result<Whole, String> {
    let Some(bytes) = read_plain(body, limit).await? else { return Ok(Whole(None)) };
    if !is_gzip || bytes.is_empty() {
        return Ok(Whole(Some(bytes)));
    }
    let inflated = tokio::task::spawn_blocking(move || inflate(&bytes, limit)).await;
    inflated.unwrap_or_else(|error| Err(error.to_string()))
}

async fn read_plain(body: &mut Incoming, limit: usize) -> Result<Option<Bytes>, String> {
    let mut whole = Vec::new();
    let mut first = None;
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let Ok(data) = frame.into_data() else { continue };
        size = size.saturating_add(data.len());
        if size > limit {
            return Ok(None);
        }
        if size == data.len() {
            first = Some(data);
        } else {
            if let Some(first) = first.take() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(Some(first.unwrap_or_else(|| whole.into())))
}

/// Reads what is left of a body before its request is answered, up to a limit.
pub(crate) async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B) {
    let read = async {
        let mut size = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            size = size.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if size > DRAINED_BYTES {
                break;
            }
        }
    };
    timeout(DRAIN_TIME, read).await.ok();
}

/// A bomb is inflated up to the limit and no further.
fn inflate(bytes: &[u8], limit: usize) -> Result<Whole, String> {
    let mut inflated = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(most).read_to_end(&mut inflated).map_err(|error| {
        format!("its Content-Encoding is gzip, and it cannot be inflated: {error}")
    })?;
    Ok(Whole((inflated.len() <= limit).then(|| inflated.into())))
}
