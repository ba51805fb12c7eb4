"""Secret folders as the kubelet mounts them: ``..data`` → a dated folder, each key → ``..data/<key>``.

The kubelet writes a new dated folder and swaps ``..data`` in one rename (Kubernetes, pkg/volume/util/atomic_writer.go),
so everything is read below ``..data``. A mounted volume has no owner or labels: those stay in the cluster.
"""

from datetime import datetime

from cryptography import x509

from nhisync.spi import ProviderError
from nhisync.spi.x509 import MalformedError, decode_pem
from nhisync_file.folder import Folder, exposure
from nhisync_file.parsed import Parsed, malformed

DATA = "..data"
"""Name of the link that makes a folder a mounted one."""

CERTIFICATE = "tls.crt"
"""Key of the chain in Secrets of type kubernetes.io/tls."""

_PUBLIC = frozenset({CERTIFICATE, "ca.crt", "namespace"})
_MOST_FIELDS = 500


def parse_mount(folder: Folder, name: str) -> tuple[Parsed, datetime, str]:
    """Names, generation and exposure of a mounted Secret; of its files only the certificate is read.

    Returns:
        The facts, when its content was last swapped in, and who else can read or change it.

    Raises:
        ProviderError: as `Folder` does; MALFORMED when it is no mounted Secret or its certificate is broken.
    """
    _, entries = folder.list(name)
    if DATA not in entries:
        raise malformed("not-mounted", "the folder has no ..data link, so no kubelet mounted it")
    generation, keys = folder.list(f"{name}/{DATA}")
    fields = tuple(key for key in keys if not key.startswith(".."))
    if len(fields) > _MOST_FIELDS:
        raise malformed("too-many-fields", f"it holds more than {_MOST_FIELDS} files")
    secret = bool(set(fields) - _PUBLIC)
    parsed = Parsed(
        fields=fields,
        secret=secret,
        ids=(generation.id,) if secret else (),
        certificates=_chain(folder, name) if CERTIFICATE in fields else (),
        version=generation.real,
    )
    return parsed, generation.modified, _exposure(folder, name, fields)


def _chain(folder: Folder, name: str) -> tuple[x509.Certificate, ...]:
    try:
        _, content = folder.read(f"{name}/{DATA}/{CERTIFICATE}")
        return tuple(decode_pem(content))
    except MalformedError:
        raise malformed("certificate-unreadable", f"{CERTIFICATE} holds a certificate that cannot be parsed") from None


def _exposure(folder: Folder, name: str, fields: tuple[str, ...]) -> str:
    """The first exposed file, and how many more there are; subfolders cannot stand in a Secret."""
    found = []
    for field in fields:
        try:
            looked = folder.look(f"{name}/{DATA}/{field}")
        except ProviderError:
            continue
        if clause := exposure(looked.mode, looked.parents, secret=field not in _PUBLIC):
            found.append(f"{field} {clause}")
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""
