"""Boltzmann machines in numpy: contrastive divergence, mean-field inference, a sweep of Gibbs sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit


def drawn(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return bits that are 1 with probability p, of p's shape and type.

    Example:
        >>> drawn(np.array([0.0, 1.0]), np.random.default_rng(0))
        array([0., 1.])
    """
    return (rng.random(p.shape) < p).astype(p.dtype)


def contrastive(
    v: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    rng: np.random.Generator,
    *,
    steps: int = 1,
    up: float = 1.0,
    down: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the direction of CD-k for (w, b, c) of an RBM, to be added times the learning rate.

        p(h|v) = s(up v W + c),    p(v|h) = s(down h W^T + b),    s(a) = 1 / (1 + exp(-a))
        dW = <v h> - <v' h'>,    db = <v> - <v'>,    dc = <h> - <h'>,    <.> over the rows

    v' and h' come after k steps from v; the hidden units are drawn but for the last time, the visible ones
    stay at their probabilities. `up` or `down` is 2 for an RBM that becomes a layer of a deep machine.

    Shapes: v (B, F) in [0, 1], w (F, H), b (F,), c (H,).

    Source: Hinton 2002, eq. 5 and section 7; Salakhutdinov & Hinton 2009, section 3.1 (doubling).

    Example:
        >>> zero = np.zeros((1, 1)), np.zeros(1), np.zeros(1)
        >>> dw, db, dc = contrastive(np.ones((4, 1)), *zero, np.random.default_rng(0))
        >>> dw.tolist(), db.tolist(), dc.tolist()
        ([[0.25]], [0.5], [0.0])
    """
    h = expit(up * (v @ w) + c)
    last, end = v, h
    for _ in range(steps):
        last = expit(down * (drawn(end, rng) @ w.T) + b)
        end = expit(up * (last @ w) + c)
    return (v.T @ h - last.T @ end) / len(v), (v - last).mean(0), (h - end).mean(0)


@dataclass(frozen=True, eq=False)
class Machine:
    """A machine of two layers for every modality and one hidden layer on top of all of them.

        -E = sum_m [ v_m W_m h_m + h_m U_m g + b_m v_m + c_m h_m ] + d g

    Attributes:
        w: M matrices W_m (F_m, H_m), between visible and hidden units of a modality.
        u: M matrices U_m (H_m, J), between these and the joint layer.
        b: M biases (F_m,) of visible units.
        c: M biases (H_m,) of hidden units.
        d: biases (J,) of the joint layer.

    Example:
        >>> Machine.random([3, 2], 4, 5, np.random.default_rng(0)).u[1].shape
        (4, 5)
    """

    w: list[np.ndarray]
    u: list[np.ndarray]
    b: list[np.ndarray]
    c: list[np.ndarray]
    d: np.ndarray

    @classmethod
    def random(cls, features: list[int], hidden: int, joint: int, rng: np.random.Generator) -> Machine:
        """Return a machine with weights from N(0, .01^2) and biases of 0, float32."""

        def weights(*shape: int) -> np.ndarray:
            return (0.01 * rng.standard_normal(shape)).astype(np.float32)

        zeros = np.zeros(hidden, np.float32)
        return cls(
            w=[weights(f, hidden) for f in features],
            u=[weights(hidden, joint) for _ in features],
            b=[np.zeros(f, np.float32) for f in features],
            c=[zeros.copy() for _ in features],
            d=np.zeros(joint, np.float32),
        )

    @property
    def parameters(self) -> list[np.ndarray]:
        """The arrays themselves, in the order of the fields."""
        return [*self.w, *self.u, *self.b, *self.c, self.d]


def mean_field(
    machine: Machine, v: list[np.ndarray], seen: list[np.ndarray], steps: int
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return the means of visible, hidden and joint units given the modalities that are seen.

        g   = s(sum_m h_m U_m + d),    v_m = s(h_m W_m^T + b_m) where not seen
        h_m = s(v_m W_m + g U_m^T + c_m)

    Each line is repeated with what the other found, which never lowers the variational bound. At the start
    what is not known yet is taken to say the same as what is: upwards the input of h_m is doubled, that of g
    is multiplied by M over the number of modalities that are seen; and where one is not seen, its h_m
    comes from g alone, doubled. Otherwise h_m would start from v_m = 0, which is evidence, and stay near it.

    Args:
        machine: the machine.
        v: M arrays (B, F_m); rows that are not seen may hold anything.
        seen: M arrays of bool, (B,).
        steps: how often, at least once.

    Source: Salakhutdinov & Hinton 2009, eq. 6; Srivastava & Salakhutdinov 2012, section 3.2.

    Example:
        >>> one = np.ones((1, 1))
        >>> machine = Machine([50 * one], [50 * one], [-25 * one[0]], [-50 * one[0]], -25 * one[0])
        >>> mean_field(machine, [one], [np.array([True])], 5)[2].round(2)
        array([[1.]])
    """
    here = [m[:, None] for m in seen]
    known = [np.where(m, x, 0) for x, m in zip(v, here, strict=True)]
    own = [x @ w for x, w in zip(known, machine.w, strict=True)]
    h = [expit(2 * x + c) for x, c in zip(own, machine.c, strict=True)]
    say = _onto([np.where(m, a, 0) for m, a in zip(here, h, strict=True)], machine.u)
    g = expit(say * (len(here) / np.maximum(sum(seen), 1))[:, None].astype(say.dtype) + machine.d)
    for m, one in enumerate(here):
        h[m] = np.where(one, h[m], expit(2 * (g @ machine.u[m].T) + machine.c[m]))
    v = known
    for _ in range(max(steps, 1)):
        v, inputs = list(known), list(own)
        for m, one in enumerate(here):
            if not one.all():  # else neither is worth computing again
                v[m] = np.where(one, known[m], expit(h[m] @ machine.w[m].T + machine.b[m]))
                inputs[m] = v[m] @ machine.w[m]
        h = [expit(x + g @ u.T + c) for x, u, c in zip(inputs, machine.u, machine.c, strict=True)]
        g = expit(_onto(h, machine.u) + machine.d)
    return v, h, g


def sweep(
    machine: Machine, v: list[np.ndarray], g: np.ndarray, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return visible, hidden and joint units after one sweep of Gibbs: the middle layer, then both others.

    Shapes: v M arrays (P, F_m) of 0 and 1, g (P, J).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> machine = Machine.random([3], 2, 4, rng)
        >>> [x.shape for x in (*sweep(machine, [np.zeros((5, 3))], np.zeros((5, 4)), rng)[0],)]
        [(5, 3)]
    """
    h = [
        drawn(expit(x @ w + g @ u.T + c), rng)
        for x, w, u, c in zip(v, machine.w, machine.u, machine.c, strict=True)
    ]
    v = [drawn(expit(a @ w.T + b), rng) for a, w, b in zip(h, machine.w, machine.b, strict=True)]
    return v, h, drawn(expit(_onto(h, machine.u) + machine.d), rng)


def moments(v: list[np.ndarray], h: list[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
    """Return the mean over the rows of what each parameter multiplies in -E, in the order of `parameters`.

    Example:
        >>> [m.shape for m in moments([np.ones((5, 3))], [np.ones((5, 2))], np.ones((5, 4)))]
        [(3, 2), (2, 4), (3,), (2,), (4,)]
    """
    rows = len(g)
    return [
        *(x.T @ a / rows for x, a in zip(v, h, strict=True)),
        *(a.T @ g / rows for a in h),
        *(x.mean(0) for x in v),
        *(a.mean(0) for a in h),
        g.mean(0),
    ]


def _onto(h: list[np.ndarray], u: list[np.ndarray]) -> np.ndarray:
    """Return what the hidden layers say to the joint layer, (B, J)."""
    return sum((a @ x for a, x in zip(h, u, strict=True)), np.zeros(1, h[0].dtype))
