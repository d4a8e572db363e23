// Open page.html in a headless Chromium and print what it shows:
//     node browser.mjs CHROMIUM FOLDER IMAGE [PACK]
// FOLDER is served: it holds page.html, edgecl.mjs, node_modules/ and bundle/; IMAGE and PACK are relative to it.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

import { chromium } from "playwright-core";

const TYPES = { ".html": "text/html", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };
const [executablePath, folder, image, pack] = process.argv.slice(2);

const server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
  const stream = createReadStream(join(folder, path));
  stream.on("open", () => response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" }));
  stream.on("error", () => response.writeHead(404).end());
  stream.pipe(response);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: 300_000 });
try {
  const page = await browser.newPage();
  const asked = new URLSearchParams(pack ? { image, pack } : { image });
  await page.goto(`http://127.0.0.1:${server.address().port}/page.html?${asked}`, { timeout: 300_000 });
  await page.waitForFunction(() => document.getElementById("result").textContent.startsWith("{"), null, { timeout: 300_000 });
  console.log(await page.textContent("#result"));
} finally {
  await browser.close();
  server.close();
}
