# The generator as an image, for workers on many hosts (docs/distributed.md). A broker is not in it.
#
#   docker build -t loadtest .
#   docker run --rm -e LOADTEST_BROKER=amqp://USER:PASSWORD@HOST/ -v "$PWD/results:/load/results" loadtest \
#       --headless --scenario steady-1kb
#   docker run --rm --entrypoint loadtest loadtest list

FROM python:3.13-slim-bookworm AS build

# Of what the lock names only hdrhistogram has no wheel for arm64: there it is compiled.
RUN if [ "$(dpkg --print-architecture)" != amd64 ]; then \
        apt-get update && \
        apt-get install --yes --no-install-recommends gcc libc6-dev && \
        rm -rf /var/lib/apt/lists/*; \
    fi

RUN python -m venv /opt/loadtest
WORKDIR /src

# The packages first, by the lock and with its hashes: a change of the code does not install them again.
COPY requirements.lock ./
RUN /opt/loadtest/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY loadtest ./loadtest
COPY scenarios ./scenarios
COPY configs ./configs
RUN /opt/loadtest/bin/pip install --no-cache-dir --disable-pip-version-check --no-index --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm

COPY --from=build /opt/loadtest /opt/loadtest

# A user without rights, and a folder for the results that any user may write, as `--user` names another.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp load && \
    install --directory --mode 1777 /load /load/results

ENV PATH=/opt/loadtest/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    LOCUST_LOCUSTFILE=/opt/loadtest/lib/python3.13/site-packages/loadtest/main.py

WORKDIR /load
USER 10001:10001

# Of a master: the channel to its workers, and the web page.
EXPOSE 5557 8089

ENTRYPOINT ["locust"]
CMD ["--help"]
