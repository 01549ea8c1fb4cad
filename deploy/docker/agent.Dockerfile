# A party's agent, on its own premises. It opens no port; commands reach it by "docker exec".
# Build from the root of the repository. Pin both images by digest before you rely on them.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /cordon ./cmd/cordon && CGO_ENABLED=0 go build -trimpath -o /cordon-kms ./cmd/cordon-kms && mkdir -m 700 /home-of-party

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /cordon /cordon-kms /
COPY --from=build --chown=65532:65532 /home-of-party /data
USER 65532:65532
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["/cordon"]
CMD ["party", "serve", "--home", "/data", "--exchange", "https://exchange.example", "--passphrase-file", "/run/secrets/passphrase", "--json"]
