"""Provides a Docker engine and the base images, also on a machine without an engine that cannot pull images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENGINE_SECONDS, PULL_SECONDS = 60, 300
STARTED = time.monotonic()
# Compose prefers variables of the shell to those of the file; the test must use only the file.
REMOVED_PREFIXES = ("LGSP_", "AIRFLOW_", "POSTGRES_", "COMPOSE_")


class CheckFailed(Exception):
    """A command or a check of the installation failed; the message has the reason."""


def report(message: str) -> None:
    """Print one progress line with the seconds since the start."""
    sys.stdout.write(f"{time.monotonic() - STARTED:6.1f} s  {message}\n")
    sys.stdout.flush()


def run_command(*command: str) -> str:
    """The output of a command. Raises CheckFailed with its last lines when it fails."""
    process = _completed(*command)
    if process.returncode:
        lines = (process.stdout + process.stderr).splitlines()[-30:]
        raise CheckFailed(f"{' '.join(command)} ended with {process.returncode}:\n" + "\n".join(lines))
    return process.stdout.strip()


def succeeds(*command: str, seconds: float | None = None) -> bool:
    """Whether a command exists and ends with 0 within the time."""
    try:
        return _completed(*command, seconds=seconds).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def _completed(*command: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's root folder, without the settings of other installations."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_PREFIXES)}
    return subprocess.run(
        command, cwd=ROOT, env=env, timeout=seconds, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )  # fmt: skip


def wait_until(condition: str, is_met: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition is met, then report it. Raises CheckFailed after the given seconds."""
    deadline = time.monotonic() + seconds
    while not is_met():
        if time.monotonic() > deadline:
            raise CheckFailed(f"{condition}: not after {seconds:.0f} s")
        time.sleep(0.5)
    report(condition)


@contextmanager
def engine() -> Iterator[None]:
    """A running Docker engine: the machine's, or a temporary one that leaves behind only empty firewall chains."""
    if succeeds("docker", "info"):
        yield
        return
    if os.geteuid() or not shutil.which("dockerd"):
        raise CheckFailed("no Docker engine answers; to start one, run this as root with docker.io installed")
    folder = Path(tempfile.mkdtemp(prefix="lgsp-engine-"))
    os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
    command = [
        "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/dockerd.pid", "--host", os.environ["DOCKER_HOST"],
        "--bridge=none", "--ip-forward=false",  # do not change the machine's network
    ]  # fmt: skip
    with (folder / "dockerd.log").open("wb") as log:
        dockerd = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until("the temporary Docker engine answers", lambda: succeeds("docker", "info"), ENGINE_SECONDS)
        yield
    finally:
        dockerd.terminate()
        dockerd.wait(ENGINE_SECONDS)
        mounts = (line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
        for mount in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
            run_command("umount", mount)
        shutil.rmtree(folder)
        report("the temporary Docker engine is stopped")


def base_image(file: str, pattern: str) -> str:
    """The name of the base image in a file of the installation. Raises CheckFailed when there is none."""
    match = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    if not match:
        raise CheckFailed(f"{file} names no base image")
    return match.group(1)


def is_available(image: str) -> bool:
    """Whether an image exists on this machine or can be pulled."""
    exists = succeeds("docker", "image", "inspect", image)
    return exists or succeeds("docker", "pull", image, seconds=PULL_SECONDS)


def import_python_image(image: str) -> None:
    """Import a minimal Debian with Python, and this machine's pip settings, under the name of the official image."""
    with tempfile.TemporaryDirectory() as folder:
        rootfs = Path(folder, "rootfs")
        packages = ("Created-By: Packages", "Codename: bookworm")
        mirror = run_command("apt-get", "indextargets", "--format", "$(REPO_URI)", *packages).split()[0]
        included = "--include=python3,python3-pip,ca-certificates"
        run_command("debootstrap", "--variant=minbase", included, "bookworm", str(rootfs), mirror)
        for path in map(Path, ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")):
            if path.exists():
                shutil.copy(path, rootfs / path.relative_to("/"))
        for marker in rootfs.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        (rootfs / "usr/bin/python").symlink_to("python3")
        archive = Path(folder, "rootfs.tar")
        run_command("tar", "-C", str(rootfs), "-cf", str(archive), ".")
        run_command("docker", "import", str(archive), image)


def build_postgres_image(image: str, ours: str) -> None:
    """Build an image with the server that the tests use, taken from the image `ours`, under the official name."""
    recipe = HERE / "stand_in"
    run_command("docker", "build", "--network=none", "--tag", image, "--build-arg", f"OURS={ours}",
                "--file", str(recipe / "postgres.Dockerfile"), str(recipe))  # fmt: skip
