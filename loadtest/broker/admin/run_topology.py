"""
The exchanges, queues and bindings of a run: declared before it, checked, removed after it.

Only what this run created is removed; what was there before stays, with what it holds. AMQP does not say whether a
declaration created anything, so each thing is asked for first. It cannot tell whether a binding was there: one goes
with an end of it that this run created, and stays where both ends were there before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pika import spec

from loadtest.broker.admin import declarations
from loadtest.broker.admin.conversation import LANES, ConnectionClosedError, Conversation, Refusal
from loadtest.broker.endpoint import Endpoint
from loadtest.errors import BrokerError
from loadtest.scenario.plan import BindingSpec, DeclaredTopology, ExchangeSpec, QueueSpec

CLIENT_NAME: Final = "loadtest topology"
# A reason is a short string: it names a thing and its vhost, whose own name may be as long.
MOST_BYTES_OF_A_REASON: Final = 255
MOST_BYTES_AROUND_A_NAME: Final = 155
REMOVE_TIMEOUT_S: Final = 5.0
# A queue whose node is down is refused by the same code, with other words.
NO_QUEUE: Final = "NOT_FOUND - no queue"

Declarable = TypeVar("Declarable", ExchangeSpec, QueueSpec)
Thing = TypeVar("Thing", ExchangeSpec, QueueSpec, BindingSpec, str)


@dataclass(frozen=True, slots=True)
class Declared:
    """
    What a declaration came to.

    Attributes:
        created_exchanges: Names of those that were not there before.
        created_queues: As above.
        found_messages: Messages ready in queues that were there before, by queue, if any.
        found_consumers: Consumers of queues that were there before, by queue, if any.
    """

    created_exchanges: tuple[str, ...]
    created_queues: tuple[str, ...]
    found_messages: Mapping[str, int]
    found_consumers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class QueueLook:
    """
    What a queue says when it is asked.

    Attributes:
        messages: Ready in it; None where that is not told.
        consumers: Of anybody.
        is_gone: Whether there is no such queue.
        refusal: What the broker says instead: the queue is another's, or its node is down.
    """

    messages: int | None = None
    consumers: int = 0
    is_gone: bool = False
    refusal: str | None = None


class Topology:
    """
    A scenario's topology on one broker, in the vhost of *endpoint*; *others* are further nodes, for when it is gone.

    `declare` once; `remove`, or `close`, at the end in any case. Exclusive queues live as long as the connection that
    declared them, which is therefore kept until then.
    """

    def __init__(self, declared: DeclaredTopology, endpoint: Endpoint, others: Sequence[Endpoint] = ()) -> None:
        self._topology = declared
        self._endpoint = endpoint
        self._others = others
        self._created_exchanges: list[str] = []
        self._created_queues: list[str] = []
        self._kept: Conversation | None = None

    def declare(self) -> Declared:
        """
        Declare everything, and return what was created and what was found.

        What is there already must be equivalent. After an error, `remove` removes what was declared up to it.

        Raises:
            BrokerError: If the broker refuses anything; the line names the thing, what the broker has and what was
                asked for.
        """
        topology = self._topology
        with self._conversation() as conversation:
            self._declare_exchanges(conversation, topology.exchanges)
            found = self._declare_queues(conversation, topology.queues)
            answers = _ask(conversation, topology.bindings, declarations.bind)
            _demand(_faults(topology.bindings, answers))
        return Declared(
            created_exchanges=tuple(self._created_exchanges),
            created_queues=tuple(self._created_queues),
            found_messages={name: look.messages for name, look in found.items() if look.messages},
            found_consumers={name: look.consumers for name, look in found.items() if look.consumers},
        )

    def verify(self) -> dict[str, int]:
        """
        Check that all exchanges and queues are there, and return the messages ready in each queue.

        Raises:
            BrokerError: If something is gone, or cannot be asked for.
        """
        topology = self._topology
        with self._conversation() as conversation:
            exchanges = _ask_whether_there(conversation, topology.exchanges, _exchange_ask)
            _demand(_faults(topology.exchanges, exchanges))
            queues = _ask_whether_there(conversation, topology.queues, _queue_ask)
            _demand(_faults(topology.queues, queues))
        return _message_counts([queue.name for queue in topology.queues], queues)

    def look(self, names: Sequence[str]) -> dict[str, QueueLook]:
        """
        Return what each of the queues says now, by name; a thousand take 0.1 s.

        Raises:
            BrokerError: If nobody answers.
        """
        kept, self._kept = self._kept, None
        if kept is not None:  # exclusive queues answer this connection alone
            with contextlib.suppress(BrokerError):
                answers = _ask(kept, names, declarations.queue_ask)
                self._kept = kept
                return _looks(names, answers)
            kept.close()
        with _converse((self._endpoint, *self._others)) as conversation:
            return _looks(names, _ask_whether_there(conversation, names, declarations.queue_ask))

    def remove(self) -> list[str]:
        """
        Remove what `declare` created, and return a line for each thing that could not be removed.

        A topology with `keep` stays whole. Never raises: what a run measured does not depend on it. A second call finds
        nothing more to do.
        """
        queues, exchanges = self._created_queues, self._created_exchanges
        self._created_queues, self._created_exchanges = [], []
        left: list[str] = []
        if not self._topology.keep and (queues or exchanges):
            try:
                with self._conversation(REMOVE_TIMEOUT_S) as conversation:
                    answers = conversation.ask([spec.Queue.Delete(queue=name) for name in queues])
                    answers += conversation.ask([spec.Exchange.Delete(exchange=name) for name in exchanges])
                names = [f"queue {name}" for name in queues] + [f"exchange {name}" for name in exchanges]
                left = [
                    f"{name} stays: {answer}"
                    for name, answer in zip(names, answers, strict=True)
                    if isinstance(answer, Refusal) and answer.code != declarations.NOT_FOUND
                ]
            except (BrokerError, ConnectionClosedError) as error:
                left = [f"what the run declared stays ({len(queues)} queues, {len(exchanges)} exchanges): {error}"]
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        return left

    def close(self) -> None:
        """Remove what `remove` has not."""
        self.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _conversation(self, timeout_s: float | None = None) -> contextlib.AbstractContextManager[Conversation]:
        if self._kept is not None:
            return contextlib.nullcontext(self._kept)
        limit = {} if timeout_s is None else {"timeout_s": timeout_s}
        conversation = _converse((self._endpoint, *self._others), **limit)
        if any(queue.exclusive for queue in self._topology.queues):
            self._kept = conversation
            return contextlib.nullcontext(conversation)
        return conversation

    def _declare_exchanges(self, conversation: Conversation, exchanges: Sequence[ExchangeSpec]) -> None:
        answers = _ask_whether_there(conversation, exchanges, _exchange_ask)
        missing = _missing(exchanges, answers)
        active = [exchange for exchange in exchanges if not exchange.passive]
        self._created_exchanges += missing
        # On one channel: an unknown type ends the connection, and only then is it plain which exchange had it.
        answers = _ask(conversation, active, declarations.exchange_declare, lanes=1)
        _demand(_faults(active, answers))

    def _declare_queues(self, conversation: Conversation, queues: Sequence[QueueSpec]) -> dict[str, QueueLook]:
        found = _ask_whether_there(conversation, queues, _queue_ask)
        missing = _missing(queues, found)
        self._created_queues += missing
        active = [queue for queue in queues if not queue.passive]
        # One of each kind alone before the many: what the broker refuses to a kind is then told of one queue.
        kinds = {(q.durable, q.exclusive, q.auto_delete, repr(q.arguments)): q for q in reversed(active)}
        for some, lanes in ((list(kinds.values()), 1), (active, LANES)):
            _demand(_faults(some, _ask(conversation, some, declarations.queue_declare, lanes=lanes)))
        return _looks([queue.name for queue in queues], found)


def queue_depths(endpoint: Endpoint, names: Sequence[str], others: Sequence[Endpoint] = ()) -> dict[str, int]:
    """
    Return the messages ready in each queue, by name; a queue that is gone, or may not be asked for, is left out.

    *others* are asked, in turn, where nobody answers at *endpoint*.

    Raises:
        BrokerError: If the broker cannot be reached.
    """
    with _converse((endpoint, *others)) as conversation:
        answers = _ask_whether_there(conversation, names, declarations.queue_ask)
    return _message_counts(names, answers)


def _converse(endpoints: Sequence[Endpoint], **limit: float) -> Conversation:
    """
    Return a conversation with the first of the nodes that answers.

    Raises:
        BrokerError: What the first one said, if none does.
    """
    faults: list[BrokerError] = []
    for endpoint in endpoints:
        try:
            return Conversation(endpoint, client_name=CLIENT_NAME, **limit)
        except BrokerError as error:
            faults.append(error)
    raise faults[0]


def _looks(names: Sequence[str], answers: Sequence[Any | Refusal]) -> dict[str, QueueLook]:
    looks = {}
    for name, answer in zip(names, answers, strict=True):
        if not isinstance(answer, Refusal):
            looks[name] = QueueLook(answer.message_count, answer.consumer_count)
        elif answer.code == declarations.NOT_FOUND and answer.text.startswith(NO_QUEUE):
            looks[name] = QueueLook(is_gone=True)
        else:
            looks[name] = QueueLook(refusal=str(answer))
    return looks


def _message_counts(names: Sequence[str], answers: Sequence[Any | Refusal]) -> dict[str, int]:
    pairs = zip(names, answers, strict=True)
    return {name: answer.message_count for name, answer in pairs if not isinstance(answer, Refusal)}


def _ask(
    conversation: Conversation,
    things: Sequence[Thing],
    question: Callable[[Thing], Any],
    *,
    lanes: int = LANES,
) -> list[Any | Refusal]:
    """Ask about each thing; a refusal that ends the connection is told of the things that were being asked about."""
    try:
        return conversation.ask([question(thing) for thing in things], lanes=lanes)
    except ConnectionClosedError as error:
        asked = [things[position] for position in conversation.asked]
        raise BrokerError(declarations.explain(_names(asked), error.refusal, _type(asked))) from error
    except BrokerError as error:
        names = _names([things[position] for position in conversation.asked])
        raise BrokerError(f"{names}: {error}" if names else str(error)) from error


def _ask_whether_there(
    conversation: Conversation, things: Sequence[Thing], question: Callable[[Thing], Any]
) -> list[Any | Refusal]:
    """
    Ask passively about each thing.

    One whose name RabbitMQ 4 may have to cut within a character, to say that it is not there, is asked for on a
    connection of its own: it ends that connection then, with 541 INTERNAL_ERROR (seen with 4.0.5 and 4.3.6).
    """
    plain = [thing for thing in things if not _may_be_cut(thing)]
    answers = iter(_ask(conversation, plain, question))
    return [
        _ask_alone(conversation.endpoint, thing, question) if _may_be_cut(thing) else next(answers) for thing in things
    ]


def _may_be_cut(thing: object) -> bool:
    name = thing if isinstance(thing, str) else str(getattr(thing, "name", ""))
    return not name.isascii() and len(name.encode()) > MOST_BYTES_OF_A_REASON - MOST_BYTES_AROUND_A_NAME


def _ask_alone(endpoint: Endpoint, thing: Thing, question: Callable[[Thing], Any]) -> Any | Refusal:
    with Conversation(endpoint, client_name=CLIENT_NAME) as alone:
        try:
            return alone.ask([question(thing)])[0]
        except ConnectionClosedError as error:
            if error.refusal.code != declarations.INTERNAL_ERROR:
                raise BrokerError(declarations.explain(_name(thing), error.refusal)) from error
            kind = _name(thing).partition(" ")[0]
            return Refusal(declarations.NOT_FOUND, f"NOT_FOUND - no {kind} of that name ({error.refusal})")


def _names(things: Sequence[Thing]) -> str:
    names = ", ".join(_name(thing) for thing in things)
    return names if len(things) <= 1 else f"one of {names}"


def _exchange_ask(exchange: ExchangeSpec) -> Any:
    return declarations.exchange_declare(exchange, passive=True)


def _queue_ask(queue: QueueSpec) -> Any:
    return declarations.queue_ask(queue.name)


def _missing(things: Sequence[Declarable], answers: Sequence[Any | Refusal]) -> list[str]:
    """Return the names of those that are not there; a passive one must be."""
    missing = []
    for thing, answer in zip(things, answers, strict=True):
        if isinstance(answer, Refusal):
            if thing.passive or answer.code != declarations.NOT_FOUND:
                remedy = "; the scenario says passive, so it must be there" if thing.passive else ""
                raise BrokerError(declarations.explain(_name(thing), answer) + remedy)
            missing.append(thing.name)
    return missing


def _faults(things: Sequence[Thing], answers: Sequence[Any | Refusal]) -> list[str]:
    return [
        declarations.explain(_name(thing), answer, _type([thing]))
        for thing, answer in zip(things, answers, strict=True)
        if isinstance(answer, Refusal)
    ]


def _demand(faults: Sequence[str]) -> None:
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise BrokerError(faults[0] + more)


def _name(thing: ExchangeSpec | QueueSpec | BindingSpec | str) -> str:
    if isinstance(thing, BindingSpec):
        return declarations.name_binding(thing)
    if isinstance(thing, ExchangeSpec):
        return f"exchange {thing.name}"
    return f"queue {thing if isinstance(thing, str) else thing.name}"


def _type(things: Sequence[object]) -> str | None:
    """Return the type that was asked for, if it is one exchange."""
    return things[0].type if len(things) == 1 and isinstance(things[0], ExchangeSpec) else None
