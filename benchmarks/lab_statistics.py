"""What the lab's statistics are worth, on simulated studies whose truth is known: coverage of the 95 %
intervals, and false alarms.
"""

from quantlab.oracles import simulation

STUDIES, NUMBERS = 2000, (8, 12, 20, 40)
DESIGNS = ((2, 2), (4, 2), (4, 4))      # models, rounds
GOALS = {"coverage_at_20_and_40_prompts": 0.93, "identical_called_worse": 0.05}


def main() -> dict:
    """Shares of `STUDIES` seeded studies; the drifting speeds have a quarter of them."""
    drifting = {
        f"{drift}, {models} models, {rounds} rounds": [
            simulation.speed_coverage(
                drift, models=models, rounds=rounds, studies=STUDIES // 4, widened=widened
            )
            for widened in (False, True)
        ]
        for drift in simulation.DRIFTS
        for models, rounds in DESIGNS
    }
    return {
        "goals": GOALS,
        "studies": STUDIES,
        "coverage": {
            shape: {str(n): simulation.coverage(shape, n, studies=STUDIES) for n in NUMBERS}
            for shape in simulation.SHAPES
        },
        "identical_called_worse": {str(n): simulation.false_alarms(n, studies=STUDIES) for n in NUMBERS},
        "identical_called_worse_by_a_check": {
            str(n): simulation.false_alarms_of_checks(n, studies=STUDIES)[0] for n in NUMBERS
        },
        "speed_ratio_coverage_by_prompts_alone_and_widened": drifting,
    }
