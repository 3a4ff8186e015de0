"""Checks for the exercises of 12_mnist."""

from collections.abc import Callable

from cfgedu.checks import check
from cfgedu.schedule import linear


def check_passes(answer: Callable) -> None:
    """answer(times, low, high) -> passes of the network: two for a step from t in low < t <= high, one for another.

    times: [T = t_0 > ... > t_n = 0], as `schedule.grid(n)` gives them.
    """
    times = linear().grid(25)  # 1000, 960, ..., 40, 0
    mistakes = {
        "t = 0 is where the last step ends: the network is not asked there": 36,
        "those are the guided steps alone; each of the others takes one pass": 20,
        "that is one pass for every step; a guided one takes two": 25,
        "that is guidance at every step; outside the interval one prediction is enough": 50,
        "inside and outside are swapped": 40,
        "that is the number of guided steps": 10,
    }
    check("the passes of 25 steps", answer(times, 210, 610), 35, mistakes=mistakes)
    mistakes = {"the step from t = low is not guided: the interval begins above it": 36}
    check("an interval that begins at one of the times", answer(times, 200, 610), 35, mistakes=mistakes)
    mistakes = {"the step from t = high is guided: the interval ends with it": 34}
    check("an interval that ends at one of the times", answer(times, 210, 600), 35, mistakes=mistakes)


def check_best_scale(answer: Callable) -> None:
    """answer(rows, accuracy) -> the r of the smallest Fréchet distance among the rows of at least that accuracy."""
    columns = ("r", "accuracy", "diversity", "frechet")
    table = [(0, 0.1, 9, 5.0), (1, 0.95, 5, 0.4), (1.5, 0.985, 4, 0.5), (2, 0.99, 3, 0.9), (3, 1.0, 2, 2.0)]
    rows = [dict(zip(columns, row)) for row in table]
    mistakes = {
        "that row has the smallest distance of all, and too low an accuracy": 1,
        "that row has the highest accuracy; any that reaches the bar will do": 3,
        "you return the distance, not its r": 0.5,
        "that is the position of the row, not its r": 2,
        "r = 0 has the largest diversity and an accuracy of chance": 0,
    }
    check("the best scale for 0.98", answer(rows, 0.98), 1.5, mistakes=mistakes)
    shuffled = [rows[i] for i in (3, 0, 4, 2, 1)]
    first = next(row["r"] for row in shuffled if row["accuracy"] >= 0.98)
    mistakes = {"you return the first row that reaches the bar: the rows come in any order": first}
    check("rows in another order", answer(shuffled, 0.98), 1.5, mistakes=mistakes)
    mistakes = {"a row whose accuracy equals the bar reaches it": 3}
    check("a bar that a row just reaches", answer(rows, 0.99), 2, mistakes=mistakes)


def check_standard_error(answer: Callable) -> None:
    """answer(p, n) -> the standard error of an accuracy p measured on n independent images: sqrt(p (1 - p) / n)."""
    p, n = 0.9, 400
    mistakes = {
        "that is the variance: take the root": p * (1 - p) / n,
        "that is the standard deviation of one image's 0 or 1: the mean of n has it divided by sqrt(n)": (p * (1 - p))
        ** 0.5,
        "the root belongs around n too": (p * (1 - p)) ** 0.5 / n,
        "the variance of a coin is p (1 - p), not p": (p / n) ** 0.5,
        "1 / sqrt(n) is an upper bound: it leaves out p (1 - p)": n**-0.5,
        "that is the worst case p = 1/2; here p is given": 0.5 / n**0.5,
    }
    check("standard error of an accuracy", answer(p, n), (p * (1 - p) / n) ** 0.5, mistakes=mistakes)
    check("for another accuracy", answer(0.99, 1000), (0.99 * 0.01 / 1000) ** 0.5)
