"""
How many messages are ready in the run's queues, asked for by AMQP once a second on a connection that stays open.

A passive declaration is answered by the queue itself, with what is in it at that moment; the management API's counts
lag by up to 5 s. Streams are left out: they keep their messages, whoever has read them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from loadtest.broker.admin import declarations
from loadtest.broker.admin.conversation import ConnectionClosedError, Conversation, Refusal
from loadtest.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.broker.endpoint import Endpoint
    from loadtest.scenario.plan import Plan

CLIENT_NAME: Final = "loadtest sampler"


class DepthAsker:
    """
    Asks for the depths of *queues*, at the first of *endpoints* that answers, as long as it does.

    One queue costs 0.35 ms of this process, 20 cost 0.7 ms and next to nothing of the broker; 1,000 cost 12 ms and 27
    ms, which is why these come from the management API where there is one.

    Attributes:
        refused: By queue, what the broker said of those that may not be asked for (exclusive ones of others).
        most_consumers: By queue, the most consumers that it was seen to have.
    """

    def __init__(self, endpoints: Sequence[Endpoint], queues: list[str]) -> None:
        self._endpoints = endpoints
        self._place = 0
        self._queues = queues
        self._conversation: Conversation | None = None
        self.refused: dict[str, str] = {}
        self.most_consumers: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        """
        Return the depth of each queue that is there.

        Raises:
            BrokerError: If there is no answer; the next question opens a new connection, to the next endpoint.
        """
        endpoint = self._endpoints[self._place]
        try:
            if self._conversation is None:
                self._conversation = Conversation(endpoint, client_name=CLIENT_NAME)
            answers = self._conversation.ask([declarations.queue_ask(name) for name in self._queues])
        except ConnectionClosedError as error:
            self._leave()
            raise BrokerError(f"broker {endpoint.redacted}: {error.refusal}") from error
        except BaseException:
            # Also where the greenlet is killed between question and answer.
            self._leave()
            raise
        depths = {}
        for name, answer in zip(self._queues, answers, strict=True):
            if not isinstance(answer, Refusal):
                depths[name] = int(answer.message_count)
                self.most_consumers[name] = max(self.most_consumers.get(name, 0), int(answer.consumer_count))
            elif answer.code != declarations.NOT_FOUND:
                self.refused[name] = str(answer)
        return depths

    def _leave(self) -> None:
        self.close()
        self._place = (self._place + 1) % len(self._endpoints)

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._conversation is not None:
            conversation, self._conversation = self._conversation, None
            with contextlib.suppress(OSError):
                conversation.close()


def queues_of(plan: Plan) -> list[str]:
    """Return the queues of a run, as its scenario declares them, without streams."""
    return [queue.name for queue in plan.topology.queues if not queue.is_stream]
