# Bare `make` lists the targets. Every command here can be typed by hand.

PKG      ?= ./...
RUN      ?= .
MODEL    ?= examples/gosrc-lm
FUZZTIME ?= 60s
PREFIX   ?= /usr/local
GO       ?= go

# scripts/setup.sh writes here whether a C BLAS could be had (1) or not (0).
CGO := CGO_ENABLED=$$(cat .build/cgo)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: setup
setup: ## install OpenBLAS and LAPACKE if missing (apt, dnf, brew)
	@sh scripts/setup.sh

.PHONY: build
build: setup ## build bin/wwq-fast
	$(CGO) $(GO) build -o bin/wwq-fast ./cmd/wwq-fast

.PHONY: run
run: build ## analyse the bundled sample, results in results/
	./bin/wwq-fast analyze $(MODEL) --output-dir results

.PHONY: test
test: setup ## all tests but the long ones
	$(CGO) $(GO) test -run '$(RUN)' $(PKG)

.PHONY: test-long
test-long: setup ## the long tests too, and under the race detector
	WWQ_TEST_LONG=1 WWQ_TEST_HUGE=1 $(CGO) $(GO) test -timeout 60m -run '$(RUN)' $(PKG)
	$(CGO) $(GO) test -race -timeout 60m -run '$(RUN)' $(PKG)

.PHONY: test-nocgo
test-nocgo: ## all tests on the pure-Go backend
	CGO_ENABLED=0 $(GO) test -run '$(RUN)' $(PKG)

.PHONY: lint
lint: setup ## formatting, vet, module files, and the house rules in internal/lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(CGO) $(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	$(GO) mod tidy -diff
	$(CGO) $(GO) test -count=1 ./internal/lint

.PHONY: fuzz
fuzz: setup ## every fuzz target for FUZZTIME
	@$(CGO) FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh

.PHONY: bench
bench: build ## every backend of this build side by side, about three minutes
	./bin/wwq-fast bench

.PHONY: bench-full
bench-full: build ## the same with larger matrices and models, about an hour
	./bin/wwq-fast bench --full

.PHONY: bench-compare
bench-compare: setup ## the benchmarks against the newest run under bench/runs
	@$(CGO) sh scripts/bench-compare.sh

.PHONY: bench-peers
bench-peers: build ## numpy and scipy (torch, WeightWatcher if there) on the same matrices
	/usr/bin/env python3 scripts/bench-peers.py ./bin/wwq-fast .build/peers

.PHONY: install
install: build ## copy the program to PREFIX/bin
	install -D bin/wwq-fast $(DESTDIR)$(PREFIX)/bin/wwq-fast

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .build results
