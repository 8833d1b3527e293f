"""The only door to Git: what reads a repository starts in `process.py`, under our configuration alone. What
GitPython starts for the repositories of the lab is begun the same way (`lab/repository.py`).

Nothing that comes with the content may run anything or be asked for anything:

- A repository is found by `.git` alone, going up from a folder. A folder that merely looks like a bare
  repository is never taken for one, since the author of its `config` names commands in it.
- The environment is made anew (`child.minimal`): no `GIT_*`, no token. What is read on this machine sees
  neither the user's nor the system's configuration; what the repository's own says of hooks, file system
  monitors, attributes, pagers and credentials is overruled, and replacements and grafts are not looked at.
- Reading reaches no remote: no protocol is allowed, so an object that a partial clone lacks is missing.
  `GIT_NO_LAZY_FETCH` says the same from Git 2.39.4 on; `GIT_ALLOW_PROTOCOL` says it to every Git, and
  no configuration overrules it.
- A fetch is the operator's: it sees the operator's own configuration and SSH agent, because credentials
  stand there, and five protocols, none of which names a command.

Indexes that Git believes without looking at the objects (commit graphs, indexes of several packs) are not
used: one that is damaged would answer wrongly in place of failing.

Because nothing that a repository's configuration names is run, its owner is not asked for either
(`safe.directory`): CI containers read checkouts of other users.
"""

from reconciler.load.git.places import found_above, initialised, opened, refuse_links_below
from reconciler.load.git.process import GitEnded, GitFailed, GitStopped, git_environment
from reconciler.load.git.repository import Repository
from reconciler.load.git.revert import author_of, branch_at, reverted
from reconciler.load.git.transfer import Watch

__all__ = [
    "GitEnded",
    "GitFailed",
    "GitStopped",
    "Repository",
    "Watch",
    "author_of",
    "branch_at",
    "found_above",
    "git_environment",
    "initialised",
    "opened",
    "refuse_links_below",
    "reverted",
]
