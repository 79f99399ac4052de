from __future__ import annotations

import bottle

import reqprof
from compatibility_apps import OUT, work

plain = bottle.Bottle()
plain.route("/books/<book:int>", callback=lambda book: work(book))
app = reqprof.ProfilerMiddleware(plain, out_dir=OUT)
