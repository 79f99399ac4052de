"""The texts at the foot of each page, which the shopkeeper edits without touching a template file.

Jinja compiles them from strings, so a profile shows them as `<template>`.
"""

from __future__ import annotations

NOTICES = {
    "notices/opening.html": """\
{% set weekdays = ["Tuesday", "Wednesday", "Thursday", "Friday"] %}
<p>Open {{ weekdays | first }} to {{ weekdays | last }}, 9 to 18, and on Saturday until 14.</p>
""",
    "notices/delivery.html": """\
{% set zones = [("town", 0), ("country", 390), ("abroad", 1290)] %}
<ul>{% for zone, cents in zones %}<li>{{ zone }}: {{ cents | money }}</li>{% endfor %}</ul>
""",
}
