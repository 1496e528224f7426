# SPDX-License-Identifier: Apache-2.0
"""A broker that authenticates and authorises: what is refused is named, ends
with 69, and costs no record.

The listener without a log-in belongs to the tests; bridges come by the other
one, each test with a user of its own, who may do only what the test grants.
"""
import re
import struct

from acl import Acls
from broker import Broker
from harness import TESTS, test, wait_for
from proxy import Proxy

SECURED = """\
listeners=PLAINTEXT://127.0.0.1:{{broker}},\\
  SASL_PLAINTEXT://127.0.0.1:{{spare}},CONTROLLER://127.0.0.1:{{controller}}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,\\
  SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=\\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_plaintext.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required {users};
authorizer.class.name=\\
  org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
group.min.session.timeout.ms=1000
"""
RECORDS = 2000


def password(user):
    return f"secret-of-{user}"


def secured():
    """A broker with a user for each test of this suite."""
    users = [chosen.name for chosen in TESTS.values()
             if chosen.broker is secured]
    return Broker(more=SECURED.format(users=" ".join(
        f'user_{user}="{password(user)}"' for user in users)))


class Stage:
    """A bridge between two topics, and what its user may do there."""

    def __init__(self, kit, lacks=(), delivery="at-least-once", marks=None,
                 **options):
        self.kit = kit
        self.user = kit.label
        self.acls = Acls(kit.broker.address)
        self.source, self.sink = kit.topic(2), kit.topic(2)
        kit.tool("generate", topic=self.source, records=RECORDS,
                 **(marks or {}))
        self.bridge = kit.bridge(
            self.source, self.sink, delivery=delivery,
            # One that may not use its group cannot leave it either.
            consumer_session_timeout_ms=3000,
            consumer_heartbeat_interval_ms=500, **options)
        group = self.bridge.group
        self.transactional_id = f"{group}-b-{self.bridge.name}-0"
        self.rights = {
            "input": ("topic", self.source, "read"),
            "group": ("group", group, "read"),
            "output": ("topic", self.sink, "write"),
            "transactions": ("transactional-id", self.transactional_id,
                             "write")}
        self.log_in(kit.broker.listener("SASL_PLAINTEXT"))
        for right in self.rights:
            if right not in lacks:
                self.grant(right)

    def log_in(self, address, word=None):
        self.bridge.sections["kafka"] = {
            "bootstrap.servers": address,
            "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": self.user,
            "sasl.password": word or password(self.user)}
        self.bridge.write_config()

    def grant(self, right):
        self.acls.grant(self.user, *self.rights[right])

    def revoke(self, right):
        self.acls.revoke(self.user, *self.rights[right])

    def command_for(self, right):
        """What the refusal of a right must tell to run."""
        kind, name, operation = self.rights[right]
        return (f"--allow-principal User:{self.user} --operation "
                f"{operation.capitalize()} --{kind} {name}")

    def stops_by_itself(self, *words):
        """With 69, soon, and a last word that has all these in it."""
        status = self.bridge.wait(20)
        self.kit.expect(status == 69, f"stops by itself with 69: {status}")
        said = [line for line in self.bridge.log.splitlines()
                if "stops: " in line][-1:]
        self.kit.expect(said and all(word in said[0] for word in words),
                        f"says {words}: {said}")
        self.kit.expect("secret-of" not in self.bridge.log,
                        "the log does not hold the password")

    def goes_on(self, records=RECORDS, doubled=0):
        self.bridge.start()
        self.kit.expect(wait_for(self.bridge.partitions, 20), "assigned")
        self.arrives(records, doubled)

    def arrives(self, records=RECORDS, doubled=0):
        """All of it, and the bridge ends."""
        self.kit.caught_up(self.bridge, self.source)
        self.kit.expect(self.bridge.stop() == 0, "leaves with 0")
        self.kit.arrived(self.kit.tool(
            "check", topic=self.sink, records=records, bytes=True), doubled)

    def nothing_was_done(self):
        got = self.kit.tool("group", topic=self.source,
                            group=self.bridge.group)
        done = [p["committed"] for p in got.partitions if p["committed"] > 0]
        self.kit.expect(not done, f"nothing was committed: {done}")
        self.kit.expect(not self.kit.dump(self.sink), "nothing was written")

    def check(self):
        return self.kit.command("check", "--connect", self.bridge.config_path)


@test("exactly the rights of doc/security.md", "access", secured)
def granted_rights_suffice(kit):
    for delivery in "at-least-once", "exactly-once":
        stage = Stage(kit, delivery=delivery)
        kit.expect(stage.check().returncode == 0, "check finds no fault")
        stage.bridge.start()
        kit.expect(wait_for(stage.bridge.partitions, 20), "assigned")
        told = "".join(str(stage.bridge.get(path))
                       for path in ("/status", "/metrics", "/"))
        kit.expect("secret-of" not in told,
                   "the admin server does not tell the password")
        stage.arrives()


def lacking(kit, right, delivery="at-least-once", also=None):
    """It stops, nothing is done, and when it is mended all is done once. The
    right `also` is there instead."""
    stage = Stage(kit, [right], delivery)
    if also:
        stage.acls.grant(stage.user, *stage.rights[right][:2], also)
    stage.bridge.start()
    stage.stops_by_itself(stage.command_for(right))
    stage.nothing_was_done()
    return stage


@test("no right to read the input", "access", secured)
def an_unreadable_input_stops(kit):
    for also in None, "describe":
        stage = lacking(kit, "input", also=also)
        found = stage.check()
        kit.expect(found.returncode == 69
                   and stage.command_for("input") in found.stderr,
                   f"check says it, too: {found.stderr}")
        stage.grant("input")
        stage.goes_on()


@test("no right to the group", "access", secured)
def an_unusable_group_stops(kit):
    stage = lacking(kit, "group")
    found = stage.check()
    kit.expect(found.returncode == 69
               and stage.command_for("group") in found.stderr,
               f"check says it, too: {found.stderr}")
    stage.grant("group")
    stage.goes_on()


@test("no right to write the output", "access", secured)
def an_unwritable_output_stops(kit):
    for delivery in "at-least-once", "exactly-once":
        stage = lacking(kit, "output", delivery)
        found = stage.check()
        kit.expect(found.returncode == 69
                   and stage.command_for("output") in found.stderr,
                   f"check says it, too: {found.stderr}")
        stage.grant("output")
        stage.goes_on()


@test("a right to see the output only", "access", secured)
def a_visible_output_is_not_enough(kit):
    for delivery in "at-least-once", "exactly-once":
        stage = lacking(kit, "output", delivery, "describe")
        stage.grant("output")
        stage.goes_on()


@test("no right to the transactional id", "access", secured)
def an_unusable_transactional_id_stops(kit):
    stage = lacking(kit, "transactions", "exactly-once")
    stage.grant("transactions")
    stage.goes_on()


@test("no output topic, and no right to write", "access", secured)
def reading_alone_takes_no_right_to_write(kit):
    stage = Stage(kit, ["output"], marks={"mark": "D"})
    del stage.bridge.binding["output.topic"]
    stage.bridge.write_config()
    stage.bridge.start()
    kit.caught_up(stage.bridge, stage.source)
    kit.expect(stage.bridge.stop() == 0, "leaves with 0")


def revoked(kit, right, delivery, doubled=0):
    """A right is taken away from a bridge that runs, then records come."""
    stage = Stage(kit, delivery=delivery)
    stage.bridge.start()
    kit.caught_up(stage.bridge, stage.source)
    stage.revoke(right)
    kit.tool("generate", topic=stage.source, records=RECORDS,
             **{"from": RECORDS})
    stage.stops_by_itself(stage.command_for(right))
    got = kit.tool("group", topic=stage.source, group=stage.bridge.group)
    kit.expect(got.lag == RECORDS, f"none of them was committed: {got.lag}")
    stage.grant(right)
    stage.goes_on(2 * RECORDS, doubled)


@test("the right to write the output is revoked", "access", secured)
def a_revoked_output_stops(kit):
    for delivery in "at-least-once", "exactly-once":
        revoked(kit, "output", delivery)


@test("the right to the group is revoked", "access", secured)
def a_revoked_group_stops(kit):
    revoked(kit, "group", "at-least-once", RECORDS)
    revoked(kit, "group", "exactly-once")


@test("the right to the transactional id is revoked", "access", secured)
def a_revoked_transactional_id_stops(kit):
    revoked(kit, "transactions", "exactly-once")


@test("the right to the input is revoked", "access", secured)
def a_revoked_input_stops(kit):
    revoked(kit, "input", "at-least-once", RECORDS)
    revoked(kit, "input", "exactly-once")


@test("the right to the group is revoked while nothing comes", "access",
      secured)
def a_revoked_group_is_noticed(kit):
    stage = Stage(kit)
    stage.bridge.start()
    kit.caught_up(stage.bridge, stage.source)
    stage.revoke("group")
    stage.stops_by_itself(stage.command_for("group"))
    stage.grant("group")
    stage.goes_on()


@test("a wrong password", "access", secured)
def a_wrong_password_stops(kit):
    stage = Stage(kit)
    address = kit.broker.listener("SASL_PLAINTEXT")
    stage.log_in(address, f"not-{password(stage.user)}")
    stage.bridge.start()
    stage.stops_by_itself("log-in", "Invalid username or password", "sasl.*")
    stage.nothing_was_done()
    found = stage.check()
    kit.expect(found.returncode == 69
               and "Invalid username or password" in found.stderr
               and "sasl.*" in found.stderr
               and "secret-of" not in found.stderr + found.stdout,
               f"check says it, too: {found.stderr}")
    stage.log_in(address)
    stage.goes_on()


@test("SCRAM with an older librdkafka", "access", secured)
def scram_names_what_may_be_wrong(kit):
    """Brokers of Kafka 4 refuse the right password of a librdkafka before
    2.6.1, too; nobody has a SCRAM password here."""
    stage = Stage(kit)
    stage.bridge.sections["kafka"]["sasl.mechanism"] = "SCRAM-SHA-256"
    stage.bridge.write_config()
    cause = "use librdkafka 2.6.1 or newer"
    found = kit.command("check", stage.bridge.config_path)
    kit.expect(found.returncode == 0 and cause in found.stderr,
               f"check warns: {found.stderr}")
    found = stage.check()
    kit.expect(found.returncode == 69 and cause in found.stderr,
               f"check --connect says it, too: {found.stderr}")
    stage.bridge.start()
    stage.stops_by_itself("log-in", cause)


NAMELESS = """\
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},\
  LOST://no-such-host.invalid:{spare}
listeners=PLAINTEXT://127.0.0.1:{broker},LOST://127.0.0.1:{spare},\
  CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOST:PLAINTEXT,\
  CONTROLLER:PLAINTEXT
"""


@test("a broker that advertises an unknown name", "access",
      lambda: Broker(more=NAMELESS))
def an_advertised_name_that_does_not_resolve_is_named(kit):
    source, sink = kit.topic(), kit.topic()
    bridge = kit.bridge(source, sink)
    bridge.sections["kafka"]["bootstrap.servers"] = re.search(
        "LOST://(127[^,\\n]*)",
        (kit.broker.folder / "server.properties").read_text())[1].strip("\\")
    bridge.write_config()
    found = kit.command("check", "--connect", bridge.config_path)
    kit.expect(found.returncode == 69
               and "advertises no-such-host.invalid:" in found.stderr
               and "advertised.listeners" in found.stderr,
               f"check names it: {found.stderr}")


@test("dead letters that may not be written", "access", secured)
def an_unwritable_dead_letter_topic_stops(kit):
    for delivery in "at-least-once", "exactly-once":
        dead, marks = kit.topic(1), {"mark": "R", "mark_every": 100}
        stage = Stage(kit, delivery=delivery, marks=marks,
                      dead_letter_topic=dead)
        stage.rights["letters"] = "topic", dead, "write"
        stage.bridge.start()
        stage.stops_by_itself(stage.command_for("letters"))
        stage.nothing_was_done()
        stage.acls.grant(stage.user, "topic", dead, "describe")
        stage.bridge.start()
        stage.stops_by_itself("--operation Write", f"--topic {dead}")
        stage.grant("letters")
        stage.bridge.start()
        kit.caught_up(stage.bridge, stage.source)
        kit.expect(stage.bridge.stop() == 0, "leaves with 0")
        counts = kit.tool("check", topic=stage.sink, also=dead, bytes=True,
                          records=RECORDS, **marks)
        kit.arrived(counts, 0 if delivery == "exactly-once" else RECORDS)


class Door(Proxy):
    """A way to the broker that shuts in the face of whoever logs in, until
    it is opened."""

    LOG_IN = 36  # the request's key

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.is_open = False
        self.shut = 0
        super().__init__((host, int(port)))

    def goes_in(self, data):
        """Small requests come whole, and one at a time until the log-in."""
        key = struct.unpack(">h", data[4:6])[0] if len(data) > 5 else 0
        if key != self.LOG_IN or self.is_open:
            return True
        self.shut += 1
        return False


@test("the connection breaks at the log-in", "access", secured)
def a_broken_log_in_is_waited_for(kit):
    stage = Stage(kit)
    with Door(kit.broker.listener("SASL_PLAINTEXT")) as door:
        stage.log_in(door.address)
        stage.bridge.start()
        kit.expect(wait_for(lambda: door.shut > 3, 20),
                   f"it comes again: {door.shut}")
        kit.expect(stage.bridge.alive, "the process stays")
        kit.expect((stage.bridge.get("/ready") or (0,))[0] == 503,
                   "not ready")
        door.is_open = True
        stage.arrives()
