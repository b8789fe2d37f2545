/** Batteries of Linux and Android: /sys/class/power_supply, by type, never by name. */
import { type FileTree, numberIn } from './fileTree.ts';
import type { Battery, Signal } from './signals.ts';

const SUPPLIES = 'sys/class/power_supply';
/** Watts of a battery that a device with a processor can have. */
const [LEAST_WATTS, MOST_WATTS] = [0.01, 500];

interface Cell extends Battery {
  readonly name: string;
  /** Watt hours when full, or 1 where the file system does not tell. */
  readonly capacity: number;
}

export async function batteryOf(tree: FileTree): Promise<Signal<Battery> | undefined> {
  const cells: Cell[] = [];
  for (const name of await tree.list(SUPPLIES)) {
    const cell = await cellOf(tree, name);
    if (cell) cells.push(cell);
  }
  if (cells.length === 0) return undefined;
  // laptops with two batteries drain one after the other
  const total = cells.reduce((sum, { capacity }) => sum + capacity, 0);
  const level = cells.reduce((sum, cell) => sum + cell.level * cell.capacity, 0) / total;
  const isCharging = cells.some((cell) => cell.isCharging) || !cells.some(({ watts }) => watts !== 0);
  const known = cells.filter(({ watts }) => watts !== undefined);
  const watts = known.length > 0 ? known.reduce((sum, cell) => sum + cell.watts!, 0) : undefined;
  const source = cells.map(({ name }) => `power_supply/${name}`).join(', ');
  return { value: { level, isCharging, ...(watts !== undefined && { watts }) }, source };
}

async function cellOf(tree: FileTree, name: string): Promise<Cell | undefined> {
  const path = `${SUPPLIES}/${name}`;
  if ((await tree.text(`${path}/type`))?.trim() !== 'Battery') return undefined;
  // mice and headsets are batteries with the scope Device
  if ((await tree.text(`${path}/scope`))?.trim() === 'Device') return undefined;
  if ((await tree.text(`${path}/present`))?.trim() === '0') return undefined;
  const percent = await numberIn(tree, `${path}/capacity`, 0, 100);
  const full = (await numberIn(tree, `${path}/energy_full`, 1)) ?? (await numberIn(tree, `${path}/charge_full`, 1));
  const now = (await numberIn(tree, `${path}/energy_now`, 0)) ?? (await numberIn(tree, `${path}/charge_now`, 0));
  const level = percent !== undefined ? percent / 100 : full && now !== undefined ? Math.min(1, now / full) : undefined;
  if (level === undefined) return undefined;
  const status = (await tree.text(`${path}/status`))?.trim();
  const isCharging = status !== undefined && status !== 'Discharging' && status !== 'Unknown';
  const watts = isCharging ? 0 : await wattsOf(tree, path);
  return { name, level, isCharging, ...(watts !== undefined && { watts }), capacity: full ?? 1 };
}

/** µW, or µA times µV. Some phones report a negative current while they discharge. */
async function wattsOf(tree: FileTree, path: string): Promise<number | undefined> {
  const power = await numberIn(tree, `${path}/power_now`);
  const current = await numberIn(tree, `${path}/current_now`);
  const voltage = await numberIn(tree, `${path}/voltage_now`, 0);
  const watts =
    power !== undefined && power !== 0
      ? Math.abs(power) / 1e6
      : current !== undefined && voltage !== undefined
        ? (Math.abs(current) * voltage) / 1e12
        : undefined;
  return watts !== undefined && watts >= LEAST_WATTS && watts <= MOST_WATTS ? watts : undefined;
}
