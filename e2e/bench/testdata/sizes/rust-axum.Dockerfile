# build: rust
# run:
FROM build AS builder
USER root
WORKDIR /app
COPY . .
RUN cargo build --release
FROM run
COPY --from=builder /app/target/release/rust-axum /usr/local/bin/app
COPY --from=builder /app/static /static
CMD ["/usr/local/bin/app"]
