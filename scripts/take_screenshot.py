"""The picture of a report in README and docs: of a run over the sample pages, taken in headless Chromium.

pip install -e '.[tests]' && apt-get install chromium chromium-driver
python scripts/take_screenshot.py        writes docs/images/report.png
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1200, 1190


def main() -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "refined"
        command = [sys.executable, "-m", "prox", "refine", "examples/pages.jsonl", str(output)]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        text = (output / "report.html").read_text(encoding="utf-8").replace(str(output), "refined")
        page = Path(folder) / "page.html"
        page.write_text(text, encoding="utf-8")
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )
        driver.get(page.as_uri())
        target = ROOT / "docs" / "images" / "report.png"
        target.parent.mkdir(exist_ok=True)
        driver.save_screenshot(str(target))
        driver.quit()


if __name__ == "__main__":
    main()
