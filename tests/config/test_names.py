"""Names of locators that the provider itself says cannot be right are told when the configuration is loaded."""

from pathlib import Path

import pytest

from nhisync.app.session import Session
from nhisync.errors import ConfigurationError

CONFIG = """
version: 1
paths:
  primary: {{region: here, sources: {{edge: {{provider: tls}}, files: {{provider: file, root: a}}}}}}
  backup: {{region: there, sources: {{edge: {{provider: tls}}, files: {{provider: file, root: b}}}}}}
apps:
  web:
    tier: standard
    owner: web-oncall
    pairs:
      - {{name: one, kind: certificate, primary: "{primary}", backup: "{backup}"}}
"""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("edge:tls/127.0.0.1:99999", "the port is a number from 1 to 65535"),
        ("edge:tls/127.0.0.1:443?starttls=imap", "starttls is one of"),
        ("files:pem/../other/api.pem", "it is no path below the root"),
        ("files:kubernetes-secret//etc/passwd", "it is no path below the root"),
    ],
)
def test_a_name_that_cannot_be_right_is_told_with_its_place(tmp_path: Path, wrong: str, said: str) -> None:
    """File, line and column, and the provider's own sentence, before anything is contacted."""
    file = tmp_path / "nhisync.yaml"
    file.write_text(CONFIG.format(primary="edge:tls/127.0.0.1:443", backup=wrong), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Session.open(file)
    assert f"cannot be right: {said}" in str(caught.value)
    assert "nhisync.yaml:11:" in str(caught.value)


def test_a_name_that_may_be_right_is_accepted(tmp_path: Path) -> None:
    """What the text alone does not rule out is left to the run; a template's name is known only when it is filled."""
    file = tmp_path / "nhisync.yaml"
    text = CONFIG.format(primary="edge:tls/[::1]:443?name=api.example", backup="files:pem/tls/api.pem")
    match = '    match:\n      - {kind: certificate, primary: "edge:tls/{name}:99999", backup: "files:pem/{name}"}\n'
    file.write_text(text + match, encoding="utf-8")
    assert len(Session.open(file).apps()[0].pairs) == 1
