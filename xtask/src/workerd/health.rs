//! Asking a server whether it is up, with nothing but a socket.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One `GET` of `path`: whether it was answered with 200.
///
/// # Errors
/// If nothing listens on `address`, or it does not answer in five seconds.
pub(super) fn is_up(address: SocketAddr, path: &str) -> io::Result<bool> {
    let patience = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}
