# Two targets do everything on a fresh Debian or Ubuntu machine: `make run` and `make test`.

VENV := .venv
# The distribution's Python sees the distribution's PyGObject, which the tray needs.
PYTHON := $(shell command -v /usr/bin/python3 || command -v python3)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --constraint packaging/constraints.txt

.PHONY: run test check install uninstall bench words clean

run: $(VENV)/run  ## filter the microphone; where there is none, the demo
	@packaging/run.sh $(VENV)

test: $(VENV)/test  ## the whole test suite
	$(VENV)/bin/python -m pytest

check: $(VENV)/test  ## lint, types, and the tests of the built wheel
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python packaging/check_wheel.py

install: $(VENV)/run  ## service, tray and menu entry for this user
	$(VENV)/bin/densenoiser install-user

uninstall:  ## take them away again
	$(VENV)/bin/densenoiser uninstall-user

bench: $(VENV)/run  ## cost of a frame, and of the daemon as a whole, on this machine
	$(VENV)/bin/densenoiser bench
	$(VENV)/bin/densenoiser soak --minutes 1

words: $(VENV)/test  ## man pages, completions and the translation catalogue, after a change of any message or option
	$(VENV)/bin/python packaging/reference.py
	$(VENV)/bin/python packaging/catalogue.py extract

clean:
	rm -rf $(VENV) dist build demo-output

$(VENV)/bin/python:
	@packaging/system-packages.sh run
	$(PYTHON) -m venv --system-site-packages $(VENV)

$(VENV)/run: $(VENV)/bin/python pyproject.toml packaging/constraints.txt
	@packaging/system-packages.sh run
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/test: $(VENV)/bin/python pyproject.toml packaging/constraints.txt packaging/peers.txt
	@packaging/system-packages.sh test
	$(PIP) --editable '.[demo,dev,eval,train]'
	$(PIP) --no-deps --requirement packaging/peers.txt
	@touch $@ $(VENV)/run
