# Bare `make` lists the targets. Every command here can be typed by hand.

PKG      ?= ./...
RUN      ?= .
MODEL    ?= examples/gosrc-lm
FUZZTIME ?= 60s
PREFIX   ?= /usr/local
GO       ?= go

# The packages that read files that come from elsewhere.
FILES := ./engine/checkpoint/... ./engine/packed

# scripts/setup.sh writes 1 to .build/cgo if a C BLAS is available, and 0 if not.
CGO := CGO_ENABLED=$$(cat .build/cgo)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

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
test: setup ## run all tests except the long ones
	$(CGO) $(GO) test -run '$(RUN)' $(PKG)

.PHONY: test-long
test-long: setup ## run all tests, also of headers of 100 MB; those of "test" under the race detector; fuzz targets of files; check-mac, check-arm64
	WWQ_TEST_HUGE=1 $(CGO) $(GO) test -timeout 60m -run '$(RUN)' $(PKG)
	$(CGO) $(GO) test -race -timeout 60m -run '$(RUN)' $(PKG)
	@$(CGO) FUZZTIME=$(FUZZTIME) PKG="$(FILES)" sh scripts/fuzz.sh
	@sh scripts/check-mac.sh
	@sh scripts/check-arm64.sh

.PHONY: fuzz-files
fuzz-files: setup ## run the fuzz targets of what reads files, ten seconds each
	@$(CGO) FUZZTIME=10s PKG="$(FILES)" sh scripts/fuzz.sh

.PHONY: check-mac
check-mac: ## build for Macs with a cross compiler and a stub of Accelerate (needs npm)
	@sh scripts/check-mac.sh

.PHONY: check-arm64
check-arm64: ## run the tests of the C packages for arm64 under qemu (Debian, Ubuntu)
	@sh scripts/check-arm64.sh

.PHONY: test-nocgo
test-nocgo: ## run the tests of "test" in pure Go
	CGO_ENABLED=0 $(GO) test -run '$(RUN)' $(PKG)

.PHONY: lint
lint: setup ## check formatting, vet, staticcheck, module files, and the house rules of internal/lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run make format'; exit 1; }
	@sh scripts/format-c.sh --check
	$(CGO) $(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	$(CGO) $(GO) tool staticcheck ./...
	CGO_ENABLED=0 $(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(CGO) $(GO) test -count=1 ./internal/lint

.PHONY: format
format: ## format the Go and C sources
	gofmt -w .
	@sh scripts/format-c.sh

.PHONY: fuzz
fuzz: setup ## run every fuzz target of PKG for FUZZTIME
	@$(CGO) FUZZTIME=$(FUZZTIME) PKG="$(PKG)" sh scripts/fuzz.sh

.PHONY: bench
bench: build ## compare every backend of this build, about three minutes
	./bin/wwq-fast bench

.PHONY: bench-full
bench-full: build ## as "bench", with larger matrices and models, about an hour
	./bin/wwq-fast bench --full

.PHONY: bench-compare
bench-compare: setup ## compare the benchmarks with the newest run in bench/runs
	@$(CGO) sh scripts/bench-compare.sh

.PHONY: bench-peers
bench-peers: build ## compare with numpy and scipy (and torch, WeightWatcher if installed)
	/usr/bin/env python3 scripts/bench-peers.py ./bin/wwq-fast .build/peers

.PHONY: install
install: build ## copy the program to PREFIX/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 bin/wwq-fast $(DESTDIR)$(PREFIX)/bin/wwq-fast

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .build results
