# make help lists the targets. Everything CI does is `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export CGO_ENABLED = 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
GOLANGCI := v2.15.0
# The program is reproducible, and everything else is compiled with the same flags, so that no package is compiled twice.
export GOFLAGS := $(filter-out -trimpath -buildvcs=false,$(GOFLAGS)) -trimpath -buildvcs=false
LAUNCHERS := lifecycle/launch/prebuilt/bin
SERVERS := buildpacks/staticserver/prebuilt/bin
PREBUILT := $(foreach a,amd64 arm64,$(LAUNCHERS)/launcher-linux-$a $(SERVERS)/static-server-linux-$a)
SOURCES := $(shell find . -name '*.go' -not -path './testdata/*') go.mod go.sum builder.toml $(wildcard stacks/*/*)

.PHONY: help demo build test test-all ready unit lint e2e bench fuzz deps clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

build: bin/s2i ## Build bin/s2i: one static binary

bin/s2i: $(PREBUILT) $(SOURCES)
	go build -ldflags='-s -w -buildid= -X main.version=$(VERSION)' -o $@ ./cmd/s2i

# It is in every image and runs for a millisecond: without inlining it is a tenth smaller.
$(LAUNCHERS)/launcher-linux-%: $(wildcard cmd/launcher/*.go lifecycle/*.go lifecycle/env/*.go lifecycle/launch/*.go) go.mod
	GOOS=linux GOARCH=$* go build -gcflags=all=-l -ldflags='-s -w -buildid=' -o $@ ./cmd/launcher

# Without HTTP/2, which nobody speaks unencrypted, it is smaller.
$(SERVERS)/static-server-linux-%: $(wildcard cmd/static-server/*.go buildpacks/staticserver/server/*.go) go.mod
	GOOS=linux GOARCH=$* go build -tags nethttpomithttp2 -ldflags='-s -w -buildid=' -o $@ ./cmd/static-server

demo: build ## Build a sample app into an image, run it, show its answer
	@.ci/deps demo
	@.ci/demo

test: ready ## Everything CI runs: lint, unit tests with the race detector, end-to-end tests
	$(MAKE) lint unit e2e

# Debian's packages wait for the network while compilers wait for the processor.
ready:
	$(MAKE) -j3 deps build .tools/golangci-lint-$(GOLANGCI)

unit: $(PREBUILT) ## Unit tests with the race detector
	CGO_ENABLED=1 go test -race -vet=off -timeout 15m ./...

test-all: ready ## As test, with the sample apps that take long, and the digest of every one
	$(MAKE) lint unit
	S2I_TEST_ALL=1 go test -tags e2e -vet=off -count=1 -parallel 3 -timeout 85m -v ./e2e

# Three at once on two processors: there is always one that waits for the network or for a server to start.
e2e: build ## End-to-end tests: real registry, real runtimes, HTTP
	go test -tags e2e -vet=off -count=1 -parallel 3 -timeout 40m -v ./e2e

lint: .tools/golangci-lint-$(GOLANGCI) $(PREBUILT) ## Lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go' | grep -v '^testdata/'))" || { echo 'run gofmt'; exit 1; }
	.tools/golangci-lint-$(GOLANGCI) run --build-tags e2e ./...

.tools/golangci-lint-$(GOLANGCI):
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv .tools/golangci-lint $@

bench: build ## Measure against peers and floors in the same run
	@.ci/deps bench
	@.ci/bench

fuzz: ## Fuzz every parser of untrusted bytes, FUZZTIME each (default 20s)
	@.ci/fuzz $(or $(FUZZTIME),20s)

deps: ## Install what the tests need from Debian, or print the line that does
	@.ci/deps test

clean: ## Remove what was built
	rm -rf bin .tools $(PREBUILT)
