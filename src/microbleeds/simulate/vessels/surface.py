"""The brain's surface as a graph, and trees of vessels on it.

Nodes are lattice voxels of CSF near the parenchyma and of the outer cortex, edges join each to its 26
neighbours. With log-normal random costs the shortest paths from scattered seeds to few outlets wander
and merge as pial vessels do (a predecessor tree of Dijkstra's algorithm). Radii follow Murray's law with a
free exponent e: ``r_parent**e`` is the sum of ``r_child**e`` (Murray 1926 has e = 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from microbleeds.simulate.vessels.head import LATTICE_MM, Head
from microbleeds.tissues import Tissue

DEEPEST_MM = -1.8  # nodes reach this far into the cortex, one lattice voxel
FARTHEST_MM = 9.0  # and this far from it in the CSF
HALF_OF_NEIGHBOURS = [
    (i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) > (0, 0, 0)
]


@dataclass(frozen=True, eq=False)
class SurfaceGraph:
    """The graph of the brain's surface.

    Args:
        points_mm: [N, 3] RAS mm of the nodes.
        edges: [E, 2] pairs of nodes.
        length_mm: [E] length of each edge.
        node_cost: [N] factor on the cost of passing: 1 in CSF at the cortex, more inside and far from it.
        outside_mm: [N] signed distance to the parenchyma.
    """

    points_mm: NDArray[np.float64]
    edges: NDArray[np.int32]
    length_mm: NDArray[np.float64]
    node_cost: NDArray[np.float64]
    outside_mm: NDArray[np.float64]

    def nearest(self, points_mm: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the node nearest to each RAS mm position [M, 3], [M]."""
        return np.asarray(cKDTree(self.points_mm).query(points_mm)[1])


@dataclass(frozen=True, eq=False)
class Branch:
    """One unbranched piece of a tree, from its end to where it joins a wider one or leaves.

    Args:
        points_mm: [N, 3], towards the root.
        radius_mm: [N].
        outlet: for the trunk of a tree, the place of its root in the list of outlets; else ``None``.
    """

    points_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    outlet: int | None


def surface_graph(head: Head) -> SurfaceGraph:
    """Return the graph of CSF and outer cortex of cerebrum, cerebellum and brainstem."""
    outside = head.outside_parenchyma_mm
    wet = head.where(Tissue.CSF) & (outside < FARTHEST_MM)
    skin = (
        (outside > DEEPEST_MM)
        & (outside < 0)
        & head.where(
            Tissue.CORTEX_LEFT,
            Tissue.CORTEX_RIGHT,
            Tissue.CEREBELLAR_CORTEX_LEFT,
            Tissue.CEREBELLAR_CORTEX_RIGHT,
            Tissue.BRAINSTEM,
        )
    )
    mask = head.intracranial & (wet | skin)
    number = np.full(mask.shape, -1, dtype=np.int32)
    number[mask] = np.arange(np.count_nonzero(mask))
    edges, lengths = [], []
    for step in HALF_OF_NEIGHBOURS:
        pairs = _pairs(number, step)
        edges.append(pairs)
        lengths.append(np.full(len(pairs), LATTICE_MM * np.linalg.norm(step)))
    depth = outside[mask].astype(np.float64)
    cost = np.where(depth < 0, 1.7, 1 + 0.35 * np.maximum(depth - 2.0, 0))
    return SurfaceGraph(
        head.grid.to_mm(np.argwhere(mask)), np.concatenate(edges), np.concatenate(lengths), cost, depth
    )


def _pairs(number: NDArray[np.int32], step: tuple[int, int, int]) -> NDArray[np.int32]:
    """Return the pairs of nodes [E, 2] that lie one ``step`` apart."""
    here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, number.shape, strict=True))
    there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, number.shape, strict=True))
    a, b = number[here].ravel(), number[there].ravel()
    both = (a >= 0) & (b >= 0)
    return np.stack([a[both], b[both]], axis=1)


def grow_tree(
    graph: SurfaceGraph,
    outlets: NDArray[np.int64],
    seeds: NDArray[np.int64],
    seed_radius_mm: NDArray[np.float64],
    generator: np.random.Generator,
    *,
    exponent: float,
    cap_mm: float,
    sigma_ln: float = 0.9,
) -> list[Branch]:
    """Return the branches that join ``seeds`` to the nearest of ``outlets`` (all node numbers).

    Args:
        graph: surface to grow on.
        outlets: [K] nodes where trees end.
        seeds: [M] nodes where they begin.
        seed_radius_mm: [M] radius at each seed.
        generator: source of the random costs.
        exponent: of Murray's law.
        cap_mm: largest radius.
        sigma_ln: spread of the random costs; with a larger one vessels wander and merge more.
    """
    count = len(graph.points_mm)
    a, b = graph.edges.T
    # Chance sits in the nodes, not the edges: all paths share the same valleys and so merge into few veins.
    node_cost = graph.node_cost * np.exp(sigma_ln * generator.standard_normal(count))
    cost = graph.length_mm * (node_cost[a] + node_cost[b])
    matrix = csr_matrix((cost, (a, b)), shape=(count, count))
    distance, before, _ = dijkstra(
        matrix, directed=False, indices=outlets, return_predecessors=True, min_only=True
    )
    reached = np.isfinite(distance[seeds])
    seeds, seed_radius_mm = seeds[reached], seed_radius_mm[reached]
    nodes, parent = _union_of_paths(before, seeds, distance)
    flow = _accumulate(nodes, parent, seeds, seed_radius_mm**exponent)
    radius = np.minimum(flow ** (1 / exponent), cap_mm)
    points = graph.points_mm[nodes] + generator.uniform(-0.4, 0.4, (len(nodes), 3))
    points = _smooth_on_tree(points, parent, rounds=4)
    outlet_of = {int(node): index for index, node in enumerate(outlets)}
    return _branches(points, radius, parent, flow, [outlet_of.get(int(node)) for node in nodes])


def _union_of_paths(
    before: NDArray[np.int32], seeds: NDArray[np.int64], distance: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes on any seed's path, farthest first, and each one's parent as a position in that list.

    Roots are their own parents.
    """
    used = np.zeros(len(before), dtype=bool)
    front: NDArray[np.integer] = np.unique(seeds)
    while len(front):
        used[front] = True
        front = before[front]
        front = np.unique(front[front >= 0])
        front = front[~used[front]]
    nodes = np.flatnonzero(used)
    nodes = nodes[np.argsort(-distance[nodes], kind="stable")]
    place = np.full(len(before), -1, dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    parent = before[nodes]
    return nodes, np.where(parent >= 0, place[parent], np.arange(len(nodes)))


def _accumulate(
    nodes: NDArray[np.int64],
    parent: NDArray[np.int64],
    seeds: NDArray[np.int64],
    amount: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return for each node the sum of ``amount`` over the seeds upstream of it."""
    place = np.searchsorted(np.sort(nodes), seeds)
    flow_array = np.zeros(len(nodes))
    np.add.at(flow_array, np.argsort(nodes)[place], amount)
    flow = flow_array.tolist()
    for child, up in enumerate(parent.tolist()):  # farthest first, so each child is complete when it is added
        if up != child:
            flow[up] += flow[child]
    return np.asarray(flow)


def _smooth_on_tree(points: NDArray[np.float64], parent: NDArray[np.int64], rounds: int) -> NDArray[np.float64]:
    """Return nodes drawn towards their parent and the mean of their children; roots and ends stay."""
    child = np.flatnonzero(parent != np.arange(len(parent)))
    children = np.bincount(parent[child], minlength=len(parent))
    moving = (children > 0) & (parent != np.arange(len(parent)))
    for _ in range(rounds):
        total = np.stack(
            [np.bincount(parent[child], points[child, axis], len(parent)) for axis in range(3)], axis=1
        )
        mean = total / np.maximum(children, 1)[:, None]
        points = np.where(moving[:, None], points / 2 + (points[parent] + mean) / 4, points)
    return points


def _branches(
    points: NDArray[np.float64],
    radius: NDArray[np.float64],
    parent: NDArray[np.int64],
    flow: NDArray[np.float64],
    outlet: list[int | None],
) -> list[Branch]:
    """Cut the tree into branches: at each junction the widest child goes on, the others end there."""
    up = parent.tolist()
    widest: dict[int, int] = {}
    for child in np.argsort(flow, kind="stable").tolist():
        if up[child] != child:
            widest[up[child]] = child
    branches = []
    for tip in range(len(up)):
        if tip in widest:
            continue
        line = [tip]
        while up[line[-1]] != line[-1] and widest[up[line[-1]]] == line[-1]:
            line.append(up[line[-1]])
        ends, root = radius[line], outlet[line[-1]]
        if up[line[-1]] != line[-1]:  # reach into the wider one, keeping the own width
            line.append(up[line[-1]])
            ends = np.append(ends, ends[-1])
            root = None
        if len(line) > 1:
            branches.append(Branch(points[line], ends, root))
    return branches
