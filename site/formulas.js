// Every formula of the site in one go: reads [[tex, display], ...] as JSON, writes {html: [...], problems: [...]}.
const katex = require("./katex.min.js");
const html = [], problems = [];
for (const [tex, display] of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  try {
    html.push(katex.renderToString(tex, { displayMode: display, strict: (code) => (code === "unicodeTextInMathMode" ? "ignore" : "error") }));
  } catch (error) {
    html.push("");
    problems.push(`${error.message} in ${tex}`);
  }
}
process.stdout.write(JSON.stringify({ html, problems }));
