"""The bugs of notebook 16, one table: tests, hints, the gallery and the solutions take from here what a bug is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A piece of the reference, which stands there once, and what it was in real code.

    lights: those that it alone turns red, the one to follow first. source: where it was seen. story: two sentences on
    it. hints: a question, the function, the place.
    """

    name: str
    right: str
    wrong: str
    lights: tuple[str, ...]
    source: str
    story: str = ""
    hints: tuple[str, str, str] = ("", "", "")


BUGS = (
    Bug(
        name="a schedule that stops short",
        right="beta = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)",
        wrong="beta = torch.linspace(0.00085**0.5, 0.012**0.5, T, dtype=torch.float64) ** 2",
        lights=("last level",),
        source="Lin et al., arXiv 2305.08891; huggingface/diffusers#3664",
        story="These are the numbers of Stable Diffusion's schedule, which ends at a signal level of 0.0047. At T the "
        "data still shine through, while sampling begins with pure noise.",
        hints=(
            "How much of the data is left at the time where sampling begins with pure noise?",
            "The table alpha_bar is made of the betas: look at the largest of them.",
            "The line `beta = ...`: with T = 1000, betas up to 0.02 end at a signal level of 4e-5.",
        ),
    ),
    Bug(
        name="no label shares a row",
        right="self.label(y + 1)",
        wrong="self.label(y.clamp(min=0))",
        lights=("no label",),
        source="zoubohao/DenoisingDiffusionProbabilityModel-ddpm-#30",
        story="There row 0 of the embedding is no label and the classes count from 1, and a reader asks what the "
        "extra row is for. Keep class 0 and no label in one row, and the network cannot tell them apart.",
        hints=(
            "For which class is the answer without a label the same as with one?",
            "The network embeds a label: which row does it take for NULL = -1, and which for class 0?",
            "In Net.forward: K + 1 rows are there, and one of them is never used.",
        ),
    ),
    Bug(
        name="one coin a batch",
        right="coin = torch.rand(len(y), generator=generator)",
        wrong="coin = torch.rand(1, generator=generator)",
        lights=("own coins",),
        source="oreilly-japan/deep-learning-from-scratch-5, step10/classifier_free_guidance.py",
        story="The code of a widely read book drops the labels of a whole batch or of none. The share is right on "
        "average, so the network learns both modes; but each step trains one of them alone.",
        hints=(
            "Look at one batch: who decides whether its third label is dropped?",
            "drop_labels draws random numbers: how many for a batch?",
            "The line `coin = ...` in drop_labels.",
        ),
    ),
    Bug(
        name="flipped mask",
        right="dropped = coin < p_drop",
        wrong="dropped = coin > p_drop",
        lights=("drop rate",),
        source="TeaPearce/Conditional_Diffusion_MNIST#1",
        story="Does 1 in a mask mean keep, or drop? A reader asks about a line that says `need to flip 0 <-> 1`. "
        "Flipped, four labels in five are lost, and the samples look almost as before.",
        hints=(
            "Which share of the labels is dropped, and which share is kept?",
            "drop_labels compares a random number with p_drop.",
            "The line `dropped = ...` in drop_labels: when is the coin above p_drop?",
        ),
    ),
    Bug(
        name="T never trained",
        right="t = torch.randint(1, T + 1, (len(x0),), generator=generator)",
        wrong="t = torch.randint(1, T, (len(x0),), generator=generator)",
        lights=("times trained",),
        source="lucidrains/imagen-pytorch#265",
        story="Times in training were capped just below the one at which sampling starts; the author agreed that it "
        "`does not make any sense`, and removed the cap. The first step of every sample is a question never trained.",
        hints=(
            "Which of the times at which the sampler asks has the network never seen?",
            "The loss draws a time for each row.",
            "torch.randint in the loss: its upper end does not belong to it.",
        ),
    ),
    Bug(
        name="mask never used",
        right="    y = drop_labels(y, p_drop, generator)\n",
        wrong="    drop_labels(y, p_drop, generator)\n",
        lights=("drop rate", "error of g"),
        source="lucidrains/DALLE2-pytorch#235",
        story="A user noticed that the mask `doesn't affect` what the network sees; the author found that `the mask "
        "was not even used`. At r = 1 nobody can see it, for there the answer without a label is not needed.",
        hints=(
            "Does the network ever see a batch with dropped labels?",
            "Follow y through the loss: from the argument to the call of the model.",
            "The call of drop_labels in the loss: it returns new labels.",
        ),
    ),
    Bug(
        name="gate",
        right="def guided(model, r):\n",
        wrong="def guided(model, r):\n    r = max(r, 1.0)  # below 1 there is nothing to guide\n",
        lights=("r = 0",),
        source="huggingface/diffusers#9680, soran-ghaderi/torchebm#270",
        story="Scale 0 and scale 1 gave the same pictures, though 0 means no condition: guidance was skipped "
        "for every scale up to 1. The second project returned the conditional answer there, and removed that.",
        hints=(
            "Which scales does a gallery show, and at which one does this light look?",
            "guided treats some scales apart.",
            "The first line of guided: the formula needs no case of its own, at no r.",
        ),
    ),
    Bug(
        name="the label in both halves",
        right="labels = torch.cat([torch.full_like(y, NULL), y])",
        wrong="labels = torch.cat([y, y])",
        lights=("labels asked", "r = 0", "r = 3"),
        source="QiaoyuHu89/DiffGui#5",
        story="An empty label was made and then not passed on. Both answers are the conditional one, they differ by "
        "0, and every scale gives the samples of r = 1, which look fine.",
        hints=(
            "Which questions does the network get, and which one is missing?",
            "guided makes one batch of two halves.",
            "The line `labels = ...` in guided: x and t are wanted twice, and y is not.",
        ),
    ),
    Bug(
        name="w for r",
        right="x0 = (1 - r) * un + r * cond",
        wrong="x0 = (1 + r) * cond - r * un",
        lights=("r = 1", "r = 0", "r = 3"),
        source="ashawkey/stable-dreamfusion#32, threestudio-project/threestudio#127, huggingface/diffusers#5882",
        story="This is the formula of the paper, whose w is r - 1. Called with r it guides one step more than it says: "
        "samples at r = 1 are better than those of the right code, and their variety is smaller.",
        hints=(
            "At which scale should the answer be the conditional one, and which scale gives it here?",
            "guided puts two weights on two answers: what do they have to be at r = 0 and at r = 1?",
            "The line `x0 = ...` in guided: the paper's w is r - 1.",
        ),
    ),
    Bug(
        name="starts below T",
        right="times = [T * i // steps for i in range(steps, -1, -1)]",
        wrong="times = [T // (steps + 1) * i for i in range(steps, -1, -1)]",
        lights=("times asked",),
        source="huggingface/diffusers#2585, Project-MONAI/MONAI#8600",
        story="A list of even times that never reaches T: pure noise is called `x at 950`. On this schedule the "
        "difference is too small to be seen in samples; with few steps, or one that stops short, it is not.",
        hints=(
            "At which time is the network asked first, and what is x then?",
            "sample makes a list of times.",
            "The line `times = ...` in sample: write the list down for steps = 3.",
        ),
    ),
    Bug(
        name="stale noise",
        right="            eps = to_eps(x, now, x0)\n",
        wrong="",
        lights=("clip",),
        source="lucidrains/denoising-diffusion-pytorch#84",
        story="x_0 was clipped, and eps stayed what it was: the next x is made of two that do not belong together. "
        "A contributor found it by comparing the sampler with that of another project.",
        hints=(
            "Along which line should x walk when x_0 is the same at every step?",
            "sample clips x_0: which other quantity belongs to it?",
            "After the clamp in sample a line is missing.",
        ),
    ),
    Bug(
        name="ends above 0",
        right="alpha_bar[s].item()",
        wrong="alpha_bar[max(s, 1)].item()",
        lights=("oracle",),
        source="Stability-AI/stablediffusion#345, lllyasviel/ControlNet#587",
        story="The last step goes to the first noisy level, not to clean data, since the list of levels lacks "
        "alpha_bar = 1. What is left is noise of a size of 0.01, in every sample.",
        hints=(
            "The model knows x_0. What is left between it and the end?",
            "sample looks up a level for the time where a step goes.",
            "The line with alpha_bar twice, in sample: take the last step, s = 0.",
        ),
    ),
    Bug(
        name="eta for its square",
        right="1 - a_s - eta**2 * variance",
        wrong="1 - a_s - eta * variance",
        lights=("fresh noise",),
        source="inbarhub/DDPM_inversion#12",
        story="The variance of the fresh noise is eta^2 times beta-tilde, and this much must be taken from the old. "
        "At eta = 0 and eta = 1 the two forms agree, and these are the values that people try.",
        hints=(
            "How much noise is taken away in a step, how much comes in, and for which eta are these equal?",
            "The last line of sample: noise of two kinds.",
            "The root before eps: the variance of the fresh noise is that of `eta * variance**0.5 * z`.",
        ),
    ),
)

SPARES = (  # not in the notebook's file; what the lights, and the exercise on them, were tried with besides
    Bug(
        "labels dropped in place", "y.masked_fill(dropped, NULL)", "y.masked_fill_(dropped, NULL)",
        ("labels kept",), "",
    ),
    Bug("sign", "x0 = (1 - r) * un + r * cond", "x0 = (1 + r) * un - r * cond", ("r = 1", "r = 3"), ""),
    Bug("halves in the wrong order", "un, cond = model(", "cond, un = model(", ("r = 0", "r = 1", "r = 3"), ""),
    Bug(
        "first channel only", "x0 = (1 - r) * un + r * cond",
        "x0 = torch.cat([((1 - r) * un + r * cond)[:, :1], cond[:, 1:]], 1)",
        ("r = 0", "r = 3"), "facebookresearch/DiT#41",
    ),
    Bug(
        "mean over the batch", "x0 = (1 - r) * un + r * cond", "x0 = un + r * (cond - un).mean(0)",
        ("r = 1", "r = 3"), "",
    ),
    Bug("no label is class 0", "torch.full_like(y, NULL)", "torch.zeros_like(y)",
        ("labels asked", "r = 0", "r = 3"), ""),
    Bug("asked one early", "eps = model(x, now, y)", "eps = model(x, now - 1, y)",
        ("times asked", "oracle", "clip"), "CompVis/latent-diffusion#136"),
    Bug("root forgotten", "x = signal * x0 + noise * eps", "x = signal**2 * x0 + noise * eps",
        ("loss of the truth",), ""),
    Bug("a coin for two labels", "torch.rand(len(y), generator=generator)",
        "torch.rand(len(y) // 2, generator=generator).repeat(2)", ("own coins",), ""),
    Bug("label forgotten on the way", "eps = model(x, now, y)", "eps = model(x, now, torch.zeros_like(y))",
        ("oracle",), ""),
    Bug("clip always to 1", "x0.clamp(-clip, clip)", "x0.clamp(-1, 1)", ("clip",), ""),
    Bug("noise added, none taken away", "(1 - a_s - eta**2 * variance) ** 0.5", "(1 - a_s) ** 0.5",
        ("fresh noise",), ""),
)  # fmt: skip
EVERY = {bug.name: bug for bug in (*BUGS, *SPARES)}
