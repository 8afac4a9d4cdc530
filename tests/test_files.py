import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.files import EDGE_BYTES, fingerprint, hash_of, whole_file, write_json, write_text

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_while_writing_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old µV")

    def write_half() -> None:
        with whole_file(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text(encoding="utf-8") == "old µV"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path) as part:
        part.write_text("half")
        assert part.parent == tmp_path
        assert part.name.startswith(".")
        assert part.name.endswith(".part")
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]


def test_json_that_no_other_program_could_read_is_not_written(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"µ": [1.5, None]})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8")) == {"µ": [1.5, None]}
    assert list(tmp_path.iterdir()) == [path]


@given(st.dictionaries(st.text(), json_values, max_size=5), st.text())
def test_a_hash_depends_on_content_and_not_on_the_order_of_keys(content, key):
    reordered = dict(reversed(content.items()))
    assert hash_of(reordered) == hash_of(content)
    assert hash_of({**content, key: [content.get(key)]}) != hash_of(content)
    assert len(hash_of(content)) == 16
    int(hash_of(content), 16)


# Sizes about the two edges; up to twice EDGE_BYTES every byte is read.
@pytest.mark.parametrize("size", [1, EDGE_BYTES - 1, EDGE_BYTES, EDGE_BYTES + 1, 2 * EDGE_BYTES, 5 * EDGE_BYTES])
def test_a_fingerprint_changes_with_head_tail_and_size(tmp_path, size):
    path = tmp_path / "a.bin"
    content = bytearray(bytes(range(251)) * (size // 251 + 1))[:size]
    path.write_bytes(content)
    seen = {fingerprint(path)}
    places = (
        {0, size // 3, size // 2, size - 1}
        if size <= 2 * EDGE_BYTES
        else {0, EDGE_BYTES - 1, size - EDGE_BYTES, size - 1}
    )
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        seen.add(fingerprint(path))
    path.write_bytes(content + b"\0")
    seen.add(fingerprint(path))
    assert len(seen) == len(places) + 2
    path.write_bytes(content)
    assert fingerprint(path) in seen
