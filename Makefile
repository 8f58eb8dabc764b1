# `make help` lists what there is. PYTHON names the interpreter to make .venv with: make test PYTHON=python3.12

python := .venv/bin/python

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check lint quick-test wheel-test bench fuzz soak install deb boot-test limits-test clean setup-test setup-boot

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: ## Start herdd with an example to play with, until Ctrl-C
	@tools/setup run
	@$(python) tools/demo.py

# pytest's summary comes last, for those who read the last line only.
test: lint quick-test wheel-test ## Check everything: lint, then every test, against the wheel

check: lint ## Lint, then run every test against the checkout
	@$(python) -m pytest

lint: setup-test ## Check style, types and who imports whom
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

quick-test: setup-test ## Run the tests that need no daemon against the checkout
	@$(python) -m pytest -q tests/core tests/herdctl

wheel-test: setup-test ## Build the wheel and run every test against it
	@tools/wheel-test

bench: setup-test ## Measure herdd
	@$(python) tools/bench.py
	@$(python) tools/bench_bans.py
	@$(python) tools/bench_jitsi.py
	@$(python) tools/bench_mumble.py
	@$(python) tools/bench_peers.py

fuzz: setup-test ## Play 10,000 hostile messages and 500 hostile clients at once to the control socket
	@$(python) tools/fuzz_socket.py

soak: setup-test ## Kill what can be killed some hundred times, and see that what was told lasts (a quarter of an hour)
	@HERD_SOAK=200 HERD_JITSI_SOAK=100 HERD_MUMBLE_SOAK=100 $(python) -m pytest -o faulthandler_timeout=0 \
		tests/services/test_jami_soak.py tests/services/test_jitsi_soak.py tests/services/test_mumble_service.py

install: ## Install below PREFIX=/usr/local, for a package below DESTDIR=
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' PYTHON='$(PYTHON)' tools/install

deb: ## Build the Debian package into build/deb
	@tools/deb

boot-test: setup-boot deb ## Install, boot, upgrade and remove the package on a Debian 12 of its own (as root, some minutes)
	@/usr/bin/python3 tools/boot_test.py

limits-test: setup-test deb ## Check control groups and limits on a Debian 12 with a kernel of its own (as root, some minutes)
	@$(python) tools/limits_test.py

clean: ## Remove everything that was made here
	rm -rf .venv build dist .hypothesis .*_cache .cache/boot .cache/limits
	find . -name __pycache__ -prune -exec rm -rf {} +

setup-test:
	@tools/setup test

setup-boot:
	@tools/setup boot
