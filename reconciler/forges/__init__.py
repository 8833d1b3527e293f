"""Forges: commit statuses and comments over the REST APIs of GitHub, GitLab and Gitea (or Forgejo)."""
