// Runs Lighthouse over pages, as a phone and once more over a slow line: reads {chromium, cookies, pages: [{name, url}], runs}
// as JSON from standard input, writes one line of JSON for each run.
import { createInterface } from "node:readline";
import lighthouse from "lighthouse";
import puppeteer from "puppeteer-core";

const lines = [];
for await (const line of createInterface({ input: process.stdin })) lines.push(line);
const { chromium, cookies, pages, runs } = JSON.parse(lines.join(""));

const PHONE = { onlyCategories: ["performance", "accessibility", "best-practices"], output: "json", logLevel: "error" };
// 400 kbit/s, 400 ms there and back, a processor six times slower.
const SLOW = {
    onlyAudits: ["largest-contentful-paint"],
    output: "json",
    logLevel: "error",
    throttlingMethod: "simulate",
    throttling: { rttMs: 400, throughputKbps: 400, cpuSlowdownMultiplier: 6 },
};

const browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: ["--no-sandbox", "--headless=new"] });
try {
    const port = Number(new URL(browser.wsEndpoint()).port);
    if (cookies.length) await browser.setCookie(...cookies);
    for (const { name, url } of pages) {
        for (let run = 0; run < runs; run += 1) {
            const { lhr } = await lighthouse(url, { port, ...PHONE });
            if (lhr.runtimeError) throw new Error(`${url}: ${lhr.runtimeError.message}`);
            const { lhr: slow } = await lighthouse(url, { port, ...SLOW });
            if (slow.runtimeError) throw new Error(`${url}: ${slow.runtimeError.message}`);
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
                slow: slow.audits["largest-contentful-paint"].numericValue,
                failed,
            }));
        }
    }
} finally {
    await browser.close();
}
