# A host with the perimeter "process": evidence is SIMULATED. The perimeter makes namespaces: the container must be allowed to
# (see compose.yaml), and have no swap.
# Build from the root of the repository. Pin both images by digest before you rely on them.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && make build && mkdir -m 700 /home-of-host

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/cordon /src/bin/cordon-enclave /
COPY --from=build --chown=65532:65532 /home-of-host /data
USER 65532:65532
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["/cordon"]
CMD ["host", "serve", "--home", "/data", "--exchange", "https://exchange.example", "--enclave", "/cordon-enclave", "--perimeter", "strongest", "--passphrase-file", "/run/secrets/passphrase", "--json"]
