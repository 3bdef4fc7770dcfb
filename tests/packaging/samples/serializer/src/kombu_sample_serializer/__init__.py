"""Python literals as text: a serializer that is one tuple and imports nothing of Kombu."""

from __future__ import annotations

import ast

literal = (repr, ast.literal_eval, "application/x-sample-literal", "utf-8")
