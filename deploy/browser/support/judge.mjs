// Whether everybody can use a page.
import { AXE, NARROW, WIDE } from "./browser.mjs";

const COLOURS = ["color-contrast", "link-in-text-block"];
// Colours depend on the scheme, all else on the width at most.
export const LOOKS = [
  ["wide, light", WIDE, "light", {}],
  ["wide, dark", WIDE, "dark", { runOnly: COLOURS }],
  ["narrow", NARROW, "light", { rules: Object.fromEntries(COLOURS.map((rule) => [rule, { enabled: false }])) }],
];

/** What axe finds, what has the focus unseen, and whether a phone must scroll sideways. The page lets scripts of the spec in. */
export async function judge(page, path, looks = LOOKS) {
  await page.addScriptTag({ path: AXE });
  const found = [];
  for (const [look, viewport, colorScheme, options] of looks) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(
      (options) => window.axe.run({ resultTypes: ["violations"], ...options }),
      options,
    );
    for (const { id, nodes } of violations) {
      const told = nodes.slice(0, 3).map(({ html, failureSummary }) => `${path}, ${look}: ${id}: ${html} ${failureSummary}`);
      found.push(...told);
    }
  }
  found.push(...(await unseen(page)).map((html) => `${path}: the focus is not seen on ${html}`));
  await page.setViewportSize(NARROW);
  const [width, within] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  if (width > within) found.push(`${path} is ${width} wide in ${within}`);
  return found;
}

/** What can have the focus of the keyboard without being marked then. */
async function unseen(page) {
  // From then on what a script gives the focus to is as if a key had led there.
  await page.keyboard.press("Tab");
  return page.evaluate(() => {
    const within = document.querySelector("dialog[open]") ?? document;
    const stops = within.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']");
    const isUnseen = (stop) => {
      stop.focus();
      if (document.activeElement !== stop) return false;
      const { outlineStyle, outlineWidth } = getComputedStyle(stop);
      return outlineStyle !== "solid" || parseFloat(outlineWidth) <= 1;
    };
    return [...stops].filter(isUnseen).map(({ outerHTML }) => outerHTML.slice(0, 100));
  });
}
