"""Builds the wheel, installs it with the locked dependencies into a fresh environment, and runs the first commands."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "packaging" / "requirements.lock"
WANTED = (
    "densenoiser_daemon/main.py",
    "densenoiser_daemon/locale/ru/LC_MESSAGES/densenoiser.mo",
    "densenoiser_daemon/measurement/recordings/speech.opus",
    "densenoiser_daemon/share/",
    "densenoiser_models/weights/densenet-small.onnx",
    "densenoiser_models/weights/densenet-small.json",
    "densenoiser_models/weights/densenet-next.onnx",
    "densenoiser_models/weights/densenet-next.pt",
    "densenoiser_models/weights/densenet-tiny.onnx",
    "densenoiser_models/weights/densenet-tiny.json",
    "densenoiser_models/recipes/small.toml",
    "densenoiser_models/networks/leaky_memory.cpp",
    "densenoiser_tray/icons/densenoiser-active.svg",
    "densenoiser_tray/main.py",
)
COMMANDS = (
    ("densenoised", "--version"),
    ("densenoiser", "--help"),
    ("densenoiser", "bench", "--json"),
)


def run(*arguments: str | Path) -> str:
    """Runs a command and returns what it printed. If it fails, ends this program with the command's output."""
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(str(a) for a in arguments)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Returns exit code 0 if the wheel is complete and its programs start."""
    with tempfile.TemporaryDirectory(prefix="densenoiser-wheel-") as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
        (wheel,) = folder.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        for wanted in WANTED:
            if not any(entry.startswith(wanted) for entry in names):
                sys.exit(f"{wheel.name} lacks {wanted}")
        venv.create(folder / "venv", with_pip=True)
        pip = (folder / "venv/bin/python", "-m", "pip", "--disable-pip-version-check")
        run(*pip, "install", "--quiet", "--require-hashes", "--requirement", LOCK)
        run(*pip, "install", "--quiet", "--no-deps", wheel)
        run(*pip, "check")  # the lock file names every dependency, and none is too old
        for program, *arguments in COMMANDS:
            output = run(folder / "venv/bin" / program, *arguments)
            if not output.strip():
                sys.exit(f"{program} {' '.join(arguments)} printed nothing")
    sys.stdout.write(f"{wheel.name}: {len(names)} files, installs and runs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
