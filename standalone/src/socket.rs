//! A client's WebSocket: frames become commands of the engine's thread, and what it says frames.

use crate::outside::{Client, Command, Frame, Outlet};
use blaze_schema::timestamp::Timestamp;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Bytes of a message at most; a larger one closes the socket with 1009. The engine's own limits are less.
const MESSAGE_BYTES: usize = 32 * 1_024 * 1_024;
/// The time that a peer has to answer a close frame.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// What is answered without the engine, which wakes for every other message.
const PING: &str = r#"{"ping":0}"#;
const PONG: Utf8Bytes = Utf8Bytes::from_static(r#"{"pong":0}"#);

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Serves a socket until either side closes it.
pub(crate) async fn serve(upgrade: OnUpgrade, outlet: Outlet, commands: Sender<Command>) {
    let socket = outlet.socket;
    if let Ok(upgraded) = upgrade.await {
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(MESSAGE_BYTES);
        config.max_frame_size = Some(MESSAGE_BYTES);
        config.write_buffer_size = 0;
        let stream = TokioIo::new(upgraded);
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        talk(stream, outlet, &commands).await;
    }
    if let Some(socket) = socket {
        commands.send(Command::Closed { socket }).ok();
    }
}

async fn talk(stream: Stream, outlet: Outlet, commands: &Sender<Command>) {
    let Outlet { socket, mut frames, answers_pings, client } = outlet;
    let (mut sink, mut source) = stream.split();
    // Side by side: a peer that is slow to read may say meanwhile how far it is.
    let ended = tokio::select! {
        ended = read(&mut source, socket, answers_pings.then_some(&client), commands) => Some(ended),
        () = write(&mut sink, &mut frames, &client) => None,
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err((code, reason))) => {
            if sink.send(closing(code, reason)).await.is_ok() {
                drain(&mut source).await;
            }
        }
        None => drain(&mut source).await,
    }
}

/// Reads until the socket ends.
///
/// # Errors
/// Close code and reason, if it is to be closed for what the peer sent.
async fn read(
    source: &mut SplitStream<Stream>,
    socket: Option<u64>,
    pinged: Option<&Client>,
    commands: &Sender<Command>,
) -> Result<(), (u16, &'static str)> {
    let tell = |text| {
        if let Some(socket) = socket {
            commands.send(Command::Message { socket, text }).ok();
        }
    };
    while let Some(message) = source.next().await {
        match message {
            Ok(Message::Text(text)) => match pinged {
                Some(client) if text == PING => {
                    client.state.ping(now());
                    client.send(PONG);
                }
                _ => tell(Some(text.to_string())),
            },
            Ok(Message::Binary(_)) => tell(None),
            // Pings and closings are answered by the library.
            Ok(_) => {}
            Err(Error::Capacity(_)) => return Err((1009, "a message that is too large")),
            Err(Error::Utf8(_)) => return Err((1007, "a text that is not UTF-8")),
            Err(_) => return Ok(()),
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
                    client.state.written(text.len());
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

/// Waits until the peer has answered the close frame.
async fn drain(source: &mut SplitStream<Stream>) {
    let rest = async { while let Some(Ok(_)) = source.next().await {} };
    timeout(CLOSE_TIME, rest).await.ok();
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
