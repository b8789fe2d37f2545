/** C's strftime in the C locale and local time, as Python's datetime.now().strftime() on Linux. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

type Field = readonly [value: number | string, width?: number, padding?: '0' | ' '];
const two = (value: number): Field => [value, 2, '0'];

const fields: Readonly<Record<string, (date: Date) => Field>> = {
  a: (date) => [DAYS[date.getDay()].slice(0, 3)],
  A: (date) => [DAYS[date.getDay()]],
  b: (date) => [MONTHS[date.getMonth()].slice(0, 3)],
  B: (date) => [MONTHS[date.getMonth()]],
  C: (date) => two(Math.floor(date.getFullYear() / 100)),
  d: (date) => two(date.getDate()),
  e: (date) => [date.getDate(), 2, ' '],
  f: (date) => [date.getMilliseconds() * 1000, 6, '0'],
  g: (date) => two(isoWeek(date).year % 100),
  G: (date) => [isoWeek(date).year, 4, '0'],
  h: (date) => [MONTHS[date.getMonth()].slice(0, 3)],
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  j: (date) => [dayOfYear(date) + 1, 3, '0'],
  k: (date) => [date.getHours(), 2, ' '],
  l: (date) => [date.getHours() % 12 || 12, 2, ' '],
  m: (date) => two(date.getMonth() + 1),
  M: (date) => two(date.getMinutes()),
  n: () => ['\n'],
  p: (date) => [date.getHours() < 12 ? 'AM' : 'PM'],
  P: (date) => [date.getHours() < 12 ? 'am' : 'pm'],
  s: (date) => [Math.floor(date.getTime() / 1000)],
  S: (date) => two(date.getSeconds()),
  t: () => ['\t'],
  u: (date) => [date.getDay() || 7],
  U: (date) => two(Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7)),
  V: (date) => two(isoWeek(date).week),
  w: (date) => [date.getDay()],
  W: (date) => two(Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7)),
  y: (date) => two(date.getFullYear() % 100),
  // the year is not padded; Python's naive dates have no time zone
  Y: (date) => [date.getFullYear()],
  z: () => [''],
  Z: () => [''],
  '%': () => ['%'],
};

const COMBINED: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

/** `%-d` omits the padding, `%_d` pads with spaces, `%^a` is upper case. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_0^]?)([a-zA-Z%])/g, (whole, flag: string, name: string) => {
    if (Object.hasOwn(COMBINED, name)) return strftime(date, COMBINED[name]);
    if (!Object.hasOwn(fields, name)) return whole;
    const [value, width = 0, padding = '0'] = fields[name](date);
    const text = String(value);
    if (flag === '^') return text.toUpperCase();
    if (flag === '-') return text;
    return text.padStart(width, flag === '_' ? ' ' : flag === '0' ? '0' : padding);
  });
}

/** Day of the year, 0-based. */
function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1);
  return Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86_400_000);
}

/** ISO week: week 1 contains the year's first Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}
