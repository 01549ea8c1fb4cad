# The exchange: one static program, no shell.
# Build from the root of the repository. Pin both images by digest before you rely on them.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /cordon ./cmd/cordon && mkdir -m 700 /home-of-exchange

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /cordon /cordon
COPY --from=build --chown=65532:65532 /home-of-exchange /data
USER 65532:65532
VOLUME /data
EXPOSE 7400
STOPSIGNAL SIGTERM
ENTRYPOINT ["/cordon"]
CMD ["exchange", "serve", "--home", "/data", "--listen", "0.0.0.0:7400", "--json"]
