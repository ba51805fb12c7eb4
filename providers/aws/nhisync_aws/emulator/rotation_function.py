"""Rotation functions of the world: Python in the place of a Lambda function, called once for each step.

A function works through Secrets Manager's own API, as the role that it runs under. Source of the steps: Secrets Manager
user guide, "Lambda rotation functions", and the generic template of aws-samples/aws-secrets-manager-rotation-lambdas.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nhisync.spi import Randomness

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
_KEPT = frozenset({"username", "engine", "host", "port", "dbname"})


@dataclass(frozen=True, slots=True)
class RotationEvent:
    """What a rotation function is told.

    Attributes:
        step: one of `STEPS`.
        secret_id: ARN of the secret.
        token: id of the version that is to become current.
    """

    step: str
    secret_id: str
    token: str


class Service(Protocol):
    """Secrets Manager as the function calls it: ``service("GetSecretValue", SecretId=…)``, the answer as JSON."""

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation.

        Raises:
            ApiError: what the service refuses.
        """


RotationFunction = Callable[[RotationEvent, Service], None]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function of one account.

    Attributes:
        run: the code.
        seconds: how long a rotation takes, on the world's clock.
    """

    run: RotationFunction
    seconds: float = 0.0


class TemplateFunction:
    """The generic template with a random value in every field but those that say where and as whom to log in.

    It keeps AWSPENDING on the version that it made current, as AWS's template does.
    """

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._steps: Mapping[str, Callable[[RotationEvent, Service], None]] = {
            "createSecret": self._create,
            "setSecret": self._set,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }

    def __call__(self, event: RotationEvent, service: Service) -> None:
        """Do one step.

        Raises:
            ValueError: the secret is not in the state in which this step belongs.
        """
        facts = service("DescribeSecret", SecretId=event.secret_id)
        stages = facts.get("VersionIdsToStages", {}).get(event.token)
        if not facts.get("RotationEnabled") or stages is None:
            raise ValueError("the version has no stage for rotation")
        if "AWSCURRENT" in stages:
            return
        if "AWSPENDING" not in stages:
            raise ValueError("the version is not pending")
        self._steps[event.step](event, service)

    def _create(self, event: RotationEvent, service: Service) -> None:
        if _pending(event, service) is not None:
            return
        current = service("GetSecretValue", SecretId=event.secret_id, VersionStage="AWSCURRENT")
        made = self._fresh(str(current.get("SecretString") or ""))
        stages = ["AWSPENDING"]
        service(
            "PutSecretValue",
            SecretId=event.secret_id,
            ClientRequestToken=event.token,
            SecretString=made,
            VersionStages=stages,
        )

    def _set(self, event: RotationEvent, service: Service) -> None:
        """The world has no place beside the secret that would need the new value; there must be one to hand over."""
        self._test(event, service)

    def _test(self, event: RotationEvent, service: Service) -> None:
        if _pending(event, service) is None:
            raise ValueError("the pending version holds no value")

    def _finish(self, event: RotationEvent, service: Service) -> None:
        versions = service("DescribeSecret", SecretId=event.secret_id)["VersionIdsToStages"]
        current = next((key for key, stages in versions.items() if "AWSCURRENT" in stages), None)
        moved = {} if current is None else {"RemoveFromVersionId": current}
        service(
            "UpdateSecretVersionStage",
            SecretId=event.secret_id,
            VersionStage="AWSCURRENT",
            MoveToVersionId=event.token,
            **moved,
        )

    def _fresh(self, text: str) -> str:
        try:
            fields = json.loads(text)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return self._value()
        return json.dumps({name: value if name in _KEPT else self._value() for name, value in fields.items()})

    def _value(self) -> str:
        return f"rotated-{self._randomness.hex(16)}"


def _pending(event: RotationEvent, service: Service) -> str | None:
    """The pending value, None when the version has none yet."""
    listed = service("ListSecretVersionIds", SecretId=event.secret_id)["Versions"]
    if event.token not in {one["VersionId"] for one in listed}:
        return None
    wanted = {"VersionId": event.token, "VersionStage": "AWSPENDING"}
    return str(service("GetSecretValue", SecretId=event.secret_id, **wanted)["SecretString"])
