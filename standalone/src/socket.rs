//! A client's WebSocket: frames become commands of the engine's thread, and what it says frames.

use crate::outside::{Client, Frame, Inlet, Outlet};
use blaze_schema::limits::BODY_BYTES;
use blaze_schema::timestamp::Timestamp;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Bytes of a message at most, and of those of one socket that the engine has not handled yet; a larger one closes the
/// socket with 1009. The engine's own limit is less.
const MESSAGE_BYTES: usize = 2 * BODY_BYTES;
/// Bytes that a message takes beside its own while it waits.
const MESSAGE_COST: usize = 256;
/// The time that a peer has to answer a close frame.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// A message that is answered without the engine, which wakes for every other one.
const PING: &str = r#"{"ping":0}"#;
const PONG: Utf8Bytes = Utf8Bytes::from_static(r#"{"pong":0}"#);

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The sockets that are served.
#[derive(Debug, Default)]
pub(crate) struct Sockets(Arc<AtomicUsize>);

impl Sockets {
    pub(crate) fn spawn(&self, socket: impl Future<Output = ()> + Send + 'static) {
        let count = Arc::clone(&self.0);
        count.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            socket.await;
            count.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(&self) {
        while self.0.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Serves a socket until either side closes it.
pub(crate) async fn serve(upgrade: OnUpgrade, outlet: Outlet) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(MESSAGE_BYTES);
    config.max_frame_size = Some(MESSAGE_BYTES);
    config.write_buffer_size = 0;
    let stream = TokioIo::new(upgraded);
    let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let state = Arc::clone(&outlet.client.state);
    let too_late = async {
        state.closing.notified().await;
        // A peer that does not read keeps nothing for longer.
        sleep(CLOSE_TIME).await;
    };
    tokio::select! {
        () = talk(stream, outlet) => {}
        () = too_late => {}
    }
}

async fn talk(stream: Stream, outlet: Outlet) {
    let Outlet { mut frames, answers_pings, client, inlet } = outlet;
    let (mut sink, mut source) = stream.split();
    let pinged = answers_pings.then_some(&client);
    // Side by side: a peer that is slow to read may say meanwhile how far it is.
    let ended = tokio::select! {
        ended = read(&mut source, inlet.as_ref(), pinged) => Some(ended),
        () = write(&mut sink, &mut frames, &client) => None,
    };
    // The engine need not wait for the end of the ceremony.
    drop(inlet);
    let rest = async {
        if let Some(Err((code, reason))) = ended {
            sink.send(closing(code, reason)).await.ok();
        }
        if !matches!(ended, Some(Ok(()))) {
            // The peer answers the close frame.
            while let Some(Ok(_)) = source.next().await {}
        }
    };
    timeout(CLOSE_TIME, rest).await.ok();
}

/// Reads until the socket ends.
///
/// # Errors
/// Close code and reason, if it is to be closed for what the peer sent.
async fn read(
    source: &mut SplitStream<Stream>,
    inlet: Option<&Inlet>,
    pinged: Option<&Client>,
) -> Result<(), (u16, &'static str)> {
    let room = Arc::new(Semaphore::new(MESSAGE_BYTES));
    while let Some(message) = source.next().await {
        let text = match message {
            Ok(Message::Text(text)) => Some(text),
            Ok(Message::Binary(_)) => None,
            // Pings and closings are answered by the library.
            Ok(_) => continue,
            Err(Error::Capacity(_)) => return Err((1009, "a message that is too large")),
            Err(Error::Utf8(_)) => return Err((1007, "a text that is not UTF-8")),
            Err(_) => return Ok(()),
        };
        if let Some(client) = pinged.filter(|_| text.as_ref().is_some_and(|text| *text == PING)) {
            client.state.ping(now());
            client.send(PONG);
            continue;
        }
        let bytes = text.as_ref().map_or(0, |text| text.len()).saturating_add(MESSAGE_COST);
        let bytes = u32::try_from(bytes.min(MESSAGE_BYTES)).unwrap_or(u32::MAX);
        // What the engine has not handled yet is not more than this.
        let permit = Arc::clone(&room).acquire_many_owned(bytes).await;
        if let (Some(inlet), Ok(permit)) = (inlet, permit) {
            inlet.tell(text.map(|text| text.to_string()), permit);
        }
    }
    Ok(())
}

/// Writes frames until one closes the socket.
async fn write(
    sink: &mut SplitSink<Stream, Message>,
    frames: &mut UnboundedReceiver<Frame>,
    client: &Client,
) {
    while let Some(frame) = frames.recv().await {
        let mut next = Some(frame);
        // What waits behind it goes along.
        while let Some(frame) = next {
            let message = match frame {
                Frame::Text(text) => {
                    client.state.written(&text);
                    Message::Text(text)
                }
                Frame::Close(code, reason) => {
                    sink.send(closing(code, reason)).await.ok();
                    return;
                }
            };
            if sink.feed(message).await.is_err() {
                return;
            }
            next = frames.try_recv().ok();
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

fn closing(code: u16, reason: &'static str) -> Message {
    let reason = Utf8Bytes::from_static(reason);
    Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason }))
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
