#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the function "http" is told: tokens, sockets, certificates, how to ask
whether a server is ready, and options that are wrong.

usage: http-options.py [NAME]..., with top_builddir and top_srcdir.
"""
import json
import os
import shutil
import subprocess
import sys

from http_model import SOURCE, Server, main, parsed, run, values_of
from http_try import KABRIDGE, ROOT, configure, same, test, try_records


@test
def a_token_is_read_again_and_never_shown(server):
    path = os.path.join(ROOT, "token")
    with open(path, "w") as out:
        out.write("fresh-token\n")
    values_of({"url": server.url + "/token", "bearer.token.file": path}, ['1'])
    with open(path, "w") as out:
        out.write("stale-secret\n")
    _, done = run({"url": server.url + "/token", "bearer.token.file": path}, ['1'])
    same(done.returncode, 69)
    assert "stale-secret" not in done.stderr + done.stdout, done.stderr
    assert "***" in done.stderr, done.stderr
    _, done = run({"url": server.url + "/token", "header.Authorization": "Bearer hidden-key"}, ['1'])
    assert "hidden-key" not in done.stderr + done.stdout, done.stderr
    url = server.url.replace("://", "://user:hidden-key@") + "/token"
    _, done = run({"url": url}, ['1'])
    assert "the token Bearer Basic *** is wrong" in done.stderr, done.stderr


def check_connect(options):
    """What `check --connect` says; there is no broker."""
    return subprocess.run([KABRIDGE, "check", "--connect", configure(options)],
                          capture_output=True, text=True, timeout=60)


@test
def check_says_that_nobody_is_there(server):
    gone = Server()
    gone.stop()
    done = check_connect({"url": gone.url + "/array"})
    assert "function http is not ready after 10 s: %s: " % gone.url in done.stderr, done.stderr


@test
def a_server_is_asked_again_without_a_call(server):
    done = check_connect({"url": server.url + "/array",
                          "ready.url": server.url + "/health?lie=503&times=2"})
    assert "function http is open" in done.stdout, (done.stdout, done.stderr)


@test
def a_unix_socket_is_spoken_to(server):
    path = os.path.join(ROOT, "socket")
    own = Server("--unix", path)
    same(parsed(values_of({"url": "http://localhost/array", "unix.socket": path}, ['1'])),
         [{"got": 1}])
    own.stop()


def make_certificates():
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=ROOT, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=authority", "-days", "2")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out",
                name + ".csr", "-subj", "/CN=localhost")
        with open(os.path.join(ROOT, "ext"), "w") as out:
            out.write("subjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", name + ".pem", "-days", "2", "-extfile", "ext")


@test
def a_private_authority_and_a_client_certificate_are_used(server):
    make_certificates()
    at = lambda name: os.path.join(ROOT, name)
    own = Server("--tls", at("server.pem"), at("server.key"), at("ca.pem"))
    options = {"url": "https://localhost:%d/array" % own.port, "tls.ca": at("ca.pem"),
               "tls.cert": at("client.pem"), "tls.key": at("client.key")}
    same(parsed(values_of(options, ['1'])), [{"got": 1}])
    del options["tls.ca"]
    _, done = run(options, ['1'])
    same(done.returncode, 69)
    own.stop()


@test
def a_record_that_makes_no_url_is_rejected_alone(server):
    options = {"url": server.url + "/raw?of={key:raw}", "preset": "raw", "mode": "each"}
    keys = ["a b", "fine", "a\0b", "a\r\nb", ""]
    outcomes, done = try_records(options, [{"key": key, "value": "v"} for key in keys])
    same(done.returncode, 65)
    same([outcome.get("stage") for outcome in outcomes],
         ["decode", None, "decode", "decode", None])


@test
def wrong_options_are_named(server):
    for options, word in (
            ({"url": "no url"}, "function.url"),
            ({"url": server.url, "preset": "openai-embed"}, "function.model"),
            ({"url": server.url, "preset": "mlflow"}, "function.fields"),
            ({"url": server.url, "aws.sigv4": "aws:amz:eu"}, "REGION:SERVICE"),
            ({"url": server.url, "select": "a"}, "JSON Pointer"),
            ({"url": server.url, "item": "{value:none}"}, "{value:none}"),
            ({"url": server.url, "body.extra": "{}x"}, "body.extra"),
            ({"url": server.url, "split": "whole"}, "function.mode = each"),
            ({"url": server.url, "fields": "/a,"}, "function.fields"),
            ({"url": server.url, "ready.url": "no url"}, "function.ready.url"),
            ({"url": server.url, "unix.socket": 200 * "x"}, "200 bytes"),
            ({"url": server.url, "preset": "kserve-v2", "datatype": "FP16"}, "binary"),
            ({"url": server.url, "datatype": "FP32"}, "function.datatype: found it with preset "
             "json-array; wanted preset kserve-v2"),
            ({"url": server.url, "preset": "raw", "input.name": "x"}, "function.input.name"),
            ({"url": server.url, "output.name": "x"}, "function.output.name")):
        _, done = run(options, ['1'])
        same(done.returncode, 78)
        assert word in done.stderr, (word, done.stderr)


@test
def what_would_be_sent_wrongly_is_named_at_the_start(server):
    empty = os.path.join(ROOT, "empty")
    open(empty, "w").close()
    os.environ["TWO_LINES"] = "hush-hush\r\nX-Injected: 1"
    for option, value, word in (
            ("bearer.token", "", "found nothing"),
            ("bearer.token", "${TWO_LINES}", "a control character"),
            ("bearer.token.file", "/nowhere/token", "No such file"),
            ("bearer.token.file", empty, "found no token"),
            ("header.X", "${TWO_LINES}", "a control character"),
            ("header.A B", "x", "a name that is not a header's"),
            ("header.content-length", "3", "by itself"),
            ("header.Content-Type", "text/plain", "function.content.type"),
            ("content.type", "${TWO_LINES}", "a control character"),
            ("tls.ca", "/nowhere/ca.pem", "No such file"),
            ("tls.cert", "/nowhere/cert.pem", "No such file"),
            ("tls.key", "/nowhere/key.pem", "No such file")):
        _, done = run({"url": server.url + "/array", option: value}, ['1'])
        same((option, done.returncode), (option, 78))
        assert "function." + option in done.stderr and word in done.stderr, done.stderr
        assert "hush-hush" not in done.stderr, done.stderr


@test
def files_of_certificates_are_read_at_the_start(server):
    make_certificates()
    def written(name, *parts):
        path = os.path.join(ROOT, name)
        with open(path, "w") as out:
            for part in parts:
                with open(os.path.join(ROOT, part)) as source:
                    out.write(source.read())
        return path
    ca, cert, key = (written("own-" + n, n) for n in ("ca.pem", "client.pem", "client.key"))
    subprocess.run(["openssl", "rsa", "-traditional", "-aes128", "-passout", "pass:x", "-in", key,
                    "-out", os.path.join(ROOT, "locked.key")], check=True, capture_output=True)
    both = written("both.pem", "client.pem", "client.key")
    empty = written("empty.pem")
    cut = written("cut.pem")
    with open(cert) as source, open(cut, "w") as out:
        out.write(source.read().split("-----END")[0])
    for options, words in (
            ({"tls.ca": empty}, (empty, "no block -----BEGIN CERTIFICATE-----")),
            ({"tls.ca": ROOT}, (ROOT, "cannot be read")),
            ({"tls.ca": key}, (key, "no block -----BEGIN CERTIFICATE-----")),
            ({"tls.cert": cut, "tls.key": key}, (cut, "function.tls.cert", "no block")),
            ({"tls.cert": cert, "tls.key": cert}, (cert, "no block -----BEGIN PRIVATE KEY-----")),
            ({"tls.key": key}, ("function.tls.key without function.tls.cert",)),
            ({"tls.cert": cert}, ("function.tls.cert without function.tls.key", cert))):
        _, done = run({"url": server.url + "/array", **options}, ['1'])
        same((options, done.returncode), (options, 78))
        for word in words:
            assert word in done.stderr, (word, done.stderr)
    _, done = run({"url": server.url + "/array", "tls.cert": cert,
                   "tls.key": os.path.join(ROOT, "locked.key")}, ['1'])
    same(done.returncode, 0)  # its headers have hyphens; http asks for no key
    own = Server("--tls", os.path.join(ROOT, "server.pem"), os.path.join(ROOT, "server.key"), ca)
    same(parsed(values_of({"url": "https://localhost:%d/array" % own.port, "tls.ca": ca,
                           "tls.cert": both}, ['1'])), [{"got": 1}])
    own.stop()


@test
def the_examples_over_a_unix_socket_work(server):
    folder = os.path.join(SOURCE, "examples/http-envelope")
    commands = [[sys.executable, os.path.join(folder, "server.py")]]
    if shutil.which("node"):
        commands.append(["node", os.path.join(folder, "server.js")])
    for i, command in enumerate(commands):
        path = os.path.join(ROOT, "score%d" % i)
        process = subprocess.Popen(command + [path])
        try:
            done = subprocess.run(
                [KABRIDGE, "try", os.path.join(folder, "envelope.conf")],
                input='{"amount":5}\n{"amount":5000.0}\n', capture_output=True, text=True,
                env={**os.environ, "SCORE_SOCKET": path}, timeout=60)
        finally:
            process.kill()
            process.wait()
        same([json.loads(line) for line in done.stdout.splitlines()],
             [{"amount": 5, "score": {"key": None, "is_large": False}},
              {"amount": 5000.0, "score": {"key": None, "is_large": True}}])
        assert '"amount":5000.0' in done.stdout, done.stdout


@test
def every_option_is_documented(server):
    with open(os.path.join(SOURCE, "doc/functions.md")) as page:
        section = page.read().split("## http\n")[1].split("\n## ")[0]
    told = subprocess.run([KABRIDGE, "functions"], capture_output=True,
                          text=True).stdout
    told = told[told.index("\nhttp: ") + 1:]
    options = []
    for line in told.splitlines()[1:]:
        if line and not line.startswith(" "):
            break
        if line.startswith("    function."):
            options.append(line.strip().split(": ")[0])
    assert len(options) > 30, options
    for option in options:
        assert "| `%s` |" % option in section, option


if __name__ == "__main__":
    sys.exit(main())
