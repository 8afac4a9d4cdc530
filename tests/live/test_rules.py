"""Rules as YAML: what is read, and what is refused with which words."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

from ictal.errors import UsageError
from ictal.live.rules import DEFAULT_RULES, EventPattern, EventRule, read_rules, why_refused
from ictal.scoring.events import EVENT_PATTERNS
from tests.pages import ROOT, code_of

GOOD = """
rules:
  - {name: seizure, when: event, pattern: seizure, at_least_s: 20, actions: [sound, log, pager]}
  - {name: burden, when: burden, pattern: seizure, window: 60min, above: 0.2, for_s: 300}
webhooks: {pager: "https://pager.example.org/ictal"}
allowed_hosts: [Pager.Example.org]
"""


def read(tmp_path: Path, text: str):
    (tmp_path / "rules.yaml").write_text(text, encoding="utf-8")
    return read_rules(tmp_path / "rules.yaml")


def test_rules_are_read(tmp_path):
    rules = read(tmp_path, GOOD)
    seizure, burden = rules.rules
    assert seizure == EventRule(name="seizure", pattern="seizure", at_least_s=20, actions=("sound", "log", "pager"))
    assert (seizure.sounds, burden.sounds) == (True, False)
    assert (burden.above, burden.window, burden.for_s) == (0.2, "60min", 300)
    assert rules.rule("burden") is burden
    assert rules.rule("seizures") is None


def test_the_patterns_are_those_that_form_events():
    assert get_args(EventPattern) == EVENT_PATTERNS


def test_the_manual_has_the_default_rules(tmp_path):
    (text, *_) = (text for text in code_of(ROOT / "docs" / "watch.md", "yaml") if "nobody can tell" in text)
    assert read(tmp_path, text) == DEFAULT_RULES


def test_default_rules_as_yaml_are_the_same(tmp_path):
    assert read(tmp_path, yaml.safe_dump(DEFAULT_RULES.model_dump(mode="json"))) == DEFAULT_RULES


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("at_least_s: 20", "at_least_s: -1", "'seizure' has at_least_s -1; it should be greater than or equal to 0"),
        ("at_least_s", "longer_than_s", "has the unknown key 'longer_than_s'; known are: name, .*at_least_s"),
        ("pattern: seizure, at", "pattern: other, at", "has pattern 'other'; it should be 'seizure', .* or 'grda'"),
        ("when: event", "when: events", "rule 'seizure' has when 'events'; allowed are: event, burden, .*, stale"),
        (", when: event", "", "rule 'seizure' lacks the key 'when'; allowed are: event, "),
        ("above: 0.2", "above: 20", "has above 20; it should be less than 1"),
        ("above: 0.2", "above: .nan", "finite number"),
        ("above: 0.2, ", "", "rule 'burden' lacks the key 'above'"),
        ("60min", "1h", "rule 'burden' has window '1h'; it should be '5min' or '60min'"),
        ("for_s: 300", "for_s: 3600", "less than or equal to 1800"),
        ("name: burden", "name: seizure", "two rules are named 'seizure'"),
        ("name: burden", 'name: "a\\nb"', r"rule 'a\\nb' has name .*; it should be 1 to 60 characters on one line"),
        ("[sound, log, pager]", "[paper]", "'seizure' has the unknown action 'paper'; known are: log, sound, pager"),
        ("pager: ", "log: ", "a webhook cannot be named 'log'"),
        ("[Pager.Example.org]", "[]", r"'pager.example.org' is not in allowed_hosts \(which is empty\)"),
        ("[Pager.Example.org]", "[example.org]", r"'pager.example.org' is not in allowed_hosts \(example.org\)"),
        ("[Pager.Example.org]", '["https://pager.example.org"]', "is no host; allowed are names"),
        ("[Pager.Example.org]", '["pager.example.org:443"]', "is no host; allowed are names"),
        ("https:", "http:", "the address of pager.example.org is not encrypted"),
        ("rules:", "ruled:", "the file has the unknown key 'ruled'; known are: rules, webhooks, allowed_hosts"),
        ("[sound, log, pager]", "log", r"rule 'seizure' has actions 'log'; it should be a list in brackets"),
        ("for_s: 300", "for_s: soon", "rule 'burden' has for_s 'soon'; it should be a number"),
        ("for_s: 300", "for_s: 300, for_s: 60", "is not YAML: the key 'for_s' is there twice"),
        ("{name: burden,", "3 #", r"rule 2: it should be a mapping such as"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_named_with_the_file(tmp_path, old, new, told):
    assert old in GOOD
    with pytest.raises(UsageError, match=told) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'rules.yaml'}: ")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"rules: [", "is not YAML"),
        (b"- 1", "has no rules; they are a YAML mapping"),
        (b"\xff\xfe", "cannot be read: it is not UTF-8 text"),
        (b"x" * (1 << 21), "is too large for rules"),
        (b"!!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_what_is_no_file_of_rules_is_refused(tmp_path, content, told):
    (tmp_path / "rules.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=told):
        read_rules(tmp_path / "rules.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no\.yaml: cannot be read: there is no such file"):
        read_rules(tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://ward.example.org/a?b=c", ""),
        ("https://WARD.example.org:8443/", ""),
        ("http://127.0.0.1:8000/", ""),
        ("http://[::1]:8000/", ""),
        ("http://localhost/", ""),
        ("http://ward.example.org/", "is not encrypted"),
        ("https://ward.example.org.evil.org/", "not in allowed_hosts"),
        ("https://evil.org/ward.example.org", "not in allowed_hosts"),
        ("https://ward.example.org@evil.org/", "has a user"),
        ("https://ward.example.org\\@evil.org/", "has a user"),
        ("https://evil.org\\.ward.example.org/", "not in allowed_hosts"),
        ("https://evil.org#@ward.example.org/", "not in allowed_hosts"),
        ("file:///etc/passwd", "is no address"),
        ("ftp://ward.example.org/", "is no address"),
        ("https:///path", "is no address"),
        ("https://ward.example.org:port/", "is no address"),
        ("https://[::1/", "is no address"),
        ("https://ward.example.org/\r\nHost: evil.org", "is no address"),
        ("", "is no address"),
    ],
)
def test_addresses_of_webhooks(url, told):
    why = why_refused(url, ("ward.example.org", "127.0.0.1", "::1", "localhost"))
    assert told in why
    assert bool(told) == bool(why)
