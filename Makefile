# Four verbs: run, test, check, web. Each installs what it needs, asks nothing, and is quick the second time.
# Everything works from a fresh clone, with GNU make 3.81 or newer.

SCENARIO = flood-1000-direct
ARGS =
PYTEST_ARGS ?=

# No variable of the caller's environment about Python is for us; PYTHON=… counts on make's command line only.
unexport PYTHONPATH $(filter PYTHON%,$(.VARIABLES))
ifeq ($(origin PYTHON),command line)
export PYTHON
endif

# By the environment, so that a password shows neither in `ps` nor in what make prints.
ifeq ($(origin BROKER),command line)
export LOADTEST_BROKER = $(value BROKER)
endif

export PYTEST_ARGS

BIN = .venv/bin
# A developer's own broker is not for tests: they use private nodes, or LOADTEST_TEST_BROKER.
TEST_ENV = env -u LOADTEST_BROKER -u AMQP_URL

.DEFAULT_GOAL = help
.PHONY: help run web test test-unit test-broker test-e2e test-long bench bench-micro bench-scale check format lock clean run-venv dev-venv broker test-broker-server test-chromium

help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'For run: SCENARIO=NAME. For run and web: BROKER=URL, ARGS="…". For tests: PYTEST_ARGS="…". For all: PYTHON=python3.12.'

run: run-venv broker ## Run a scenario (flood-1000-direct) on a real broker and print the result
	@$(BIN)/locust -f loadtest/main.py --headless --scenario $(SCENARIO) $(ARGS)

web: run-venv broker ## Open Locust's web page on 127.0.0.1, to pick a scenario and watch it
	@$(BIN)/locust -f loadtest/main.py --web-host 127.0.0.1 $(ARGS)

test: dev-venv test-broker-server test-chromium ## Run all tests but the long ones: unit, broker, e2e
	@$(TEST_ENV) tools/test.sh

test-unit: dev-venv ## Run the tests that need no broker
	@$(TEST_ENV) $(BIN)/python -m pytest tests/unit -n 2 --dist loadgroup $(PYTEST_ARGS)

test-broker: dev-venv test-broker-server ## Run the tests against a real RabbitMQ node
	@$(TEST_ENV) $(BIN)/python -m pytest tests/broker -n 2 --dist loadgroup $(PYTEST_ARGS)

test-e2e: dev-venv test-broker-server test-chromium ## Run the tests of locust and loadtest as processes
	@$(TEST_ENV) $(BIN)/python -m pytest tests/e2e -n 2 --dist loadgroup $(PYTEST_ARGS)

test-long: dev-venv test-broker-server test-chromium ## Run the tests that take minutes
	@$(TEST_ENV) tools/test.sh long

check: dev-venv ## Lint, check format, types and the directions of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/house

bench: dev-venv test-broker-server ## Measure the generator against plain pika in two minutes (ARGS="--perf-test 'CMD'" adds PerfTest)
	@$(BIN)/python -m bench --quick $(ARGS)

bench-micro: dev-venv ## Time the hot paths, in ns a message, and say what moved against the baseline
	@$(BIN)/python -m bench.micro $(ARGS)

bench-scale: dev-venv test-broker-server ## Measure what a master costs with 10, 100 and 1,000 simulated workers
	@$(BIN)/python -m bench.scale $(ARGS)

format: dev-venv ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: dev-venv ## Lock the newest versions that pyproject.toml allows
	@tools/lock.sh

clean: ## Remove what make made, but no results
	@rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

run-venv:
	@tools/venv.sh run

dev-venv:
	@tools/venv.sh dev

broker:
	@tools/broker.sh LOADTEST_BROKER AMQP_URL

test-broker-server:
	@tools/broker.sh LOADTEST_TEST_BROKER

test-chromium:
	@tools/chromium.sh
