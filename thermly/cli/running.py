"""`thermly up`, `serve`, `worker`, `migrate`: what runs, and the file it runs on."""

import subprocess
import sys

import click

from thermly.settings import Settings, read

DEMO = "demo"
BANNER = """
  Thermly is up.   {url}/v1

  key      {key}
  try it   curl {url}/v1/chat/completions \\
             -H "Authorization: Bearer {shown}" -H "Content-Type: application/json" \\
             -d '{{"model": "auto", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

  console  {url}/console   {admin}
  upstream {upstream}
  data     {instance}
"""


@click.command()
@click.option("--no-demo", is_flag=True, help="Without demo account and sandbox.")
def up(no_demo: bool) -> None:
    """Start everything: Redis, web server, workers, and the sandbox where no provider has a key."""
    from thermly.models import configured
    from thermly.running.up import CannotStart, Supervisor
    from thermly.store import db

    settings = read()
    if db.pending(settings.database):  # in a process of its own: what it imports would stay in this one
        subprocess.run([sys.executable, "-m", "thermly", "migrate"], check=True, stdout=subprocess.DEVNULL)
    supervisor = Supervisor(settings)
    try:
        supervisor.lock()
        supervisor.listen()
        supervisor.add_redis()
    except CannotStart as error:
        raise click.ClickException(str(error)) from error
    serving = sorted(p.name for p in configured.catalog(settings).providers.values() if p.available)
    if settings.sandbox_url or (not serving and not no_demo):
        if not settings.sandbox_url:
            supervisor.add_sandbox()
        upstream = "the SANDBOX: offline, made-up answers. Set OPENAI_API_KEY (or another) for real ones"
    else:
        upstream = ", ".join(serving) or "none: set OPENAI_API_KEY, or add a provider to thermly.toml"
    key, shown = (None, "$THERMLY_KEY") if no_demo else demo_key(settings)
    admin = first_admin(settings)
    supervisor.add_servers()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    text = BANNER.format(
        url=f"http://{host}:{settings.port}",
        key=key or "make one: thermly account create NAME --credit 5; thermly key create --account NAME",
        shown=shown,
        upstream=upstream,
        admin=admin,
        instance=settings.instance,
    )
    code = supervisor.run(lambda: print(text, flush=True))
    from thermly import context
    from thermly.running import accounting

    accounting.release_dead(settings, context.database(settings))  # of a process that had to be killed at the end
    sys.exit(code)


def demo_key(settings: Settings) -> tuple[str, str]:
    """The key of the first start, made once and then read from its file; (what to say, what to use)."""
    from thermly import clock, ids
    from thermly.amounts import NANO_PER_USD
    from thermly.plans import DEFAULT
    from thermly.running.up import write_private
    from thermly.store import accounts, keys
    from thermly.store.db import Database

    path = settings.instance / "demo.key"
    database = Database(settings.database)
    if path.exists():
        key = path.read_text(encoding="utf-8").strip()
        with database.each() as tx:
            found = keys.find(tx, key)
        if found is not None and not found.revoked:
            return f"{key}   (account {DEMO})", key
        return "the demo key was revoked; `thermly key create` makes another", "$THERMLY_KEY"
    key = ids.new_key()
    with database.begin() as tx:
        account = accounts.find(tx, DEMO)
        if account is None:
            account = accounts.create(tx, DEMO, DEFAULT, clock.now_ms())
            assert account is not None
            accounts.credit(tx, account.id, settings.demo_credit_usd * NANO_PER_USD, "demo", "", clock.now_ms())
        keys.create(tx, account.id, key, clock.now_ms(), name="first key")
    write_private(path, key + "\n")
    database.connection.close()
    return f"{key}   (account {DEMO}, {settings.demo_credit_usd} USD of credit)", key


def first_admin(settings: Settings) -> str:
    """The first start's own admin, told once. Made by a process of its own: what it imports would stay in this."""
    from thermly.store import people
    from thermly.store.db import Database

    database = Database(settings.database)
    with database.each() as tx:
        known = people.listed(tx)
    database.connection.close()
    if known:
        return ""
    command = [sys.executable, "-m", "thermly", "person", "first"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@click.command()
@click.option(
    "--server", type=click.Choice(["gunicorn", "waitress"]), help="Default: gunicorn, on Windows waitress."
)
@click.option("--fd", type=int, hidden=True)
def serve(server: str | None, fd: int | None) -> None:
    """The web server alone."""
    from thermly import create_app
    from thermly.running import serving
    from thermly.store import db

    settings = read()
    try:
        db.check(settings.database)
    except db.SchemaBehind as error:
        raise click.ClickException(str(error)) from error
    if (server or ("waitress" if sys.platform == "win32" else "gunicorn")) == "waitress":
        serving.waitress(settings, create_app)
    else:
        serving.gunicorn(settings, create_app, fd)


@click.command()
@click.option("--burst", is_flag=True, help="Stop when there is nothing left to do.")
def worker(burst: bool) -> None:
    """A worker for background jobs: images, responses, accounting, housekeeping."""
    from thermly import jobs
    from thermly.running import logs
    from workers import here

    settings = read()
    if not settings.redis_url:
        raise click.ClickException("A worker needs REDIS_URL. `thermly up` brings its own.")
    logs.configure(settings.log_level)
    here.books()
    jobs.work(settings.redis_url, burst, settings.slow_jobs, settings.drain_s, lambda: here.turns().take())


@click.command()
@click.option("--check", is_flag=True, help="Only say what is pending; exit 1 when something is.")
def migrate(check: bool) -> None:
    """Bring the database's schema up to date, each migration in a transaction."""
    from thermly.store import db

    path = read().database
    if check:
        lacking = db.pending(path)
        click.echo("\n".join(lacking) or "up to date")
        sys.exit(1 if lacking else 0)
    done = db.migrate(path)
    click.echo("\n".join(f"applied {name}" for name in done) or "up to date")


COMMANDS = (up, serve, worker, migrate)
