"""What `tunnelwright preview` takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from reconciler.cli.arguments import options

FORMATS = ("text", "markdown", "json", "sarif", "junit")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("preview", help="what a commit changes, by revisions or on routers")
    options.add_folder(parser)
    parser.add_argument(
        "--base",
        metavar="REV",
        help="the revision that is applied (where the branch left the default branch)",
    )
    parser.add_argument("--head", default="HEAD", metavar="REV", help="the revision to apply (%(default)s)")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="%(default)s; json is lines of objects"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there in place of standard output")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 2 when there are changes")
    parser.add_argument(
        "--live", action="store_true", help="plan it from what is on the routers, which needs the keys"
    )
    options.add_routers(parser)
    forge = parser.add_argument_group(
        "comment on a pull or merge request", "what is not given is taken from the CI job's environment"
    )
    forge.add_argument("--comment", type=int, metavar="NUMBER", help="make or update the one comment there")
    forge.add_argument("--forge", choices=("github", "gitlab", "gitea"), help="gitea is Forgejo too")
    forge.add_argument("--forge-url", default="", metavar="URL", help="the address of its API")
    forge.add_argument("--project", default="", metavar="OWNER/NAME", help="for GitLab a number as well")
    forge.add_argument("--token-file", type=Path, metavar="FILE", help="the token, for its owner alone")
    parser.set_defaults(run="reconciler.cli.commands.preview:run")
