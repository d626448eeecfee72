use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_string());
    for stream in std::net::TcpListener::bind(format!("0.0.0.0:{port}"))?.incoming() {
        let mut stream = stream?;
        let _ = stream.read(&mut [0; 4096])?;
        // Read at run time, relative to the app's directory.
        let page = std::fs::read_to_string("templates/page.html")?.replace("{{hello}}", &rust_bins::hello("site"));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(page.as_bytes())?;
    }
    Ok(())
}
