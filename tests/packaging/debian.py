#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Debian packages from the release tarball, twice, in a root of
their own, and installs, uses and purges them there. The two builds run side
by side, in places, with umasks, time zones and numbers of jobs of their own.

    tests/packaging/debian.py       the last line: N passed, M failed

Needs root, debootstrap and a configured build in build/; exit status 77, with
the reason, where that is not so. If the environment has KABRIDGE_TEST_ROOT,
that folder is the root; it is made if it does not exist, and stays.
"""
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("top_builddir", TOP / "build"))
sys.path.insert(0, str(TOP / "tests" / "docker"))
import base  # noqa: E402  a small Debian system

VERSION = (TOP / "VERSION").read_text().strip()
PACKAGES = ("kabridge", "libkabridge0", "libkabridge-dev", "python3-kabridge")
TESTS = []


def test(claim):
    def register(run):
        TESTS.append((claim, run))
        return run
    return register


def expect(is_so, words):
    if not is_so:
        raise AssertionError(words)


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status "
                           f"{done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


class Root:
    """A Debian system in a folder."""

    def __init__(self):
        kept = os.environ.get("KABRIDGE_TEST_ROOT")
        self.is_kept = bool(kept)
        self.folder = Path(kept or tempfile.mkdtemp(prefix="kabridge-root."))
        self.folder.chmod(0o755)

    def __enter__(self):
        if not (self.folder / "usr").exists():
            run("tar", "-C", self.folder, "-xf", base.fetch())
        shutil.copy("/etc/resolv.conf", self.folder / "etc/resolv.conf")
        self.sh("mountpoint -q /proc || mount -t proc proc /proc")
        # No service starts in here.
        policy = self.folder / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        return self

    def __exit__(self, *_):
        self.sh("umount /proc")
        if not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def sh(self, script, **env):
        return run("chroot", self.folder, "/bin/sh", "-ec", script,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                        "HOME": "/root", "LC_ALL": "C.UTF-8",
                        "DEBIAN_FRONTEND": "noninteractive", **env})

    def unpack(self, name):
        """The release, as someone who makes packages of it unpacks it; they
        come beside it."""
        place = self.folder / "build" / name / "kabridge"
        place.mkdir(parents=True)
        run("tar", "-C", place, "--strip-components=1", "-xf",
            BUILD / f"kabridge-{VERSION}.tar.xz")
        shutil.copytree(place / "packaging/debian", place / "debian")

    def build(self, name, jobs, umask, zone):
        self.sh(f"cd /build/{name}/kabridge; umask {umask}; "
                f"DEB_BUILD_OPTIONS='nocheck parallel={jobs}' "
                "dpkg-buildpackage -us -uc -b", TZ=zone)

    def packages(self, name):
        """The digest of each."""
        found = (self.folder / "build" / name).glob("*.deb")
        return {deb.name: hashlib.sha256(deb.read_bytes()).hexdigest()
                for deb in found}


@test("the release tarball is made, and its packages build")
def packages_build(root):
    run("make", "-s", "-C", BUILD, "dist", "XZ_OPT=-1")
    shutil.rmtree(root.folder / "build", ignore_errors=True)
    root.unpack("one")
    root.unpack("another-place")
    root.sh("apt-get update -q; apt-get install -qy --no-install-recommends "
            "build-essential debhelper lintian; cd /build/one/kabridge; "
            "apt-get build-dep -qy --no-install-recommends ./")
    with ThreadPoolExecutor() as pool:
        builds = [pool.submit(root.build, *words) for words in (
            ("one", 2, "0022", "UTC"),
            ("another-place", 1, "0027", "Pacific/Kiritimati"))]
    for build in builds:
        build.result()
    names = {name.split("_")[0] for name in root.packages("one")}
    expect(set(PACKAGES) <= names, f"found {names}")


@test("two builds, in different places and time zones, make the same bytes")
def build_is_reproducible(root):
    first, second = root.packages("one"), root.packages("another-place")
    expect(first and first == second, f"found {first} and {second}")


@test("lintian finds no error")
def lintian_is_content(root):
    print(root.sh("cd /build/one; lintian --allow-root --fail-on error "
                  "*.changes"))


@test("installed, the command runs and the service waits to be configured")
def packages_install(root):
    root.sh("cd /build/one; apt-get install -qy --no-install-recommends "
            "./*kabridge*.deb")
    expect(VERSION in root.sh("kabridge version"), "the version")
    found = root.sh("kabridge functions")
    expect("identity: " in found and "delay: " in found, found)
    expect("WatchdogSec" in
           root.sh("cat /lib/systemd/system/kabridge.service"), "the unit")
    expect(not (root.folder / "etc/systemd/system/multi-user.target.wants"
                / "kabridge.service").exists(), "the service is not enabled")
    root.sh("bash -n /usr/share/bash-completion/completions/kabridge")


@test("a function builds against libkabridge-dev and passes its own test")
def functions_build(root):
    root.sh("cd /build; rm -rf mine; kabridge new mine; cd mine; make test")


@test("the Python package can be imported")
def python_imports(root):
    root.sh("python3 -c 'import kabridge; kabridge.run'")


@test("purged, nothing is left")
def packages_purge(root):
    files = [line for name in PACKAGES
             for line in root.sh(f"dpkg -L {name}").splitlines()
             if "kabridge" in line]
    root.sh(f"apt-get purge -qy {' '.join(PACKAGES)}")
    left = [name for name in files if os.path.lexists(f"{root.folder}{name}")]
    expect(files and not left, f"left: {left}")


def why_not():
    if os.geteuid() != 0:
        return "a root of its own needs root"
    if not shutil.which("debootstrap"):
        return "found no debootstrap; script/bootstrap docker installs it"
    if not (BUILD / "Makefile").exists():
        return f"found no configured build in {BUILD}"
    return None


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    reason = why_not()
    if reason:
        print(f"the tests of the Debian packages did not run: {reason}")
        print("0 passed, 0 failed")
        return 77
    passed = failed = 0
    print(f"1..{len(TESTS)}")
    with Root() as root:
        for number, (claim, check) in enumerate(TESTS, 1):
            begin = time.monotonic()
            try:
                check(root)
                passed += 1
                verdict = "ok"
            except Exception:
                failed += 1
                verdict = "not ok"
                traceback.print_exc(file=sys.stdout)
            print(f"{verdict} {number} - {claim} "
                  f"({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
