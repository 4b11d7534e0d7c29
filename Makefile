# Two targets do everything on a fresh Debian or Ubuntu machine: `make run` and `make test`. `make help` lists the rest.

VENV := .venv
# The distribution's Python sees the distribution's PyGObject, which the tray needs.
PYTHON := $(shell command -v /usr/bin/python3 || command -v python3)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --constraint packaging/constraints.txt

.PHONY: run test test-servers packages check lint format install uninstall bench gpu-check train generated clean help

run: $(VENV)/run  ## filter the microphone; where there is none, the demo
	@packaging/run.sh $(VENV)

test: $(VENV)/test  ## the whole test suite
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope

test-servers: $(VENV)/test  ## the tests with servers of newer systems, in chroots; needs root, mmdebstrap and ten minutes each
	$(VENV)/bin/python -m tests.servers

packages:  ## deb, rpm, Arch package and tarball in dist/, with their digests; on the oldest system that they shall run on
	@packaging/system-packages.sh packages
	@$(PYTHON) packaging/packages/build.py

check: lint  ## lint, types, and the tests of the built wheel
	$(VENV)/bin/python packaging/check_wheel.py

lint: $(VENV)/test  ## ruff, formatting and types; changes nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/test  ## mend what ruff can mend, and format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

install:  ## commands, service, tray and menu entry for this user; the checkout may be deleted afterwards
	@packaging/system-packages.sh run
	@packaging/install.sh $(PYTHON)

uninstall:  ## end the daemon and the tray, and take all that away again; from any checkout
	@packaging/uninstall.sh $(VENV)

bench: $(VENV)/test  ## cost of a frame, and of the daemon as a whole, on this machine
	$(VENV)/bin/densenoiser bench
	$(VENV)/bin/python -m tests.tools.soak --minutes 1

gpu-check: $(VENV)/test  ## the CUDA provider: same output as the CPU, time of a hop, fallback
	$(VENV)/bin/python -m tests.tools.gpu_check

train: $(VENV)/test  ## train a network on your own recordings; says what it needs
	@packaging/train.sh $(VENV)/bin "$(DATA)" "$(RECIPE)" "$(OUT)" "$(STEPS)"

generated: $(VENV)/test  ## man pages, completions and translation catalogue; after a change of a message or option
	$(VENV)/bin/python packaging/reference.py
	$(VENV)/bin/python packaging/catalogue.py extract

clean:  ## remove the virtual environment and what was built
	rm -rf $(VENV) dist build demo-output

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

$(VENV)/bin/python:
	@packaging/system-packages.sh run
	$(PYTHON) -m venv --system-site-packages $(VENV)

$(VENV)/run: $(VENV)/bin/python pyproject.toml packaging/constraints.txt
	@packaging/system-packages.sh run
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/test: $(VENV)/bin/python pyproject.toml packaging/constraints.txt packaging/peers.txt
	@packaging/system-packages.sh test
	$(PIP) --editable '.[demo,dev,engines,eval,train]'
	$(PIP) --no-deps --requirement packaging/peers.txt
	@touch $@ $(VENV)/run
