"""The built-in layout: nothing overlaps, wires find their way, frames hold what is theirs."""

import time
from dataclasses import replace
from itertools import combinations, pairwise
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.viz.layout.layered import layered
from tinygrad_edu.viz.layout.placement import Frame, Link, Size

NEAR = 1e-6  # points
OPERATION, LEAF, NUMBERS, NONE = Size(36, 36), Size(40, 28), Size(40, 30), Size(0, 0)


@st.composite
def graphs(draw):
    """(sizes, links, frames, shapes) of a random graph, with twin wires and nested frames."""
    count = draw(st.integers(1, 14))
    names = [f"v{i}" for i in range(count)]
    rooms = st.sampled_from([OPERATION, LEAF, Size(90, 20), Size(12, 70)])
    sizes = {name: draw(rooms) for name in names}
    shapes = {name: "circle" for name in names if sizes[name] == OPERATION}
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    pairs = [sorted(pair) for pair in draw(st.lists(ends, max_size=24)) if pair[0] != pair[1]]
    labels = st.sampled_from([NUMBERS, NONE, Size(70, 45)])
    links = [Link(f"w{i}", f"v{u}", f"v{v}", draw(labels)) for i, (u, v) in enumerate(pairs)]
    many = draw(st.integers(0, 6))
    homes = [draw(st.integers(-1, many - 1)) for _ in names]
    frames = [
        Frame(
            f"f{i}",
            tuple(name for name, home in zip(names, homes, strict=True) if home == i),
            draw(st.sampled_from(["", *[f"f{k}" for k in range(i)]])),
            draw(st.sampled_from([NONE, Size(200, 16)])),
        )
        for i in range(many)
    ]
    return sizes, links, frames, shapes


def neuron():
    """w0 * x0 + w1 * x1 + b, through a sigmoid, in the textbook's order."""
    sizes = dict.fromkeys(["w0", "x0", "w1", "x1", "b"], LEAF)
    sizes |= dict.fromkeys(["m0", "m1", "s0", "s1", "out"], OPERATION)
    wires = ["w0 m0", "x0 m0", "w1 m1", "x1 m1", "m0 s0", "m1 s0", "s0 s1", "b s1", "s1 out"]
    links = [Link(wire, *wire.split(), NUMBERS) for wire in wires]
    return sizes, links, [], {name: "circle" for name in sizes if sizes[name] == OPERATION}


def lay_out(graph):
    """The placement of a graph of these tests."""
    sizes, links, frames, shapes = graph
    return layered(sizes, links, frames, shapes=shapes)


placed = graphs().map(lambda graph: (graph, lay_out(graph)))


def box(center, size):
    """Left, top, right, bottom."""
    (x, y), w, h = center, size.width / 2, size.height / 2
    return x - w, y - h, x + w, y + h


def overlap(a, b):
    """Whether two boxes share more than an edge."""
    return all(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) > NEAR for i in (0, 1))


def within(inner, outer):
    """Whether a box is in another one."""
    return all(inner[i] >= outer[i] - NEAR and inner[i + 2] <= outer[i + 2] + NEAR for i in (0, 1))


def samples(route, steps=12):
    """Points on a Bezier path."""
    for a, b, c, d in zip(route[::3], route[1::3], route[2::3], route[3::3], strict=False):
        for k in range(steps + 1):
            t = k / steps
            s = 1 - t
            weights = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
            yield tuple(
                sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1)
            )


def crowded(graph, place):
    """Pairs of nodes and labels that overlap."""
    sizes, links, _, _ = graph
    boxes = {name: box(place.nodes[name], size) for name, size in sizes.items()}
    boxes |= {w.id: box(place.labels[w.id], w.label) for w in links}
    return [(a, b) for a, b in combinations(boxes, 2) if overlap(boxes[a], boxes[b])]


def pierced(graph, place):
    """(wire, node) where a wire runs through a node that is not its end."""
    sizes, links, _, shapes = graph
    found = []
    for link in links:
        points = list(samples(place.routes[link.id]))
        for name, size in sizes.items():
            x, y = place.nodes[name]
            if name in (link.source, link.target):
                continue
            if shapes.get(name) == "circle":
                hit = any(hypot(px - x, py - y) < size.width / 2 - NEAR for px, py in points)
            else:
                left, top, right, bottom = box((x, y), size)
                hit = any(left < px < right and top < py < bottom for px, py in points)
            found += [(link.id, name)] if hit else []
    return found


def around(frames):
    """By frame, the frames around it, itself first."""
    parents = {frame.id: frame.parent for frame in frames}
    chains = {frame.id: [frame.id] for frame in frames}
    for chain in chains.values():
        while parents[chain[-1]]:
            chain.append(parents[chain[-1]])
    return chains


def borders(place):
    """Left, top, right, bottom by frame."""
    return {f: (x, y, x + w, y + h) for f, (x, y, w, h) in place.frames.items()}


@given(placed)
def test_nodes_labels_and_wires_keep_clear_of_each_other(case):
    """No node or label overlaps another one, no wire runs through a node that is not its end."""
    graph, place = case
    assert crowded(graph, place) == pierced(graph, place) == []


def test_the_checks_see_a_node_in_the_way():
    """A leaf moved onto another one, and one moved onto a wire, are noticed."""
    graph = neuron()
    place = lay_out(graph)
    onto = {"leaf": place.nodes["b"], "wire": place.labels["s1 out"]}

    on_leaf, on_wire = (
        replace(place, nodes=place.nodes | {"w0": onto[what]}) for what in ("leaf", "wire")
    )

    assert crowded(graph, on_leaf) == [("w0", "b")]
    assert pierced(graph, on_wire) == [("s1 out", "w0")]


@given(placed)
def test_routes_run_from_border_to_border(case):
    """A route leaves the right half of its source, never turns back, and enters from the left."""
    (sizes, links, _, shapes), place = case

    for link in links:
        route = place.routes[link.id]
        assert len(route) % 3 == 1
        assert all(a[0] <= b[0] + NEAR for a, b in pairwise(route))
        for name, (x, y), side in ((link.source, route[0], 1), (link.target, route[-1], -1)):
            (cx, cy), size = place.nodes[name], sizes[name]
            if shapes.get(name) == "circle":
                assert hypot(x - cx, y - cy) == pytest.approx(size.width / 2)
                assert (x - cx) * side > 0
            else:
                assert x == pytest.approx(cx + side * size.width / 2)
                assert abs(y - cy) <= size.height / 2


@given(placed)
def test_a_label_sits_across_its_wire(case):
    """Where a label is, its wire runs level through the middle of it."""
    (_, links, _, _), place = case

    for link in links:
        (x, y), half = place.labels[link.id], link.label.width / 2
        level = [
            (a[0], b[0])
            for a, b in pairwise(place.routes[link.id][::3])
            if abs(a[1] - y) < NEAR and abs(b[1] - y) < NEAR
        ]
        assert not half or any(a - NEAR <= x - half and x + half <= b + NEAR for a, b in level)


@given(placed)
def test_operands_arrive_in_their_order(case):
    """Of the wires into a node, the first arrives highest, and no two at one place."""
    (sizes, links, _, _), place = case

    for name in sizes:
        arrivals = [place.routes[w.id][-1][1] for w in links if w.target == name]
        assert all(a < b for a, b in pairwise(arrivals))


@given(placed)
def test_frames_hold_what_is_theirs(case):
    """Members and inner frames are inside, below the title; all else is outside."""
    (sizes, _, frames, _), place = case
    chains = around(frames)
    homes = {name: frame.id for frame in frames for name in frame.members}

    border = borders(place)
    inside = {name: chains[home] for name, home in homes.items()}
    assert set(border) == {frame for chain in inside.values() for frame in chain}
    for frame in [frame for frame in frames if frame.id in border]:
        left, top, right, bottom = border[frame.id]
        assert right - left >= frame.title.width - NEAR
        for name, size in sizes.items():
            here = box(place.nodes[name], size)
            if frame.id in inside.get(name, ()):
                assert within(here, (left, top + frame.title.height, right, bottom))
            else:
                assert not overlap(here, border[frame.id])
    for a, b in combinations(border, 2):  # an outer frame is listed before those inside it
        assert within(border[b], border[a]) if a in chains[b] else not overlap(border[a], border[b])


@given(placed)
def test_the_whole_encloses_all(case):
    """Width and height hold nodes, labels, control points and frames."""
    (sizes, links, _, _), place = case

    whole = (0.0, 0.0, place.width, place.height)
    assert all(within(box(place.nodes[name], size), whole) for name, size in sizes.items())
    assert all(within(box(place.labels[w.id], w.label), whole) for w in links)
    assert all(within(edges, whole) for edges in borders(place).values())
    assert all(within((x, y, x, y), whole) for r in place.routes.values() for x, y in r)


def test_a_neuron_looks_like_the_textbook():
    """Leaves stand next to what they feed, first operand on top, the end on one level."""
    place = lay_out(neuron())

    columns = {}
    for name, (x, _) in sorted(place.nodes.items(), key=lambda item: item[1][1]):
        columns.setdefault(x, []).append(name)
    assert [columns[x] for x in sorted(columns)] == [
        ["w0", "x0", "w1", "x1"], ["m0", "m1"], ["s0", "b"], ["s1"], ["out"],
    ]  # fmt: skip
    assert place.nodes["s1"][1] == place.nodes["out"][1]
    assert (round(place.width), round(place.height)) == (580, 205)


@pytest.mark.parametrize("label", [NUMBERS, NONE])
def test_a_square_is_two_curves(label):
    """x * x: one wire above the other, far enough apart to be seen."""
    links = [Link(name, "x", "×", label) for name in ("left", "right")]

    place = layered({"x": LEAF, "×": OPERATION}, links, shapes={"×": "circle"})

    upper, lower = (place.labels[name][1] for name in ("left", "right"))
    middle = place.nodes["x"][1]
    assert lower - upper >= max(8.0, label.height)
    assert (upper + lower) / 2 == pytest.approx(middle)
    assert place.nodes["×"][1] == pytest.approx(middle)
    assert min(y for _, y in samples(place.routes["left"])) == pytest.approx(upper)
    assert max(y for _, y in samples(place.routes["right"])) == pytest.approx(lower)


def test_a_long_wire_is_straight():
    """A skip connection runs level past the nodes between its ends."""
    names = [f"v{i}" for i in range(8)]
    links = [Link(a + b, a, b, NUMBERS) for a, b in pairwise(names)]
    links.append(Link("skip", "v0", "v7", NUMBERS))

    place = layered(dict.fromkeys(names, OPERATION), links)

    bends = {round(y, 6) for _, y in place.routes["skip"]}
    assert len(bends) <= 3


@pytest.mark.slow
def test_depth_needs_no_recursion():
    """A chain of 5,000 operations is one level line."""
    names = [f"v{i}" for i in range(5_000)]
    links = [Link(a + b, a, b, NUMBERS) for a, b in pairwise(names)]

    place = layered(dict.fromkeys(names, OPERATION), links)

    assert len({y for _, y in place.nodes.values()}) == 1


def test_nothing_has_no_room_to_take():
    """Without nodes there is a margin, and that is all."""
    place = layered({}, [])

    assert place.nodes == {}
    assert place.width == place.height == 16.0


@pytest.mark.parametrize(
    ("wires", "frames", "message"),
    [
        (["ab", "bc", "cb"], [], "The wires run in a circle: b -> c -> b"),
        (["aa"], [], "The wires run in a circle: a -> a"),
        (["ad"], [], "Wire 'ad' ends at 'd', which has no size"),
        ([], [Frame("f", ("a",), "g")], "Frame 'f' is in 'g', which is not a frame"),
        ([], [Frame("f", ("a", "a"))], "'a' of frame 'f' is in another frame already"),
        ([], [Frame("f", ("d",))], "'d' of frame 'f' has no size"),
        ([], [Frame("f", (), "g"), Frame("g", (), "f")], "Frame 'f' is inside itself"),
    ],
)
def test_what_is_no_graph_is_said(wires, frames, message):
    """Circles, unknown ids and impossible frames are named, with a fix."""
    links = [Link(wire, wire[0], wire[1], NONE) for wire in wires]

    with pytest.raises(SettingError, match=message) as error:
        layered(dict.fromkeys("abc", LEAF), links, frames)

    assert "Fix" in str(error.value)


def test_wires_that_cross_too_many_columns_are_refused_at_once():
    """A chain of 400 that share one leaf would take seconds, 2,000 minutes."""
    box = Size(30.0, 30.0)
    sizes = {str(i): box for i in range(400)}
    links = [Link(f"w{i}", "0", str(i), Size(0.0, 0.0)) for i in range(2, 400)]
    links += [Link(f"c{i}", str(i - 1), str(i), Size(0.0, 0.0)) for i in range(1, 400)]
    start = time.process_time()

    with pytest.raises(SettingError, match=r"^the 797 wires of this figure cross 80,198 columns"):
        layered(sizes, links)

    assert time.process_time() - start < 1.0
