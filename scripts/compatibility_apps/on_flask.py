from __future__ import annotations

import flask

import reqprof
from compatibility_apps import OUT, work

app = flask.Flask(__name__)
app.add_url_rule("/books/<int:book>", view_func=lambda book: work(book))
app.wsgi_app = reqprof.ProfilerMiddleware(app.wsgi_app, out_dir=OUT)
