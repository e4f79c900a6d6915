"""Controls a headless Chromium through its DevTools protocol over two pipes, using only the standard library.

    with Chromium() as browser:
        page = browser.open("file:///tmp/report.html", width=390, height=844, dark=True)
        page.evaluate("document.title")
        page.events   # requests, console messages, exceptions
"""
import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time


class Unavailable(Exception):
    """Chromium cannot be started on this machine."""


def find_program():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path and not _starts_a_snap(path):
            return path
    raise Unavailable("no chromium in PATH: on Debian, scripts/setup.sh --tests installs it")


def _starts_a_snap(path):
    """Whether the program is Ubuntu's script that starts a snap. A snap cannot read files in the temporary folder."""
    if path.startswith("/snap/"):
        return True
    with open(path, "rb") as file:
        return b"/snap/" in file.read(4096)


class Chromium:
    def __init__(self, limit=60.0):
        program = find_program()
        self._limit = limit
        self._profile = tempfile.mkdtemp(prefix="roboimi_chromium_")
        self._next = 0
        self._has_answered = False
        self._buffer = b""
        self._unread = []
        command_in, self._commands = os.pipe()
        self._answers, answer_out = os.pipe()
        options = ["--headless", "--remote-debugging-pipe", "--user-data-dir=" + self._profile,
                   "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium refuses to run as root with a sandbox
        quiet = os.open(os.path.join(self._profile, "stderr.txt"), os.O_WRONLY | os.O_CREAT, 0o600)
        self._pid = os.posix_spawn(
            program, [program, *options, "about:blank"], os.environ, setpgroup=0,
            file_actions=[(os.POSIX_SPAWN_DUP2, command_in, 30), (os.POSIX_SPAWN_DUP2, answer_out, 31),
                          (os.POSIX_SPAWN_DUP2, 30, 3), (os.POSIX_SPAWN_DUP2, 31, 4),
                          (os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)])
        for end in (command_in, answer_out, quiet):
            os.close(end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self._commands, self._answers):
            os.close(end)
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        shutil.rmtree(self._profile, ignore_errors=True)

    def error_output(self):
        """Everything Chromium wrote to stderr."""
        with open(os.path.join(self._profile, "stderr.txt"), errors="replace") as file:
            return file.read()

    def call(self, method, session=None, **parameters):
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            os.write(self._commands, json.dumps(message).encode() + b"\0")
        except BrokenPipeError as error:
            raise self._ended() from error
        while True:
            answer = self._read()
            if answer.get("id") != self._next:
                self._unread.append(answer)
                continue
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            return answer["result"]

    def take_events(self, session, seconds=0.0):
        """Returns and removes the events of a page, after waiting up to `seconds` for more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and select.select([self._answers], [], [], 0.1) != ([], [], []):
            self._unread.append(self._read())
        events = [event for event in self._unread if event.get("sessionId") == session]
        self._unread = [event for event in self._unread if event.get("sessionId") != session]
        return events

    def wait_for(self, session, method):
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self._unread):
            self._unread.append(self._read())

    def _ended(self):
        errors = self.error_output()[-500:]
        return RuntimeError("Chromium ended: " + errors) if self._has_answered else Unavailable(
            "Chromium does not start: " + errors)

    def open(self, url, width, height, dark):
        return Page(self, url, width, height, dark)

    def _read(self):
        end = time.monotonic() + self._limit
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise RuntimeError("Chromium does not answer: " + self.error_output()[-500:])
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise self._ended()
            self._buffer += part
        self._has_answered = True
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)


class Page:
    def __init__(self, browser, url, width, height, dark):
        self._browser = browser
        self.events = []
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events += browser.take_events(self._session)
        self.call("Page.navigate", url=url)
        browser.wait_for(self._session, "Page.loadEventFired")
        self.events += browser.take_events(self._session, seconds=1.0)

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def evaluate(self, expression):
        """The value of a JavaScript expression. If it is a promise, waits for its value."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    def screenshot(self, file):
        """Saves an image of the whole page, not only of the visible part."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(file, "wb") as image:
            image.write(base64.b64decode(data))

    def reported(self, *methods):
        return [event["params"] for event in self.events if event.get("method") in methods]
