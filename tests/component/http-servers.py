#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The function "http" against a model server that answers and lies.

usage: http-servers.py [NAME]..., with top_builddir and top_srcdir.
"""
import json
import signal
import subprocess
import sys
import time

from http_model import SERVER, Server, main, parsed, run, values_of
from http_try import KABRIDGE, configure, same, test


def outputs_of(options, value):
    """The outputs of one line, byte for byte."""
    done = subprocess.run([KABRIDGE, "try", configure(options)],
                          input=value + "\n", capture_output=True, text=True, timeout=60)
    return done.stdout


def embed(server, lie="", **more):
    options = {"url": server.url + "/v1/embeddings" + lie, "preset": "openai-embed", "model": "m"}
    options.update({k.replace("_", "."): v for k, v in more.items()})
    return options


TEXTS = ["a", "bb", "ccc", "dddd"]
VECTORS = [[1, 0.5, 1], [2, 0.5, 1], [3, 0.5, 1], [4, 0.5, 1]]


@test
def each_preset_puts_its_results_on_their_records(server):
    url = server.url
    text = {"model": "m"}
    cases = [
        ({"url": url + "/array"}, ['1', '"x"'], [{"got": 1}, {"got": "x"}]),
        ({"url": url + "/ndjson", "preset": "ndjson"}, ['1', '2', '3'],
         [{"got": 1}, {"got": 2}, {"got": 3}]),
        (embed(server), TEXTS, VECTORS),
        (embed(server, encoding="base64"), TEXTS, VECTORS),
        ({"url": url + "/api/embed", "preset": "ollama", **text}, TEXTS, VECTORS),
        ({"url": url + "/embed", "preset": "tei"}, TEXTS, VECTORS),
        ({"url": url + "/predict", "preset": "tei-predict"}, ["yes", "no"],
         [[{"label": "y", "score": 0.5}], [{"label": "n", "score": 0.5}]]),
        ({"url": url + "/v2/embed", "preset": "cohere-embed", **text}, TEXTS, VECTORS),
        ({"url": url + "/classify", "preset": "vllm-classify", **text}, ["x", "y"],
         [{"index": 0, "label": "x"}, {"index": 1, "label": "y"}]),
        ({"url": url + "/score", "preset": "vllm-score", "column.text_1": "/q",
          "column.text_2": "/d", **text},
         ['{"q":"a","d":"bb"}', '{"q":"ccc","d":"d"}'], [1.2, 3.1]),
        ({"url": url + "/v1/models/m:predict", "preset": "tfs"}, ['[1,2]', '5'],
         [{"s": 3}, {"s": 5}]),
        ({"url": url + "/v1/models/m:predict", "preset": "instances", "column.a": "/x",
          "column.b": "/y"}, ['{"x":1,"y":2}', '{"x":3,"y":4}'], [3, 7]),
        ({"url": url + "/invocations", "preset": "mlflow", "fields": "/a, /b"},
         ['{"a":1,"b":2}', '{"b":4,"a":3}'], [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ({"url": url + "/v2/models/m/infer", "preset": "kserve-v2"}, ['[1,2]', '[3,4]'],
         [[2, 4], [6, 8]]),
        ({"url": url + "/v2/models/m/infer", "preset": "kserve-v2", "fields": "/a, /b"},
         ['{"a":1,"b":2}', '{"b":4,"a":3}'], [[2, 4], [6, 8]]),
        ({"url": url + "/v2/models/m/infer", "preset": "kserve-v2", "column.a": "/a",
          "column.b": "/b"}, ['{"a":1,"b":2}', '{"b":4,"a":3}'], [[3], [7]]),
    ]
    for options, values, wanted in cases:
        try:
            same(parsed(values_of(options, values)), wanted)
        except AssertionError as error:
            raise AssertionError("%s: %s" % (options, error)) from None


@test
def texts_and_bytes_are_written_without_quotes(server):
    url = server.url
    two, wanted = ["one", "two \"x\""], ["re:one", "re:two \"x\""]
    for options in (
            {"url": url + "/v1/chat/completions", "preset": "openai-chat", "model": "m"},
            {"url": url + "/v1/chat/completions/batch", "preset": "vllm-chat", "model": "m"},
            {"url": url + "/v2/models/m/infer", "preset": "kserve-v2", "datatype": "BYTES",
             "input.name": "text"},
            {"url": url + "/v2/models/m/infer", "preset": "kserve-v2-binary",
             "datatype": "BYTES", "input.name": "text"},
            {"url": url + "/multipart", "preset": "multipart"},
            {"url": url + "/raw", "preset": "raw"}):
        same(values_of(options, two), wanted)


@test
def results_are_put_into_the_record_byte_for_byte(server):
    options = embed(server, select="/text", output="/ml/vector")
    same(outputs_of(options, '{"n": 1.00,"text":"bb" }'),
         '{"n": 1.00,"text":"bb","ml":{"vector":[2, 0.5, 1]} }\n')
    options = {"url": server.url + "/array", "output./a/b": "/got/x", "output./c": "/got"}
    same(outputs_of(options, '{"x":7}'), '{"x":7,"a":{"b":7},"c":{"x": 7}}\n')
    options = {"url": server.url + "/array", "output": "both"}
    same(outputs_of(options, '{"x":1.0}'), '{"input":{"x":1.0},"output":{"got": {"x": 1.0}}}\n')


@test
def templates_name_parts_of_a_record(server):
    options = {"url": server.url + "/array",
               "item": '[{value:/a},{value:/b:string},{key:string},{topic},{index},"{value:/b:base64}"]'}
    same(parsed(values_of(options, [{"key": "k", "value": '{"a":[1],"b":2}'}]))[0]["got"][:3],
         [[1], "2", "k"])
    options = {"url": server.url + "/array", "envelope": "true"}
    found = parsed(values_of(options, [{"key": "k", "value": '{"a":1}'}]))[0]["got"]
    same((found["key"], found["value"]), ("k", {"a": 1}))


@test
def members_are_added_to_the_body(server):
    values_of(embed(server, **{"body_extra": '{"user":"u"}', "dimensions": "3"}), ["a"])
    body = json.loads(server.stats()["body"])
    same((body["user"], body["dimensions"], body["encoding_format"]), ("u", 3, "float"))


@test
def what_the_protocol_cannot_carry_is_rejected_alone(server):
    outcomes, _ = run({"url": server.url + "/array"}, ['1', 'not json', '2'])
    same([o[0] for o in outcomes], ["value", "reject", "value"])
    same(outcomes[1][1], "the value is not JSON")
    for more in ({}, {"output": "/to"}, {"select": "/a"}, {"fields": "/a"}):
        outcomes, _ = run({"url": server.url + "/array", **more}, ['\ufeff{"a":1}'])
        same(outcomes[0][0], "reject")
        assert "begins with a UTF-8 byte order mark" in outcomes[0][1], outcomes
    outcomes, _ = run(embed(server), ["a", "", "b"])
    same([o[0] for o in outcomes], ["value", "reject", "value"])
    same(outcomes[1][1], "the text is empty")
    options = {"url": server.url + "/v1/models/m:predict", "preset": "instances",
               "fields": "/a,/b"}
    outcomes, _ = run(options, ['{"a":1,"b":1}', '{"a":1}'])
    same([o[0] for o in outcomes], ["value", "reject"])
    same(parsed(values_of({**options, "fields.missing": "0"}, ['{"a":1}'])), [{"s": 1}])


@test
def a_tombstone_becomes_what_null_says(server):
    for null, wanted in (("drop", "drop"), ("reject", "reject")):
        outcomes, done = run({"url": server.url + "/array", "null": null},
                             ['1', {"key": "k", "value": None}])
        assert outcomes[1] and outcomes[1][0] == wanted, (null, outcomes, done.stderr)


@test
def errors_of_elements_fail_their_record_alone(server):
    outcomes, _ = run({"url": server.url + "/ndjson", "preset": "ndjson"}, ['"a"', '"no"', '"b"'])
    same([o[0] for o in outcomes], ["value", "reject", "value"])
    same(outcomes[1][1], "said no")


@test
def wrong_counts_and_positions_never_mix_records_up(server):
    for lie in ("count", "extra", "duplicate", "range", "mixed"):
        values = values_of(embed(server, "?lie=%s&times=1" % lie), TEXTS)
        same(parsed(values), VECTORS)
    same(parsed(values_of(embed(server, "?lie=shuffled"), TEXTS)), VECTORS)
    # A server that lies about several is asked one by one.
    same(parsed(values_of(embed(server, "?lie=shuffled"), TEXTS)), VECTORS)
    outcomes, _ = run({"url": server.url + "/array?lie=count"}, ['1', '2'])
    assert all(o[0] == "reject" for o in outcomes), outcomes
    outcomes, _ = run(embed(server, "?lie=duplicate"), TEXTS)
    same([o[0] for o in outcomes], ["value"] * 4)


@test
def truncated_and_garbage_answers_are_never_used(server):
    for lie in ("truncated", "garbage", "reset"):
        same(parsed(values_of(embed(server, "?lie=%s&times=1" % lie), TEXTS)), VECTORS)
    # It lasts until each record is alone, and is still no proof against them.
    same(parsed(values_of(embed(server, "?lie=garbage&times=4"), TEXTS[:2])), VECTORS[:2])
    outcomes, _ = run({"url": server.url + "/array?lie=garbage"}, ['1', '2'])
    assert all(o[0] == "reject" and "not JSON at byte" in o[1] for o in outcomes), outcomes


@test
def a_bad_vector_fails_its_record_alone(server):
    for lie in ("null", "nan", "short"):
        outcomes, _ = run(embed(server, "?lie=" + lie), TEXTS)
        same([o[0] for o in outcomes], ["value", "value", "value", "reject"])
    outcomes, done = run(embed(server, "?lie=allnull"), TEXTS)
    same(done.returncode, 69)
    same([o for o in outcomes if o and o[0] == "reject"], [])
    assert "vectors of the answer are bad" in done.stderr, done.stderr


@test
def one_long_text_is_found_by_halving(server):
    texts = ["a", "bb", "LONG", "dddd"]
    for lie in ("413long", "500long", "400bad"):
        outcomes, _ = run(embed(server, "?lie=" + lie), texts if "long" in lie
                          else ["a", "bb", "BAD", "dddd"])
        same([o[0] for o in outcomes], ["value", "value", "reject", "value"])


@test
def a_poison_record_that_kills_the_server_is_one_dead_letter(server):
    outcomes, done = run(embed(server, "?lie=kill"), ["a", "bb", "KILL"] + ["c"] * 9,
                         binding=[("batch.count", 4), ("retry.max.attempts", 2)])
    same([o and o[0] for o in outcomes], ["value", "value", "reject"] + ["value"] * 9)


@test
def too_large_an_answer_halves_the_batch(server):
    outcomes, _ = run({"url": server.url + "/array?lie=big", "response.max.bytes": "1k"},
                      ['1', '2'])
    assert all(o[0] == "reject" and "response.max.bytes" in o[1] for o in outcomes), outcomes


@test
def overload_is_waited_for(server):
    for status in (429, 503, 502, 529):
        began = time.monotonic()
        values_of({"url": server.url + "/array?lie=%d&times=1" % status}, ['1', '2'])
        assert time.monotonic() - began >= 1, "Retry-After was not obeyed"


@test
def set_up_errors_stop_the_binding(server):
    for lie in ("401", "403", "404", "405", "402", "quota", "redirect"):
        outcomes, done = run({"url": server.url + "/array?lie=" + lie}, ['1', '2'])
        same((lie, done.returncode), (lie, 69))
        assert not any(o and o[0] == "reject" for o in outcomes), (lie, outcomes)
    assert "redirect" in done.stderr, done.stderr


@test
def refusing_every_record_with_the_same_words_stops_the_binding(server):
    outcomes, done = run({"url": server.url + "/array?lie=400"}, ['1', '2', '3', '4'])
    same(done.returncode, 69)
    assert "same words" in done.stderr, done.stderr


@test
def an_error_in_an_answer_of_status_200_is_an_error(server):
    same(parsed(values_of(embed(server, "?lie=error200&times=1"), TEXTS)), VECTORS)
    outcomes, _ = run(embed(server, "?lie=error200"), ["a"])
    same(outcomes, [("reject", outcomes[0][1])])
    assert "the backend is away" in outcomes[0][1], outcomes


@test
def what_is_no_answer_of_a_chat_is_rejected(server):
    options = {"url": server.url + "/v1/chat/completions", "preset": "openai-chat", "model": "m"}
    outcomes, _ = run(options, ["x", "NOTHING", "CUT"])
    same([o[0] for o in outcomes], ["value", "reject", "reject"])


@test
def a_connection_that_the_server_closed_costs_no_attempt(server):
    values = values_of({"url": server.url + "/array?lie=race"}, ['%d' % i for i in range(8)],
                       binding=[("batch.count", 1), ("max.in.flight", 1),
                                ("retry.max.attempts", 1)])
    same(len(values), 8)


@test
def connections_are_no_more_than_calls_and_one(server):
    own = Server()
    values_of({"url": own.url + "/array"}, ['%d' % i for i in range(400)],
              binding=[("batch.count", 4), ("max.in.flight", 3)])
    most = own.stats()["open_max"]
    own.stop()
    assert most <= 3 + 1, most


@test
def ceilings_are_read_from_the_server(server):
    values_of({"url": server.url + "/embed", "preset": "tei"}, ["a"] * 20)
    assert len(json.loads(server.stats()["body"])["inputs"]) <= 8
    values_of({"url": server.url + "/v2/models/m/infer", "preset": "kserve-v2"}, ['[1,2]'] * 40)
    assert json.loads(server.stats()["body"])["inputs"][0]["shape"][0] <= 16
    same(json.loads(server.stats()["body"])["inputs"][0]["name"], "x")


@test
def a_row_of_another_length_is_rejected_alone(server):
    options = {"url": server.url + "/v2/models/m/infer", "preset": "kserve-v2"}
    outcomes, _ = run(options, ['[1,2]', '[1,2,3]', '[3,4]'])
    same([o[0] for o in outcomes], ["value", "reject", "value"])


@test
def a_set_has_one_idempotency_key_over_its_retries(server):
    options = {"url": server.url + "/array", "request.id": "true"}
    values_of(options, ['1', '2'])
    first = server.stats()["headers"]["idempotency-key"]
    n = server.stats()["requests"]
    # Its own, as another test has used up the lie of the plain one.
    options["url"] += "?lie=503&times=1&for=key"
    values_of(options, ['1', '2'])
    same(server.stats()["headers"]["idempotency-key"], first)
    same(server.stats()["requests"] - n, 2)


@test
def a_server_that_is_away_is_waited_for(server):
    own = Server()
    port = own.port
    own.stop()
    starter = subprocess.Popen(["sh", "-c", 'sleep 2; exec "$0" "$1" --port "$2"', sys.executable,
                                SERVER, str(port)], stdout=subprocess.DEVNULL)
    try:
        values_of({"url": "http://127.0.0.1:%d/array" % port}, ['1', '2'])
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.wait()


if __name__ == "__main__":
    sys.exit(main())
