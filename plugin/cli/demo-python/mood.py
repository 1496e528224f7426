import json
import re
import time

from kabridge import Reject, run

WEIGHTS = {"lovely": 2, "great": 2, "friendly": 2, "fine": 1,
           "slow": -1, "cold": -1, "rude": -2, "broken": -2}


def mood(records):
    time.sleep(0.025 + 0.0002 * len(records))  # stands for a model
    return [answer(record) for record in records]


def answer(record):
    try:
        comment = json.loads(record.value)
        words = re.findall(r"\w+", comment["text"])
    except (TypeError, ValueError, KeyError):
        return Reject("not a comment")
    score = sum(WEIGHTS.get(word, 0) for word in words)
    name = "happy" if score > 0 else "unhappy" if score < 0 else "mixed"
    return json.dumps({**comment, "mood": name, "score": score})


run(mood)
