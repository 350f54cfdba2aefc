"""By which rules, and by which routes where those leave it open, a ProxySQL sends a statement to a hostgroup."""

from collections.abc import Iterator, Mapping
from typing import Any

from wavetank.proxysql.accounts import APP_ACCOUNTS
from wavetank.topology.hostgroups import Pair
from wavetank.topology.proxies import Proxy

_RULE_STEP = 100
# Where there are several pairs of hostgroups, rules first decide which half of one a statement is for, and then, by
# flagIN, which one: a hint says so, else the schema.
_FLAGS = {"writer": 1, "reader": 2}


def query_rules(proxy: Proxy, pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    """Yield every query rule of a proxy, in the order in which they are tried."""
    halves = [_of_half(proxy, pairs, rule) for rule in proxy.settings["rules"]]
    whole = [*halves, *_of_pairs(pairs)] if pairs[0].shard else halves
    for number, rule in enumerate(whole, 1):
        yield {
            "rule_id": number * _RULE_STEP,
            "active": 1,
            "flagIN": 0,
            "match_digest": None,
            "match_pattern": None,
            "negate_match_pattern": 0,
            "re_modifiers": "CASELESS",
            "destination_hostgroup": None,
            "error_msg": None,
            "next_query_flagIN": None,
            "apply": 1,
            # What would narrow a rule, or do something else than send.
            "username": None,
            "schemaname": None,
            "client_addr": None,
            "flagOUT": None,
            "replace_pattern": None,
            "OK_msg": None,
            "mirror_hostgroup": None,
            **rule,
        }


def _of_half(proxy: Proxy, pairs: tuple[Pair, ...], rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule of group_vars: with the hostgroup where there is one pair, else with what it decides of it."""
    row = {
        "match_digest": rule.get("digest"),
        "match_pattern": rule.get("pattern"),
        "error_msg": rule.get("error"),
        "comment": rule["comment"],
    }
    half = rule.get("to")
    if half and pairs[0].shard:
        return {**row, "flagOUT": _FLAGS[half], "apply": 0}
    return {**row, "destination_hostgroup": proxy.settings["hostgroups"].get(half)}


def _of_pairs(pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    """Yield what sends all that no rule has matched to a writer, then the hints; without one, the routes decide."""
    yield {"match_pattern": ".", "flagOUT": _FLAGS["writer"], "apply": 0, "comment": "what is no read"}
    for pair in pairs:
        for half, number in (("writer", pair.writer), ("reader", pair.reader)):
            yield {
                "flagIN": _FLAGS[half],
                "match_pattern": f"/[*][[:space:]]*shard:{pair.shard}[[:space:]]*[*]/",
                "destination_hostgroup": number,
                "comment": f"the hint for shard {pair.shard}, {half}",
            }
    # ProxySQL 2.7 looks at its routes only if the last rule of the list applies nothing, whether it matched or not.
    yield {"flagIN": _FLAGS["writer"], "match_pattern": ".", "apply": 0, "comment": "without a hint, the schema says"}


def fast_routes(pairs: tuple[Pair, ...]) -> Iterator[dict[str, Any]]:
    """Yield the hostgroup for each account, schema and half."""
    for pair in pairs if pairs[0].shard else ():
        for account in APP_ACCOUNTS:
            for half, number in (("writer", pair.writer), ("reader", pair.reader)):
                yield {
                    "username": account,
                    "schemaname": pair.schema,
                    "flagIN": _FLAGS[half],
                    "destination_hostgroup": number,
                    "comment": f"shard {pair.shard}, {half}",
                }
