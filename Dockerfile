# syntax=docker/dockerfile:1
# nhisync with all providers and without emulators. Runs as uid 65532, with a read-only root file system:
#   docker run --read-only --tmpfs /tmp -v ./nhisync:/etc/nhisync:ro -v nhisync-data:/var/lib/nhisync nhisync diff primary backup
# The RUN steps are exercised without an engine by tests/house/test_dockerfile.py; docs/image.md says what that proves.

FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements-build.lock \
    && python -m venv /opt/nhisync && /opt/nhisync/bin/pip install --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY providers ./providers
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/nhisync/bin/pip install --no-deps --no-index /wheels/*.whl \
    && find /opt/nhisync -type d -path '*/nhisync_*/emulator' -prune -exec rm -rf {} + \
    && /opt/nhisync/bin/pip uninstall --yes pip \
    && /opt/nhisync/bin/python -m compileall -q /opt/nhisync/lib

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="nhisync" \
      org.opencontainers.image.description="Credential parity between a primary and a backup path, as a readiness signal" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/nhisync /opt/nhisync
COPY policies /usr/share/nhisync/policies
RUN mkdir -p /etc/nhisync /var/lib/nhisync && chown 65532:65532 /var/lib/nhisync
ENV PATH=/opt/nhisync/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NHISYNC_CONFIG=/etc/nhisync/nhisync.yaml TMPDIR=/tmp
USER 65532:65532
WORKDIR /var/lib/nhisync
EXPOSE 8443
ENTRYPOINT ["nhisync"]
CMD ["--help"]
