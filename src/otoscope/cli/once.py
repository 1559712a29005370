"""Options that take one value are given once: the parser would keep the last without a word."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperOption


class OnceCommand(TyperCommand):
    """A command that refuses an option of one value that is given twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line.

        Raises:
            BadParameter: An option of one value is given twice.
        """
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option in given:
            if not isinstance(option, TyperOption) or option.multiple or option.is_flag or option.count:
                continue
            if given.count(option) > 1:
                raise typer.BadParameter("it takes one value and is given more than once.", ctx, option)
        return super().parse_args(ctx, args)


def refuse_repeats(app: typer.Typer) -> None:
    """Let every command of an app, and of its sub-apps, refuse such options."""
    for command in app.registered_commands:
        command.cls = OnceCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            refuse_repeats(group.typer_instance)
