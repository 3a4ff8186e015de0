"""Checks for the exercises of 12_mnist."""

from collections.abc import Callable

from cfgedu.checks import check


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
        "that is the standard deviation of one image's 0 or 1: the mean of n has it divided by sqrt(n)": (
            p * (1 - p)
        ) ** 0.5,
        "the root belongs around n too": (p * (1 - p)) ** 0.5 / n,
        "the variance of a coin is p (1 - p), not p": (p / n) ** 0.5,
        "1 / sqrt(n) is an upper bound: it leaves out p (1 - p)": n**-0.5,
        "that is the worst case p = 1/2; here p is given": 0.5 / n**0.5,
    }
    check("standard error of an accuracy", answer(p, n), (p * (1 - p) / n) ** 0.5, mistakes=mistakes)
    check("for another accuracy", answer(0.99, 1000), (0.99 * 0.01 / 1000) ** 0.5)
