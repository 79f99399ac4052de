"""The shop's database: authors, their books, and what readers say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, create_engine, event, insert, text
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    configure_mappers,
    mapped_column,
    relationship,
    sessionmaker,
)
from sqlalchemy.pool import NullPool

from . import stock

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection


class Base(DeclarativeBase):
    """The base of the shop's tables."""


class Author(Base):
    """Someone whose books the shop sells; `since` is the year in which it began to."""

    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    since: Mapped[int]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.year")


class Book(Base):
    """A title on the shelf; its price is in cents."""

    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), index=True)
    title: Mapped[str]
    year: Mapped[int] = mapped_column(index=True)
    price: Mapped[int]
    blurb: Mapped[str]
    author: Mapped[Author] = relationship(back_populates="books")
    reviews: Mapped[list[Review]] = relationship(back_populates="book")


class Review(Base):
    """A reader's verdict: one to five stars and some words."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"), index=True)
    stars: Mapped[int]
    text: Mapped[str]
    book: Mapped[Book] = relationship(back_populates="reviews")


def open_catalogue(path: Path) -> sessionmaker[Session]:
    """Make a database at `path`, fill it with the shop's stock and return its sessions."""
    # A server may fork after this, and a SQLite connection must not cross a fork: no pool.
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 30})
    event.listen(engine, "connect", _do_not_sync)
    configure_mappers()
    sessions = sessionmaker(engine, expire_on_commit=False)
    with sessions.begin() as session:
        # Readers and a writer then do not wait for each other.
        session.execute(text("PRAGMA journal_mode = WAL"))
        Base.metadata.create_all(session.connection())
        session.execute(insert(Author), stock.authors())
        session.execute(insert(Book), stock.books())
        session.execute(insert(Review), stock.reviews())
    return sessions


def _do_not_sync(connection: Connection, record: object) -> None:
    # The file does not outlive the process, so no commit needs to wait for the disk.
    connection.execute("PRAGMA synchronous = OFF")
