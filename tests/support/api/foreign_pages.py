"""Pages that have no business here, and what they try: each on an origin of its own, opened in a
real browser.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.support.operations.served_folder import served_folder
from tests.support.servers.browser import FOREIGN_HOST, Page


class Places(msgspec.Struct, frozen=True):
    """Where the same page lies, by what is foreign about its origin."""

    of_another_name: str
    of_another_port: str
    of_a_file: str


@contextmanager
def foreign_places(folder: Path) -> Iterator[Places]:
    """A page without content at each place, while the context lasts."""
    page = folder / "page.html"
    page.write_text("<!doctype html><title>a page of others</title><body>")
    with served_folder(folder) as port:
        yield Places(
            of_another_name=f"http://{FOREIGN_HOST}:{port}/page.html",
            of_another_port=f"http://127.0.0.1:{port}/page.html",
            of_a_file=page.as_uri(),
        )


class Answer(msgspec.Struct, frozen=True):
    """What a page's script was given: of a request that was `blocked` or is `opaque`, nothing."""

    type: str
    status: int
    text: str

    @property
    def is_readable(self) -> bool:
        return self.type not in ("blocked", "opaque")


def posts(body: object) -> dict[str, str]:
    """The options of `fetch` for a POST of this JSON, by how a page may send it."""
    text = json.dumps(json.dumps(body))
    return {
        "as JSON": (
            f"{{method: 'POST', headers: {{'Content-Type': 'application/json'}}, body: {text}}}"
        ),
        "as text": f"{{method: 'POST', headers: {{'Content-Type': 'text/plain'}}, body: {text}}}",
        "without a type": f"{{method: 'POST', body: new Blob([{text}])}}",
        "unread": f"{{method: 'POST', mode: 'no-cors', body: {text}}}",
        "with cookies": f"{{method: 'POST', credentials: 'include', body: {text}}}",
    }


GETS = {"read": "{}", "unread": "{mode: 'no-cors'}", "with cookies": "{credentials: 'include'}"}


async def fetched(page: Page, url: str, options: str) -> Answer:
    """The page fetches this."""
    script = f"""(async () => {{
        try {{
            const answer = await fetch({json.dumps(url)}, {options});
            return {{type: answer.type, status: answer.status, text: await answer.text()}};
        }} catch (error) {{
            return {{type: 'blocked', status: 0, text: ''}};
        }}
    }})()"""
    return msgspec.convert(await page.evaluates(script), Answer)


async def submitted(page: Page, url: str) -> None:
    """The page submits a form into a frame of its own, and the frame has been given an answer."""
    await page.evaluates(f"""new Promise(done => {{
        const frame = document.createElement('iframe'), form = document.createElement('form');
        frame.name = 'into' + document.forms.length;
        Object.assign(form, {{
          method: 'POST', action: {json.dumps(url)}, target: frame.name, enctype: 'text/plain'}});
        document.body.append(frame, form);
        frame.onload = done;
        form.submit();
    }})""")


async def embedded(page: Page, tag: str, url: str) -> None:
    """The page holds an element that loads this, and the element has loaded or failed."""
    await page.evaluates(f"""new Promise(done => {{
        const element = document.createElement('{tag}');
        element.onload = element.onerror = () => done();
        element.src = {json.dumps(url)};
        document.body.append(element);
    }})""")
