"""`kalender web`: pages for people who look at a browser rather than at a terminal.

The pages are made on the server by Starlette and Jinja2, change nothing but wishes, and need no
JavaScript. This process has a role of the database of its own, and no secret of FS, TP or Exchange.

To add a page:

1. Write a module here whose functions take a `PageRequest` and return an `Answer` (`page.py`), with a
   tuple `PAGES` that gives each its path, its name and the role that it needs; add the tuple to
   `PAGES` in `site.py`. Whoever lacks the role never reaches the function.
2. Write its template in `templates/`, extending `base.html`. A form holds `{{ csrf_field() }}`.
3. Put its words, in nb, nn and en, into a module of `words/`, and name that in `words/__init__.py`.
4. Add it to `tests/e2e/web/`: what it shows, and its name in the pages that the browser opens.
"""
