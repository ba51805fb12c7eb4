"""Plants tokens: made by hand, or by a login."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from nhisync_vault.emulator.seeding import Plot
from nhisync_vault.emulator.tokens import TokenEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """Options of kind ``token``.

    Attributes:
        policies, texts: token policies (``("root",)`` is a root token), and texts of policies that are written too.
        orphan: it has no parent.
        period: makes it periodic.
        num_uses: uses left, 0 = unlimited.
        explicit_max_ttl: hard end of renewals.
        renewable: whether it may be renewed.
        accessor: fixed accessor; "" = drawn. The same one on two sources is a copied token.
        login: auth path whose login made it (``auth/approle/login``; the role is the tag ``role_name``), "" = none did.
        batch: a batch token, which has no accessor and can be named by nobody.
    """

    policies: tuple[str, ...] = ("default",)
    texts: Mapping[str, str] = field(default_factory=dict)
    orphan: bool = True
    period: timedelta = timedelta()
    num_uses: int = 0
    explicit_max_ttl: timedelta = timedelta()
    renewable: bool = True
    accessor: str = ""
    login: str = ""
    batch: bool = False


def seed_token(plot: Plot) -> str:
    """Plant one token; returns ``token/<accessor>`` (``token/batch`` for a batch token, which has none)."""
    options = plot.options(TokenOptions)
    plot.policies(options.texts)
    entry = TokenEntry(
        id=plot.seed.fields.get("token", ""),
        accessor=options.accessor,
        policies=tuple(sorted(options.policies)),
        path=options.login or ("auth/token/create-orphan" if options.orphan else "auth/token/create"),
        created=plot.created,
        ttl=timedelta() if plot.expires is None else plot.expires - plot.created,
        expires=plot.expires,
        display_name=f"token-{plot.seed.name}",
        meta={"owner": plot.seed.owner, **plot.seed.tags} if plot.seed.owner else dict(plot.seed.tags) or None,
        num_uses=options.num_uses,
        explicit_max_ttl=options.explicit_max_ttl,
        period=options.period,
        parent="" if options.orphan else plot.core.root_token,
        type="batch" if options.batch else "service",
        renewable=options.renewable,
        last_renewal=None if plot.seed.rotated is None or not options.period else plot.rotated,
    )
    made = plot.core.tokens.create(plot.core.token_view(), entry)
    return f"token/{made.accessor or 'batch'}"
