"""What `tunnelwright preview` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options

FORMATS = ("text", "markdown", "json", "sarif", "junit")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "preview", help="show what a commit changes, from its revisions or compared with the routers"
    )
    options.add_folder(parser)
    parser.add_argument(
        "--base",
        metavar="REV",
        help="compare with this revision (default: where the branch left the default branch)",
    )
    parser.add_argument(
        "--head",
        default="HEAD",
        metavar="REV",
        help="preview this revision, or with `-` documents from standard input (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="write in this format; json is one object per line (default: %(default)s)",
    )
    options.add_verbose(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to FILE instead of standard output")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 2 if there are changes")
    parser.add_argument(
        "--live", action="store_true", help="compare with the live routers, which needs the keys"
    )
    options.add_routers(parser)
    forge = parser.add_argument_group(
        "comment on a pull or merge request", "defaults come from the environment of the CI job"
    )
    forge.add_argument(
        "--comment", type=int, metavar="NUMBER", help="create or update the comment on this request"
    )
    forge.add_argument(
        "--forge",
        choices=("github", "gitlab", "gitea"),
        help="use the API of this forge; gitea for Forgejo",
    )
    forge.add_argument("--forge-url", default="", metavar="URL", help="reach the API at URL")
    forge.add_argument(
        "--project",
        default="",
        metavar="OWNER/NAME",
        help="comment in this project; for GitLab its number is possible too",
    )
    forge.add_argument(
        "--token-file", type=Path, metavar="FILE", help="read the token from FILE, readable only by its owner"
    )
    options.add_examples(
        parser,
        "tunnelwright preview --base origin/main",
        "tunnelwright preview --live --secrets keys --format markdown --out preview.md",
    )
    parser.set_defaults(run="reconciler.cli.commands.preview:run")
