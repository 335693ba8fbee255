"""Who asks, and what they may do: bearer tokens as the Hub has them, without accounts behind them."""

from collections.abc import Mapping
from typing import Any, TypedDict

from starlette.requests import Request

from cxr.local_hub.errors import HubError

TOKEN = "hf_embedded_hub"
"""The token that is always known. It is no secret: it guards against mistakes, not against people."""

USER = "demo"
"""The user that `TOKEN` belongs to, and so the namespace it may write to."""


class Account(TypedDict):
    """What a token stands for: a user, its role ("read" or "write") and the organisations it may act for."""

    name: str
    role: str
    orgs: list[str]


Tokens = Mapping[str, Account]
DEFAULT_TOKENS: Tokens = {TOKEN: {"name": USER, "role": "write", "orgs": []}}


def account(request: Request) -> Account | None:
    """The account of the request's bearer token, None without one or with one nobody knows."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return request.app.state.tokens.get(token.strip()) if scheme.lower() == "bearer" else None


def identified(request: Request) -> Account:
    """Dependency: the account, or 401."""
    found = account(request)
    if found is None:
        raise HubError(401, "Invalid credentials in Authorization header")
    return found


def owns(who: Account | None, namespace: str) -> bool:
    """Whether the namespace is the account's own or one of its organisations'."""
    return who is not None and namespace in (who["name"], *who["orgs"])


def require_write(who: Account, namespace: str) -> None:
    """Refuse with 403 what the token's role or its owner's rights do not cover."""
    if who["role"] != "write":
        raise HubError(403, f"This token of {who['name']} is read-only: use one with the role write")
    if not owns(who, namespace):
        raise HubError(403, f"You don't have the rights to write to the namespace {namespace}")


def whoami(who: Account) -> dict[str, Any]:
    """The answer to `whoami-v2`."""
    orgs = [{"type": "org", "name": org, "fullname": org, "roleInOrg": who["role"]} for org in who["orgs"]]
    token = {"displayName": "embedded Hub", "role": who["role"]}
    return {
        "type": "user",
        "id": who["name"],
        "name": who["name"],
        "fullname": who["name"],
        "isPro": False,
        "orgs": orgs,
        "auth": {"type": "access_token", "accessToken": token},
    }
