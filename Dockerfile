# Seizures by the shipped model, as SzCORE's benchmark calls an algorithm; docs/szcore.md shows how to run it.
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="ictal" \
      org.opencontainers.image.description="Finds seizures in EEG. For research, not for clinical use." \
      org.opencontainers.image.licenses="Apache-2.0"
# Without extras: scoring needs no torch. All that is needed is in the image, so that it runs without a network.
RUN --mount=type=bind,from=build,source=/wheel,target=/wheel \
    pip install --no-cache-dir /wheel/*.whl
RUN useradd --no-create-home --uid 10001 --shell /usr/sbin/nologin ictal \
    && install --directory --owner=ictal /output
USER 10001
VOLUME ["/data", "/output"]
ENV INPUT="" OUTPUT=""
CMD ["sh", "-c", "exec ictal szcore \"/data/$INPUT\" \"/output/$OUTPUT\""]
