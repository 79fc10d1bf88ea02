"""THE STORY: one exchange from its targets to its settlement, read downward.

Knows: the order of the steps. Must not know: Flask, SQL text, vendor JSON.

    recall a cached answer -> plan the targets -> hold the worst case -> ask the targets in turn, until a first
    event arrives -> ask a better one, once, where a whole answer is visibly inadequate -> meter what comes ->
    settle, in exactly one place, whatever happened -> keep

No transaction, lock or connection is held while an upstream is asked. Failover ends with the first event.
"""

import datetime
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct

from thermly import clock, pricing, routing
from thermly.caller import Caller
from thermly.catalog import SMART, TIERS, Target
from thermly.errors import (
    GatewayError,
    Unavailable,
    UnsupportedContent,
    UpstreamFailed,
)
from thermly.exchange import (
    ChatRequest,
    Done,
    Event,
    KeepAlive,
    Reply,
    Usage,
    gather,
    replay,
)
from thermly.keeping import grounds, recall, transcripts
from thermly.metering import Meter
from thermly.models.catalog_changes import CatalogChanges
from thermly.models.health import COOL_BASE_MS, Health
from thermly.money.bill import Bill, Books, refusal
from thermly.providers import ANSWER
from thermly.providers.upstream import Client
from thermly.ratings.adequacy import inadequate
from thermly.routing.recalibration import AS_SHIPPED, Recalibration
from thermly.settings import Settings
from thermly.store import money
from thermly.store.db import Database
from thermly.store.money import Closing
from thermly.store.owners import Owner
from thermly.terms import Terms

RETRY_PAUSE_S = (0.1, 0.4)
ASKED_LAST = "failed just before, so asked last"
TOO_DEAR = "more than the balance pays for"
T = TypeVar("T")


class Escalation(Struct, frozen=True):
    """An answer that is paid for and not given: whose, why not, and what it came to."""

    model: str
    why: str
    usage: Usage
    cost_nanousd: int


class Gateway:
    """What every exchange of this process shares. `owner` names the process in its holds and claims, and
    `lock` is what proves it alive for as long as the gateway is."""

    def __init__(
        self,
        settings: Settings,
        changes: CatalogChanges,
        database: Database,
        client: Client,
        owner: str,
        lock: Owner | None = None,
        learned: Recalibration = AS_SHIPPED,
    ) -> None:
        self.settings, self.changes, self.database, self.learned = settings, changes, database, learned
        self.client, self.owner, self.lock = client, owner, lock
        self.books = Books(database, owner)
        self.health = Health(database)
        self.catalog = changes.catalog

    def look(self) -> None:
        """Serve by the catalogue as admins have changed it since. Whoever looks again within a second is told
        nothing new; requests under way keep the targets that they have."""
        self.catalog = self.changes.seen()

    def answer(
        self, request: ChatRequest, caller: Caller, surface: str, number: str = "", unseen: bool = False
    ) -> "Answer":
        """Raises GatewayError when there will be no answer; else the first event has arrived. `unseen`: nobody is
        shown the events of this stream before its end."""
        self.look()
        return Answer(self, request, caller, surface, number, unseen)

    def check(self, request: ChatRequest, caller: Caller) -> None:
        """Raise what would be raised at once for this request, before anything is held or asked."""
        self.look()
        terms = Terms(request)
        target = self.plan(request, caller, terms.size.estimate).targets[0]
        with self.database.each() as tx:
            funds = money.funds(tx, caller.account_id, caller.key_id, clock.now_ms())
        if terms.affordable(target, funds.least) < terms.shortest:
            raise refusal(funds)

    def plan(self, request: ChatRequest, caller: Caller, input_tokens: int | None = None) -> routing.Plan:
        return routing.plan(
            request,
            self.catalog,
            allowed=caller.models,
            cooling=self.health.cooling().keys(),
            today=datetime.date.today(),
            input_tokens=input_tokens,
            learned=self.learned,
            quality=self.settings.routing_quality,
        )

    def close(self) -> None:
        """For whoever goes on without it; a process that ends needs no word."""
        self.database.close()
        if self.lock is not None:
            self.lock.close()

    def ask(self, target: Target, call: Callable[[], T]) -> T:
        """What the one target answers, asked a second time when it fails. Raises Unavailable."""
        failure: UpstreamFailed | None = None
        for pause_s in (0.0, random.uniform(*RETRY_PAUSE_S)):
            time.sleep(pause_s)
            try:
                answer = call()
            except UpstreamFailed as error:
                failure = error
                self.health.failed(target, error)
                continue
            self.health.answered(target)
            return answer
        raise unavailable(f"The model '{target.model.id}' is", failure)


def unavailable(who: str, failure: GatewayError | None) -> Unavailable:
    retry_after_s = (failure.retry_after_s if failure else None) or COOL_BASE_MS // 1000
    return Unavailable(
        f"{who} unavailable just now. Try again in a few seconds.",
        code=failure.code if failure and failure.code != "upstream_error" else None,
        retry_after_s=min(retry_after_s, 60),
        detail=failure.detail if failure else "",
    )


class Answer:
    """One exchange under way. Iterate its events, and close it in every case: that settles it.

    A class and not a bare generator, since a generator that was never started skips its `finally`.
    """

    def __init__(
        self,
        gateway: Gateway,
        request: ChatRequest,
        caller: Caller,
        surface: str,
        number: str = "",
        unseen: bool = False,
    ) -> None:
        self._gateway, self._request, self._caller = gateway, request, caller
        self._terms = Terms(request)
        self._unseen = unseen or not request.stream
        self._bill = Bill(gateway.books, caller, surface, request.model, number=number)
        self.id, self.started_ms = self._bill.id, self._bill.started_ms
        self._best = gateway.catalog.baseline
        self._clock = time.monotonic()
        self.smart = request.model in SMART
        self.plan: routing.Plan | None = None
        self.target: Target | None = None
        self.actual_model = ""
        self.complexity_level = 0
        self.cached = False
        self.escalation: Escalation | None = None
        print_ = recall.print_of(request, caller, gateway.settings.cache_scope)
        self._recall = recall.Recall(gateway.database, gateway.owner, self.id, print_, request.fresh)
        self._meter = transcripts.Scribe() if caller.keeps_transcripts else Meter()
        self._passed: tuple[tuple[str, str], ...] = ()
        self._failed: tuple[tuple[str, str], ...] = ()
        self._lowered = False
        self._told: list[Event] = []
        self._events = self._tell()
        self._ahead: Event | None = next(self._events)

    def __iter__(self) -> Iterator[Event]:
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            yield ahead
        yield from self._events

    def close(self) -> None:
        self._events.close()  # type: ignore[attr-defined]

    def reply(self) -> Reply:
        """The whole reply. Raises GatewayError when it breaks off."""
        try:
            return gather(self)
        finally:
            self.close()

    # ---- the story

    def _tell(self) -> Iterator[Event]:
        kept = yield from self._recall.find(self._gateway.settings.keepalive_s)
        if kept is not None:
            yield from replay(self._hit(kept))
            return
        outcome = "internal"
        try:
            for event in self._answer(self._route()):
                if isinstance(event, Done):
                    outcome = "ok"  # whoever stops listening now has the whole answer
                    if event.usage is None:
                        event = msgspec.structs.replace(event, usage=self._terms.charged(outcome, self._meter))
                self._meter.see(event)
                yield event
        except GeneratorExit:
            outcome = "ok" if outcome == "ok" else "client_gone"
            raise
        except GatewayError as error:
            outcome, error.request_id = error.kind, self.id
            raise
        finally:
            self._settle(outcome)

    def _hit(self, kept: recall.Kept) -> Reply:
        reply = kept.reply
        self.cached, self.actual_model, self.complexity_level = True, kept.model, kept.complexity_level
        used = reply.usage or Usage()
        took_ms = self._elapsed_ms()
        closing = self._closing("settled", "ok", used, baseline=self._baseline(used), first_ms=took_ms, cache="hit")
        self._bill.record(closing)
        if self._caller.keeps_transcripts:
            self._write_down(transcripts.of_reply(reply))
        return reply

    def _route(self) -> tuple[Target, ...]:
        self.plan = self._gateway.plan(self._request, self._caller, self._terms.size.estimate)
        self.complexity_level = self.plan.judgement.level
        targets = self.plan.targets
        if self.smart and (cooling := self._gateway.health.cooling()):
            self._passed = tuple((t.model.id, ASKED_LAST) for t in targets if t.name in cooling)
        return targets

    def _answer(self, targets: tuple[Target, ...]) -> Iterable[Event]:
        """The events of the answer that is given: the first that came, or a better one asked for after it.

        Only `auto` asks twice: who names a tier has said what an answer may cost and how long it may take.
        """
        if not self._unseen or self._request.model != "auto" or self._gateway.settings.cascade == "off":
            return self._ask(targets)
        events = self._twice(targets)
        if self._request.stream:
            return events
        return [event for event in events if not isinstance(event, KeepAlive)]

    def _twice(self, targets: tuple[Target, ...]) -> Iterator[Event]:
        """Signs of life while the first answer is read and looked at; then the one that is given."""
        told = self._told
        try:
            for event in self._ask(targets):
                told.append(event)
                yield KeepAlive()
        except GatewayError:
            yield from told  # of an answer that breaks off, what has come
            raise
        fault = inadequate(self._request, gather(told))
        better = self._better(targets) if fault is not None else None
        if fault is None or better is None:
            yield from told
        else:
            yield from self._escalate(told, fault, better)

    def _better(self, targets: tuple[Target, ...]) -> Target | None:
        """The first target of a better tier behind the one that has answered: those before it have failed."""
        if self.target is None or self._lowered:
            return None  # what a thin balance has cut short, it would cut shorter still of a dearer answer
        rank, cooling = _rank(self.target), self._gateway.health.cooling()
        behind = targets[targets.index(self.target) + 1 :]
        return next((t for t in behind if _rank(t) > rank and t.name not in cooling), None)

    def _escalate(self, told: list[Event], fault: str, better: Target) -> Iterator[Event]:
        """The answer of the better target, paid beside the one that is there; without it, that one."""
        assert self.target is not None
        used = self._terms.charged("ok", _watch(Meter(), told)) or Usage()
        cost, bound = pricing.cost(used, self.target.price), self._terms.output_bound(better)
        if not self._bill.hold(cost + self._terms.ceiling(better, bound)):
            self._passed += ((better.model.id, TOO_DEAR),)
            yield from told
            return
        again: list[Event] = []
        try:
            for event in ANSWER[better.provider.kind](self._request, better, bound, self._gateway.client):
                again.append(event)
                yield KeepAlive()
        except GeneratorExit:
            if again:  # who leaves now pays for what has come of both
                self._take(better, fault, used, cost)
                self._told = again
            raise
        except GatewayError as error:
            self._failed += ((better.model.id, error.message),)
            if isinstance(error, UpstreamFailed):
                self._gateway.health.failed(better, error)
            yield from told
            return
        self._gateway.health.answered(better)
        self._take(better, fault, used, cost)
        yield from again

    def _take(self, better: Target, fault: str, used: Usage, cost_nanousd: int) -> None:
        """The better target's answer in place of the one that is there, which came to so much."""
        assert self.target is not None
        self.escalation = Escalation(self.target.model.id, fault, used, cost_nanousd)
        self._failed += ((self.target.model.id, fault),)
        self.target, self.actual_model = better, better.model.id

    def _ask(self, targets: tuple[Target, ...]) -> Iterator[Event]:
        """The events of the first target that gives any."""
        if len(targets) == 1:
            targets *= 2  # nobody else can be asked: a second try, after a pause
        failure: GatewayError | None = None
        for i, target in enumerate(targets):
            if failure is not None and targets[i - 1] is target:
                time.sleep(random.uniform(*RETRY_PAUSE_S))
            bound = self._hold(target, first=failure is None)
            if bound is None:
                self._passed += ((target.model.id, TOO_DEAR),)
                continue
            self.target, self.actual_model = target, target.model.id
            adapter = ANSWER[target.provider.kind]
            events = adapter(self._request, target, bound, self._gateway.client)
            try:
                first = yield from _first(events)
            except UpstreamFailed as error:
                failure = error
                self._failed += ((target.model.id, error.message),)
                self._gateway.health.failed(target, error)
                continue
            except UnsupportedContent as error:
                failure = error
                self._failed += ((target.model.id, error.message),)
                if i == len(targets) - 1 or not self.smart:
                    raise
                continue
            try:
                self._gateway.health.answered(target)
                yield first
                yield from events
            finally:
                events.close()  # type: ignore[attr-defined]
            return
        who = "All models are" if self.smart else f"The model '{self._request.model}' is"
        raise unavailable(who, failure)

    # ---- money

    def _hold(self, target: Target, first: bool) -> int | None:
        """Reserve the worst case; returns the output bound per choice that it pays for.

        Raises InsufficientFunds for the first target; a dearer one that cannot be paid is passed over (None).
        """
        bill, terms = self._bill, self._terms
        bound = terms.output_bound(target)
        for _ in range(3):
            if bill.hold(terms.ceiling(target, bound)):
                return bound
            funds = bill.funds()
            bound = min(bound, terms.affordable(target, funds.least + (bill.held_nanousd or 0)))
            if bound < terms.shortest:
                break
            self._lowered = True
        if first:
            raise refusal(funds)
        return None

    def _settle(self, outcome: str) -> None:
        """The one place where a hold is closed."""
        bill, target = self._bill, self.target
        if outcome == "client_gone":
            self._recall.abandon()
        elif outcome != "ok":
            self._recall.leave_open()
        if bill.held_nanousd is None:
            return
        if not self._meter.began and outcome == "client_gone":
            _watch(self._meter, self._told)  # who left before it was decided which answer is given
        used = self._terms.charged(outcome, self._meter)
        if used is None or target is None:
            closing = self._closing("released", outcome, Usage())
        else:
            baseline, cost = self._baseline(used), pricing.cost(used, target.price)
            if (first := self.escalation) is not None:
                used, cost = first.usage + used, first.cost_nanousd + cost
            if used.estimated:
                cost = min(cost, bill.held_nanousd)
            first_ms = self._meter.first_ms(self._clock)
            cached = "fresh" if outcome == "ok" and self._keep() else ""
            closing = self._closing("settled", outcome, used, cost, baseline, first_ms, cached)
        bill.close(closing)
        if isinstance(self._meter, transcripts.Scribe):
            self._write_down(self._meter.turns)

    def _write_down(self, turns: list[transcripts.Turn]) -> None:
        gateway = self._gateway
        lifetime_d, account_id = gateway.settings.transcript_lifetime_d, self._caller.account_id
        transcripts.keep(gateway.database, self.id, account_id, self.started_ms, self._request, turns, lifetime_d)

    def _closing(
        self,
        state: str,
        outcome: str,
        used: Usage,
        cost: int = 0,
        baseline: int = 0,
        first_ms: int | None = None,
        cache: str = "",
    ) -> Closing:
        target = self.target
        return Closing(
            state=state,
            outcome=outcome,
            cost_nanousd=cost,
            baseline_nanousd=baseline,
            model=self.actual_model,
            provider=target.provider.name if target else "",
            complexity_level=self.complexity_level,
            reasons=self._grounds(),
            stream=int(self._request.stream),
            usage=used,
            first_ms=first_ms,
            duration_ms=self._elapsed_ms(),
            cache=cache,
            score_ppm=self._score_ppm(),
            escalated_from=self.escalation.model if self.escalation else "",
        )

    def _score_ppm(self) -> int | None:
        """As shipped: what is learned later is learned from that."""
        if self.plan is None or not self.plan.smart:
            return None
        return round(self._gateway.learned.score(self.plan.judgement.score) * 1e6)

    def _grounds(self) -> str:
        plan = self.plan
        if plan is None:
            return grounds.written(())
        return grounds.written(plan.judgement.reasons, plan.tier, (*plan.passed_over, *self._passed), self._failed)

    def _baseline(self, used: Usage) -> int:
        return pricing.cost(used, self._best) if self._best else 0

    def _keep(self) -> bool:
        """Store the answer for the next identical request, unless it is one that nobody would want again."""
        if not self._recall.keeps:
            return False
        reply = self._meter.reply()
        if self._lowered or inadequate(self._request, reply) is not None:
            self._recall.leave_open()
            return False
        return self._recall.keep(reply, self.actual_model, self.complexity_level)

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self._clock) * 1000)


def _first(events: Iterator[Event]) -> Generator[Event, None, Event]:
    """Pass silence on until the first event that says something."""
    for event in events:
        if not isinstance(event, KeepAlive):
            return event
        yield event
    raise UpstreamFailed("The model's provider sent nothing.")


def _watch(meter: Meter, events: Iterable[Event]) -> Meter:
    for event in events:
        meter.see(event)
    return meter


def _rank(target: Target) -> int:
    return TIERS.index(target.model.tier) if target.model.tier else -1
