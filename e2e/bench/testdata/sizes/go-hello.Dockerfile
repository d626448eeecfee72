# build: go
# run:
# The flags are those of Docker's guide to Go, which strips nothing. Stripped (-ldflags="-s -w", as s2i builds by default),
# the smallest program there is would be smaller by this way than by s2i, whose images have the specification's launcher.
FROM build AS builder
USER root
WORKDIR /app
COPY . .
RUN CGO_ENABLED=0 GOOS=linux go build -o /out/app
FROM run
COPY --from=builder /out/app /app
CMD ["/app"]
