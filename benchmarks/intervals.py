"""How often intervals hold the truth and tests find what is not there, on simulated losses of clustered windows.

Each repeat draws patients with a few to many windows each; the loss of a window has a part of its patient, larger
than its own. Tables differ by nothing, or by an amount that is larger for patients with more windows, so that truth,
sizes and effects are tied together.
"""

import argparse

import numpy as np

from _machine import machine
from ictal.evaluation import PatientBootstrap, holm, permutation_p

EFFECT = 0.02
"""Added per window of a patient, so that the truth is EFFECT x E[size^2] / E[size]."""
SIZES = np.arange(1, 31)
"""Windows of a patient, each as likely."""
TRUTH = {"no difference": 0.0, "difference tied to size": EFFECT * float((SIZES**2).mean() / SIZES.mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--patients", type=int, nargs="+", default=[30, 100, 300])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{machine()}\n{options.repeats} repeats, {options.resamples} resamples, seed {options.seed}")
    for n_patients in options.patients:
        rng = np.random.default_rng((options.seed, n_patients))
        held, found = dict.fromkeys(TRUTH, 0), 0
        for repeat in range(options.repeats):
            sizes = rng.choice(SIZES, n_patients)
            patients = np.repeat(np.arange(n_patients), sizes)
            bootstrap = PatientBootstrap(patients, np.ones(len(patients)), options.resamples, repeat)
            # Losses of patients have a long tail, as KL does.
            gaps = [
                rng.standard_t(5, n_patients)[patients] * 0.3 + rng.normal(0, 0.3, len(patients)) + effect[patients]
                for effect in (np.zeros(n_patients), EFFECT * sizes, np.zeros(n_patients), np.zeros(n_patients))
            ]
            for name, gap in zip(TRUTH, gaps, strict=False):
                estimate = bootstrap.mean(gap)
                held[name] += estimate.low <= TRUTH[name] <= estimate.high
            family = [gaps[0], *gaps[2:]]  # three comparisons without any difference
            p_values = [permutation_p(gap, patients, bootstrap.weights, options.resamples, repeat) for gap in family]
            found += min(holm(p_values)) < 0.05
        shares = ", ".join(f"{name} {100 * number / options.repeats:.1f} %" for name, number in held.items())
        print(f"{n_patients:4} patients: intervals of 95 % hold the truth: {shares} (92 to 97)")
        print(f"     three without any difference: one is found in {100 * found / options.repeats:.1f} % (at most 5)")


if __name__ == "__main__":
    main()
