/**
 * Closes a test run: what was skipped and why, how long the slowest files took, the bundle's size, and the counts.
 * Arguments: 'passed' or 'failed' for the packed package, which counts as one test; then the paths of the runs' results
 * (.json) and logs (.log), without the extension.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

const [packed, ...runs] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };
total[packed]++;
console.log(`\nThe packed package: ${packed}`);
for (const run of runs) {
  const counts = summarize(run);
  for (const key of Object.keys(total)) total[key] += counts[key];
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);

function summarize(run) {
  if (!existsSync(`${run}.json`)) {
    console.log(`\nno test of the run '${basename(run)}' was run: what comes before the tests failed`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const printed = readFileSync(`${run}.log`, 'utf8');
  const { testResults, numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(`${run}.json`, 'utf8'),
  );
  const files = testResults
    .map(({ name, startTime, endTime, assertionResults }) => ({
      name: relative(process.cwd(), name),
      seconds: (endTime - startTime) / 1000,
      tests: assertionResults,
    }))
    .sort((a, b) => b.seconds - a.seconds);

  console.log(`\nSlowest files of the run '${basename(run)}':`);
  for (const { name, seconds } of files.slice(0, 8)) console.log(`  ${seconds.toFixed(1)} s  ${name}`);

  console.log('\nSkipped:');
  const skipped = files.flatMap(({ name, tests }) =>
    tests.filter(({ status }) => status !== 'passed' && status !== 'failed').map((test) => `${name}: ${test.fullName}`),
  );
  const reasons = new Set(printed.match(/(?<=^skipped: ).*$/gm));
  for (const line of skipped) console.log(`  ${line}`);
  console.log(reasons.size > 0 ? '\nReasons:' : '  nothing');
  for (const line of reasons) console.log(`  ${line}`);

  const bundle = printed.match(/^bundle: .*$/m)?.[0];
  if (bundle) console.log(`\n${bundle}`);
  // a file that cannot be loaded fails without a test
  const broken = testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some((test) => test.status === 'failed');
  }).length;
  const counts = {
    passed: numPassedTests,
    failed: numFailedTests + broken,
    skipped: numPendingTests + numTodoTests,
  };
  console.log(`\n${basename(run)}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts;
}
