"""What a process needs to serve or to work: built once from the settings, for the web app, workers and CLI."""

from thermly import jobs, learning
from thermly.background import Background
from thermly.bill import OF_JOB
from thermly.catalog_changes import CatalogChanges
from thermly.gateway import Gateway
from thermly.images import Images
from thermly.memory import Memory
from thermly.providers.upstream import Client, Timeouts
from thermly.settings import Settings
from thermly.storage import Folder
from thermly.store import cache, db, money, owners
from thermly.store.db import Database


def database(settings: Settings) -> Database:
    """Raises SchemaBehind."""
    db.check(settings.database)
    return Database(settings.database)


def gateway(settings: Settings) -> Gateway:
    """The gateway of this process. It releases what dead processes held before it serves."""
    store = database(settings)
    timeouts = Timeouts(
        connect_s=settings.upstream_connect_timeout_s,
        reply_s=settings.upstream_timeout_s,
        idle_s=settings.upstream_idle_timeout_s,
        keepalive_s=settings.keepalive_s,
    )
    folder = settings.instance / "run"
    me = owners.Owner(folder)
    release_dead(settings, store)
    changes, learned = CatalogChanges(settings, store), learning.recalibration(settings)
    return Gateway(settings, changes, store, Client(timeouts), me.name, me, learned)


def images(at: Gateway) -> Images:
    """The image side of this process, on top of its gateway."""
    folder = Folder(at.settings.instance / "images")
    if not at.settings.redis_url:
        return Images(at, folder, lambda _: False)
    to = jobs.queue(at.settings.redis_url, jobs.SLOW)
    return Images(at, folder, lambda job_id: jobs.hand_on(to, "workers.images.draw", job_id))


def memory(at: Gateway) -> Memory:
    return Memory(at.database, at.settings.memory_lifetime_d, at.settings.memory_max_mib)


def background(at: Gateway) -> Background:
    """The background side of this process, on top of its gateway."""
    if not at.settings.redis_url:
        return Background(at, memory(at), lambda _: False)
    to = jobs.queue(at.settings.redis_url, jobs.SLOW)
    return Background(at, memory(at), lambda response_id: jobs.hand_on(to, "workers.responses.answer", response_id))


def release_dead(settings: Settings, store: Database) -> int:
    """Release the holds and claims of processes that are gone; returns how many holds."""
    folder, released = settings.instance / "run", 0
    with store.each() as tx:
        names = {*money.owners_of_holds(tx), *owners.known(folder)}
    for name in names:
        if not name.startswith(OF_JOB) and owners.dead(folder, name):
            with store.begin() as tx:
                released += money.release_all(tx, name)
                cache.abandon_all(tx, name + "/")
            owners.forget(folder, name)
    return released
