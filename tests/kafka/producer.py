# SPDX-License-Identifier: Apache-2.0
"""The producer and its transactions against a real broker, which is stopped
and continued underneath them: each test of prove-producer under its name.
"""
import os
import re
import subprocess

from bridge import BUILD, TOP
from harness import test

SOURCE = TOP / "tests" / "component" / "prove-producer.c"
# Minutes. The stalls at random meet such commits too, not all ten of ten.
LONG = ("a_commit_that_is_not_answered_is_looked_up",)


def register(name):
    sentence = name.replace("_", " ")

    def prove(kit):
        done = subprocess.run([BUILD / "prove-producer"], env={
            **os.environ, "KAB_TEST": name,
            "KAB_BOOTSTRAP": kit.broker.address,
            "KAB_BROKER_PID": str(kit.broker.pid)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ran = re.search(r"^\[  PASSED  \] 1 test", done.stdout, re.M)
        if not kit.expect(done.returncode == 0 and ran, sentence):
            print(done.stdout, flush=True)
    prove.__name__ = name
    test(sentence, "long" if name in LONG else "producer")(prove)


for found in re.findall(r"^TEST\((\w+)\)", SOURCE.read_text(), re.M):
    register(found)
