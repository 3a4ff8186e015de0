"""What is special to notebook 09: the test of a learner's test, which says at each twin what was missed."""

import torch

from cfgedu.exercises.n09 import INVERTED, SECOND, awake, check_guess_leaky_share, check_ignores_label


def hurried(net, x, t):
    """Two faults that no table holds together: NULL is never asked, and allclose forgives."""
    first, second = (net.pair(x, t, torch.full_like(t, k))[0] for k in (0, 2))
    return torch.allclose(first, second)


def test_each_leak_that_a_test_misses_is_named(capsys):
    assert not check_ignores_label(hurried)
    out = capsys.readouterr().out
    assert out.count("✓") == 7
    for missed in ("leak of NULL", "leak of 1e-9", "untrained twin"):
        assert f"✗ a {missed}" in out or f"✗ a leak in an {missed}" in out
    assert "never ask with NULL" in out
    assert "allclose forgives" in out


def test_a_test_that_always_fails_is_no_test(capsys):
    assert not check_ignores_label(lambda net, x, t: False)
    assert "a test must be able to fail, and to pass" in capsys.readouterr().out


def test_one_difference_among_the_labels_has_to_be_enough(capsys):
    def any_equal(net, x, t):
        net = awake(net)
        un = [net.pair(x, t, torch.full_like(t, k))[0] for k in range(-1, net.K)]
        return any(torch.equal(un[0], other) for other in un[1:])

    assert not check_ignores_label(any_equal)
    out = capsys.readouterr().out
    assert out.count("✗") == 1
    assert "let a single difference be enough" in out


def test_a_test_that_is_the_wrong_way_round_hears_of_that_alone(capsys):
    def two_labels(net, x, t):  # also asleep, and blind to all labels but two
        return not torch.equal(*(net.pair(x, t, torch.full_like(t, k))[0] for k in (0, 1)))

    assert not check_ignores_label(two_labels)
    out = capsys.readouterr().out
    assert INVERTED in out
    assert SECOND not in out


def test_both_predictions_compared_are_one_mistake(capsys):
    def both(net, x, t):
        net = awake(net)
        first, *others = [torch.cat(net.pair(x, t, torch.full_like(t, k))) for k in range(-1, net.K)]
        return all(torch.equal(first, other) for other in others)

    assert not check_ignores_label(both)
    out = capsys.readouterr().out
    assert out.count("✗") == out.count(SECOND) == 2  # a trained twin and an untrained one


def test_the_network_that_the_answer_gets_is_the_one_that_is_compared(capsys):
    def trains_it(net, x, t):
        net.inlet.weight.data += 1
        return True

    assert not check_ignores_label(trains_it)


def test_an_answer_that_raises_shows_its_line(capsys):
    assert not check_ignores_label(lambda net, x, t: net.pair(x, t))
    assert "TypeError" in capsys.readouterr().out


def test_a_leaky_twin_may_be_guessed_to_draw_its_class_always_but_not_a_fifth_of_the_time(capsys):
    assert check_guess_leaky_share(1)
    assert not check_guess_leaky_share(0.2)
