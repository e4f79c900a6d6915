"""Opens a suite's report in Chromium and checks that it is self-contained, free of errors, and readable in light and dark
mode and on a phone screen.

    report_in_chromium.py WRITE_REPORT [FOLDER]    if FOLDER is given, keeps the page and its screenshots there
"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chromium  # noqa: E402

SKIPPED = 77  # CTest's SKIP_RETURN_CODE
PHONE, DESKTOP = (390, 844), (1280, 900)
GROUPS, SEEDS = 3, 3
CHARTS = 3  # loss, success, speed
MIN_TEXT_CONTRAST, MIN_MARK_CONTRAST = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11

# JavaScript that measures the page: the contrast of text and lines with their background, sizes, and counts of elements.
MEASURE = r"""
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const parts = rgba(color).slice(0, 3).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgba(color)[3] === 255) return color;
    }
    return 'white';
  };
  const measured = (nodes, property) => [...nodes].map((node) => [
    contrast(getComputedStyle(node)[property], behind(node)),
    node.tagName + ' ' + (node.textContent || '').slice(0, 40)]);
  const leaves = [...document.querySelectorAll('body *')].filter((node) =>
    !node.closest('svg') && [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
  const smallest = (list) => list.reduce((a, b) => (a[0] < b[0] ? a : b));
  const charts = [...document.querySelectorAll('.charts figure svg')];
  const unit = charts.map((svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width);
  return {
    text: smallest(measured(leaves, 'color')),
    svg_text: smallest(measured(document.querySelectorAll('svg text'), 'fill')),
    lines: smallest(measured(document.querySelectorAll('svg polyline'), 'stroke')),
    colors: new Set([...document.querySelectorAll('svg polyline')].map(
        (line) => getComputedStyle(line).stroke)).size,
    page: getComputedStyle(document.body).backgroundColor,
    width: document.documentElement.scrollWidth,
    widest: Math.max(...[...document.querySelectorAll('main > *, figure, .table, img, video, h1')].map(
        (node) => node.getBoundingClientRect().right)),
    charts: charts.map((svg) => svg.querySelectorAll('polyline').length),
    bands: charts.map((svg) => svg.querySelectorAll('polygon').length),
    lengths: charts.flatMap((svg) => [...svg.querySelectorAll('polyline')].map(
        (line) => line.getTotalLength())),
    outside: charts.filter((svg) => [...svg.querySelectorAll('text')].some((text) => {
      const own = text.getBoundingClientRect(), all = svg.getBoundingClientRect();
      return own.left < all.left - 1 || own.right > all.right + 1 || own.bottom > all.bottom + 1;
    })).length,
    label_size: Math.min(...charts.map((svg, i) =>
        parseFloat(getComputedStyle(svg.querySelector('text')).fontSize) * unit[i])),
    text_size: Math.min(...leaves.map((node) => parseFloat(getComputedStyle(node).fontSize))),
    rows: new Set([...document.querySelectorAll('td .state')].map((node) => node.closest('tr'))).size,
    whiskers: [...document.querySelectorAll('svg.interval')].map((svg) =>
        ['.whisker', '.rate'].map((part) => svg.querySelector(part).getBoundingClientRect()).map(
            (box) => [box.left, box.right])),
    posters: [...document.querySelectorAll('video')].map((video) => video.poster.slice(0, 15)),
    captions: [...document.querySelectorAll('.media figcaption')].map((node) => node.textContent),
    conclusion: document.querySelector('.conclusion').textContent,
    states: Math.max(...[...document.querySelectorAll('.state')].map(
        (node) => node.getBoundingClientRect().right)),
    scripts: document.scripts.length,
    links: [...document.querySelectorAll('[src], [href]')].map(
        (node) => (node.getAttribute('src') || node.getAttribute('href')).slice(0, 20)),
    images: [...document.images].map((image) => image.naturalWidth),
    title: document.title,
  };
})()
"""

# JavaScript that decodes a frame in the middle of each video.
VIDEOS = r"""
Promise.all([...document.querySelectorAll('video')].map((video) => new Promise((done) => {
  video.onseeked = video.onerror = () =>
      done([video.videoWidth, video.duration, video.error && video.error.message]);
  video.onloadeddata = () => { video.currentTime = 0.5; };
  video.preload = 'auto';
  video.load();
})))
"""

failures = []


def check(condition, message):
    if not condition:
        failures.append(message)
        print("FAILED:", message)


def check_page(browser, url, size, dark, screenshot):
    name = f"{size[0]} px, {'dark' if dark else 'light'}"
    page = browser.open(url, size[0], size[1], dark)
    found = page.evaluate(MEASURE)
    videos = page.evaluate(VIDEOS)
    page.screenshot(screenshot)
    requests = [p["request"]["url"][:100] for p in page.reported("Network.requestWillBeSent")]
    external = [r for r in requests if not r.startswith("data:") and r != url]
    check(url in requests, f"{name}: the page itself is missing from the requests: {requests}")
    check(not external, f"{name}: the page loads {external}")
    check(all(link.startswith("data:") for link in found["links"]), f"{name}: links {found['links']}")
    noise = page.reported("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    check(not noise, f"{name}: console messages: {noise}")
    check(found["scripts"] == 0 and "pwned" not in found["title"], f"{name}: a script is in the page")
    check(found["width"] <= size[0], f"{name}: the page is {found['width']} px wide")
    check(found["widest"] <= size[0], f"{name}: a part reaches to {found['widest']} px")
    for what, least in (("text", MIN_TEXT_CONTRAST), ("svg_text", MIN_TEXT_CONTRAST), ("lines", MIN_MARK_CONTRAST)):
        check(found[what][0] >= least, f"{name}: contrast of {what} is {found[what]}, expected at least {least}")
    check(found["colors"] == GROUPS, f"{name}: {found['colors']} colors of lines")
    check(found["charts"] == [GROUPS] * CHARTS, f"{name}: lines of charts: {found['charts']}")
    check(found["bands"] == [GROUPS] * CHARTS, f"{name}: intervals of charts: {found['bands']}")
    check(all(length > 50 for length in found["lengths"]), f"{name}: lines are {found['lengths']} long")
    check(found["outside"] == 0, f"{name}: labels of {found['outside']} charts are cut off")
    check(found["label_size"] >= 9, f"{name}: labels of charts are {found['label_size']:.1f} px high")
    check(found["text_size"] >= 12, f"{name}: text is {found['text_size']} px high")
    check(found["states"] <= size[0], f"{name}: the runs' states are off screen")
    check(len(found["whiskers"]) == GROUPS, f"{name}: {len(found['whiskers'])} intervals")
    for (low, high), (left, right) in found["whiskers"]:
        check(low < (left + right) / 2 < high, f"{name}: the dot at {left} .. {right} is outside {low} .. {high}")
        check(right - left < 20 < high - low, f"{name}: whiskers {low} .. {high} or dot {left} .. {right} have a bad size")
    check(found["posters"] == ["data:image/jpeg"] * GROUPS, f"{name}: posters are {found['posters']}")
    check(all("success" in c or "failed" in c for c in found["captions"]), f"{name}: captions are {found['captions']}")
    check("(McNemar p = " in found["conclusion"], f"{name}: the conclusion is {found['conclusion']}")
    check(found["rows"] == GROUPS * SEEDS, f"{name}: {found['rows']} runs")
    check(found["images"] == [320] * GROUPS, f"{name}: images are {found['images']} wide")
    check([v[0] for v in videos] == [320] * GROUPS and all(v[1] > 0.9 for v in videos),
          f"{name}: videos are {videos}")
    return found


def main():
    keep = len(sys.argv) > 2
    with tempfile.TemporaryDirectory(prefix="roboimi_report_") as temporary:
        folder = pathlib.Path(sys.argv[2] if keep else temporary).resolve()
        subprocess.run([sys.argv[1], str(folder)], check=True)
        url = (folder / "report.html").as_uri()
        with chromium.Chromium() as browser:
            pages = {}
            for size in (PHONE, DESKTOP):
                for dark in (False, True):
                    screenshot = folder / f"{size[0]}_{'dark' if dark else 'light'}.png"
                    pages[size, dark] = check_page(browser, url, size, dark, screenshot)
        check(pages[DESKTOP, False]["page"] != pages[DESKTOP, True]["page"], "dark and light mode have the same background")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except chromium.Unavailable as reason:
        print("SKIPPED:", reason)
        sys.exit(SKIPPED)
