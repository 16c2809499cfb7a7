// Opens each board's page in a headless Chromium: node shoot.mjs CHROMIUM WIDTH OUT BOARD.json ...
// Writes OUT/NAME.png, and to the standard output {NAME: [[panel, finding], ...]}.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";

const SITE = "http://drawn.invalid/"; // answered from the folder here, never by a network
const FONTS = { Regular: 400, Medium: 500 };
const TYPES = { svg: "image/svg+xml", js: "text/javascript", css: "text/css", woff2: "font/woff2" };
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css">
<link rel="stylesheet" href="heading.css"><div id="styles"></div><div id="root"></div>
<script>window.__grafana_public_path__ = "public/"</script><script src="page.js"></script>`;

function fileOf(path) {
  const font = path.match(/fonts\/inter\/Inter-(\w+)\.woff2$/);
  if (font) {
    return `node_modules/@fontsource/inter/files/inter-latin-${FONTS[font[1]]}-normal.woff2`;
  }
  return path.startsWith("public/") ? join("node_modules/@grafana/ui/dist", path) : path;
}

async function answer(route) {
  const path = new URL(route.request().url()).pathname.slice(1);
  if (path === "") {
    await route.fulfill({ contentType: "text/html", body: PAGE });
    return;
  }
  try {
    const body = readFileSync(fileOf(path));
    await route.fulfill({ contentType: TYPES[path.split(".").at(-1)], body });
  } catch {
    await route.fulfill({ status: 404, body: "" });
  }
}

const [executablePath, width, out, ...boards] = process.argv.slice(2);
const args = process.getuid() === 0 ? ["--no-sandbox"] : []; // Chromium's own has no root
const browser = await chromium.launch({ executablePath, args });
try {
  const all = {};
  for (const file of boards) {
    const page = await browser.newPage({ viewport: { width: Number(width), height: 1000 } });
    page.on("pageerror", (error) => console.error(`${file}: ${error.stack}`));
    await page.route("**/*", answer);
    await page.goto(SITE);
    await page.evaluate((board) => window.draw(board), JSON.parse(readFileSync(file, "utf8")));
    const name = basename(file, ".json");
    all[name] = await page.evaluate(() => window.findings());
    await page.screenshot({ path: join(out, `${name}.png`), fullPage: true });
    await page.close();
  }
  console.log(JSON.stringify(all));
} finally {
  await browser.close();
}
