"""What is special to notebook 09: the test of a learner's test, which says at each twin what was missed."""

import pytest
import torch

from cfgedu.exercises.n09 import (
    INVERTED,
    MISSES,
    SECOND,
    TOUCHED,
    awake,
    check_guess_leaky_share,
    check_ignores_label,
    constant,
    invariance,
)


def hurried(net, x, t):
    """Faults that no table holds together: neither NULL nor label 1 is asked, and allclose forgives."""
    first, second = (net.pair(x, t, torch.full_like(t, k))[0] for k in (0, 2))
    return torch.allclose(first, second)


def test_each_leak_that_a_test_misses_is_named(capsys):
    assert not check_ignores_label(hurried)
    out = capsys.readouterr().out
    assert out.count("✓") == 6
    for missed in ("leak of one class", "leak of NULL", "leak of 1e-9", "untrained twin"):
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


def test_a_test_that_is_the_wrong_way_round_on_the_second_prediction_hears_of_that_alone(capsys):
    assert not check_ignores_label(lambda net, x, t: not invariance(head=1)(net, x, t))
    out = capsys.readouterr().out
    assert INVERTED in out
    assert out.count("✗") == 1


def test_zero_layers_filled_in_the_network_itself_are_noticed(capsys):
    def woken(net):
        for p in net.parameters():
            if not p.any():
                p.data.normal_(generator=torch.Generator().manual_seed(0))
        return net

    assert not check_ignores_label(invariance(wake=woken))
    out = capsys.readouterr().out
    assert out.count("✗") == 1
    assert TOUCHED in out


def test_a_test_that_refuses_a_sleeping_network_hears_that_a_new_twin_must_pass(capsys):
    def only_if_awake(net, x, t):
        un = [net.pair(x, t, y)[0] for y in constant(net, t)]
        return bool(un[0].any()) and all(torch.equal(un[0], other) for other in un)

    assert not check_ignores_label(only_if_awake)
    out = capsys.readouterr().out
    assert out.count("✗") == 1
    assert "a new twin must pass as well" in out


def test_one_batch_of_all_labels_does_not_show_a_leak_through_its_mean(capsys):
    def at_once(net, x, t):
        net, n = awake(net), net.K + 1
        y = torch.arange(-1, net.K).repeat_interleave(len(t))
        un = net.pair(x.repeat(n, 1), t.repeat(n), y)[0].reshape(n, *x.shape)
        return all(torch.equal(un[0], other) for other in un)

    assert not check_ignores_label(at_once)
    out = capsys.readouterr().out
    assert out.count("✗") == 1
    assert "the mean label never changes in your test" in out


@pytest.mark.parametrize("k", [0, 1, 2])
def test_no_class_may_be_left_out(capsys, k):
    assert not check_ignores_label(invariance(labels=lambda net, t: [y for y in constant(net, t) if y[0] != k]))
    out = capsys.readouterr().out
    assert out.count("✗") == 1
    assert MISSES["a leak of one class"] in out


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
