# Cordon. `make demo` runs the main job on real input; `make test` runs every test.
# Needs Go and gcc; what else is needed is installed where that is possible (see scripts/deps).
GO          ?= go
BIN         := bin
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# All fuzz targets together, in seconds: each gets an equal part.
FUZZSECONDS ?= 240

# The enclave: cgo for DuckDB, fully static, the same bytes in every folder. What could change them is set here, whatever the
# caller's environment says. Package internal/enclavebuild reads these two lines. The shell asks scripts/ipsecmb for a tag.
ENCLAVE_ENV := CGO_ENABLED=1 GOTOOLCHAIN=go1.26.8 GOEXPERIMENT=runtimesecret GOAMD64=v1 GOARM64=v8.0 GOFLAGS= CC=gcc CXX=g++ CGO_CFLAGS='-O2 -g' CGO_CXXFLAGS='-O2 -g' CGO_CPPFLAGS= CGO_LDFLAGS=
ENCLAVE_FLAGS := -trimpath -buildvcs=false -tags netgo,osusergo,`scripts/ipsecmb` -ldflags '-linkmode external -extldflags "-static" -s -w -buildid='

.PHONY: evidence images all build enclave-release deps demo demo-vm vm-image demo-check test chaos outages load bench bench-deps check fuzz corpus mutants clean

all: build

deps:
	@scripts/deps

build: deps
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/cordon ./cmd/cordon
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/cordon-kms ./cmd/cordon-kms
	CGO_ENABLED=1 $(GO) build -trimpath -o $(BIN)/cordon-pkcs11 ./cmd/cordon-pkcs11
	$(ENCLAVE_ENV) $(GO) build $(ENCLAVE_FLAGS) -o $(BIN)/cordon-enclave ./cmd/cordon-enclave

# The enclave with its manifest and its bill of materials beside it.
enclave-release: build
	$(GO) run ./tools/enclaverelease -go "$(GO)" -program $(BIN)/cordon-enclave

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
	@tag=$$(scripts/ipsecmb); [ -n "$$tag" ] || [ "$$CORDON_REQUIRE_ALL" != 1 ]
	$(GO) test -timeout 20m -tags "`scripts/ipsecmb`" ./internal/enclave/served ./internal/enclave/runner

# Kills processes of a whole exchange while it works; docs/reliability.md. SEED repeats what chance chose, not the moments.
KILLS ?= 300
SEED  ?= 0
chaos: build
	CGO_ENABLED=0 $(GO) build -o $(BIN)/chaos ./tools/chaos
	$(BIN)/chaos -bin $(BIN) -kills $(KILLS) -seed $(SEED) -write docs/reliability.md

# A hundred analysts at work; an hour of it by FOR=1h.
FOR ?= 1m
load: build
	CGO_ENABLED=0 $(GO) build -o $(BIN)/chaos ./tools/chaos
	$(BIN)/chaos -bin $(BIN) -load $(FOR) -write docs/reliability.md

# Has everything that the exchange stands on away for a while, one after the other.
OUTAGE ?= 30s
outages: build
	CGO_ENABLED=0 $(GO) build -o $(BIN)/chaos ./tools/chaos
	$(BIN)/chaos -bin $(BIN) -outage $(OUTAGE) -write docs/reliability.md

# What the bench needs beside the programs; nothing else does.
bench-deps:
	@scripts/deps-bench $(BIN)/bench/py
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/bench/enclavestart ./tools/bench/enclavestart
	CGO_ENABLED=1 $(GO) build -tags "`scripts/ipsecmb`" -o $(BIN)/bench/bench ./tools/bench

# BENCH_SF is the scale factor of TPC-H, 1 unless it is set.
bench: build bench-deps
	$(BIN)/bench/bench -bin $(BIN) -write
	$(GO) run ./tools/corpus --policies tools/corpus/testdata/policies.yaml --fixture policy/testdata/corpus-fixture.sql --times policy/testdata/queries-dev.jsonl

check: build
	@scripts/check "$(GO)" "$(STATICCHECK)"

fuzz: deps
	@scripts/fuzz "$(GO)" "$(FUZZSECONDS)"

corpus: deps
	$(GO) run ./tools/corpus --policies tools/corpus/testdata/policies.yaml --fixture policy/testdata/corpus-fixture.sql policy/testdata/queries-dev.jsonl

evidence: deps
	$(GO) run ./tools/evidence evidence/testdata

images: build
	$(GO) run ./tools/images -kind snp
	$(GO) run ./tools/images -kind tdx
	$(GO) run ./tools/images -kind sgx
	$(GO) run ./tools/images -kind nitro -form-only

mutants: deps
	$(GO) run ./tools/mutants

clean:
	rm -rf $(BIN) out out-vm
