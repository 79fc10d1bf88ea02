"""What a process needs to serve or to work: built once from the settings, for the web app, workers and CLI."""

from thermly import jobs
from thermly.background import Background
from thermly.gateway import Gateway
from thermly.images import Images
from thermly.keeping.memory import Memory
from thermly.keeping.storage import Folder
from thermly.models.catalog_changes import CatalogChanges
from thermly.providers.upstream import Client, Timeouts
from thermly.ratings import learning
from thermly.running import accounting
from thermly.settings import Settings
from thermly.store import db, owners
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
    accounting.release_dead(settings, store)
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
