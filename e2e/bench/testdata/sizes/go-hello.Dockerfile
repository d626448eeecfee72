# build: go
# run:
FROM build AS builder
USER root
WORKDIR /app
COPY . .
RUN CGO_ENABLED=0 go build -ldflags="-s -w" -o /out/app .
FROM run
COPY --from=builder /out/app /app
CMD ["/app"]
