// Runs Lighthouse over pages, as a phone, and opens each once more over a slow line with a slow processor: reads {chromium,
// cookies, pages: [{name, url, slow}], runs, processor} as JSON from standard input (slow: the page's address over that line;
// processor: how many times slower), writes one line of JSON for each run.
import { createInterface } from "node:readline";
import lighthouse from "lighthouse";
import { LanternLargestContentfulPaint } from "lighthouse/core/computed/metrics/lantern-largest-contentful-paint.js";
import puppeteer from "puppeteer-core";

const lines = [];
for await (const line of createInterface({ input: process.stdin })) lines.push(line);
const { chromium, cookies, pages, runs, processor } = JSON.parse(lines.join(""));

const PHONE = { onlyCategories: ["performance", "accessibility", "best-practices"], output: "json", logLevel: "error" };
const SCREEN = { width: 412, height: 823, deviceScaleFactor: 1.75, isMobile: true, hasTouch: true }; // as Lighthouse's phone

const browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: ["--no-sandbox", "--headless=new"] });

// The largest paint as the browser itself tells it, of somebody who was never here: no connection stands, nothing is kept.
const largestPaint = async (url) => {
    const context = await browser.createBrowserContext();
    if (cookies.length) await context.setCookie(...cookies);
    const page = await context.newPage();
    await page.setViewport(SCREEN);
    await page.emulateCPUThrottling(processor);
    await page.goto(url, { waitUntil: "load", timeout: 60_000 });
    const paint = await page.evaluate(() => new Promise((told) => {
        new PerformanceObserver((list) => told(list.getEntries().at(-1).startTime)).observe({ type: "largest-contentful-paint", buffered: true });
    }));
    await context.close();
    return paint;
};

// What Lighthouse would reckon for that line and processor from the run that it has seen.
const reckoned = async ({ lhr, artifacts }) => {
    const settings = { ...lhr.configSettings, throttling: { rttMs: 400, throughputKbps: 400, cpuSlowdownMultiplier: processor } };
    const seen = {
        trace: artifacts.Trace,
        devtoolsLog: artifacts.DevtoolsLog,
        gatherContext: artifacts.GatherContext,
        URL: artifacts.URL,
        SourceMaps: artifacts.SourceMaps,
        settings,
        simulator: null,
    };
    return (await LanternLargestContentfulPaint.request(seen, { computedCache: new Map(), settings })).timing;
};

try {
    const port = Number(new URL(browser.wsEndpoint()).port);
    // On a busy machine a trace goes missing now and then ("please run Lighthouse again").
    const looked = async (url, tries = 3) => {
        const result = await lighthouse(url, { port, ...PHONE });
        const { runtimeError } = result.lhr;
        if (!runtimeError) return result;
        if (tries > 1) return looked(url, tries - 1);
        throw new Error(`${url}: ${runtimeError.message}`);
    };
    if (cookies.length) await browser.setCookie(...cookies);
    for (const { name, url, slow } of pages) {
        for (let run = 0; run < runs; run += 1) {
            const result = await looked(url);
            const { lhr } = result;
            const failed = ["accessibility", "best-practices"].flatMap((part) => lhr.categories[part].auditRefs
                .filter(({ id, weight }) => weight > 0 && lhr.audits[id].score !== null && lhr.audits[id].score < 1)
                .map(({ id }) => id));
            console.log(JSON.stringify({
                name,
                shown: lhr.finalDisplayedUrl,
                performance: Math.round(100 * lhr.categories.performance.score),
                accessibility: Math.round(100 * lhr.categories.accessibility.score),
                practices: Math.round(100 * lhr.categories["best-practices"].score),
                paint: lhr.audits["largest-contentful-paint"].numericValue,
                slow: await largestPaint(slow),
                reckoned: await reckoned(result),
                failed,
            }));
        }
    }
} finally {
    await browser.close();
}
