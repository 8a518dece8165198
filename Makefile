# `make` alone lists the targets.
PY := .venv/bin/python
NEWEST := .venv-newest/bin/python
.DEFAULT_GOAL := help
.PHONY: help demo test check unit unit-lab unit-newest browser-test lab-test reference venv lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## set everything up, bring up two regions, mesh them, and prove it with traffic
	./spanmesh demo

test: check unit browser-test lab-test ## everything: style, types, unit tests with both sets of SDKs, browser, lab tests

venv:
	@sh toolchain/venv.sh lab .venv
	@sh toolchain/venv.sh newest .venv-newest

check: venv ## format, lint and types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

unit: venv ## unit tests, with the lab's SDKs and with the newest ones, side by side
	@$(MAKE) --no-print-directory --output-sync=target --jobs=2 unit-lab unit-newest

unit-lab:
	$(PY) -m pytest tests/unit

unit-newest: # toolchain/ uses no SDK
	$(NEWEST) -m pytest tests/unit --ignore=tests/unit/toolchain

browser-test: venv ## the report in a headless Chromium (installed where this is root on Debian, else skipped)
	if [ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ]; then ./spanmesh tools install chromium || true; fi
	$(PY) -m pytest tests/browser

lab-test: venv ## tests against real clusters, in two labs of their own side by side (root on Linux)
	@# Not within pytest, which would keep the progress of a long build to itself.
	if [ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ]; then ./spanmesh tools install; fi
	$(PY) -m pytest tests/lab --numprocesses=2 --verbose --durations=15

reference: venv ## write docs/configuration.md and the JSON Schemas anew from the models
	./spanmesh reference

lock: venv ## write requirements/*.lock anew from requirements.txt and requirements/*.in
	$(PY) -m pip install -q --target .venv/uv uv
	cd requirements && for name in lab newest; do \
	    ../.venv/uv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	        --upgrade --output-file $$name.lock $$name.in || exit 1; \
	done

clean: ## remove the Python environments (tools stay in the cache: ~/.cache/spanmesh)
	rm -rf .venv .venv-newest
