# Two commands do everything on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Some of a test is waiting for a process or a server, so there is one worker more than cores.
WORKERS ?= $(shell echo $$((1 + $$(nproc))))

.PHONY: help setup demo test check lock changelog clean

help: ## Say what each target does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.runtime ## Make .venv with the pinned dependencies and lineside in it

$(VENV)/.runtime: requirements/runtime.txt requirements/uv.txt pyproject.toml scripts/setup
	@scripts/setup runtime

$(VENV)/.dev: requirements/dev.txt requirements/uv.txt pyproject.toml scripts/setup
	@scripts/setup dev

demo: $(VENV)/.runtime ## Take the example down the whole line, then serve it (ARGS=--check stops by itself)
	@$(BIN)/lineside demo $(ARGS)

# What tests write is short-lived: it goes into memory where there is room.
test: $(VENV)/.dev ## Run all tests, those in a real PostgreSQL and a real Chromium included
	@scripts/chromium
	@if [ "$$(df -k --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 4000000 ] 2>/dev/null; then \
		export TMPDIR=/dev/shm; fi; \
	PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

check: $(VENV)/.dev ## Lint, format check and strict types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock: $(VENV)/.dev ## Write the hash-pinned lock files again, without index addresses
	@scripts/lock

changelog: ## Gather changes/ into CHANGELOG.md
	@python3 scripts/changelog

clean: ## Remove .venv and caches (the state folder stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
