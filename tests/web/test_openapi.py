"""What the OpenAPI document promises is what the server does, whatever it is asked."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.web.clients import TOKEN

schemathesis = pytest.importorskip("schemathesis")

HOST = {"X-Ictal-Token": TOKEN, "Host": "127.0.0.1:8000"}
OFTEN = settings(
    max_examples=12, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck), deadline=None,
    derandomize=True, database=None,
)  # fmt: skip
CHECKS = [
    getattr(schemathesis.checks, name)
    for name in (
        *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
        *("response_schema_conformance", "response_headers_conformance"),
    )
]
KINDS = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_no_request_breaks_the_server(client, viewer, base, kind):
    viewer.ending.begin()  # so that streams have an end
    client.post("/api/raters", json={"name": "Ada"})
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", client.app, headers=HOST)
    answered = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if not {"parameters", "requestBody"} & {*operation.definition.raw} and kind is KINDS[1]:
            continue  # nothing can be wrong with a request that says nothing

        @OFTEN
        @given(operation.as_strategy(generation_mode=kind), operation.as_strategy(generation_mode=kind))
        def ask(case, other):
            for one in (case, other):
                if one is other and "id" in (one.path_parameters or {}):
                    one.path_parameters["id"] = base.rpartition("/")[2]  # that of a recording that is there
                answer = one.call(headers=HOST)
                answered.add(answer.status_code)
                assert answer.status_code < 500, (one.as_curl_command(), answer.text)
                one.validate_response(answer, headers=HOST, checks=CHECKS)

        ask()
    wanted = {200, 404, 409} if kind is KINDS[0] else {422}
    assert wanted <= answered  # they are asked what they can answer, and what they cannot


def test_every_way_in_is_in_the_document(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    served = {route.path for route in client.app.routes if getattr(route, "path", "").startswith("/api/")}
    assert served - {"/api/openapi.json"} == {*paths}
    assert all(method["description"] for path in paths.values() for method in path.values())
