# How to build and run it: docs/install.md
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE_IMAGE}
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" torch \
    && wheel="$(ls /wheels/*.whl)" \
    && pip install --no-cache-dir "${wheel}[bandstand,plots,web]" \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 listener \
    && mkdir /cache && chown listener /cache
USER listener
ENV MUSICAVQA_CACHE=/cache
VOLUME /cache
EXPOSE 8421
WORKDIR /work
ENTRYPOINT ["musicavqa"]
CMD ["--help"]
