// Prints the one line that sums up a test run, from the report that the test runner wrote: `N passed, N failed, N skipped`.
// Usage: node test/support/report.mjs <report.json>. Exits with 1 if there is no report, no test ran, or any failed.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const [path] = process.argv.slice(2);

function read() {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    console.log(`no test report at ${path}: the run ended before the tests did`);
    return undefined;
  }
}

const report = read();
if (report) {
  // A file that fails to load, or in its set-up, has no failed test of its own, yet it has failed: it counts as one.
  const hasFailedTest = (file) => file.assertionResults.some((test) => test.status === 'failed');
  const broken = report.testResults.filter((file) => file.status === 'failed' && !hasFailedTest(file));
  for (const file of broken) console.log(`failed outside its tests: ${file.name}`);
  const passed = report.numPassedTests;
  const failed = report.numFailedTests + broken.length;
  const skipped = report.numPendingTests + report.numTodoTests;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && passed > 0 && report.success ? 0 : 1;
} else {
  process.exitCode = 1;
}
