"""An edge that misses has a neighbour's output where that costs less than to compute it."""

import asyncio
from dataclasses import replace

from edge_node.cooperation.backhaul import Backhaul
from edge_node.edge import Edge
from midstep.clock import VirtualClock, run_virtual
from midstep.errors import EdgeUnreachable
from midstep.scenario import Backhaul as Settings
from midstep.telemetry.metrics import REGISTRY
from midstep.wire.frame import Frame
from midstep.wire.messages_control import CacheUpdate, Targets
from midstep.wire.messages_neighbours import LentOutput
from tests.edge_node.cooperation.pair import Neighbour, with_pair
from tests.edge_node.marked import MarkedDenoiser
from tests.edge_node.test_starts import start
from tests.edge_node.world import FRAME, accesses, ask, keep, make_edge


def fetches(outcome: str) -> float:
    labels = {"edge": "edge-t", "neighbour": "edge-u", "outcome": outcome}
    return REGISTRY.get_sample_value("midstep_fetches_total", labels) or 0.0


def test_what_a_neighbour_holds_is_fetched_and_may_be_kept() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        async with accesses(edge) as seen:
            began_s = edge.clock.now()
            answer = await edge.obtain(ask(edge), 60)
            # two ways of a millisecond, and 8,000 bits at 100 Mbit/s
            assert edge.clock.now() - began_s == answer.backhaul_s
            assert abs(answer.backhaul_s - 0.00208) < 1e-9
        assert (answer.reuse, answer.edge_steps, answer.saved_steps) == ("exact", 0, 6)
        assert (answer.from_edge, answer.backhaul_bytes) == ("edge-u", FRAME)
        assert (seen[0].from_edge, seen[0].staged) == ("edge-u", True)
        await keep(edge, answer)
        again = await edge.obtain(ask(edge), 60)
        assert (again.reuse, again.from_edge, again.backhaul_bytes) == ("exact", "", 0)

    with_pair(use)


def test_a_slow_backhaul_is_not_used() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        await asyncio.sleep(2.0)  # the digest takes its time, too
        answer = await edge.obtain(ask(edge), 60)
        assert (answer.reuse, answer.from_edge, answer.edge_steps) == ("computed", "", 6)
        assert other.asked == []

    with_pair(use, mbps=0.05)
    with_pair(use, latency_ms=500.0)


def test_a_slow_backhaul_is_not_used_behind_a_devices_backlog_either() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        await asyncio.sleep(2.0)  # the digest takes its time, too
        await edge.apply(CacheUpdate(targets=Targets(step_price_s=0.2)))  # steps cost the others
        busy = replace(ask(edge), backlog_s=60.0)  # its user would not notice
        answer = await edge.obtain(busy, 60)
        assert (answer.reuse, answer.from_edge) == ("computed", "")
        assert other.asked == []

    with_pair(use, latency_ms=500.0)


def test_an_earlier_step_is_gone_on_from() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        answer = await edge.obtain(ask(edge), 60)
        assert (answer.reuse, answer.from_edge) == ("resumed", "edge-u")
        assert (answer.reused_step, answer.edge_steps, answer.saved_steps) == (4, 2, 4)

    with_pair(use, holds=(2, 4))


def test_requests_for_one_output_share_its_fetch() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        both = [edge.obtain(ask(edge, request_id=name), 60) for name in "ab"]
        answers = await asyncio.gather(*both)
        assert [answer.from_edge for answer in answers] == ["edge-u", "edge-u"]
        assert sorted(answer.backhaul_bytes for answer in answers) == [0, FRAME]
        assert other.asked == [6]

    with_pair(use)


def test_who_gives_up_leaves_the_fetch_to_the_others() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        first = asyncio.create_task(edge.obtain(ask(edge, request_id="a"), 60))
        second = asyncio.create_task(edge.obtain(ask(edge, request_id="b"), 60))
        await asyncio.sleep(0.001)
        first.cancel()
        assert (await second).from_edge == "edge-u"

    with_pair(use)


def test_what_a_neighbour_has_let_go_is_computed_and_not_asked_for_again() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        await other.edge.apply(CacheUpdate(evict=tuple(k for k, _ in other.edge.store.names())))
        before = fetches("gone")
        assert (await edge.obtain(ask(edge), 60)).reuse == "computed"
        assert (await edge.obtain(ask(edge), 60)).reuse == "computed"
        assert fetches("gone") == before + 1

    with_pair(use)


def test_a_neighbour_that_died_costs_nothing_and_is_told_of_once() -> None:
    def dead(lent: LentOutput | None) -> LentOutput | None:
        raise EdgeUnreachable("10.0.0.2:50051: UNAVAILABLE")

    async def use(edge: Edge, other: Neighbour) -> None:
        other.answer = dead
        assert edge.neighbours is not None
        for name in "abc":
            assert (await edge.obtain(ask(edge, request_id=name), 60)).reuse == "computed"
        assert other.asked == [6]
        assert ["edge-u lends nothing" in line for line in edge.neighbours.notices()] == [True]
        other.answer = lambda lent: lent
        await asyncio.sleep(1.0)
        assert (await edge.obtain(ask(edge), 60)).from_edge == "edge-u"
        assert edge.neighbours.notices() == ["the neighbour edge-u answers again"]

    with_pair(use)


def test_a_damaged_output_is_not_served() -> None:
    def damaged(lent: LentOutput | None) -> LentOutput | None:
        assert lent is not None
        payload = b"x" + lent.frame.payload[1:]
        return replace(lent, frame=replace(lent.frame, payload=payload))

    def anothers(lent: LentOutput | None) -> LentOutput | None:
        assert lent is not None
        one = lent.frame
        return replace(lent, frame=Frame.seal(one.pipeline, "0" * 32, 6, one.steps, one.payload))

    async def use(edge: Edge, other: Neighbour) -> None:
        for answer in (damaged, anothers):
            other.answer = answer
            before = fetches("failed")
            served = await edge.obtain(ask(edge), 60)
            assert (served.reuse, served.from_edge) == ("computed", "")
            assert fetches("failed") == before + 1
            await asyncio.sleep(1.0)

    with_pair(use)


def test_a_private_output_is_no_neighbours_business() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        assert (await edge.obtain(ask(edge, private_seed=1), 60)).reuse == "computed"
        assert other.asked == []

    with_pair(use)


def test_a_policy_sees_what_the_neighbours_hold() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        snapshot = await edge.snapshot()
        names = {(one.edge, one.step) for one in snapshot.neighbours}
        assert names == {("edge-u", 4), ("edge-u", 6)}

    with_pair(use, holds=(4, 6))


def test_frames_pass_the_line_one_after_the_other() -> None:
    async def use() -> None:
        clock = VirtualClock()
        line = Backhaul(Settings(mbps=8.0, latency_ms=50.0), clock)
        assert abs(line.ready_s(1_000_000) - 1.1) < 1e-9
        first = line.book(1_000_000, 0.0)
        second = line.book(500_000, 0.0)
        assert (round(first.due_s, 9), round(second.due_s, 9)) == (1.1, 1.6)
        await line.hold(second)
        assert abs(clock.now() - 1.6) < 1e-9
        assert abs(line.ready_s(1_000_000) - 1.1) < 1e-9

    run_virtual(use())


def test_a_digest_is_sent_where_something_has_changed() -> None:
    async def use() -> None:
        edge = make_edge(VirtualClock())
        task = asyncio.create_task(edge.engine.run())
        empty = await edge.digest(0)
        assert empty.held == () and (await edge.digest(empty.state)).held is None
        await keep(edge, await edge.obtain(ask(edge), 60))
        full = await edge.digest(empty.state)
        assert full.held is not None and [step for _, step in full.held] == [6]
        assert full.nbytes > empty.nbytes
        task.cancel()

    run_virtual(use())


def test_steps_that_a_start_picture_leaves_out_are_not_in_the_price_of_computing() -> None:
    async def use(edge: Edge, other: Neighbour) -> None:
        weak = replace(ask(edge), start=start(strength=0.5))  # one step to the cut, at 6
        first = await other.edge.obtain(weak, 60)
        await keep(other.edge, first)
        await asyncio.sleep(1.0)  # a digest comes
        answer = await edge.obtain(weak, 60)
        assert (answer.reuse, answer.edge_steps, answer.from_edge) == ("computed", 1, "")
        assert other.asked == []
        plain = await edge.obtain(ask(edge), 60)  # from noise there are six
        assert (plain.reuse, plain.from_edge) == ("exact", "edge-u")

    # a fetch takes as long as two or three steps
    with_pair(use, latency_ms=14.0, denoiser=MarkedDenoiser(batched=True))
