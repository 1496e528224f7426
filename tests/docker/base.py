# SPDX-License-Identifier: Apache-2.0
"""A small Debian system as a tarball, made by debootstrap and kept in the
user's cache for a week: the Docker and the packaging tests stand on it."""
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

SUITE = "bookworm"
KEPT_S = 7 * 24 * 3600


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kabridge" / f"debian-{SUITE}.tar"


def fetch():
    """Makes it unless it is there; safe to run side by side."""
    tar = cache()
    tar.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{tar}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists() or time.time() - tar.stat().st_mtime > KEPT_S:
            _make(tar)
    return tar


def _make(tar):
    # In memory where that can be: dpkg waits for the disk after every file.
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="kabridge-base.", dir=place))
    part = tar.with_suffix(".part")
    try:
        _run("debootstrap", "--variant=minbase", SUITE, folder)
        # As in Debian's own images: nothing here outlives a crash anyway.
        (folder / "etc/dpkg/dpkg.cfg.d/speed").write_text("force-unsafe-io\n")
        _run("tar", "-C", folder, "-cf", part, "--exclude=./dev/*",
             "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*",
             ".")
        part.rename(tar)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command):
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace",
                          env={**os.environ, "PATH": "/usr/sbin:/sbin:"
                               + os.environ.get("PATH", "")})
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit status {done.returncode}\n"
                           f"{done.stdout[-3000:]}")
