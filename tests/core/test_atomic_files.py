import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.atomic_files import atomic_write, hash_of, write_json, write_text

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
        with atomic_write(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text(encoding="utf-8") == "old µV"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as part:
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
