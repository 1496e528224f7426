#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds packaging/kubernetes against Kubernetes' own schemas, and the alert
rules against Prometheus' parser.

    tests/packaging/kubernetes.py       the last line: N passed, M failed

The schemas come with the package kubernetes-validate, which is put into a
virtual environment in a temporary folder; promtool comes out of Debian's
prometheus package, which is not installed. What no schema knows, but a stop
depends on, is checked here.
"""
import json
import re
import subprocess
import sys
import tempfile
import traceback
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
FOLDER = TOP / "packaging" / "kubernetes"
SCHEMAS = "kubernetes-validate==1.37.0"
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
    done = subprocess.run(list(map(str, command)), capture_output=True,
                          text=True, **more)
    expect(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Kit:
    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True)
        run(self.bin / "pip", "-q", "install", SCHEMAS)

    def documents(self, name):
        """Of a file, as plain data."""
        text = run(self.bin / "python3", "-c",
                   "import json, sys, yaml; print(json.dumps(list("
                   "yaml.safe_load_all(open(sys.argv[1])))))", FOLDER / name)
        return json.loads(text)

    def of_kind(self, name, kind):
        found, = [document for document in self.documents(name)
                  if document["kind"] == kind]
        return found


@test("every object fits its schema, in an old and in a new version")
def objects_are_valid(kit):
    for name in "kabridge.yaml", "exactly-once.yaml", "hpa.yaml":
        for version in "1.27", "1.37":
            run(kit.bin / "kubernetes-validate", "--strict", "-k", version,
                FOLDER / name)


@test("a pod may take longer to stop than a bridge")
def grace_is_longer_than_a_stop(kit):
    reference = (TOP / "doc" / "options.md").read_text()
    row = next(line for line in reference.splitlines()
               if "`shutdown.timeout`" in line)
    seconds = int(re.search(r"\b(\d+)s\b", row).group(1))
    for name, kind in (("kabridge.yaml", "Deployment"),
                       ("exactly-once.yaml", "StatefulSet")):
        pod = kit.of_kind(name, kind)["spec"]["template"]["spec"]
        expect(pod["terminationGracePeriodSeconds"] > seconds,
               f"{name}: shutdown.timeout is {seconds} s")


@test("the probes ask for what restarts and what only waits")
def probes_are_told_apart(kit):
    for name, kind in (("kabridge.yaml", "Deployment"),
                       ("exactly-once.yaml", "StatefulSet")):
        pod = kit.of_kind(name, kind)["spec"]["template"]["spec"]
        container, = pod["containers"]
        expect(container["livenessProbe"]["httpGet"]["path"] == "/live"
               and container["readinessProbe"]["httpGet"]["path"] == "/ready",
               name)


@test("both autoscalers scale the Deployment, within bounds")
def autoscalers_have_a_target(kit):
    deployment = kit.of_kind("kabridge.yaml", "Deployment")
    name = deployment["metadata"]["name"]
    hpa = kit.of_kind("hpa.yaml", "HorizontalPodAutoscaler")["spec"]
    target = hpa["scaleTargetRef"]
    expect(target == {"apiVersion": deployment["apiVersion"],
                      "kind": "Deployment", "name": name}, target)
    keda = kit.of_kind("keda.yaml", "ScaledObject")["spec"]
    expect(keda["scaleTargetRef"]["name"] == name, keda)
    for low, high in ((hpa["minReplicas"], hpa["maxReplicas"]),
                      (keda["minReplicaCount"], keda["maxReplicaCount"])):
        expect(0 < low < high, f"{low}..{high}")
    trigger, = keda["triggers"]
    expect(trigger["type"] == "prometheus"
           and {"serverAddress", "query", "threshold"}
           <= set(trigger["metadata"]), trigger)


@test("the disruption budget covers the Deployment's pods")
def budget_covers_pods(kit):
    budget = kit.of_kind("kabridge.yaml", "PodDisruptionBudget")["spec"]
    deployment = kit.of_kind("kabridge.yaml", "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    expect(budget["selector"]["matchLabels"].items() <= labels.items(),
           budget)


@test("Prometheus takes the alert rules")
def rules_are_valid(kit):
    run("apt-get", "-q", "download", "prometheus", cwd=kit.folder)
    package, = kit.folder.glob("prometheus_*.deb")
    run("dpkg-deb", "-x", package, kit.folder / "prometheus")
    run(kit.folder / "prometheus" / "usr" / "bin" / "promtool", "check",
        "rules", TOP / "packaging" / "prometheus" / "kabridge.rules.yaml")


def main():
    passed = failed = 0
    print(f"1..{len(TESTS)}")
    with tempfile.TemporaryDirectory(prefix="kabridge-schemas.") as folder:
        kit = Kit(Path(folder))
        for number, (claim, check) in enumerate(TESTS, 1):
            try:
                check(kit)
                passed += 1
                verdict = "ok"
            except Exception:
                failed += 1
                verdict = "not ok"
                traceback.print_exc(file=sys.stdout)
            print(f"{verdict} {number} - {claim}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
