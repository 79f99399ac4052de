"""The shop's pages and its API."""

from __future__ import annotations

import csv
import io
import os
import shutil
import statistics
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Blueprint, Flask, Response, abort, current_app, g, jsonify, render_template
from flask import request as incoming
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, sessionmaker

from .catalogue import Author, Book, Review, open_catalogue
from .notices import NOTICES
from .search import search_blurbs
from .stock import THIS_YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATES = Path(__file__).with_name("templates")
ROWS_PER_CHUNK = 32

shop = Blueprint("shop", __name__)


def create_app() -> Flask:
    """Make the shop, unprofiled, with a freshly stocked database of its own."""
    app = Flask(__name__)
    folder = Path(tempfile.mkdtemp(prefix="shop-"))
    weakref.finalize(app, _remove, folder, os.getpid())
    app.extensions["sessions"] = open_catalogue(folder / "shop.sqlite")
    app.register_blueprint(shop)
    app.teardown_appcontext(_close_session)
    app.add_template_filter(money)
    app.jinja_loader = ChoiceLoader([FileSystemLoader(TEMPLATES), DictLoader(NOTICES)])
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)  # compiled now, so that no visitor waits for it
    return app


def _remove(folder: Path, owner: int) -> None:
    # A forked worker that ends must leave the files to those that go on.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def money(cents: int) -> str:
    """Format a price."""
    return f"{cents // 100}.{cents % 100:02d}"


@shop.get("/")
def index() -> str:
    """The newest books."""
    newest = select(Book).options(joinedload(Book.author)).order_by(Book.year.desc(), Book.id)
    return render_template("index.html", books=_session().scalars(newest.limit(12)).all())


@shop.get("/books/<int:book_id>")
def book_page(book_id: int) -> str:
    """One book with its latest reviews."""
    book = _book(book_id)
    latest = select(Review).where(Review.book_id == book_id).order_by(Review.id.desc()).limit(10)
    return render_template("book.html", book=book, reviews=_session().scalars(latest).all())


@shop.get("/authors")
def authors() -> str:
    """Every author with the titles of their books."""
    return render_template("authors.html", shelves=shelves_author_by_author(_session()))


@shop.get("/search")
def search() -> str:
    """The books whose blurb holds the words asked for."""
    query = incoming.args.get("q", "")
    books = _session().execute(select(Book.id, Book.title, Book.blurb))
    found = search_blurbs(query, books) if query else []
    return render_template("search.html", query=query, found=found)


@shop.get("/export.csv")
def export() -> Response:
    """The price list, sent while it is read from the database."""
    return Response(price_list(current_app.extensions["sessions"]), mimetype="text/csv")


@shop.get("/api/books/<int:book_id>")
def api_book(book_id: int) -> Response:
    """One book as JSON."""
    book = _book(book_id)
    stars = [review.stars for review in book.reviews]
    return jsonify(
        id=book.id,
        title=book.title,
        author=book.author.name,
        price=money(book.price),
        stars=round(statistics.fmean(stars), 1) if stars else None,
    )


@shop.post("/api/books/<int:book_id>/reviews")
def api_add_review(book_id: int) -> tuple[Response, int]:
    """Add a review: `{"stars": 1 to 5, "text": "..."}`."""
    book = _book(book_id)
    match incoming.get_json():
        case {"stars": int(stars), "text": str(text)} if 1 <= stars <= 5:
            review = Review(book_id=book.id, stars=stars, text=text)
        case _:
            abort(400, "a review has one to five stars and a text")
    _session().add(review)
    _session().commit()
    return jsonify(id=review.id), 201


@shop.get("/admin/report")
def report() -> Response:
    """How readers like this year's new authors. Fails: one of them has no review yet."""
    new = _session().scalars(select(Author).where(Author.since == THIS_YEAR).order_by(Author.id))
    return jsonify({author.name: mean_stars(author) for author in new})


def mean_stars(author: Author) -> float:
    """Return the mean of the stars that an author's books were given."""
    return statistics.fmean(review.stars for book in author.books for review in book.reviews)


class Shelf(NamedTuple):
    """An author's name and the titles of their books."""

    author: str
    titles: list[str]


def shelves_author_by_author(session: Session) -> list[Shelf]:
    """Return every author's shelf. `author.books` is one more query for each of them."""
    everyone = session.scalars(select(Author).order_by(Author.name))
    return [Shelf(author.name, [book.title for book in author.books]) for author in everyone]


def price_list(sessions: sessionmaker[Session]) -> Iterator[str]:
    """Yield the price list as CSV, some rows at a time."""
    rows = select(Book.id, Book.title, Author.name, Book.price).join(Author).order_by(Book.id)
    # The request's own session is closed before the first chunk is asked for.
    with sessions() as session:
        yield csv_lines([("id", "title", "author", "price")])
        for chunk in session.execute(rows).partitions(ROWS_PER_CHUNK):
            yield csv_lines([(*row[:3], money(row.price)) for row in chunk])


def csv_lines(rows: list[tuple[Any, ...]]) -> str:
    """Return the rows as lines of CSV."""
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue()


def _session() -> Session:
    if "session" not in g:
        g.session = current_app.extensions["sessions"]()
    session: Session = g.session
    return session


def _close_session(error: BaseException | None) -> None:
    if "session" in g:
        g.pop("session").close()


def _book(book_id: int) -> Book:
    book = _session().get(Book, book_id, options=[joinedload(Book.author)])
    return book or abort(404)
