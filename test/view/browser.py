"""A headless Chromium, spoken to by its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

PROGRAM = next(
    (path for name in ('chromium', 'chromium-browser', 'google-chrome') if (path := shutil.which(name))), ''
)
PATIENCE = 60.0


class Browser:
    """One page of a browser of its own, `width` by `height` pixels."""

    def __init__(self, folder: Path, width: int = 1400, height: int = 860) -> None:
        self._process = subprocess.Popen(
            [
                PROGRAM,
                '--headless=new',
                '--no-sandbox',
                '--disable-dev-shm-usage',
                '--enable-unsafe-swiftshader',
                '--use-gl=angle',
                '--use-angle=swiftshader',
                f'--user-data-dir={folder}',
                f'--window-size={width},{height}',
                '--remote-debugging-port=0',
                'about:blank',
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._socket = connect(self._page(folder / 'DevToolsActivePort'), max_size=None)
        except BaseException:
            self._end()
            raise
        self._ids = itertools.count(1)

    def _page(self, port_file: Path) -> str:
        """Address of the page, once the browser has written its port."""
        self._wait(lambda: port_file.exists() and port_file.read_text().count('\n'), 'the browser')
        port = port_file.read_text().split('\n')[0]
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/json/list', timeout=PATIENCE) as answer:
            pages = [item for item in json.load(answer) if item['type'] == 'page']
        return pages[0]['webSocketDebuggerUrl']

    def close(self) -> None:
        self._socket.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def open(self, address: str) -> None:
        self._call('Page.navigate', url=address)

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression in the page."""
        result = self._call('Runtime.evaluate', expression=script, returnByValue=True)
        return result['result'].get('value')

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        self._wait(lambda: self.evaluate(script), script)

    def screenshot(self, path: Path, kind: str = 'png', **options: Any) -> None:
        path.write_bytes(base64.b64decode(self._call('Page.captureScreenshot', format=kind, **options)['data']))

    def _call(self, method: str, **parameters: Any) -> dict:
        number = next(self._ids)
        self._socket.send(json.dumps({'id': number, 'method': method, 'params': parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get('id') == number:
                assert 'error' not in answer, answer['error']
                return answer['result']

    def _wait(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, 'the browser has ended'
            assert time.monotonic() < deadline, f'waited in vain for {what}'
            time.sleep(0.1)
