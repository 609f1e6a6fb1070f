// Opens pages in headless Chromium, as a person would and as no person can: in light and dark, in three widths, with every fold
// open. Any message, request, dialog, sideways scroll or finding of axe-core fails. What was seen is written as pictures.
//
// check-html.mjs AXE PICTURES NAME=PAGE...: spoken to Chromium over a pipe, by the DevTools protocol, without another package.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const WIDTHS = [320, 380, 800, 1400];
const PICTURED = [380, 800, 1400];
const HEIGHT = 1500;
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const [axePath, pictures, ...named] = process.argv.slice(2);
const axe = readFileSync(axePath, "utf8");
const wrong = [];

// The browser, at the other end of two pipes: messages are JSON, each ended by a zero byte.
class Browser {
  constructor() {
    this.profile = mkdtempSync(join(tmpdir(), "check-html-"));
    const options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-dev-shm-usage",
      "--disable-background-networking", "--remote-debugging-pipe", `--user-data-dir=${this.profile}`, "about:blank"];
    this.process = spawn("chromium", options, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.process.on("exit", (code) => { for (const { reject } of this.waiting.values()) reject(new Error(`chromium ended: ${code}`)); });
    this.waiting = new Map();
    this.heard = [];
    this.number = 0;
    let rest = "";
    this.process.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      messages.forEach((message) => this.hear(JSON.parse(message)));
    });
  }

  hear(message) {
    if (message.id === undefined) return this.heard.push(message);
    const { resolve, reject } = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    return message.error ? reject(new Error(message.error.message)) : resolve(message.result);
  }

  send(method, params = {}, sessionId = undefined) {
    const id = (this.number += 1);
    this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  async close() {
    await this.send("Browser.close").catch(() => {});
    await new Promise((done) => setTimeout(done, 300));
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Tab {
  static async open(browser) {
    const tab = new Tab();
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    Object.assign(tab, { browser, sessionId, targetId });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await tab.send(`${domain}.enable`);
    return tab;
  }

  send(method, params) {
    return this.browser.send(method, params, this.sessionId);
  }

  // The value of an expression in the page; the page's policy does not hold for it.
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(expression) {
    for (let tries = 0; tries < 300; tries += 1) {
      if (await this.value(expression).catch(() => false)) return;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`never true: ${expression}`);
  }

  async load(url) {
    await this.send("Page.navigate", { url });
    await this.until("document.readyState === 'complete' && location.href !== 'about:blank'");
  }

  // The first screens alone: a whole page is up to 100,000 pixels tall.
  async picture(name) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(pictures, `${name}.png`), Buffer.from(data, "base64"));
  }

  close() {
    return this.browser.send("Target.closeTarget", { targetId: this.targetId });
  }
}

// What the browser told that no page of ours may cause.
function told(browser, url) {
  const told = [];
  for (const { method, params } of browser.heard.splice(0)) {
    if (method === "Runtime.consoleAPICalled") told.push(`console: ${JSON.stringify(params.args)}`);
    if (method === "Runtime.exceptionThrown") told.push(`exception: ${params.exceptionDetails.exception?.description}`);
    if (method === "Log.entryAdded") told.push(`log: ${params.entry.text}`);
    if (method === "Page.javascriptDialogOpening") told.push(`dialog: ${params.message}`);
    if (method === "Network.requestWillBeSent" && params.request.url.split("#")[0] !== url) told.push(`request: ${params.request.url}`);
  }
  return told;
}

const OPEN_ALL = "document.querySelectorAll('details').forEach((fold) => { fold.open = true; })";
const WIDEST = `(() => {
  const page = document.documentElement;
  if (page.scrollWidth <= innerWidth) return "";
  const wide = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1 &&
    !element.closest(".scroll, .tl, nav ul, .skip"));
  return page.scrollWidth + " pixels: " + wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 200)).join(" | ");
})()`;
// Text in a box that scrolls, or under the bar that sticks, axe cannot see: these stand still for it.
const STAND_STILL = `(() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(".scroll,.tall,.tl{overflow:visible!important;max-height:none!important;content-visibility:visible!important}" +
    "nav,.tall thead th{position:static!important}");
  document.adoptedStyleSheets = [sheet];
})()`;
const AXE = `axe.run(document, { runOnly: ${JSON.stringify(RULES)}, resultTypes: ["violations"] }).then((result) =>
  result.violations.map((rule) => rule.id + ": " + rule.nodes.length + " times, " + rule.nodes[0].html.slice(0, 300) + " " +
    (rule.nodes[0].any[0]?.message ?? "")))`;

async function check(browser, name, page) {
  const url = pathToFileURL(resolve(page)).href;
  const say = (what) => { wrong.push(`${name}: ${what}`); console.error(`${name}: ${what}`); };
  for (const scheme of ["light", "dark"]) {
    const tab = await Tab.open(browser);
    await tab.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await tab.send("Emulation.setDeviceMetricsOverride", { width: 1400, height: HEIGHT, deviceScaleFactor: 1, mobile: false });
    browser.heard.length = 0;
    await tab.load(url);
    for (const width of WIDTHS) {
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: HEIGHT, deviceScaleFactor: 1, mobile: false });
      if (PICTURED.includes(width)) {
        await tab.value("scrollTo(0, 0)");
        await tab.picture(`${name}-${scheme}-${width}`);
        for (const section of ["servers", "time", "not-analysed", "sessions", "captures"]) {
          const is_there = await tab.value(`!!document.getElementById("${section}")?.scrollIntoView || (document.getElementById("${section}")?.scrollIntoView(), false)`);
          if (!is_there) continue;
          await tab.value(`document.getElementById("${section}").scrollIntoView()`);
          await tab.picture(`${name}-${scheme}-${width}-${section}`);
        }
      }
    }
    await tab.value(OPEN_ALL);
    for (const width of WIDTHS) {
      await tab.send("Emulation.setDeviceMetricsOverride", { width, height: HEIGHT, deviceScaleFactor: 1, mobile: false });
      const widest = await tab.value(WIDEST);
      if (widest) say(`${scheme}, ${width} wide: scrolls sideways: ${widest}`);
    }
    await tab.send("Emulation.setDeviceMetricsOverride", { width: 1400, height: HEIGHT, deviceScaleFactor: 1, mobile: false });
    if (scheme === "light") await works(tab, say);
    told(browser, url).forEach((what) => say(`${scheme}: ${what}`));
    await tab.value(STAND_STILL);
    await tab.send("Runtime.evaluate", { expression: axe });
    for (const violation of await tab.value(AXE)) say(`${scheme}: axe: ${violation}`);
    browser.heard.length = 0;
    await tab.close();
  }
  console.error(`${name}: looked at`);
}

// What the script does: filters, copying, sorting, links that open what they point to.
async function works(tab, say) {
  if (!await tab.value("!!document.querySelector('.f')")) return;
  const shown = "document.querySelectorAll('.g:not([hidden]) .f:not([hidden]), .g:not([hidden]) .gb > .more tbody tr:not([hidden])').length";
  const all = await tab.value(shown);
  const type = (words) => tab.value(`(() => { const search = document.querySelector(".flt input[type=search]"); search.value = ${JSON.stringify(words)};
    search.dispatchEvent(new Event("input")); })()`);
  const pause = () => new Promise((done) => setTimeout(done, 400));
  await type("no finding has these words");
  await pause();
  if (await tab.value(shown) !== 0) say("the filter leaves findings that have none of the words");
  const session = await tab.value("document.querySelector('.f .kv a[href^=\"#s-\"], .f .kv dd:last-of-type code').textContent");
  await type(session);
  await pause();
  const some = await tab.value(shown);
  if (some === 0 || some > all) say(`the filter finds ${some} of ${all} findings of session ${session}`);
  await type("");
  await pause();
  if (await tab.value(shown) !== all) say("an empty filter does not show all findings");
  await tab.value("document.querySelector('.flt input[type=checkbox]').click()");
  if (await tab.value("document.querySelector('.g').hidden") !== true) say("a severity that is not wanted is shown");
  await tab.value("document.querySelector('.flt input[type=checkbox]').click()");

  await tab.browser.send("Browser.grantPermissions", { permissions: ["clipboardReadWrite", "clipboardSanitizedWrite"] });
  const copied = await tab.value(`(async () => { const button = document.querySelector(".f .cp"); button.click();
    await new Promise((done) => setTimeout(done, 300));
    return [button.textContent, button.previousElementSibling.textContent]; })()`);
  if (copied[0] !== "Copied") say(`the button says ${copied[0]} when it was pressed`);

  const order = await tab.value(`(() => { const table = document.getElementById("servers-t"); if (!table) return [];
    const column = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[2].textContent.replaceAll(",", "")));
    const head = table.tHead.rows[0].cells[2]; head.querySelector("button").click(); const down = column(); head.querySelector("button").click();
    return [down, column(), head.getAttribute("aria-sort")]; })()`);
  const is_sorted = (numbers) => numbers.every((number, nth) => nth === 0 || numbers[nth - 1] <= number);
  if (order.length && !(is_sorted(order[1]) && is_sorted([...order[0]].reverse()) && order[2] === "ascending")) say(`sessions sort so: ${order}`);

  const opened = await tab.value(`(async () => { const finding = [...document.querySelectorAll(".f[id]")].at(-1);
    for (let fold = finding; fold; fold = fold.parentElement.closest("details")) fold.open = false;
    location.hash = finding.id; await new Promise((done) => setTimeout(done, 300));
    return finding.open && finding.closest(".g").open; })()`);
  if (!opened) say("a link to a finding does not open it");
}

const browser = new Browser();
try {
  for (const argument of named) {
    const at = argument.indexOf("=");
    await check(browser, argument.slice(0, at), argument.slice(at + 1));
  }
} finally {
  await browser.close();
}
process.exit(wrong.length === 0 ? 0 : 1);
