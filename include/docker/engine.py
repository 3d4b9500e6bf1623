"""A Docker engine and the two base images, also on a machine that has neither and can pull nothing."""

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
BEGAN = time.monotonic()
# Compose prefers the shell's variables to those of its file; the test wants its own.
OF_OTHERS = ("LGSP_", "AIRFLOW_", "POSTGRES_", "COMPOSE_")


class NotAsPromised(Exception):
    """The installation did not do what it promises; the message says what was missing."""


def say(what: str) -> None:
    """One progress line with the seconds since the beginning."""
    sys.stdout.write(f"{time.monotonic() - BEGAN:6.1f} s  {what}\n")
    sys.stdout.flush()


def run(*command: str) -> str:
    """What a program wrote to its output. Raises NotAsPromised with its last lines when it failed."""
    done = process(*command)
    if done.returncode:
        told = (done.stdout + done.stderr).splitlines()[-30:]
        raise NotAsPromised(f"{' '.join(command)} ended with {done.returncode}:\n" + "\n".join(told))
    return done.stdout.strip()


def succeeds(*command: str, seconds: float | None = None) -> bool:
    """Whether a program ends well, and in time."""
    try:
        return process(*command, seconds=seconds).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def process(*command: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """A program that has run in the project's root, without settings of other installations."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OF_OTHERS)}
    return subprocess.run(
        command, cwd=ROOT, env=env, timeout=seconds, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )  # fmt: skip


def wait(what: str, is_done: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, and say it. Raises NotAsPromised when it takes too long."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise NotAsPromised(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.5)
    say(what)


@contextmanager
def engine() -> Iterator[None]:
    """A Docker engine: the one that answers, or one of our own that leaves only empty firewall chains."""
    if succeeds("docker", "info"):
        yield
        return
    if os.geteuid() or not shutil.which("dockerd"):
        raise NotAsPromised("no Docker engine answers; root with docker.io could start one")
    folder = Path(tempfile.mkdtemp(prefix="lgsp-engine-"))
    os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
    command = [
        "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/dockerd.pid", "--host", os.environ["DOCKER_HOST"],
        "--bridge=none", "--ip-forward=false",  # the machine's own network stays as it is
    ]  # fmt: skip
    with (folder / "dockerd.log").open("wb") as log:
        dockerd = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait("an engine of our own answers", lambda: succeeds("docker", "info"), ENGINE_SECONDS)
        yield
    finally:
        dockerd.terminate()
        dockerd.wait(ENGINE_SECONDS)
        mounts = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
        for mount in sorted((path for path in mounts if path.startswith(f"{folder}/")), reverse=True):
            run("umount", mount)
        shutil.rmtree(folder)
        say("the engine is gone")


def image_named(file: str, pattern: str) -> str:
    """The name of a base image, as a file of the installation wants it."""
    found = re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
    if not found:
        raise NotAsPromised(f"{file} names no base image")
    return found.group(1)


def is_at_hand(image: str) -> bool:
    """Whether an image is here, or can be pulled."""
    is_here = succeeds("docker", "image", "inspect", image)
    return is_here or succeeds("docker", "pull", image, seconds=PULL_SECONDS)


def stand_in_for_python(image: str) -> None:
    """Import a minimal Debian with Python under the official name, and with this machine's pip settings."""
    with tempfile.TemporaryDirectory() as folder:
        rootfs = Path(folder, "rootfs")
        packages = ("Created-By: Packages", "Codename: bookworm")
        mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)", *packages).split()[0]
        wanted = "--include=python3,python3-pip,ca-certificates"
        run("debootstrap", "--variant=minbase", wanted, "bookworm", str(rootfs), mirror)
        for kept in map(Path, ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")):
            if kept.exists():
                shutil.copy(kept, rootfs / kept.relative_to("/"))
        for marker in rootfs.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        (rootfs / "usr/bin/python").symlink_to("python3")
        archive = Path(folder, "rootfs.tar")
        run("tar", "-C", str(rootfs), "-cf", str(archive), ".")
        run("docker", "import", str(archive), image)


def stand_in_for_postgres(image: str, ours: str) -> None:
    """Build the server of the tests under the name of the official image; taken out of an image of ours."""
    recipe = HERE / "stand_in"
    run("docker", "build", "--network=none", "--tag", image, "--build-arg", f"OURS={ours}",
        "--file", str(recipe / "postgres.Dockerfile"), str(recipe))  # fmt: skip
