"""One user's device: ask the edge, receive over the link, finish the picture at its own pace."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

from midstep.diffusion.engine import Engine
from midstep.errors import MidstepError, PromptError, QueueFull
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceChannel, DeviceSpec
from midstep.reuse.limits import ReuseLimits
from midstep.scenario import Scenario
from midstep.telemetry.record import BATTERY_EMPTY, RequestRow
from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import Answer, Description, EdgePort
from midstep.wire.start import Start
from midstep.workload.arrivals import Arrival
from midstep.workload.requests import UserRequest
from user_agent.air import Air
from user_agent.answers import Donors, enter_answer, picture_check
from user_agent.attachment import Attachment
from user_agent.composer import RequestComposer
from user_agent.energy import Energy
from user_agent.finished import Finished
from user_agent.own_steps import OwnSteps
from user_agent.receiver import Receiver
from user_agent.shared_link import Band, open_link
from user_agent.throttle import Throttle
from user_agent.uplink import Uplink

__all__ = ["Device"]

TIMER_S = 1e-9  # an event loop's timers are no finer: less than this is no lateness


class Device:
    """One user's device, with its own link and throttle; the devices of a host share `engine` and
    `limits`, and where the scenario says so a `band`; where users have start pictures it has an
    `uplink`.

    Where the edge does all steps (it caches finished pictures) the device has no step left in which
    to follow the user's own prompt: it then asks for the user's whole prompt and variation. It asks
    for the whole prompt, too, where the edge says that it shares nothing.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        scenario: Scenario,
        edge: EdgePort,
        engine: Engine,
        limits: ReuseLimits,
        description: Description,
        metrics: UserMetrics,
        *,
        band: Band | None = None,
        uplink: Uplink | None = None,
    ) -> None:
        clock = engine.clock
        self.spec = spec
        self.attachment = Attachment(edge, description, metrics)
        self._scenario = scenario
        self._clock = clock
        self._limits = limits
        whole_pictures = description.split_step == description.pipeline.steps
        self.asks_whole_prompt = description.whole_prompt or whole_pictures
        self._donors = Donors(
            allowed=scenario.reuse.similar is not None and not whole_pictures,
            by_name=scenario.reuse.privacy == "open",
        )
        slot = scenario.slot_seconds
        channel = DeviceChannel(scenario.channel, spec, scenario.seed, slot)
        self._channel = channel
        air = Air(channel.conditions, scenario.seed, spec.user)
        self._link = open_link(channel, spec, scenario, clock, band)
        self._uplink = uplink
        step_s = description.step_s if spec.step_s is None else spec.step_s
        self._throttle = Throttle(channel, clock, slot, step_s, parallel=spec.parallel)
        self._energy = Energy(spec, clock, self._run_empty)
        self._composer = RequestComposer(
            spec.user,
            self.attachment,
            limits,
            self._link,
            self._throttle,
            whole_pictures=whole_pictures,
        )
        self._receiver = Receiver(self._link, air, self._energy, self.attachment)
        self._own_steps = OwnSteps(engine, self._throttle, self._energy, self.attachment)
        self._asking: dict[asyncio.Task[Any], None] = {}  # no set: they are ended in this order

    @property
    def arrival_s(self) -> float:
        """Until then no frame that is on its air will have passed; infinity where none is."""
        return self._link.arrival_s

    def hand_over(self, edge: EdgePort, description: Description, metrics: UserMetrics) -> None:
        """Ask another edge from now on, which serves the same pipeline; requests that have been
        sent end at the one that they were sent to."""
        self.attachment.hand_over(edge, description, metrics)
        self.spec = replace(self.spec, edge=description.edge)

    @property
    def empty(self) -> bool:
        """Whether its battery is empty: it asks for nothing any more."""
        return self._energy.empty

    def change(self, change: DeviceChange) -> None:
        """Let a change come now; what is on the air, or being computed, goes on under it."""
        self._link.settle()
        self._throttle.settle()
        self._channel.change(change, self._clock.now())
        self._link.resume()
        self._throttle.resume()
        if self._uplink is not None:
            self._uplink.change(change)
        self._energy.expect()

    def close(self) -> None:
        """End what waits for later."""
        self._energy.close()

    def _run_empty(self) -> None:
        """End all open requests: the battery is empty."""
        self.attachment.metrics.battery_empty()
        for task in self._asking:
            task.cancel()

    async def request(
        self, request_id: str, user_request: UserRequest, arrival: Arrival | None = None
    ) -> Finished:
        """Carry one request to its end; without an `arrival` it is due now. Never raises: an error,
        a cancellation too, is written in the row."""
        port = self.attachment.port
        metrics = self.attachment.metrics
        row = self._row(request_id, user_request, arrival)
        picture = None
        frame = None
        check = None
        start = None
        task = asyncio.current_task()
        assert task is not None
        self._asking[task] = None
        try:
            if self.empty:
                raise asyncio.CancelledError
            row.link_wait_s = await self._link.ready()
            if self._uplink is not None and user_request.start is not None:
                self.attachment.move("sending")
                start = await self._uplink.send(row, user_request.start)
            answer = await self._ask(row, user_request, start, port)
            if answer.frame is not None:
                await self._receiver.receive(row, answer.frame)
            picture = await self._own_steps.finish(row, answer.frame)
            frame = answer.frame
            row.result = "done"
            check = picture_check(row, answer, self._limits.quality)
        except (PromptError, QueueFull) as error:
            row.result = "rejected"
            row.error = str(error)
        except TimeoutError:
            row.error = f"no output within the deadline of {self._scenario.deadline_s:g} s"
        # the run ended: the slowest requests must not vanish from its record
        except asyncio.CancelledError:
            row.result = "failed" if self.empty else "unfinished"
            row.error = BATTERY_EMPTY if self.empty else "it was stopped before it was finished"
            if not self.empty:  # how much more it would have taken nobody knows
                row.joules = row.receive_joules = None
        except MidstepError as error:
            row.error = str(error)
        except Exception as error:  # a device's failure is one row, not the host's end
            row.error = f"{type(error).__name__}: {error}"
        finally:
            del self._asking[task]
            self.attachment.move("thinking")
        row.slot = int(self._clock.now() // self._scenario.slot_seconds)
        metrics.ended(row)
        return Finished(row, picture, frame, check, port, start)

    def _row(
        self, request_id: str, user_request: UserRequest, arrival: Arrival | None
    ) -> RequestRow:
        """The row of a request that is asked for now."""
        now = self._clock.now()
        if arrival is None:
            arrival = Arrival(now)
        late_s = now - arrival.due_s
        sent = user_request.in_full() if self.asks_whole_prompt else user_request
        return RequestRow(
            request_id=request_id,
            edge=self.attachment.description.edge,
            user=self.spec.user,
            device_class=self.spec.kind,
            process_id=0 if self._clock.virtual else os.getpid(),
            prompt=user_request.prompt,
            edge_prompt=sent.edge_prompt,
            negative=user_request.negative or None,
            variation_seed=user_request.variation_seed,
            private_seed=user_request.private_seed,
            core_prompt=sent.core_prompt,
            due_s=arrival.due_s,
            arrived_s=now,
            arrival_late_s=late_s if late_s > TIMER_S else 0.0,
            think_s=arrival.think_s,
        )

    async def _ask(
        self, row: RequestRow, user_request: UserRequest, start: Start | None, port: EdgePort
    ) -> Answer:
        """The edge's answer to one request, its frame checked."""
        self.attachment.move("waiting")
        request = self._composer.request(row, user_request, start)
        answer = await port.obtain(request, self._scenario.deadline_s / self._clock.scale)
        enter_answer(row, request, answer, self.attachment.description, self._donors)
        return answer
