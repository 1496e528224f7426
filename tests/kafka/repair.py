# SPDX-License-Identifier: Apache-2.0
"""What an operator does by hand: skip a record, send dead letters back."""
from harness import test, wait_for


@test("kabridge skip passes one record; others are done once", "repair")
def skip_passes_one_record(kit):
    source, sink = kit.topic(1), kit.topic(1)
    marks = dict(mark="R", mark_every=40, mark_first=13)
    kit.tool("generate", topic=source, records=100, **marks)
    bridge = kit.bridge(source, sink, on_failure="stop", batch_count=4)

    def skip(offset):
        return kit.command(
            "skip", bridge.config_path, "--binding", "b", "--topic", source,
            "--partition", 0, "--offset", offset)

    rejected = [13, 53, 93]
    for offset in rejected:
        kit.expect(bridge.start().wait(30) == 69, "stops by itself")
        kit.expect(f"offset {offset} failed" in bridge.log,
                   f"it names offset {offset}")
        kit.expect(skip(offset).returncode == 0, "the record is skipped")
        kit.expect(skip(offset).returncode == 65, "the second time: 65")
    kit.expect(skip(100).returncode == 65, "65 beyond the end")
    bridge.start()
    # All may be committed before it is a member.
    wait_for(lambda: bridge.partitions() == 1, 20)
    kit.caught_up(bridge, source)
    refused = skip(99)
    kit.expect(refused.returncode == 69 and "active member" in refused.stderr,
               "69 while the group has a member")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, records=100, **marks)
    kit.expect(counts.lost == len(rejected), f"{counts.lost} of 100 have no "
               f"result, {len(rejected)} were skipped")
    kit.expect(counts.doubled == 0, f"{counts.doubled} results twice")


@test("replayed dead letters are done", "repair")
def replay_sends_dead_letters_back(kit):
    source, sink, dead = kit.topic(3), kit.topic(3), kit.topic(2)
    marks = dict(mark="R", mark_every=4, mark_first=1)
    kit.tool("generate", topic=source, records=1000, spread=True, **marks)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead).start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")

    def dlq(*words):
        return kit.command("dlq", *words, bridge.config_path)

    listed = dlq("list")
    kit.expect(listed.returncode == 0 and
               listed.stdout.count("\tnew\t") == 250, "250 letters are listed")
    part = dlq("replay", "--limit", 100)
    kit.expect(part.returncode == 0 and "100 letters went back" in part.stderr,
               "the first 100 go back")
    rest = dlq("replay")
    kit.expect("150 letters went back" in rest.stderr, "then the other 150")
    kit.expect("0 letters went back" in dlq("replay").stderr, "then none")
    kit.expect(dlq("list").stdout.count("\treplayed\t") == 250,
               "all are listed as replayed")

    bridge.binding["function"] = "identity"
    bridge.write_config()
    bridge.start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    back = [record for record in kit.dump(source) if record["headers"]]
    names = {header["name"] for record in back
             for header in record["headers"]}
    kit.expect(len(back) == 250 and names == {"__kabridge.replays"},
               f"{len(back)} records came back, with {sorted(names)}")
    kit.arrived(kit.tool("check", topic=sink, records=1000, **marks))
