"""Neighbours over a real gRPC wire on loopback."""

import asyncio

import pytest

from edge_node.neighbour_client import GrpcNeighbour
from midstep.errors import EdgeUnreachable
from midstep.wire.certificates import ephemeral
from tests.edge_node.served import served
from tests.edge_node.world import ask, keep


def test_a_neighbour_says_what_it_holds_and_lends_it() -> None:
    async def use() -> None:
        credentials = ephemeral(tls=False)
        async with served(credentials=credentials) as (edge, address):
            answer = await edge.obtain(ask(edge), 60)
            await keep(edge, answer)
            assert answer.frame is not None
            key = answer.frame.prompt_key
            neighbour = GrpcNeighbour(address, credentials.public())
            digest = await neighbour.digest(0)
            assert digest == await edge.digest(0) and digest.held == ((key, 6),)
            assert (await neighbour.digest(digest.state)).held is None
            lent = await neighbour.lend(key, 6)
            assert lent is not None and lent.frame == answer.frame
            assert await neighbour.lend(key, 5) is None
            await neighbour.close()
            stranger = GrpcNeighbour(address)
            with pytest.raises(EdgeUnreachable, match="a token is asked for"):
                await stranger.lend(key, 6)
            await stranger.close()
        gone = GrpcNeighbour(address, credentials.public())
        with pytest.raises(EdgeUnreachable, match=f"{address}: UNAVAILABLE"):
            await gone.digest(0)
        await gone.close()

    asyncio.run(use())
