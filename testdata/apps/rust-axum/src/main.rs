use axum::{routing::get, Json, Router};
use serde::Serialize;

#[derive(Serialize)]
struct Greeting {
    text: String,
}

async fn hello() -> Json<Greeting> {
    let name = std::fs::read_to_string("static/name.txt").unwrap_or_default();
    Json(Greeting { text: format!("hello {}", name.trim()) })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_string());
    let listener = tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await?;
    axum::serve(listener, Router::new().route("/", get(hello)))
        .with_graceful_shutdown(async {
            let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
            term.recv().await;
        })
        .await
}
