# SPDX-License-Identifier: Apache-2.0
"""A current librdkafka beside the distribution's.

The wheel of the Python client carries it as a plain shared library that needs
nothing but libc; programs that were built with the distribution's headers run
on it.
"""
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

NEWER = "2.16.1"


def newer_library():
    """The folder that LD_LIBRARY_PATH must name, fetched once; safe to call
    from several processes."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "kabridge" / f"librdkafka-{NEWER}"
    link = folder / "librdkafka.so.1"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if link.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "-q",
                        "--no-deps", "--root-user-action=ignore",
                        "--target", folder, f"confluent-kafka=={NEWER}"],
                       check=True, stdout=sys.stderr)
        library = next(folder.glob("confluent_kafka.libs/librdkafka*.so*"))
        link.symlink_to(library.relative_to(folder))
    return folder
