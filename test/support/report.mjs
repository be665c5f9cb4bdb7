// Prints one line that sums up test runs, from the reports that the test runner wrote: `N passed, N failed, N skipped`.
// Usage: node test/support/report.mjs <report.json> … Exits with 1 if a report is missing, no test ran in one, or any failed.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const paths = process.argv.slice(2);

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    console.log(`no test report at ${path}: the run ended before the tests did`);
    return undefined;
  }
}

function counts(report) {
  // A file that fails to load, or in its set-up, has no failed test of its own, yet it has failed: it counts as one.
  const hasFailedTest = (file) => file.assertionResults.some((test) => test.status === 'failed');
  const broken = report.testResults.filter((file) => file.status === 'failed' && !hasFailedTest(file));
  for (const file of broken) console.log(`failed outside its tests: ${file.name}`);
  const passed = report.numPassedTests;
  const failed = report.numFailedTests + broken.length;
  return {
    passed,
    failed,
    skipped: report.numPendingTests + report.numTodoTests,
    isGreen: report.success && passed > 0,
  };
}

const reports = paths.map(read);
if (paths.length > 0 && reports.every(Boolean)) {
  const all = reports.map(counts);
  const total = (name) => all.reduce((sum, run) => sum + run[name], 0);
  console.log(`${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped`);
  process.exitCode = total('failed') === 0 && all.every(({ isGreen }) => isGreen) ? 0 : 1;
} else {
  process.exitCode = 1;
}
