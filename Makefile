# `make` alone tells what there is. Tools are pinned in tools/go.mod, a module
# of its own, and built into .bin; nothing else is installed.

GO       ?= go
FUZZTIME ?= 30s

# What kills, cuts off, fills and simulates.
PROVEN := ./cmd/parley ./modules ./internal/store ./internal/powerloss ./internal/proof ./internal/simulation

PLATFORMS := $(foreach os,linux darwin windows,$(os)/amd64 $(os)/arm64)

.PHONY: help build check fmt tools test test-one-core test-cores proof fuzz bench soak cross $(PLATFORMS) clean
.DEFAULT_GOAL := help

help: ## tell what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

build: ## build the static binary ./parley
	CGO_ENABLED=0 $(GO) build -trimpath -o parley ./cmd/parley

check: tools ## format, vet, lint, rules of the house, tidy modules: all but the tests
	@unformatted=$$(.bin/gofumpt -l .) && if [ -n "$$unformatted" ]; then \
		echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) -C tools vet ./...
	.bin/staticcheck ./...
	.bin/go-errorlint ./...
	$(GO) test ./internal/house
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

fmt: tools ## format every Go file
	.bin/gofumpt -w .

tools: .bin/built ## build the pinned tools into .bin (benchstat and govulncheck among them)

.bin/built: tools/go.mod tools/go.sum
	$(GO) -C tools build -o ../.bin/ tool
	@touch $@

test: ## all tests, with the race detector, in random order
	$(GO) test -race -shuffle=on ./...

test-one-core: ## all tests, on one core
	GOMAXPROCS=1 $(GO) test -shuffle=on ./...

test-cores: ## the stories, and all tests of the drivers, with one loop and with four
	$(GO) test -race -shuffle=on -cpu 1,4 ./internal/door/...
	$(GO) test -race -shuffle=on -cpu 1,4 -run 'Stories|LastWords' ./internal/server

# go test -list ends the names of each package with a line "ok package time".
# Go 1.26 may call the end of the fuzzing time itself a failure (go.dev/issue/75804):
# then the deadline is all that it says, and no input was written.
fuzz: ## every fuzz target for FUZZTIME (30s)
	@listed=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$listed"; exit 1; }; \
	echo "$$listed" | \
	awk '/^Fuzz/ { names[++n] = $$1 } $$1 == "ok" { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		said=$$($(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null 2>&1); code=$$?; \
		echo "$$said"; \
		if [ $$code -ne 0 ]; then \
			why=$$(echo "$$said" | sed -n '/^--- FAIL/,/^FAIL$$/p' | sed '1d;$$d'); \
			[ "$$why" = "    context deadline exceeded" ] || exit 1; \
			echo "(only the time was over)"; \
		fi; \
	done

bench: build ## the figures of docs/performance.md, ours beside those of other servers
	$(GO) run ./internal/bench/figures $(FIGURES)

.PHONY: microbench
microbench: ## every Go benchmark, without the tests
	$(GO) test -run '^$$' -bench . -benchmem ./...

proof: ## the tests that can lose, at the size a change is proven with
	PARLEY_PROOF=1 $(GO) test -timeout 30m -count=1 $(PROVEN)

soak: ## all tests in their long form: hours
	PARLEY_SOAK=1 $(GO) test -timeout 24h ./...

cross: $(PLATFORMS) ## build and vet for every system, without cgo

$(PLATFORMS): export GOOS = $(@D)
$(PLATFORMS): export GOARCH = $(@F)
$(PLATFORMS): export CGO_ENABLED = 0
$(PLATFORMS):
	@echo "$@"
	$(GO) build -o /dev/null ./...
	$(GO) vet ./...

clean: ## remove what was built; go's build cache stays
	rm -rf .bin parley parley.exe
