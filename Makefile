# Cordon. `make demo` runs the main job on real input; `make test` runs every test.
# Needs Go and gcc; what else is needed is installed where that is possible (see scripts/deps).
GO          ?= go
BIN         := bin
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 5s

# The enclave: cgo for DuckDB, fully static, the same bytes in every folder.
ENCLAVE_FLAGS := -trimpath -tags netgo,osusergo -ldflags '-linkmode external -extldflags "-static" -s -w -buildid='

.PHONY: evidence all build deps demo demo-vm vm-image demo-check test bench check fuzz corpus mutants clean

all: build

deps:
	@scripts/deps

build: deps
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/cordon ./cmd/cordon
	CGO_ENABLED=1 $(GO) build $(ENCLAVE_FLAGS) -o $(BIN)/cordon-enclave ./cmd/cordon-enclave

demo: build
	CGO_ENABLED=1 $(GO) build -o $(BIN)/demo ./tools/demo
	CGO_ENABLED=1 $(GO) build -o $(BIN)/democheck ./tools/democheck
	$(BIN)/demo -bin $(BIN) -out out
	$(BIN)/democheck -csv examples/birdstrikes/birdstrikes.csv -out out

# The virtual machine needs QEMU and swtpm to run, and neither to be built.
vm-image: build
	$(GO) run ./tools/vmimage -enclave $(BIN)/cordon-enclave -out $(BIN)/vm -cache $(BIN)

demo-vm: vm-image
	@scripts/deps-vm
	CGO_ENABLED=1 $(GO) build -o $(BIN)/demo ./tools/demo
	$(BIN)/demo -bin $(BIN) -out out-vm -image $(BIN)/vm

demo-check: deps
	CGO_ENABLED=1 $(GO) build -o $(BIN)/democheck ./tools/democheck
	$(BIN)/democheck -csv examples/birdstrikes/birdstrikes.csv -out out -tamper

test: build
	@scripts/deps-vm || [ "$$CORDON_REQUIRE_ALL" != 1 ]
	$(GO) test -timeout 20m ./...

bench: build
	$(GO) run ./tools/bench -bin $(BIN)
	$(GO) run ./tools/corpus --policies tools/corpus/testdata/policies.yaml --fixture policy/testdata/corpus-fixture.sql --times policy/testdata/queries-dev.jsonl

check: build
	@scripts/check "$(GO)" "$(STATICCHECK)"

fuzz: deps
	@scripts/fuzz "$(GO)" "$(FUZZTIME)"

corpus: deps
	$(GO) run ./tools/corpus --policies tools/corpus/testdata/policies.yaml --fixture policy/testdata/corpus-fixture.sql policy/testdata/queries-dev.jsonl

evidence: deps
	$(GO) run ./tools/evidence evidence/testdata

mutants: deps
	$(GO) run ./tools/mutants

clean:
	rm -rf $(BIN) out out-vm
