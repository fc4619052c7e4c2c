// Prints what Google's csp_evaluator says about the policy in the first argument, as JSON.
const { CspEvaluator } = require("csp_evaluator/dist/evaluator.js");
const { CspParser } = require("csp_evaluator/dist/parser.js");
const { Severity } = require("csp_evaluator/dist/finding.js");
const found = new CspEvaluator(new CspParser(process.argv[2]).csp).evaluate();
console.log(JSON.stringify(found.map((f) => [Severity[f.severity], f.directive, f.value ?? null])));
