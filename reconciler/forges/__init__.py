"""Forges: what GitHub, GitLab and Gitea (or Forgejo) are told over their REST APIs."""
