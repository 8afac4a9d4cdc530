"""The types that the page's JavaScript is checked by are those of the server's answers."""

import re
from importlib.resources import files
from typing import Any

import pytest

from ictal.web.ward_schemas import WardState

ANSWERS = {
    "/api/about": "About",
    "/api/recordings": "ListedRecording[]",
    "/api/recordings/{id}": "Details",
    "/api/recordings/{id}/overview": "Overview",
    "/api/recordings/{id}/window": "ScoredWindow",
    "/api/recordings/{id}/discharges": "Discharges[]",
    "/api/recordings/{id}/similar": "Similar",
    "/api/recordings/{id}/why": "Explanation",
    "/api/recordings/{id}/votes": "Vote[]",
    "/api/raters": "Rater[]",
    "/api/agreement": "Agreement",
}
UNCHECKED = "unchecked"
SCALARS = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}


def typedefs() -> dict[str, Any]:
    """Return the types of the answers by name: the text of an alias, or the texts of an object's properties."""
    static = files("ictal.web") / "static"
    text = "".join((static / name).read_text(encoding="utf-8") for name in ("answers.js", "ward-answers.js"))
    found: dict[str, Any] = {}
    for block in re.findall(r"/\*\*(.*?)\*/", text, re.DOTALL):
        for kind, name in re.findall(r"@typedef \{(.+)\} (\w+)", block):
            properties = re.findall(r"@property \{(.+)\} (\w+)", block)
            found[name] = {key: value for value, key in properties} if kind == "object" else kind
    return found


TYPES = typedefs()


def declared(text: str) -> Any:
    """Return the structure that a JSDoc type describes."""
    text = text.strip()
    if len(parts := re.split(r" \| (?![^(]*\)|[^<]*>)", text)) > 1:
        return one_of(declared(part) for part in parts)
    if text.endswith("[]"):
        return "array", declared(text[:-2])
    if text.startswith("("):
        return declared(text[1:-1])
    if found := re.fullmatch(r"Record<string, (.+)>", text):
        return "map", declared(found[1])
    if text.startswith("["):
        return "tuple", [declared(part) for part in text[1:-1].split(",")]
    if text.startswith('"'):
        return "string"
    if text in TYPES:
        known = TYPES[text]
        return declared(known) if isinstance(known, str) else {key: declared(value) for key, value in known.items()}
    return SCALARS[text]


def documented(schema: dict[str, Any], models: dict[str, Any]) -> Any:
    """Return the structure that a schema of the OpenAPI document describes."""
    if "$ref" in schema:
        return documented(models[schema["$ref"].rpartition("/")[2]], models)
    if "anyOf" in schema:
        return one_of(documented(each, models) for each in schema["anyOf"])
    if "prefixItems" in schema:
        return "tuple", [documented(each, models) for each in schema["prefixItems"]]
    if schema.get("type") == "array":
        return "array", documented(schema["items"], models)
    if "properties" in schema:
        return {name: documented(each, models) for name, each in schema["properties"].items()}
    if schema.get("type") == "object":
        values = schema["additionalProperties"]
        return UNCHECKED if values is True else ("map", documented(values, models))
    return SCALARS[schema["type"]]


def one_of(choices: Any) -> Any:
    """Return a choice, and whether null is another."""
    given = list(choices)
    (what, *others) = [each for each in given if each != "null"]
    assert all(each == what for each in others)
    return ("nullable", what) if "null" in given else what


def differences(page: Any, server: Any, place: str) -> list[str]:
    """Return where two structures differ."""
    if server == UNCHECKED or page == server:
        return []
    if isinstance(page, dict) and isinstance(server, dict) and page.keys() == server.keys():
        return [each for name in page for each in differences(page[name], server[name], f"{place}.{name}")]
    if isinstance(page, tuple) and isinstance(server, tuple) and page[0] == server[0]:
        return differences(page[1], server[1], place)
    return [f"{place}: {page} on the page, {server} from the server"]


@pytest.mark.parametrize("path", ANSWERS)
def test_the_page_and_the_server_agree_on_an_answer(client, path):
    document = client.get("/api/openapi.json").json()
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    found = documented(schema, document["components"]["schemas"])
    assert differences(declared(ANSWERS[path]), found, ANSWERS[path]) == []


def test_the_ward_page_and_the_server_agree():
    schema = WardState.model_json_schema()
    assert differences(declared("WardState"), documented(schema, schema["$defs"]), "WardState") == []


def test_a_difference_is_found_wherever_it_is():
    page = declared("Details")
    server = declared("Details") | {"name": "number", "windows": ("array", {"start_s": "number", "n": "string"})}
    assert [each.split(":")[0] for each in differences(page, server, "Details")] == [
        "Details.name",
        "Details.windows.n",
    ]
    assert differences(page, {"id": "string"}, "Details")
