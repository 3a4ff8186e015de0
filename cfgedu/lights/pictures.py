"""The small pictures of the lights: functions that draw what a measurement saw on an Axes."""

import numpy as np

INK, SOFT = "#333333", "#BBBBBB"
LABELS = ["#0072B2", "#D55E00", "#009E73", "#E69F00"]  # of classes, as everywhere in the course; no label is grey


def shade(y) -> list[str]:
    """The colours of labels."""
    return [SOFT if label < 0 else LABELS[label % len(LABELS)] for label in y.tolist()]


def row_of_labels(ax, height, y) -> None:
    ax.bar(range(len(y)), [0.8] * len(y), bottom=height, width=1.0, color=shade(y))


def drop_rate(ax, shares) -> None:
    ax.axhspan(0.14, 0.26, color="#DDDDDD", linewidth=0)
    ax.plot(shares[:40].numpy(), ".", color=INK, markersize=4)
    ax.set(ylim=(-0.05, 1.05), yticks=[0, 0.2, 1], xticks=[], xlabel="batches")


def own_coins(ax, dropped) -> None:
    ax.imshow(dropped[:12, :30].numpy(), cmap="Greys", vmin=0, vmax=1.4, aspect="auto", interpolation="nearest")
    ax.set(xticks=[], yticks=[], xlabel="labels of a batch", ylabel="batches")


def labels_kept(ax, seen) -> None:
    before, after = (labels[:24] for labels in seen)
    row_of_labels(ax, 1, before)
    row_of_labels(ax, 0, after)
    ax.set(xticks=[], yticks=[0.4, 1.4], yticklabels=["after", "before"])


def times_trained(ax, seen) -> None:
    t, T = seen
    places = [0, 1, 2, T - 2, T - 1, T, T + 1]
    ax.bar(range(7), [int((t == place).sum()) for place in places], color=INK, width=0.7)
    ax.axvline(2.5, color=SOFT, linestyle=":")
    ax.set(xticks=[0, 1, 5, 6], xticklabels=["0", "1", f"{T}", ""], yticks=[], xlabel="times asked")


def loss_of_truth(ax, values) -> None:
    ax.plot(values.numpy(), "o", color=INK, markersize=4)
    ax.set(ylim=(-0.1, max(1.0, float(values.max()))), yticks=[0, 1], xticks=[], xlabel="batches")


def no_label(ax, apart) -> None:
    ax.bar(range(len(apart)), apart.tolist(), color=LABELS[: len(apart)], width=0.7)
    ax.set(xticks=range(len(apart)), xlabel="class", ylim=(0, None))
    ax.locator_params(axis="y", nbins=3)


def against(ax, seen) -> None:
    """What came, over what was expected."""
    wanted, got = (part.flatten()[:400].detach().numpy() for part in seen)
    ends = [float(wanted.min()), float(wanted.max())]
    ax.plot(ends, ends, color=SOFT, linewidth=3)
    ax.plot(wanted, got, ".", color=INK, markersize=2.5)
    ax.set(xlabel="expected", ylabel="got", xticks=[], yticks=[])


def error_of_g(ax, seen) -> None:
    found, true = (part.transpose(0, 1).reshape(-1)[::16] for part in seen)
    against(ax, (true, found))
    ax.set(xlabel="true g", ylabel="learned g")


def labels_asked(ax, seen) -> None:
    given, asked = seen
    row_of_labels(ax, 1, given)
    for start in range(0, len(asked), len(given)):
        row_of_labels(ax, -start / len(given), asked[start : start + len(given)])
    ax.set(xticks=[], yticks=[0.4, 1.4], yticklabels=["asked", "given"])


def times_asked(ax, seen) -> None:
    t, T = seen
    ax.axvline(T, color=SOFT, linewidth=3)
    ax.plot(t.numpy(), range(len(t)), ".", color=INK, markersize=4)
    ax.set(xlim=(1.06 * T, -0.06 * T), xticks=[T, 0], yticks=[], xlabel="times asked")


def oracle(ax, seen) -> None:
    x0, end = (part[:60].numpy() for part in seen)
    ax.plot(*x0.T, "o", color=SOFT, markersize=6)
    ax.plot(*end.T, ".", color=INK, markersize=3)
    ax.set(xticks=[], yticks=[], xlabel="ends over x_0")


def fresh_noise(ax, ends) -> None:
    edges = np.linspace(-4, 4, 25)
    for values, color in zip(ends, (INK, "#0072B2")):
        ax.hist(values.clamp(-4, 4).numpy(), edges, density=True, histtype="step", color=color)
    ax.plot(edges, np.exp(-(edges**2) / 2) / (2 * np.pi) ** 0.5, color=SOFT, linewidth=3, zorder=0)
    ax.set(xticks=[-4, 0, 4], yticks=[], xlabel="eta 0.5 black, 1 blue")


def clipped(ax, eps) -> None:
    ax.plot(eps[:, :12, 0].numpy(), color=INK, linewidth=0.8)
    ax.set(xticks=[], xlabel="steps", ylabel="eps left")
    ax.locator_params(axis="y", nbins=3)


def last_level(ax, alpha_bar) -> None:
    ax.semilogy(alpha_bar.numpy(), color=INK)
    ax.axhline(1e-3, color=SOFT, linewidth=3, zorder=0)
    ax.set(xticks=[0, len(alpha_bar) - 1], yticks=[1, 1e-3], xlabel="t")
