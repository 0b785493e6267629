"""The `opsboard` command."""

import asyncio
import math
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import click

from .. import __version__
from ..application.cardinality import DEFAULT_MAX_SERIES
from ..application.errors import OpsboardError
from ..domain.retention import FOREVER, Retention
from ..domain.validation import InvalidInput
from .process_title import hide_tokens
from .settings import DEFAULT_STORE, SettingError, Settings, StoreUrl, checked_token

EXIT_DIFFERENCES = 1
EXIT_UNUSABLE = 2
IN_SIGHT = "a token that is a flag can be seen in the list of processes: set OPS_API_TOKEN"

_SERVE_FLAGS: Mapping[str, tuple[str, str]] = {
    "store": ("OPS_STORE", f"where the journal lies: memory:, sqlite:///PATH [{DEFAULT_STORE}]"),
    "host": ("OPS_HOST", "address to listen on [127.0.0.1]"),
    "port": ("OPS_PORT", "port to listen on, 0 for a free one [8000]"),
    "api-token": ("OPS_API_TOKEN", "token that every write needs; none: writing is closed"),
    "read-token": ("OPS_READ_TOKEN", "token that reads need; none: reading is open"),
    "retention": ("OPS_RETENTION", f"what is kept how long, or {FOREVER} [{Retention()}]"),
    "secret-keys": ("OPS_SECRET_KEYS", "further keys of meta that name secrets; -KEY for none"),
    "max-series": ("OPS_MAX_SERIES", f"series a service may have [{DEFAULT_MAX_SERIES}]"),
}

_LOADED_FOR_NOTHING = ("fastapi", "starlette", "fast_depends", "werkzeug")
"""What dependency-injector would import to inject into it, which takes longer than a command."""

Command = Callable[..., Any]


def main() -> None:
    """Run the command; what can not work is one line on standard error, and exit status 2."""
    for framework in _LOADED_FOR_NOTHING:
        sys.modules.setdefault(framework, cast(Any, None))
    if not hide_tokens():
        click.echo(f"opsboard: {IN_SIGHT}", err=True)
    try:
        status = command(prog_name="opsboard", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(EXIT_UNUSABLE)
    except click.ClickException as error:
        _stop(error.format_message())
    except (SettingError, OpsboardError, InvalidInput) as error:
        _stop(str(error))
    except (click.Abort, KeyboardInterrupt):
        _stop("interrupted")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_DIFFERENCES)
    sys.exit(status if isinstance(status, int) else 0)


def _stop(reason: str) -> None:
    click.echo(f"opsboard: {' '.join(reason.split())}", err=True)
    sys.exit(EXIT_UNUSABLE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="opsboard")
def command() -> None:
    """Health, request latency, errors and operational events, folded from one journal."""


def _setting_flags(function: Command) -> Command:
    for flag, (name, meaning) in reversed(list(_SERVE_FLAGS.items())):
        function = click.option(f"--{flag}", name.lower(), metavar=name, help=meaning)(function)
    return function


def _store_option(function: Command) -> Command:
    return click.option(
        "--store", metavar="URL", help=f"the store; OPS_STORE if left out [{DEFAULT_STORE}]"
    )(function)


def _store_url(flag: str | None) -> StoreUrl:
    if flag is not None:
        return StoreUrl.parse(flag, "--store")
    return StoreUrl.parse(os.environ.get("OPS_STORE") or DEFAULT_STORE)


def _api_token() -> str | None:
    given = os.environ.get("OPS_API_TOKEN")
    return checked_token("OPS_API_TOKEN", given) if given else None


class Finite(click.FloatRange):
    """A number within its range; NaN lies in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


@command.command()
@_setting_flags
@click.option("--generate-token", is_flag=True, help="make and print a token if none is set")
def serve(generate_token: bool, **flags: str | None) -> None:
    """Serve HTTP until SIGTERM or SIGINT."""
    values = {**os.environ, **{k.upper(): v for k, v in flags.items() if v is not None}}
    if generate_token and not values.get("OPS_API_TOKEN"):
        values["OPS_API_TOKEN"] = secrets.token_urlsafe(24)
        click.echo(f"token    {values['OPS_API_TOKEN']}  (made for this run; set OPS_API_TOKEN)")
    settings = Settings.load(values)
    from .log_lines import log_to_stderr
    from .server import serve as run_server

    log_to_stderr()
    writes = "open, with the token" if settings.api_token else "closed: OPS_API_TOKEN is not set"
    reads = "with a token" if settings.read_token else "open"

    def announce(address: str, retention: Retention) -> None:
        click.echo(f"store    {settings.store}, kept {retention}")
        click.echo(f"writes   {writes}\nreads    {reads}")
        click.echo(f"opsboard {__version__} on {address}  (Ctrl+C ends it)")

    click.echo(run_server(settings, announce))


@command.command()
@click.argument("message")
@click.option("--level", default="INFO", show_default=True, help="DEBUG INFO WARN ERROR FATAL")
@click.option("--type", "type_", default="OPS", show_default=True, help="AUDIT OPS SECURITY ...")
@click.option("--service", default="shell", show_default=True)
@click.option("--meta", "pairs", multiple=True, metavar="KEY=VALUE", help="may be repeated")
@click.option("--key", help="record once, however often this is run within 24 hours")
@click.option("--to", metavar="URL", help="a server (http://...), instead of the store")
@_store_option
def event(
    message: str,
    level: str,
    type_: str,
    service: str,
    pairs: tuple[str, ...],
    key: str | None,
    to: str | None,
    store: str | None,
) -> None:
    """Record one operational event, from a shell or from cron; prints its id.

    With --to it is posted to a server with the token in OPS_API_TOKEN; otherwise it is written to
    the store itself, also while a server has it open.
    """
    from . import shell

    said = {"level": level, "type": type_, "service": service, "message": message}
    meta = dict(shell.parse_pair(pair) for pair in pairs)
    if to is not None:
        from .remote import post_event

        number = post_event(to, _api_token() or "", {**said, "meta": meta}, key)
    else:
        number = asyncio.run(shell.record_event(_store_url(store), said, meta, key))
    click.echo(number)


@command.command()
@_store_option
def verify(store: str | None) -> int:
    """Recompute the hash chain and the read models; print what differs, exit 1 if anything does."""
    from . import shell

    url = _store_url(store)
    differences = asyncio.run(shell.differences(url))
    for difference in differences:
        click.echo(difference)
    if differences:
        return EXIT_DIFFERENCES
    click.echo(f"{url}: the chain holds and every read model is what the journal folds to")
    return 0


@command.command()
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path), default="-")
@_store_option
def export(file: Path, store: str | None) -> None:
    """Write the whole journal to FILE (or standard output) as NDJSON, without loss."""
    from . import shell

    count = asyncio.run(shell.export(_store_url(store), file))
    click.echo(f"{count} entries exported", err=True)


@command.command("import")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path), default="-")
@_store_option
def import_(file: Path, store: str | None) -> None:
    """Read a journal from FILE (or standard input) into a store; may be run again if cut off."""
    from . import shell

    restored = asyncio.run(shell.import_(_store_url(store), file))
    click.echo(f"{restored.imported} imported, {restored.present} already there", err=True)


@command.command()
@_store_option
def rebuild(store: str | None) -> None:
    """Drop the read models and fold them anew from the journal."""
    from . import upkeep

    click.echo(f"{asyncio.run(upkeep.rebuild(_store_url(store)))} entries folded", err=True)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@_store_option
def backup(file: Path, store: str | None) -> None:
    """Copy the store to a new FILE, as it is at one moment, while it is written."""
    from . import upkeep

    asyncio.run(upkeep.back_up(_store_url(store), file))
    click.echo(f"{file}: {file.stat().st_size:,} bytes", err=True)


@command.command()
@_store_option
def compact(store: str | None) -> None:
    """Give the file's free space back to the disk, while it is written."""
    from . import upkeep

    click.echo(f"{asyncio.run(upkeep.compact(_store_url(store))):,} bytes given back", err=True)


@command.command()
@_store_option
def stats(store: str | None) -> None:
    """Say what the store holds: streams, samples, rollups, and what they take."""
    from . import upkeep

    click.echo("\n".join(asyncio.run(upkeep.stats(_store_url(store)))))


@command.command()
@click.argument("url", default="http://127.0.0.1:8000")
@click.option("--seconds", default=30.0, show_default=True, type=Finite(min=0.1))
@click.option("--rate", default=20.0, show_default=True, type=Finite(0.1, 1000))
@click.option("--seed", default=0, show_default=True, help="the same seed, the same traffic")
@click.option("--token", "given", help="to post events too [OPS_API_TOKEN]")
def demo(url: str, seconds: float, rate: float, seed: int, given: str | None) -> None:
    """Drive realistic mixed traffic at a running server, so that there is life to look at."""
    from .demo import run

    api_token = _api_token() if given is None else checked_token("--token", given)
    click.echo(asyncio.run(run(url, seconds=seconds, rate=rate, seed=seed, token=api_token)))
