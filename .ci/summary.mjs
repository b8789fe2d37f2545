/** Closes a test run: what was skipped and why, how long the slowest files took, the bundle's size, and the counts. */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [results, log] = process.argv.slice(2);
const printed = readFileSync(log, 'utf8');
if (existsSync(results)) {
  const { testResults, numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(results, 'utf8'),
  );
  const files = testResults
    .map(({ name, startTime, endTime, assertionResults }) => ({
      name: relative(process.cwd(), name),
      seconds: (endTime - startTime) / 1000,
      tests: assertionResults,
    }))
    .sort((a, b) => b.seconds - a.seconds);

  console.log('\nSlowest files:');
  for (const { name, seconds } of files.slice(0, 8)) console.log(`  ${seconds.toFixed(1)} s  ${name}`);

  console.log('\nSkipped:');
  const skipped = files.flatMap(({ name, tests }) =>
    tests.filter(({ status }) => status !== 'passed' && status !== 'failed').map((test) => `${name}: ${test.fullName}`),
  );
  const reasons = new Set(printed.match(/(?<=^skipped: ).*$/gm));
  for (const line of skipped) console.log(`  ${line}`);
  console.log(reasons.size > 0 ? '\nReasons:' : '  nothing');
  for (const line of reasons) console.log(`  ${line}`);

  console.log(`\n${printed.match(/^bundle: .*$/m)?.[0] ?? 'bundle: not measured'}`);
  // a file that cannot be loaded fails without a test
  const broken = testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some((test) => test.status === 'failed');
  }).length;
  console.log(`${numPassedTests} passed, ${numFailedTests + broken} failed, ${numPendingTests + numTodoTests} skipped`);
} else {
  console.log('\nno test was run: what comes before the tests failed\n0 passed, 1 failed');
}
