"""Many clients at once: moto's state is not thread safe, so the emulator serves one call at a time in a process."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nhisync.testing.clocks import FakeClock
from nhisync_aws.emulator import AwsWorld

from .conftest import ADMIN, Aws

CALLS = {
    "overlay": lambda held: held.client("secretsmanager", held.keys("backup", "admin")).list_secrets()["SecretList"],
    "moto": lambda held: held.client("kms", held.keys("backup", "admin")).list_keys()["Keys"],
    "all accounts": lambda held: held.client("sts", held.keys("backup", "admin")).get_access_key_info(
        AccessKeyId="AKIA" + "A" * 16
    ),
    "seed": lambda held: held.seed("secret", "app/k", source="admin"),
    "source": lambda held: held.source("other"),
    "function": lambda held: held.world.rotation_function("backup", "admin", "fn"),
}
"""What reads or changes moto's state, through a socket or by the world itself."""


@pytest.fixture
def second(tmp_path: Path):
    """Another world in this process."""
    world = AwsWorld(clock=FakeClock(), directory=tmp_path / "second")
    world.start()
    held = Aws(world, world._clock)
    held.source("backup", "admin", auth="keys_file", policy=ADMIN)
    yield held
    held.close()
    world.stop()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["same world", "other world"])
def test_one_touches_the_state_at_a_time(aws, admin, second, call, where):
    """While one thread holds moto's state, which is the process's, every other waits, in this world and the next."""
    held = aws if where == "same world" else second
    with ThreadPoolExecutor(1) as pool:
        with aws.world._running.cloud.lock:
            asked = pool.submit(CALLS[call], held)
            with pytest.raises(TimeoutError):
                asked.result(timeout=0.3)
        asked.result(timeout=30)


def test_writers_and_listers_at_once(aws, admin):
    """Secrets come and go while other clients list: every call is answered, and what stayed is always listed."""
    for number in range(50):
        aws.seed("secret", f"kept/{number}", source="admin")
    clients = [admin("secretsmanager") for _ in range(4)]

    def write(client) -> int:
        for _ in range(10):
            arn = client.create_secret(Name=f"app/{id(client)}", SecretString="x")["ARN"]
            client.put_secret_value(SecretId=arn, SecretString="y")
            client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        return 50

    def walk(client) -> int:
        wanted = [{"Key": "name", "Values": ["kept/"]}]
        return min(len(client.list_secrets(Filters=wanted)["SecretList"]) for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(work, client) for work, client in zip((write, walk) * 2, clients, strict=True)]
        assert [one.result(timeout=60) for one in asked] == [50] * 4
