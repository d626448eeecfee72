//! A tiny HTTP server, so that the sample needs no crate from outside.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// Answers every request with text, for ever.
pub fn serve(text: &str) -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_string());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while let Some(Ok(line)) = lines.next() {
            if line.is_empty() {
                break;
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Names whoever says hello.
pub fn greeting(who: &str) -> String {
    format!("hello from {who}")
}
