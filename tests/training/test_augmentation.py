import numpy as np
import pytest
import torch
from scipy.signal import welch

from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR
from ictal.recipes.augmentation import AUGMENTATIONS, AugmentSettings
from ictal.simulator.head import POSITIONS
from ictal.training.augmentation import CHANGES, MIRROR_REGIONS, PAIRS, augment

NEIGHBOURS = [tuple(pair) for pair in PAIRS.tolist()]
EKG = CHANNELS.index("EKG")


def windows(n: int = 6, seed: int = 0) -> torch.Tensor:
    return 30 * torch.randn(n, 20, 10_000, generator=torch.Generator().manual_seed(seed))


def contexts(n: int = 6) -> torch.Tensor:
    return torch.rand(n, 4, 100, 300, generator=torch.Generator().manual_seed(1))


def changed(name: str, seed: int = 0, **more: float) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return augment(windows(), None, AugmentSettings(**{name: 1.0}, **more), rng).windows


def test_without_probabilities_a_batch_stays_as_it_is():
    mixed = augment(windows(), contexts(), AugmentSettings(), np.random.default_rng(0))
    assert torch.equal(mixed.windows, windows())
    assert torch.equal(mixed.contexts, contexts())
    assert mixed.partner is None


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_changes_a_batch_and_the_same_seed_changes_it_alike(name):
    one, same, other = (
        augment(windows(), None, AugmentSettings(**{name: 1.0}), np.random.default_rng(s)).windows for s in (0, 0, 1)
    )
    assert one.shape == windows().shape
    assert one.isfinite().all()
    assert not torch.equal(one, windows())
    assert torch.equal(one, same)
    if name not in ("mirror", "reverse"):  # which have nothing to decide
        assert not torch.equal(one, other)


@pytest.mark.parametrize("chance", [0.2, 0.7])
@pytest.mark.parametrize("name", CHANGES)
def test_a_probability_is_that_of_a_window(name, chance):
    made = torch.cat([windows(), windows(seed=1)])
    rng, n_changed = np.random.default_rng(0), 0
    for _ in range(4):
        after = augment(made, None, AugmentSettings(**{name: chance}), rng).windows
        n_changed += int((after != made).flatten(1).any(dim=1).sum())
    assert abs(n_changed - 48 * chance) < 4 * (48 * chance * (1 - chance)) ** 0.5


def test_mirroring_twice_changes_nothing_and_the_context_is_mirrored_with_its_window():
    settings, rng = AugmentSettings(mirror=1.0), np.random.default_rng(0)
    mixed = augment(windows(), contexts(), settings, rng)
    assert torch.equal(mixed.windows, windows()[:, list(MIRROR)])
    assert torch.equal(mixed.contexts, contexts()[:, [1, 0, 3, 2]])
    again = augment(mixed.windows, mixed.contexts, settings, rng)
    assert torch.equal(again.windows, windows())
    assert sorted(MIRROR_REGIONS) == [0, 1, 2, 3]


def test_neighbours_are_those_that_lie_nearest():
    assert len({frozenset(pair) for pair in NEIGHBOURS}) == len(NEIGHBOURS)
    distance = np.linalg.norm(POSITIONS[:19, None] - POSITIONS[None, :19], axis=2)
    apart = [distance[pair] for pair in NEIGHBOURS]
    pairs = distance[np.triu_indices(19, 1)]
    assert max(apart) < np.median(pairs)
    nearest = {tuple(sorted((i, int(j)))) for i in range(19) for j in [np.argsort(distance[i])[1]]}
    assert nearest <= {tuple(sorted(pair)) for pair in NEIGHBOURS}


@pytest.mark.parametrize("name", ["swap_neighbours", "swap_any"])
def test_two_electrodes_change_places_and_never_the_ekg(name):
    pairs = set()
    for seed in range(12):
        for before, after in zip(windows(), changed(name, seed), strict=True):
            moved = [row for row in range(20) if not torch.equal(before[row], after[row])]
            assert len(moved) == 2
            assert torch.equal(after[moved], before[moved[::-1]])
            pairs.add(tuple(moved))
    assert not any(EKG in pair for pair in pairs)
    allowed = {tuple(sorted(pair)) for pair in NEIGHBOURS}
    assert pairs <= allowed if name == "swap_neighbours" else len(pairs) > len(allowed)


def test_at_most_so_many_electrodes_fall_silent():
    silent = (changed("drop_electrode", most_dropped=3) == 0).all(dim=2)
    assert set(silent.sum(dim=1).tolist()) <= {1, 2, 3}
    assert not silent[:, EKG].any()
    assert silent.any(dim=0).sum() > 3


def test_noise_is_in_one_electrode_within_the_band_and_as_large_as_allowed():
    added = changed("noisy_electrode", noise_uv=100.0) - windows()
    noisy = added.abs().amax(dim=2) > 1e-3
    assert noisy.sum(dim=1).tolist() == [1] * len(added)
    assert not noisy[:, EKG].any()
    for one in added[noisy]:
        assert 19 < one.std() < 101
        power = torch.fft.rfft(one).abs() ** 2
        hz = torch.fft.rfftfreq(10_000, 1 / 200)
        assert power[(hz < 0.49) | (hz > 20.01)].sum() < 1e-6 * power.sum()


def test_each_electrode_has_its_own_gain_over_the_whole_window():
    gain = changed("electrode_gain", electrode_gain_sd=0.1) / windows()
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain), rtol=1e-4, atol=1e-4)
    own = gain[..., 0]
    assert 0.07 < (own - 1).std() < 0.13
    assert len(own.unique()) == own.numel()


def test_a_shift_moves_the_window_by_at_most_so_much():
    ramp = torch.arange(10_000.0).expand(30, 20, 10_000)
    after = augment(ramp, None, AugmentSettings(shift=1.0, shift_s=2.0), np.random.default_rng(0)).windows
    by = after[:, 0, 5_000] - 5_000
    assert by.abs().max() <= 400
    assert by.abs().max() > 300
    assert len(set(by.tolist())) > 20
    inner = slice(400, 9_600)
    assert all(torch.equal(row[0, inner], torch.arange(400.0, 9_600) + b) for row, b in zip(after, by, strict=True))


def test_scale_keeps_within_its_decibels():
    ratio = 20 * (changed("scale", scale_db=6.0).std(dim=(1, 2)) / windows().std(dim=(1, 2))).log10()
    assert ratio.abs().max() <= 6.001
    assert ratio.std() > 0.5


def test_a_band_falls_silent_and_nothing_else():
    before, after = (
        windows(1),
        augment(windows(1), None, AugmentSettings(band_stop=1.0, band_stop_hz=4.0), np.random.default_rng(3)).windows,
    )
    hz, was = welch(before[0, 0].numpy(), 200, nperseg=2_000)
    _, now = welch(after[0, 0].numpy(), 200, nperseg=2_000)
    silent = hz[now < 0.05 * was]
    assert silent.max() - silent.min() == pytest.approx(4, abs=0.5)
    assert silent.max() < 20.1
    rest = (hz < silent.min() - 0.5) | (hz > silent.max() + 0.5)
    np.testing.assert_allclose(now[rest], was[rest], rtol=0.3)


def test_mixup_mixes_windows_as_it_says():
    mixed = augment(windows(), contexts(), AugmentSettings(mixup=1.0), np.random.default_rng(2))
    assert 0 < mixed.share < 1
    expected = mixed.share * windows() + (1 - mixed.share) * windows()[mixed.partner]
    torch.testing.assert_close(mixed.windows, expected)
    expected = mixed.share * contexts() + (1 - mixed.share) * contexts()[mixed.partner]
    torch.testing.assert_close(mixed.contexts, expected)


@pytest.mark.parametrize(
    ("name", "value"), [("mirror", 1.5), ("shift_s", 0), ("most_dropped", 20), ("band_stop_hz", 16)]
)
def test_an_impossible_setting_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        AugmentSettings(**{name: value})


def test_electrodes_keep_their_number():
    assert all(max(pair) < len(ELECTRODES) for pair in NEIGHBOURS)
