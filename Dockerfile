FROM python:3.13-slim AS page
WORKDIR /page
COPY requirements.web.txt ./
RUN python -m venv /opt/node \
 && /opt/node/bin/pip install --no-cache-dir --require-hashes -r requirements.web.txt
ENV PATH=/opt/node/bin:$PATH
COPY src/adapters/http/dashboard/package.json src/adapters/http/dashboard/package-lock.json \
     src/adapters/http/dashboard/.npmrc ./
RUN npm ci
COPY src/adapters/http/dashboard ./
RUN npm run build

FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt requirements.bootstrap.txt ./
RUN python -m venv /opt/opsboard \
 && /opt/opsboard/bin/pip install --no-cache-dir --require-hashes \
    -r requirements.txt -r requirements.bootstrap.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY src src
COPY --from=page /page/dist src/adapters/http/dashboard/dist
RUN /opt/opsboard/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/opsboard/bin/pip uninstall --yes setuptools

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /data opsboard
COPY --from=build /opt/opsboard /opt/opsboard
ENV PATH=/opt/opsboard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OPS_HOST=0.0.0.0 \
    OPS_PORT=8000 \
    OPS_STORE=sqlite:////data/ops.db
USER opsboard
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD \
    ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"OPS_PORT\"]}/health', timeout=2)"]
CMD ["opsboard", "serve"]
