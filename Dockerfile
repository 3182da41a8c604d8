# syntax=docker/dockerfile:1
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN VERSION="$VERSION" scripts/static /out/guildhall
# What the empty image needs beside the binary: directories that its user may write to.
RUN mkdir -p /out/root/data /out/root/tmp && chmod 1777 /out/root/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/root/ /
COPY --from=build /out/guildhall /guildhall
USER 65532:65532
# Whoever wants the laptop's defaults sets ENVIRONMENT=development.
ENV ENVIRONMENT=production DATA_DIR=/data HOST=0.0.0.0 PORT=8000
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# No HEALTHCHECK: nothing here could make the request. Point a probe at /readyz.
ENTRYPOINT ["/guildhall"]
