"""Checks and hints for 16_repair_a_broken_cfg; what its bugs are stands in `repair`."""

from functools import partial
from types import SimpleNamespace

import torch

from cfgedu.checks import Exercise, Guess, Unfit, Verdict
from cfgedu.checks.said import right, say, shortened
from cfgedu.exercises.choices import of_choices
from cfgedu.exercises.repair import BUGS, EVERY, code_with
from cfgedu.exercises.repair.forms import RIGHT, changed, crashing, half_precision, same_for_all, without_clip
from cfgedu.language import phrase, translated
from cfgedu.lights import GAUGES, dashboard
from cfgedu.protocol import NULL

# ---------------------------------------------------------------- hints


def hint(light: str, level: int = 1) -> None:
    """Prints what to think about when a light is red: 1 a question, 2 the function, 3 the place.

    Raises ValueError for a light or a level that there is not.
    """
    if light not in GAUGES:
        raise ValueError(f"light must be one of {', '.join(GAUGES)}, got {light!r}")
    if level not in (1, 2, 3):
        raise ValueError(f"level must be 1, 2 or 3, got {level!r}")
    led = [bug for bug in BUGS if bug.lights[0] == light]
    first = sorted({bug.lights[0] for bug in BUGS if light in bug.lights[1:]}, key=list(GAUGES).index)
    if first:
        too = "{light}: red, too, with {lights}; where that light is red, begin there."
        say(phrase(too, light=light, lights=phrase(" or ").join(first)))
    for number, bug in enumerate(led, start=1):
        cause = "{light}, hint {level}, cause {number} of {all}" if len(led) > 1 else "{light}, hint {level}"
        head = phrase(cause, light=light, level=level, number=number, all=len(led))
        say(f"{head}: {phrase(bug.hints[level - 1])}")
    if not led and not first:
        said = "{light}: no bug that was planted turns it red, so look at what you changed last."
        say(phrase(said, light=light))


# ---------------------------------------------------------------- 1 and 4: all lights green

PARTS = ("drop_labels", "loss", "guided", "sample", "schedule", "model", "K")


def judged(name: str, answer) -> Verdict:
    """Right where every light is green."""
    if isinstance(answer, list | tuple) and answer and all(hasattr(light, "green") for light in answer):
        raise Unfit("these are lights: give the code that they measure, so that they can be lit anew")
    lacking = [part for part in PARTS if not hasattr(answer, part)]
    if len(lacking) == len(PARTS):
        asked = phrase("a code with {parts} is asked for, got {got}", parts=", ".join(PARTS), got=shortened(answer))
        raise Unfit(
            f"{asked}; {phrase('if that is the function that makes it, call it')}" if callable(answer) else asked
        )
    lights = dashboard(answer, seed=16)  # not the workbench's seed
    if all(light.green for light in lights):
        return right(phrase("{name}: all {count} lights are green", name=translated(name), count=len(lights)))
    red = ", ".join(light.name for light in lights if light.green is False)
    dark = [
        phrase("{light} is dark, {said}", light=light.name, said=light.said) for light in lights if light.green is None
    ]
    said = [f"{light.name}: {light.said}" for light in lights if light.green is False and light.said]
    lit = sum(light.green is True for light in lights)
    lit = phrase("{count} of {all} lights are green", count=lit, all=len(lights))
    raise Unfit("\n  ".join([lit, *([phrase("red: {lights}", lights=red)] if red else []), *dark, *said]))


def all_green(name: str, wrong: dict) -> Exercise:
    return Exercise(name=name, right=RIGHT, wrong=wrong, judge=partial(judged, name))


ASLEEP = ("gate", "the label in both halves", "starts below T", "stale noise", "ends above 0", "eta for its square")

check_repair = all_green(  # answer: the code with all its parts -> every light is green
    "the repaired code",
    {f"red: {', '.join(n for n in GAUGES if n in EVERY[name].lights)}": code_with([EVERY[name]]) for name in ASLEEP}
    | {"call it": code_with, "these are lights": [SimpleNamespace(green=True)]},
)

check_own = all_green(
    "a code of your own",
    {
        "the code has no loss": changed(loss=None),
        "the code has no K": changed(K=None),
        "its sample has no clip": changed(sample=without_clip),
        "un and cond have no times of their own": changed(guided=crashing),
        "red: no label, error of g": changed(model=same_for_all),
        "red: oracle": changed(sample=half_precision),
    },
)

# ---------------------------------------------------------------- 2: which scales tell

ONE_THREE, ZERO_THREE, ALL, NONE = "r = 1 and r = 3", "r = 0 and r = 3", "all three", "none"
SCALES = {"minus": ONE_THREE, "swapped": ALL, "one channel": ZERO_THREE, "lerp": NONE}
UN_SAFE = "at r = 0 this line returns the answer without a label, as it should"
WRONG_SCALES = {
    ("minus", ZERO_THREE): UN_SAFE,
    ("minus", ALL): UN_SAFE,
    ("minus", NONE): "put r = 1 in: 2 un - cond is not cond",
    ("swapped", ONE_THREE): "put r = 0 in: what is called un there is the conditional answer",
    ("swapped", ZERO_THREE): "put r = 1 in: what is called cond there is the answer without a label",
    ("swapped", NONE): "r has become 1 - r: 0 and 1 change places",
    ("one channel", ONE_THREE): "at r = 1 both channels are those of cond, as they should be",
    ("one channel", ALL): "at r = 1 both channels are those of cond, as they should be",
    ("one channel", NONE): "the second channel does not know r: at r = 0 it should be that of un",
    ("lerp", ONE_THREE): "lerp(un, cond, r) = un + r (cond - un), also for an r above 1",
    ("lerp", ZERO_THREE): "lerp(un, cond, r) is un at r = 0, exactly",
    ("lerp", ALL): "write lerp out: un + r (cond - un) is the formula itself",
}
check_scales = of_choices("which scales tell", SCALES, (ONE_THREE, ZERO_THREE, ALL, NONE), WRONG_SCALES)

# ---------------------------------------------------------------- 3: a light of one's own


def answering(x, t, y):
    """A model whose answer tells the label; each row for itself."""
    return x * (y + 2).to(x)[:, None] / 2


def guiding(mixed=lambda un, cond, y: (un, cond)):
    """A guided(model, r) in which something may have been done to its two answers."""

    def guided(model, r):
        def eps(x, t, y):
            un, cond = mixed(model(x, t, torch.full_like(y, NULL)), model(x, t, y), y)
            return (1 - r) * un + r * cond

        return eps

    return guided


def with_label_of_the_last(model, r):
    """Guidance towards the label of the batch's last row."""
    return lambda x, t, y: guiding()(model, r)(x, t, y[-1:].expand(len(y)))


GUIDINGS = {
    "with each row for itself": guiding(),
    "with the mean of cond - un over the batch": guiding(lambda un, cond, y: (un, un + (cond - un).mean(0))),
    "with un of the row before": guiding(lambda un, cond, y: (un.roll(1, 0), cond)),
    "with cond scaled by the size of un over the batch": guiding(lambda un, cond, y: (un, cond / un.std())),
    "with the label of the last row": with_label_of_the_last,
    "with lerp": lambda model, r: lambda x, t, y: torch.lerp(model(x, t, torch.full_like(y, NULL)), model(x, t, y), r),
}


def batch(n=6):
    x = torch.linspace(-2, 2, 2 * n, dtype=torch.float64).reshape(n, 2)
    return x, torch.full((n,), 500), torch.arange(n) % 3


def differ(one, other):
    return not torch.allclose(one, other, rtol=0, atol=1e-9)


def alone_or_together(guided, r=3.0, model=answering, alike=False):
    """Is a row's answer another one when it is alone in its batch? alike: all rows are the same."""
    x, t, y = (part[:1].repeat(6, *[1] * (part.ndim - 1)) for part in batch()) if alike else batch()
    eps = guided(model, r)
    alone = torch.cat([eps(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    return differ(alone, eps(x, t, y))


def first_row_among_others(guided, r=3.0, others=slice(1, None), points=True, labels=True):
    """Does the answer for the first row change when others do?"""
    x, t, y = batch()
    eps, x2, y2 = guided(answering, r), x.clone(), y.clone()
    if points:
        x2[others] += 1.0
    if labels:
        y2[others] = (y2[others] + 1) % 3
    return differ(eps(x, t, y)[0], eps(x2, t, y2)[0])


def in_halves(guided):
    x, t, y = batch()
    eps = guided(answering, 2.0)
    return bool((torch.cat([eps(x[:1], t[:1], y[:1]), eps(x[1:], t[1:], y[1:])]) - eps(x, t, y)).abs().max() > 1e-9)


def in_another_order(guided):
    x, t, y = batch()
    order, eps = torch.tensor([0, 3, 5, 2, 1, 4]), guided(answering, 3.0)
    return differ(eps(x, t, y)[order], eps(x[order], t[order], y[order]))


check_rows_mixed = Exercise(  # answer(guided) -> does a row's answer depend on the other rows of its batch?
    name="a light for rows that mix",
    right=(
        alone_or_together,
        first_row_among_others,
        lambda guided: int(in_halves(guided)),
    ),
    wrong={
        "this is never true": lambda guided: False,
        "this is always true: compare the same row's answer in two batches, not the answers of two rows": (
            lambda guided: True
        ),
        "the other way round: True is for rows that do depend on each other": (
            lambda guided: not alone_or_together(guided)
        ),
        "a mean over the batch stays the same in another order: change the other rows, or leave them out": (
            in_another_order
        ),
        "labels are part of a row: change those of the other rows too": partial(first_row_among_others, labels=False),
        "at r = 1 the answer without a label plays no part: try an r that uses both": (
            partial(alone_or_together, r=1.0)
        ),
        "at r = 0 the answer with a label plays no part: try an r that uses both": partial(alone_or_together, r=0.0),
        "a model that does not look at labels leaves no cond - un: let its answer depend on the label": (
            partial(alone_or_together, model=lambda x, t, y: x)
        ),
        "rows that are all alike have the mean of each of them: take rows that differ": (
            partial(alone_or_together, alike=True)
        ),
        "one other row is not enough: what mixes may come from any of them": (
            partial(first_row_among_others, others=slice(1, 2))
        ),
        "points are part of a row: change those of the other rows too": partial(first_row_among_others, points=False),
    },
    inputs=lambda: {place: (guided,) for place, guided in GUIDINGS.items()},
)

# ---------------------------------------------------------------- the predictions

check_guess_green = Guess(
    name="green lights of the file as it was found",
    right=4,
    near=2,
    why="Nearly every part that is asked a question of its own gives a wrong answer; the cloud shows none of it.",
)
check_guess_unseen = Guess(
    name="bugs that leave the cloud at r = 1 as good as it was",
    right=12,
    near=1.5,
    why="At r = 1 the answer without a label has the weight 0; small errors of levels and times hide in the spread.",
)
