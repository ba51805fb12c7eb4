"""What `nhisync status` says when the files at hand are not what is served: never "ready"."""

import json
from datetime import timedelta
from typing import Any


def test_swapped_roles_that_are_not_in_force_are_no_ready_backup(world: Any) -> None:
    """A primary's signal is always open; an edited file must not turn it into the word of a backup."""
    world.answer("b", rotated=timedelta(days=200))
    world.run("sync")
    assert world.run("status").code == 1
    world.file.write_text(
        world.file.read_text().replace("{primary: west, backup: [north]}", "{primary: north, backup: [west]}")
    )
    ended = world.run("status", "--format", "json")
    assert ended.code == 3
    (standing,) = json.loads(ended.out)["apps"]
    assert (standing["path"], standing["backup"]) == ("west", "unknown")
    assert "send SIGHUP to nhisync serve" in standing["remark"]
    assert "send SIGHUP to nhisync serve" in world.run("status").out
    assert world.run("status", "--nagios").code == 3


def test_nagios_is_told_unknown_when_nobody_can_tell(world: Any) -> None:
    """A configuration or a store that cannot be read is no alarm about the backup, which is what code 2 means there."""
    world.run("sync")
    for arguments, told in (
        (("status", "--nagios", "nope"), "NHISYNC UNKNOWN - no app is called `nope`\n"),
        (("-c", "none.yaml", "status", "--nagios"), "NHISYNC UNKNOWN - none.yaml there is no such file\n"),
    ):
        ended = world.run(*arguments)
        assert (ended.code, ended.out) == (3, told)
