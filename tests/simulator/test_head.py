import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import eval_legendre

from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR
from ictal.simulator import head as module
from ictal.simulator.head import (
    CORTEX,
    HEAD_RADIUS_M,
    LAYERS,
    LOWEST_SOURCE,
    N_SITES,
    N_SOURCES,
    POSITIONS,
    SITES,
    SKULL_S_PER_M,
    draw_head,
    forward_models,
    source_positions,
)
from tests.simulator.helpers import MIRRORED, Floats, plain_head

seeds = st.integers(0, 10_000)
UPWARD = np.zeros(3)
APPROXIMATE = 0.005
"""MNE replaces the layers by three dipoles in a homogeneous sphere (Berg and Scherg, Electroencephalogr Clin
Neurophysiol 1994;90:58-64), whose error they give as below 1 % of the peak at this depth; half of that suffices."""


def layered_sphere(skull_s_per_m: float, cosine: Floats) -> Floats:
    """Return the potential on the skin of a radial dipole, V / (A m), from the series of Legendre polynomials.

    Potential and normal current are continuous at each boundary, and no current leaves the head (de Munck,
    J Appl Phys 1988;64:464-470). Of order n, a layer holds a r^n + b r^-(n+1), of which the innermost b is the
    source's own.
    """
    sigma = (0.33, 1.0, skull_s_per_m, 0.33)
    total = np.zeros_like(cosine)
    for order in range(1, 150):  # the terms fall as 0.84^n: the rest is below 1e-9
        a, b = 1.0, order / (order + 1)
        for radius, inner, outer in zip(LAYERS[2::-1], sigma[2::-1], sigma[:0:-1], strict=True):
            grown, fallen = radius**order, radius ** -(order + 1.0)
            potential = a * grown + b * fallen
            current = outer / inner * (order * a * grown - (order + 1) * b * fallen)
            a = ((order + 1) * potential + current) / ((2 * order + 1) * grown)
            b = (order * potential - current) / ((2 * order + 1) * fallen)
        source = order * CORTEX ** (order - 1) / (4 * np.pi * sigma[0])
        total += source * (1 + order / (order + 1)) / b * eval_legendre(order, cosine)
    return total / HEAD_RADIUS_M**2


# Places


def test_places_of_the_electrodes_mirror_each_other():
    assert SITES[:19] == ELECTRODES
    for index, name in enumerate(ELECTRODES):
        twin = SITES.index(CHANNELS[MIRROR[CHANNELS.index(name)]])
        # both come from sines of one angle and its negative: only rounding differs
        np.testing.assert_allclose(POSITIONS[twin], POSITIONS[index] * (-1, 1, 1), atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(POSITIONS, axis=1), 1)


def test_places_lie_where_their_names_say():
    x, y, z = dict(zip(SITES, POSITIONS, strict=True)), {}, {}
    x, y, z = ({name: place[axis] for name, place in x.items()} for axis in range(3))
    assert all(x[name] < 0 for name in SITES if name[-1] in "13579")
    assert all(x[name] > 0 for name in SITES if name[-1] in "02468")
    assert all(abs(x[name]) < 1e-12 for name in ("Fz", "Cz", "Pz"))
    assert y["Fp1"] > y["F3"] > y["C3"] > y["P3"] > y["O1"]
    assert z["Cz"] == max(z.values())
    assert z["A1"] == z["A2"] == min(z.values())


def test_the_sources_are_spread_evenly_over_the_cortex_above_the_lowest():
    places = source_positions()
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 1)
    assert places[:, 2].min() > LOWEST_SOURCE
    cosine = places @ places.T - 2 * np.eye(N_SOURCES)
    # 320 discs over a zone of area 2 pi 1.45 in the densest, hexagonal packing lie 0.18 rad apart
    nearest = np.arccos(cosine.max(axis=1))
    assert nearest.min() > 0.5 * 0.18
    assert nearest.max() < 1.2 * 0.18


# The forward model


@pytest.mark.parametrize(("index", "skull"), list(enumerate(SKULL_S_PER_M)))
def test_the_forward_model_agrees_with_the_series_of_the_layered_sphere(index, skull):
    radial = np.einsum("esd,sd->es", forward_models()[index, 0], source_positions())
    expected = layered_sphere(skull, POSITIONS @ source_positions().T)
    assert abs(radial - expected).max() < APPROXIMATE * expected.max()


@given(st.integers(0, N_SITES - 1), seeds)
def test_a_dipole_across_the_plane_of_centre_source_and_electrode_is_not_seen_there(site, seed):
    source = int(np.random.default_rng(seed).integers(N_SOURCES))
    across = np.cross(source_positions()[source], POSITIONS[site])  # by symmetry; but for float32's rounding
    gain = forward_models()[1, 0, site, source]
    assert abs(gain @ across) <= 1e-5 * np.linalg.norm(gain) * np.linalg.norm(across) + 1e-9


def test_the_largest_potential_is_at_the_electrode_above_a_radial_source():
    for place in POSITIONS[:19]:
        field = plain_head().field(place, 0.15, UPWARD)
        np.testing.assert_allclose(POSITIONS[field.argmax()], place)


def test_a_less_conductive_skull_blurs_the_field():
    # Relative to the peak, the electrodes around it see more where the skull conducts less.
    for place in POSITIONS[[SITES.index(name) for name in ("F3", "Cz", "P4", "T3")]]:
        less, middle, more = (np.sort(plain_head(skull).field(place, 0.2, UPWARD)) for skull in range(3))
        assert (less[-5:-1] > middle[-5:-1]).all()
        assert (middle[-5:-1] > more[-5:-1]).all()


@given(seeds, st.floats(0.12, 0.9))
def test_a_mirrored_source_gives_the_mirrored_field(seed, width_rad):
    rng = np.random.default_rng(seed)
    place = rng.normal(size=3) * (1, 1, 0.3) + (0, 0, 0.7)
    place /= np.linalg.norm(place)
    tilt = rng.normal(0, 0.3, 3)
    here = plain_head().field(place, width_rad, tilt)
    there = plain_head().field(place * (-1, 1, 1), width_rad, tilt * (-1, 1, 1))
    # The lattice of the sources is no mirror image of itself: a patch may miss half a spacing (0.09 rad) at its rim.
    np.testing.assert_allclose(there, here[list(MIRRORED)], atol=0.04)
    assert abs(here).max() == pytest.approx(1)


def test_a_wider_patch_reaches_more_electrodes():
    place = POSITIONS[SITES.index("C3")]
    reached = [plain_head().field(place, width, UPWARD).clip(0).sum() for width in (0.15, 0.5, 1.0)]
    assert reached == sorted(reached)
    assert reached[2] > 1.5 * reached[0]


# A patient's head


@given(seeds)
def test_a_drawn_head_sees_a_radial_source_best_near_it_and_differs_between_patients(seed):
    head = draw_head(np.random.default_rng(seed))
    again = draw_head(np.random.default_rng(seed))
    other = draw_head(np.random.default_rng(seed + 1))
    np.testing.assert_array_equal(head.gain, again.gain)
    assert not np.allclose(head.gain, other.gain, rtol=0.01)
    assert np.median(head.radial().max(axis=1)) == pytest.approx(1)
    for index in range(19):
        seen = head.radial()[index].argmax()
        # 5 standard deviations of 0.06 rad, and the way to the nearest source
        assert np.arccos(source_positions()[seen] @ POSITIONS[index]) < 5 * 0.06 + 0.13


def test_a_shifted_electrode_sees_what_an_electrode_at_that_place_would_see():
    radial = np.einsum("kesd,sd->kes", forward_models()[1], source_positions())
    moved = module._shifted()
    assert np.arccos(np.clip((moved[1:] * POSITIONS).sum(axis=2), -1, 1)) == pytest.approx(module.SHIFT_RAD, rel=0.01)
    expected = layered_sphere(SKULL_S_PER_M[1], moved @ source_positions().T)
    assert abs(radial - expected).max() < APPROXIMATE * expected.max()


# The cache


def test_the_model_is_solved_once_and_then_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "user_cache_path", lambda name: tmp_path / name)
    solved = []

    def solve(skull):
        solved.append(skull)
        return np.full((3, N_SITES, N_SOURCES, 3), skull)

    fresh = forward_models.__wrapped__  # without the memory of this process, which the other tests use
    monkeypatch.setattr(module, "_solve", solve)
    first = fresh()
    assert solved == list(SKULL_S_PER_M)
    assert [path.suffix for path in (tmp_path / "ictal" / "head").iterdir()] == [".npy"]

    def fail(skull):
        raise AssertionError("solved again")

    monkeypatch.setattr(module, "_solve", fail)
    np.testing.assert_array_equal(fresh(), first)
    # Another geometry is another model.
    monkeypatch.setattr(module, "HEAD_RADIUS_M", 0.09)
    with pytest.raises(AssertionError, match="solved again"):
        fresh()


def test_what_is_cached_is_what_is_solved():
    # float32 is stored: half a unit in the 24th bit, of each number
    np.testing.assert_allclose(forward_models()[2], module._solve(SKULL_S_PER_M[2]), rtol=2.0**-24, atol=1e-30)
