import re
from dataclasses import replace

import numpy as np
import pytest

from ictal.core.recording import Annotation, Gap, Recording
from tests.helpers import noise


def test_an_array_becomes_a_recording_that_is_read_in_chunks():
    samples = noise(500, n_channels=2)
    made = Recording.from_array(samples.tolist(), ("Fp1", "Fp2"), 250, "array")
    assert (made.n_samples, made.rate_hz, made.duration_s) == (500, 250.0, 2.0)
    assert made.read().dtype == np.float32
    np.testing.assert_array_equal(made.read(), samples)
    np.testing.assert_array_equal(made.read(100, 130), samples[:, 100:130])
    np.testing.assert_array_equal(made.read(490), samples[:, 490:])


def test_a_notebook_shows_what_was_recorded_and_escapes_it():
    made = Recording.from_array(noise(4000, n_channels=2), ("Fp1", "<Fp2>"), 250, "a<b.edf")
    made = replace(made, gaps=(Gap(4.0, 100.0),), annotations=(Annotation(1.0, 0.0, "eyes open"),), notes=("odd",))
    shown = made._repr_html_()
    assert "a&lt;b.edf" in shown
    for name, value in (("hours", "0.03"), ("2 channels", "Fp1, &lt;Fp2&gt;"), ("gaps", "1"), ("notes", "odd")):
        assert re.search(f">{name}</td><td[^>]*>{value}</td>", shown), name
    assert ">notes<" not in Recording.from_array(noise(500, n_channels=2), tuple("ab"), 250)._repr_html_()


@pytest.mark.parametrize("shape", [(500,), (3, 500), (500, 2), (1, 2, 500)])
def test_an_array_of_another_shape_is_refused_with_that_shape(shape):
    with pytest.raises(ValueError, match=r"2 channels need an array \[channel, time\], not \(") as caught:
        Recording.from_array(np.zeros(shape), ("Fp1", "Fp2"), 200)
    assert str(shape) in str(caught.value)
