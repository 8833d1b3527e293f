"""Foreign connections -> documents with the same meaning, or the reasons why not. Pure."""

from reconciler.importing.connection import Draft, draft
from reconciler.importing.documents import document_name, render
from reconciler.importing.sources import Source, from_reply, from_root

__all__ = ["Draft", "Source", "document_name", "draft", "from_reply", "from_root", "render"]
