"""Rules: which findings raise an alarm, and what an alarm does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from ictal.core.addresses import is_loopback
from ictal.core.settings import Settings
from ictal.core.yaml_text import read_yaml
from ictal.errors import UsageError, listed, raise_problems, reason
from ictal.live.trends import Window

LOG, SOUND = "log", "sound"
MOST_BYTES = 1 << 20
"""Size of the largest file of rules."""

EventPattern = Literal["seizure", "lpd", "gpd", "lrda", "grda"]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,60}$")]
"""On one line, since it is part of log lines and messages."""


class Rule(Settings):
    """What all rules have.

    Attributes
    ----------
    name
        Names the rule in alarms. Renaming a rule makes it a new one.
    hold_off_s
        After an alarm, the rule is silent for this long: recorded time, for each pattern separately. What it would
        have told is told afterwards, see `ictal.live.alarms.new_alarms`.
    actions
        `log`, `sound`, and names of webhooks.
    """

    name: Name
    hold_off_s: float = Field(default=600.0, ge=10, le=86400)
    actions: tuple[str, ...] = (LOG,)

    @property
    def sounds(self) -> bool:
        """Whether its alarms sound in the page until they are acknowledged."""
        return SOUND in self.actions


class EventRule(Rule):
    """An event of a pattern that lasts for some time.

    Attributes
    ----------
    at_least_s
        Its duration so far. The default is the least duration of a seizure (ACNS 2021).
    """

    when: Literal["event"] = "event"
    pattern: EventPattern
    at_least_s: float = Field(default=10.0, ge=0, le=86400)


class BurdenRule(Rule):
    """The burden of a pattern stays above a share.

    Attributes
    ----------
    window
        5min or 60min.
    above
        Share of the scored time.
    for_s
        How long it must have been above, at most half an hour.
    scored_share
        The burden counts only while at least this share of the window is scored: 10 s of a seizure at the beginning
        of a recording are no burden of 100 %.
    """

    when: Literal["burden"] = "burden"
    pattern: EventPattern
    window: Window = "60min"
    above: float = Field(ge=0, lt=1)
    for_s: float = Field(default=0.0, ge=0, le=1800)
    scored_share: float = Field(default=0.5, gt=0, le=1)


class NewPatternRule(Rule):
    """A pattern that was not seen before, or not for some hours.

    Attributes
    ----------
    patterns
        All by default.
    unseen_h
        No event of the pattern in so many hours before.
    """

    when: Literal["new_pattern"] = "new_pattern"
    patterns: tuple[EventPattern, ...] = Field(default=get_args(EventPattern), min_length=1)
    unseen_h: float = Field(default=6.0, gt=0, le=168)


class StatusRule(Rule):
    """The criterion of electrographic status epilepticus is met, see `ictal.live.trends.Trends.status`."""

    when: Literal["status"] = "status"


class NoPredictionRule(Rule):
    """Data arrive, but nothing can be scored, such as while electrodes are off.

    Attributes
    ----------
    for_s
        How long, at most half an hour.
    """

    when: Literal["no_prediction"] = "no_prediction"
    for_s: float = Field(default=600.0, ge=0, le=1800)


class StaleRule(Rule):
    """No data arrive.

    Attributes
    ----------
    for_s
        How long, by the clock of this machine.
    """

    when: Literal["stale"] = "stale"
    for_s: float = Field(default=30.0, ge=1, le=86400)


AnyRule = Annotated[
    EventRule | BurdenRule | NewPatternRule | StatusRule | NoPredictionRule | StaleRule, Field(discriminator="when")
]

KINDS: dict[str, type[Rule]] = {kind.model_fields["when"].default: kind for kind in get_args(get_args(AnyRule)[0])}
"""The classes of rules by their `when`."""
WANTED = {
    "tuple_type": "it should be a list in brackets",
    "float_parsing": "it should be a number",
    "float_type": "it should be a number",
    "model_attributes_type": "it should be a mapping such as {name: seizure, when: event, pattern: seizure}",
    "dict_type": "it should be a mapping of names to addresses",
    "string_pattern_mismatch": "it should be 1 to 60 characters on one line",
}
"""Words for what pydantic calls otherwise, by its name for the problem."""


class Rules(Settings):
    """The rules of a ward, and where their alarms may go.

    Attributes
    ----------
    rules
        In the order in which alarms of one moment are listed.
    webhooks
        Addresses by name. They must be https, or http to this machine.
    allowed_hosts
        The only hosts to which alarms may be sent.
    """

    rules: tuple[AnyRule, ...] = Field(max_length=100)
    webhooks: dict[Name, str] = Field(default_factory=dict, max_length=20)
    allowed_hosts: tuple[str, ...] = ()

    @field_validator("allowed_hosts")
    @classmethod
    def _in_lower_case(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [host for host in hosts if not _is_host(host)]:
            raise ValueError(f"'{wrong[0]}' is no host; allowed are names such as pager.example.org, without a port")
        return tuple(host.lower() for host in hosts)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        names = Counter(rule.name for rule in self.rules)
        twice = [f"two rules are named '{name}'" for name, count in names.items() if count > 1]
        if taken := {LOG, SOUND} & {*self.webhooks}:
            twice.append(f"a webhook cannot be named '{taken.pop()}', which is an action")
        known = (LOG, SOUND, *self.webhooks)
        unknown = [
            f"rule '{rule.name}' has the unknown action '{action}'; known are: {listed(known)}"
            for rule in self.rules
            for action in rule.actions
            if action not in known
        ]
        refused = [
            f"webhook '{name}': {why}"
            for name, url in self.webhooks.items()
            if (why := why_refused(url, self.allowed_hosts))
        ]
        if problems := [*twice, *unknown, *refused]:
            raise ValueError("; ".join(problems))
        return self

    def rule(self, name: str) -> AnyRule | None:
        """Return a rule by its name; None if there is none, as after a change of the file."""
        return next((rule for rule in self.rules if rule.name == name), None)


DEFAULT_RULES = Rules(
    rules=(
        EventRule(name="seizure", pattern="seizure", hold_off_s=120, actions=(LOG, SOUND)),
        StatusRule(name="status epilepticus", hold_off_s=1800, actions=(LOG, SOUND)),
        NewPatternRule(name="new pattern"),
        NoPredictionRule(name="nobody can tell", hold_off_s=1800),
        StaleRule(name="no data"),
    )
)
"""The rules without a file; docs/watch.md has them as YAML."""


def read_rules(path: str | Path) -> Rules:
    """Read rules from a YAML file.

    Raises
    ------
    UsageError
        If the file cannot be read, or listing all keys and values that are not allowed.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path}: is too large for rules; allowed are {MOST_BYTES >> 20} MB")
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {reason(error)}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: is not YAML: {reason(error)}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: has no rules; they are a YAML mapping with 'rules'")
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        raise_problems(str(path), [_problem(one, content) for one in error.errors()], UsageError)
        raise


def _problem(found: ErrorDetails, content: Mapping[str, Any]) -> str:
    """Return what pydantic found in a file of rules, in words of the file."""
    place, keys, known = "the file", list(found["loc"]), list(Rules.model_fields)
    if keys[:1] == ["rules"] and len(keys) > 1:
        _, number, *keys = keys
        rule = content["rules"][number]
        named = isinstance(rule, dict) and rule.get("name")
        place = f"rule {named!r}" if named else f"rule {int(number) + 1}"
        if keys:
            kind, *keys = keys
            known = list(KINDS[str(kind)].model_fields)
    key = ".".join(map(str, keys))
    match found["type"]:
        case "extra_forbidden":
            return f"{place} has the unknown key '{key}'; known are: {listed(known)}"
        case "missing":
            return f"{place} lacks the key '{key}'"
        case "union_tag_not_found":
            return f"{place} lacks the key 'when'; allowed are: {listed(KINDS)}"
        case "union_tag_invalid":
            return f"{place} has when '{found['ctx']['tag']}'; allowed are: {listed(KINDS)}"
        case "value_error":
            return found["msg"].removeprefix("Value error, ")
    wanted = WANTED.get(found["type"]) or found["msg"].replace("Input should be", "it should be")
    return f"{place} has {key} {found['input']!r}; {wanted}" if key else f"{place}: {wanted}"


def why_refused(url: str, allowed_hosts: Sequence[str]) -> str:
    """Return why alarms may not be sent to an address; empty if they may."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return f"'{url}' is no address"
    if parts.scheme not in ("https", "http") or not host or not url.isprintable() or " " in url:
        return f"'{url}' is no address; allowed are https://HOST/PATH, and http:// to this machine"
    if parts.username is not None or parts.password is not None:
        return "the address has a user or a password; a secret belongs in its path"
    if parts.scheme == "http" and not is_loopback(host):
        return f"the address of {host} is not encrypted; http is allowed only to this machine"
    if host not in allowed_hosts:
        return f"the host '{host}' is not in allowed_hosts ({listed(allowed_hosts) or 'which is empty'})"
    return ""


def _is_host(host: str) -> bool:
    try:
        return bool(host) and urlsplit(f"//[{host}]" if ":" in host else f"//{host}").hostname == host.lower()
    except ValueError:
        return False
