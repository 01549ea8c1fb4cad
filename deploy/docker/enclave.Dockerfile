# The enclave, as "make enclave-release" builds it: the image is a carrier of the program, its digest and its bill of materials.
# The builder installs g++ with static libraries.
# Build from the root of the repository. Pin both images by digest before you rely on them.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && make build && go run ./tools/enclaverelease -go go -program bin/cordon-enclave

FROM scratch
COPY --from=build /src/bin/cordon-enclave* /
