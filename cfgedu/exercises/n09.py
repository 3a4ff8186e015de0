"""Checks for the exercises of 09_twin_head."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import nn

from cfgedu.checks import Exercise, Guess, Unfit, Verdict, call, check, unanswered
from cfgedu.exercises.twins import (
    Deaf,
    K,
    Twin,
    awake,
    by_bytes,
    by_largest_change,
    by_one_row,
    constant,
    example,
    filled,
    invariance,
    shuffled,
    woken_anew,
)
from cfgedu.models import weights_from
from cfgedu.protocol import NULL, seeded, where_labelled

# ---------------------------------------------------------------- 1: a test that can fail

ALWAYS = "your test says the same of every twin, leaky or not: a test must be able to fail, and to pass"
INVERTED = "your test is the wrong way round: True is for a twin whose first prediction does not change"
SECOND = "you compared the second prediction, alone or with the first: it is conditional, and should change with y"
TOUCHED = "fill in a copy (deepcopy): a test must leave what it tests as it was"
DEAF = "that a conditional head ignores the label is another fault; this test is about the unconditional one"
ANEW = "a new twin must pass as well: fill the zero layers of one copy, and ask that copy for every label"
ASLEEP = "a new network predicts 0 whatever it is asked: fill the layers that are zero, in a copy, first"
LEAKS = {  # how the label gets into the trunk: (the leaks, what a test that misses one of them probably does)
    "each label moves the trunk": (
        [lambda y: y],
        "the first of the two predictions must not change when y alone does",
    ),
    "a leak of one class": (
        [lambda y, k=k: y == k for k in range(K)],
        "one class alone may leak: compare each of 0..K-1, and let a single difference be enough",
    ),
    "a leak of NULL": ([lambda y: y == NULL], "you never ask with NULL = -1: eps_un must be the same then, too"),
    "a leak of 1e-9": ([lambda y: 1e-9 * y], "allclose forgives small leaks; the claim is exact, so use torch.equal"),
    "a leak through the batch": (
        [lambda y: y.double().mean().expand(len(y))],
        "the mean label never changes in your test: compare batches in which every row asks for the same label",
    ),
}
MISSES = {name: mistake for name, (_, mistake) in LEAKS.items()}


def judge_ignores_label(answer: Callable) -> Verdict:
    """The test is tried on good twins and on leaky ones, and one line printed for each."""
    if not callable(answer):
        raise Unfit("a function is asked for: give its name, without a call")

    def says(make, seed, trained=True):
        return call(partial(answer, *example(make, seed, trained)))

    def tried(seed, trained=True):
        """(what the answer says of a late-fusion twin, whether it changed the weights of that twin)"""
        net, x, t = example(Twin, seed, trained)
        before = deepcopy(net.state_dict())
        said = call(lambda: answer(net, x, t))
        return said, any(not torch.equal(value, before[name]) for name, value in net.state_dict().items())

    late, touched = tried(1)
    if unanswered(late):
        return check("the invariance test", late, True)
    new, filled_in = tried(4, trained=False)  # only a new twin has zero layers to fill
    plain = "each label moves the trunk"
    deaf = says(Deaf, 2)
    asleep = says(partial(Twin, *LEAKS[plain][0]), 4, trained=False)
    caught = {name: any(says(partial(Twin, leak), 3) for leak in leaks) for name, (leaks, _) in LEAKS.items()}
    if all(bool(said) == bool(late) for said in (deaf, new, asleep, *caught.values())):
        raise Unfit(ALWAYS)
    if not deaf and caught[plain]:  # whatever else is wrong with it
        raise Unfit(INVERTED)
    verdicts = [
        check("a late-fusion twin passes", late, True, mistakes={SECOND: False} if deaf else {}),
        check("its weights are untouched", touched or filled_in, False, mistakes={TOUCHED: True}),
        check("a twin that ignores y everywhere passes", deaf, True, mistakes={DEAF: False} if late else {}),
        *(check(f"{name} is caught", caught[name], False, mistakes={MISSES[name]: True}) for name in LEAKS),
        check(
            "an untrained late-fusion twin passes",
            new,
            True,
            mistakes={ANEW if late else SECOND: False} if deaf else {},
        ),
        check("a leak in an untrained twin is caught", asleep, False, mistakes={ASLEEP: True}),
    ]
    return Verdict(all(verdicts))


check_ignores_label = Exercise(  # answer(net, x (B,2), t (B,)) -> True where pair(x, t, y)[0] is the same for every y
    name="the invariance test",
    right=(invariance(), by_largest_change, by_bytes, by_one_row),
    wrong={
        ALWAYS: lambda net, x, t: True,
        INVERTED: lambda net, x, t: not invariance()(net, x, t),
        SECOND: invariance(head=1),
        TOUCHED: invariance(wake=filled),
        MISSES["a leak of one class"]: invariance(labels=lambda net, t: constant(net, t)[:3]),
        MISSES["a leak of NULL"]: invariance(labels=lambda net, t: constant(net, t)[1:]),
        MISSES["a leak of 1e-9"]: invariance(same=torch.allclose),
        MISSES["a leak through the batch"]: invariance(labels=shuffled),
        MISSES["each label moves the trunk"]: lambda net, x, t: not torch.equal(*net.pair(x, t, torch.zeros_like(t))),
        ANEW: woken_anew,
        ASLEEP: invariance(wake=lambda net: net),
        DEAF: lambda net, x, t: (
            invariance()(net, x, t) and not torch.equal(*(awake(net).pair(x, t, y)[1] for y in constant(net, t)[1:3]))
        ),
    },
    judge=judge_ignores_label,
)

# ---------------------------------------------------------------- 2: a stronger label


def film_batches():
    """Two twins whose branches all differ, each with its film; in the second batch no row has a label but one."""
    batches = {}
    for place, seed, y in (("", 5, [0, 1, 2, 2, 1, NULL]), ("with one label", 7, [NULL, NULL, 1, NULL, NULL, NULL])):
        net, x, t = example(Twin, seed)
        with weights_from(seeded(seed + 1)):
            film = nn.Embedding(K + 1, 2 * net.config["width"]).double()
        batches[place] = net, film, x, t, torch.tensor(y)
    return batches


def film_pair(
    place="head",
    row=lambda y: y + 1,
    change=lambda h, a, b: h * (1 + a) + b,
    null=True,
    added=False,
    heads=0,
    outlets=0,
    trunk=True,
    halves=lambda row: row.chunk(2, dim=1),
    told=False,
    where=where_labelled,
):
    """The right answer, with room for one mistake each: where the label enters, which head and outlet make what."""

    def pair(net, film, x, t, y):
        c, (scale, shift) = net.time(t), halves(film(row(y)))
        c_trunk = c + net.label(y + 1) if told else c
        head_un, head_cond = ((net.head_un, net.head_cond), (net.head_cond, net.head_un), (net.head_un,) * 2)[heads]
        outlet_un, outlet_cond = ((net.outlet_un, net.outlet_cond), (net.outlet_cond, net.outlet_un))[outlets]
        h = net.inlet(x)
        h = net.trunk(change(h, scale, shift) if place == "before" else h, c_trunk) if trunk else h
        seen = change(h, scale, shift) if place in ("head", "both") else h
        eps_un = outlet_un(head_un(seen if place == "both" else h, c))
        c_cond = c + net.label(y + 1) if added else c
        out = head_cond(seen, change(c, scale, shift) if place == "condition" else c_cond)
        eps_cond = outlet_cond(change(out, scale, shift) if place == "after" else out)
        return eps_un, where(y, eps_cond, eps_un) if null else eps_cond

    return pair


def film_by_mask(net, film, x, t, y):
    c = net.time(t)
    h = net.trunk(net.inlet(x), c)
    rows = film.weight[y + 1]
    width = h.shape[1]
    eps_un = net.outlet_un(net.head_un(h, c))
    eps_cond = net.outlet_cond(net.head_cond(h + h * rows[:, :width] + rows[:, width:], c))
    return torch.stack([eps_un, torch.where((y == NULL)[:, None], eps_un, eps_cond)])


def film_in_place(net, film, x, t, y):
    c, (scale, shift) = net.time(t), film(y + 1).tensor_split(2, dim=-1)
    h = net.trunk(net.inlet(x), c)
    eps_un = net.outlet_un(net.head_un(h, c))
    eps_cond = net.outlet_cond(net.head_cond(torch.addcmul(h + shift, h, scale), c))
    eps_cond[y < 0] = eps_un[y < 0]
    return [eps_un, eps_cond]


check_film_pair = Exercise(  # answer(net, film, x (B,2), t (B,), y (B,)) -> (eps_un, eps_cond), each (B,2)
    name="the pair",  # net has the parts of a TwinMLP; film: Embedding (K + 1, 2 width), row y + 1: (scale, shift) of y
    right=(film_pair(), film_by_mask, film_in_place),
    wrong={
        "both heads read the modulated h: the label must enter the conditional head only": film_pair("both"),
        "both heads read the modulated h, and NULL rows differ in them": film_pair("both", null=False),
        "the label enters before the trunk, which both heads share": film_pair("before"),
        "the trunk is told the label, as in LeakyTwin: here it must not be": film_pair(told=True),
        "LeakyTwin is kept, with film added to it: here c is the time alone, in the trunk and in both heads": film_pair(
            told=True, added=True
        ),
        "the heads read inlet(x): the trunk, which both share, comes first": film_pair(trunk=False),
        "c is modulated: it is h that film changes": film_pair("condition"),
        "h is modulated after the head has run: the head has to read the modulated h": film_pair("after"),
        "eps_cond must be eps_un in the rows where y is NULL (where_labelled does it)": film_pair(null=False),
        "the two answers are exchanged: where_labelled(y, a, b) takes a where there is a label": film_pair(
            where=lambda y, a, b: where_labelled(y, b, a)
        ),
        "scale and shift are the two halves of a row, not its even and odd places": film_pair(
            halves=lambda row: (row[:, ::2], row[:, 1::2])
        ),
        "film has a row for NULL: label y is at row y + 1": film_pair(row=lambda y: y.clamp_min(0)),
        "h is multiplied by 1 + scale: a scale of 0 changes nothing": film_pair(change=lambda h, a, b: a * h + b),
        "the shift is added last: multiply h by 1 + scale first": film_pair(change=lambda h, a, b: (h + b) * (1 + a)),
        "scale and shift are swapped: the scale comes first": film_pair(change=lambda h, a, b: h * (1 + b) + a),
        "the label is added to c as well: here film does its work alone": film_pair(added=True),
        "film is not used: the label enters by the embedding that is added to c": film_pair("nowhere", added=True),
        "eps_cond comes through head_un: the head that is told the label is head_cond": film_pair(heads=2),
        "the two heads are exchanged: the one that is told the label is head_cond": film_pair(heads=1),
        "the two outlets are exchanged: outlet_un belongs to head_un": film_pair(outlets=1),
        "the branches are exchanged: head_cond and outlet_cond are told the label": film_pair(heads=1, outlets=1),
        "the order is (eps_un, eps_cond), unconditional first": lambda *given: film_pair()(*given)[::-1],
    },
    inputs=film_batches,
)

# ---------------------------------------------------------------- 3: where to fork

check_fork_costs = Exercise(  # answer(f) -> (weights of a twin / of one network, time of a twin / of a doubled batch)
    name="costs",  # f: the share of one network's weights and time that lies in the trunk
    right=(
        lambda f: (2 - f, 1 - f / 2),
        lambda f: (f + 2 * (1 - f), (f + 2 * (1 - f)) / 2),
        lambda f: torch.tensor([1.0, 0.5]) * (1 + (1 - f)),
    ),
    wrong={
        "the trunk is shared: it is f that is counted once, and 1 - f twice": lambda f: (1 + f, (1 + f) / 2),
        "time against the doubled batch, which runs everything twice: divide by 2": lambda f: (2 - f, 2 - f),
        "f / 2 is the part of the time that is saved: asked for is what remains": lambda f: (2 - f, f / 2),
        "that is how many times faster the twin is: asked for is its fraction of the time": lambda f: (
            2 - f,
            2 / (2 - f),
        ),
        "of the two runs of the trunk one is saved, which is f / 2 of the doubled batch's time": lambda f: (
            2 - f,
            1 - f,
        ),
        "the doubled batch has one network's weights: divide the time alone by 2": lambda f: (1 - f / 2, 1 - f / 2),
        "that is two whole networks: the trunk is there once, and runs once": lambda f: (2.0, 1.0),
        "the two are the other way round: weights first, then time": lambda f: (1 - f / 2, 2 - f),
        "with one head the trunk saves nothing: count both heads": lambda f: (1.0, 0.5),
        "those are the numbers of one twin: f is an argument": lambda f: (1.4, 0.7),
        "the trunk runs too: its share f belongs to both numbers": lambda f: (2 * (1 - f), 1 - f),
    },
    inputs=lambda: {f"with f = {f:g}": (f,) for f in (0.25, 0.6, 0.0, 1.0)},
)

# ---------------------------------------------------------------- predictions

check_guess_lower_loss = Guess(
    name="the twin with the lower loss",
    right="leaky",
    choices={
        "late fusion": "Both heads of the leaky twin can use the label, and under a squared error more information is "
        "never worse.",
        "leaky": "",
        "neither": "They differ by one word, but that word lets one more head see the label.",
    },
    why="A trunk that knows the label lowers the loss of the head that should not know it.",
)
check_guess_leaky_share = Guess(
    name="the leaky twin's share of class 2 at r = 0",
    right=0.87,
    near=0.14,
    why="Its 'unconditional' head knows what is asked for, so r = 0 draws nearly what r = 1 draws.",
)
