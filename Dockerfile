FROM python:3.12-slim

RUN useradd --system --uid 10001 --home-dir /data thermly && mkdir /data && chown thermly /data
WORKDIR /opt/thermly
COPY pyproject.toml README.md LICENSE app.py ./
COPY thermly thermly
COPY workers workers
RUN pip install --no-cache-dir .

USER thermly
ENV THERMLY_INSTANCE=/data THERMLY_HOST=0.0.0.0 THERMLY_PORT=8080
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health/readiness', timeout=2)"]
CMD ["thermly", "up"]
