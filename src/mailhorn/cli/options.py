"""What several commands have in common: their options, and the order they are listed in."""

from pathlib import Path

import click

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

with_config = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Settings file (TOML). Default: the first that exists of $MAILHORN_SERVE_CONFIG (or _WATCH_), "
    "~/.config/mailhorn and /etc/mailhorn, serve.toml or watch.toml.",
)
with_print_config = click.option("--print-config", is_flag=True, help="Print an annotated settings file and exit.")
with_json = click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")


class Commands(click.Group):
    """Commands in the order they are written here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        return list(self.commands)


__all__ = ["CONTEXT", "Commands", "with_config", "with_json", "with_print_config"]
